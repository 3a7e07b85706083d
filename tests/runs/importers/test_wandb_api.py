"""Reading a project through `wandb.Api`, with an object in its place that answers from memory."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from isoloss.errors import EnvironmentProblem, NotFoundError, UsageError
from isoloss.runs.importers.wandb_api import read_wandb_project


class CommError(Exception):
    """As wandb's own, by its module."""


CommError.__module__ = "wandb.errors.errors"


class FakeRun:
    """A run with the attributes that `wandb.apis.public.Run` has."""

    def __init__(self, identity: str, state: str = "finished", rows: int = 3) -> None:
        self.id, self.name, self.state = identity, f"run {identity}", state
        self.project, self.group, self.job_type, self.tags = "tiny", "ladder", None, ["a", "b"]
        self.created_at = "2026-11-26T11:08:34Z"
        self.config = {"lr": 3e-4, "model": {"d": 64}, "widths": [1, 2]}
        definitions = [
            {"1": "tokens"},
            {"1": "train/loss", "5": 1, "6": [3]},
            {"2": "eval/*", "4": "tokens"},
        ]
        self.rawconfig = {**self.config, "_wandb": {"m": definitions, "python_version": "3"}}
        self.summary_metrics = {"train/loss": 1.5, "_wandb": {"runtime": 3}, "bad": "NaN"}
        self.rows = rows
        self.pages: list[int] = []

    def scan_history(self, page_size: int = 1000) -> Iterator[dict[str, Any]]:
        """Rows of all keys, with None where nothing was logged, as the service gives them."""
        self.pages.append(page_size)
        for step in range(self.rows):
            yield {
                "_step": step,
                "_runtime": 0.5 * step,
                "tokens": 1000 * step,
                "train/loss": "NaN" if step == 1 else 3.0 - step,
                "epoch": None if step % 2 else step // 2,
                "eval/loss": None if step % 2 else 4.0,
                "picture": {"_type": "image-file", "path": "x.png"},
            }


class FakeApi:
    """Gives runs page by page and remembers what it was asked for."""

    def __init__(self, runs: list[FakeRun], error: Exception | None = None) -> None:
        self.all, self.error = runs, error
        self.asked: list[tuple[object, ...]] = []

    def runs(self, path: str, order: str, per_page: int) -> Iterator[FakeRun]:
        self.asked.append((path, order, per_page))
        # As wandb does, fail when the first page is needed, not when the runs are asked for.
        for start in range(0, max(len(self.all), 1), per_page):
            if self.error is not None:
                raise self.error
            yield from self.all[start : start + per_page]

    def run(self, path: str) -> FakeRun:
        self.asked.append((path,))
        return self.all[0]


def test_every_run_of_every_page_is_read() -> None:
    api = FakeApi([FakeRun(f"r{index}") for index in range(120)])
    runs = read_wandb_project("wandb:team/tiny", api=api)
    assert [run.name for run in runs] == [f"run r{index}" for index in range(120)]
    assert api.asked == [("team/tiny", "+created_at", 50)]
    assert runs[7].source == "wandb:team/tiny/r7"
    assert runs[7].created_at == "2026-11-26T11:08:34+00:00"


def test_the_whole_history_is_read_over_its_step_metrics() -> None:
    run = FakeRun("r1", rows=2500)
    (read,) = read_wandb_project("wandb:team/tiny", api=FakeApi([run]))
    assert run.pages == [1000]
    loss = read.metrics["train/loss"]
    assert loss.steps == tuple(1000 * step for step in range(2500))
    assert math.isnan(loss.values[1])
    assert loss.values[2:4] == (1.0, 0.0)
    assert read.metrics["eval/loss"].steps == tuple(range(0, 2_500_000, 2000))
    assert read.metrics["_runtime"].values[:3] == (0, 0.5, 1)
    assert "Not numbers and left out: 1 metric (picture)." in read.notes


def test_configuration_and_summary_are_flat() -> None:
    (read,) = read_wandb_project("wandb:team/tiny", api=FakeApi([FakeRun("r1")]))
    assert read.config == {
        "lr": 3e-4,
        "model.d": 64,
        "widths": "[1, 2]",
        "wandb.id": "r1",
        "wandb.project": "tiny",
        "wandb.group": "ladder",
        "wandb.tags": "a, b",
    }
    assert read.summary["train/loss"] == 1.5
    bad = read.summary["bad"]
    assert isinstance(bad, float)
    assert math.isnan(bad)
    assert "_wandb.runtime" not in read.summary


@pytest.mark.parametrize(
    ("state", "status", "reason"),
    [
        ("finished", "ok", ""),
        ("running", "running", "W&B has it as running"),
        ("crashed", "failed", "W&B has it as crashed"),
        ("killed", "failed", "W&B has it as killed"),
    ],
)
def test_states(state: str, status: str, reason: str) -> None:
    (read,) = read_wandb_project("wandb:team/tiny", api=FakeApi([FakeRun("r1", state)]))
    assert (read.status, read.reason) == (status, reason)


def test_one_run_by_its_id() -> None:
    api = FakeApi([FakeRun("r1")])
    (read,) = read_wandb_project("wandb:team/tiny/r1", api=api)
    assert api.asked == [("team/tiny/r1",)]
    assert read.source == "wandb:team/tiny/r1"


@pytest.mark.parametrize("address", ["wandb:tiny", "team/tiny", "wandb:a/b/c/d", "wandb: / ", ""])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_wandb_project(address, api=FakeApi([]))
    assert "wandb:ENTITY/PROJECT" in caught.value.hint


@pytest.mark.parametrize(
    ("error", "kind", "hint"),
    [
        (ValueError("Could not find project tiny"), NotFoundError, "entity and project"),
        (CommError("Error 403: permission denied"), EnvironmentProblem, "wandb login"),
        (CommError("api_key not configured (no-tty)"), EnvironmentProblem, "wandb login"),
        (ConnectionError("name resolution failed"), EnvironmentProblem, "network"),
        (TimeoutError(), EnvironmentProblem, "network"),
    ],
)
def test_failures_of_the_service_are_errors_with_a_hint(
    error: Exception, kind: type[Exception], hint: str
) -> None:
    with pytest.raises(kind) as caught:
        read_wandb_project("wandb:team/tiny", api=FakeApi([], error))
    assert hint in getattr(caught.value, "hint", "")
    assert "wandb:team/tiny" in str(caught.value)


def test_failures_of_ours_are_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        read_wandb_project("wandb:team/tiny", api=FakeApi([], ZeroDivisionError()))


def test_an_empty_project_is_said() -> None:
    with pytest.raises(NotFoundError, match="no runs in it"):
        read_wandb_project("wandb:team/tiny", api=FakeApi([]))


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = builtins.__import__

    def blocked(name: str, *rest: Any, **more: Any) -> Any:
        if name == "wandb":
            raise ModuleNotFoundError("No module named 'wandb'", name="wandb")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", blocked)
    with pytest.raises(EnvironmentProblem) as caught:
        read_wandb_project("wandb:team/tiny")
    assert 'pip install "isoloss[wandb]"' in caught.value.hint
