"""Trunks and ladders: killed at any moment, they end in the same numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isoloss.corpus import Corpus
from isoloss.errors import DataError, EnvironmentProblem, NotFoundError, UsageError
from isoloss.ladders import LadderPlan, LadderProgress, Trunk, engine, train_ladder, train_trunk
from isoloss.runs import Runs
from isoloss.training import Recipe, TrainingState, train_run
from isoloss.training.schedules import Shape

Row = dict[str, Any]


class Killed(Exception):
    """Stands for a kill between two steps."""


def numbers(rows: list[Row]) -> dict[str, Row]:
    """Rows by run, without when and how fast."""
    timing = ("created_at", "meta_seconds")
    return {r["run_id"]: {k: v for k, v in r.items() if k not in timing} for r in rows}


def trunk_rows(
    trunk: Trunk, corpus: Corpus, folder: Path, known: set[str] = frozenset()
) -> list[Row]:  # type: ignore[assignment]
    rows: list[Row] = []
    train_trunk(trunk, corpus.path, folder, set(known), rows.append)
    return rows


def killer(at: int) -> Callable[[int], None]:
    done = 0

    def on_step(steps: int) -> None:
        nonlocal done
        done += steps
        if done == at:
            raise Killed

    return on_step


def test_every_branch_equals_a_run_of_its_own(
    tiny_plan: LadderPlan, tiny_corpus: Corpus, tmp_path: Path
) -> None:
    trunk = tiny_plan.trunks[0]
    rows = trunk_rows(trunk, tiny_corpus, tmp_path)
    assert [row["run_id"] for row in rows] == [run.run_id for run in trunk.runs]
    for run, row in zip(trunk.runs, rows, strict=True):
        alone = train_run(run, tiny_corpus, tmp_path / run.run_id)
        assert (row["loss"], row["loss_se"]) == (alone["loss"], alone["loss_se"])
        assert row["own_flops"] < alone["own_flops"] == row["flops"]
    assert not (tmp_path / trunk.trunk_id).exists()


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_other_schedules_share_what_they_can(
    schedule: Shape, tiny_plan: LadderPlan, tiny_corpus: Corpus, tmp_path: Path
) -> None:
    recipe = replace(tiny_plan.trunks[0].runs[0].recipe, schedule=schedule)
    trunk = Trunk(runs=tuple(replace(run, recipe=recipe) for run in tiny_plan.trunks[0].runs))
    lengths = [run.steps for run in trunk.runs]
    shares = schedule == "constant"
    assert trunk.own_steps() == (max(lengths) if shares else sum(lengths))
    stepped: list[int] = []
    rows: list[Row] = []
    train_trunk(trunk, tiny_corpus.path, tmp_path, set(), rows.append, stepped.append)
    assert sum(stepped) == trunk.own_steps()
    for run, row in zip(trunk.runs, rows, strict=True):
        alone = train_run(run, tiny_corpus, tmp_path / run.run_id)
        assert (row["loss"], row["loss_se"]) == (alone["loss"], alone["loss_se"])
        assert row["own_flops"] == (0 if shares else row["flops"])
        assert row["parent_id"] == (trunk.trunk_id if shares else None)


def test_a_trunk_of_runs_that_are_not_alike_is_refused(tiny_plan: LadderPlan) -> None:
    first, second = tiny_plan.trunks[0].runs
    changes: tuple[dict[str, Any], ...] = (
        {"recipe": replace(second.recipe, warmup_steps=second.steps // 8)},
        {"recipe": replace(second.recipe, batch_tokens=512)},
        {"recipe": replace(second.recipe, base_learning_rate=0.001)},
        {"seed": 5},
    )
    for change in changes:
        with pytest.raises(UsageError, match="differ in more than their steps"):
            Trunk(runs=(first, replace(second, **change)))


@pytest.mark.parametrize("at", [3, 10, 11, 12, 17, 21, 23, 26])
def test_a_trunk_killed_at_any_step_ends_in_the_same_rows(
    tiny_plan: LadderPlan, tiny_corpus: Corpus, tmp_path: Path, at: int
) -> None:
    trunk = tiny_plan.trunks[0]
    expected = numbers(trunk_rows(trunk, tiny_corpus, tmp_path / "whole"))
    rows: list[Row] = []
    with pytest.raises(Killed):
        train_trunk(trunk, tiny_corpus.path, tmp_path / "k", set(), rows.append, killer(at))
    known = {row["run_id"] for row in rows}
    assert len(known) == (at > 12)
    rest = trunk_rows(trunk, tiny_corpus, tmp_path / "k", known)
    assert known.isdisjoint(row["run_id"] for row in rest)
    assert numbers(rows + rest) == expected


def test_a_finished_segment_of_the_trunk_is_not_trained_again(
    tiny_plan: LadderPlan, tiny_corpus: Corpus, tmp_path: Path
) -> None:
    trunk, rows, steps = tiny_plan.trunks[0], list[Row](), list[int]()
    with pytest.raises(Killed):
        train_trunk(trunk, tiny_corpus.path, tmp_path, set(), rows.append, killer(23))
    known = {row["run_id"] for row in rows}
    train_trunk(trunk, tiny_corpus.path, tmp_path, known, rows.append, steps.append)
    # The killed branch alone; the trunk was saved where it leaves, nine steps after the known run.
    assert steps == [9, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("junk", ["cut", "other"])
def test_a_useless_checkpoint_of_a_trunk_is_left_out(
    tiny_plan: LadderPlan, tiny_corpus: Corpus, tmp_path: Path, junk: str
) -> None:
    trunk = tiny_plan.trunks[0]
    saved = tmp_path / trunk.trunk_id / "00000010.safetensors"
    run = trunk.runs[0]
    other = replace(run.recipe, momentum=0.5) if junk == "other" else run.recipe
    state = TrainingState.start(run.architecture, other, seed=0)
    state.step = 10
    state.save(saved)
    if junk == "cut":
        saved.write_bytes(saved.read_bytes()[:-7])
    (saved.parent / "notes.safetensors").write_text("junk")
    rows = trunk_rows(trunk, tiny_corpus, tmp_path)
    assert numbers(rows) == numbers(trunk_rows(trunk, tiny_corpus, tmp_path / "whole"))


def test_a_diverged_trunk_keeps_all_its_runs_with_the_reason(
    tiny_plan: LadderPlan, tiny_corpus: Corpus, tmp_path: Path
) -> None:
    wild = Recipe(warmup_steps=1, batch_tokens=256, base_learning_rate=1e6)
    trunk = Trunk(runs=tuple(replace(run, recipe=wild) for run in tiny_plan.trunks[0].runs))
    rows = trunk_rows(trunk, tiny_corpus, tmp_path)
    assert [row["run_id"] for row in rows] == [run.run_id for run in trunk.runs]
    for row in rows:
        assert (row["status"], row["loss"], row["own_flops"]) == ("diverged", None, 0)
        assert "at step" in row["reason"]
        assert row["created_at"]
    assert (
        trunk_rows(trunk, tiny_corpus, tmp_path, {rows[0]["run_id"]})[0]["run_id"]
        == (rows[1]["run_id"])
    )
    runs = Runs.from_rows(rows)
    assert (len(runs), len(runs.used())) == (2, 0)


def test_another_corpus_is_refused(
    tiny_plan: LadderPlan, tiny_corpus: Corpus, tmp_path: Path
) -> None:
    runs = tuple(replace(r, corpus_fingerprint="0" * 64) for r in tiny_plan.trunks[0].runs)
    with pytest.raises(DataError, match="the run was planned for 000000000000"):
        trunk_rows(Trunk(runs=runs), tiny_corpus, tmp_path)


SCRIPT = """
import json, os, signal, sys
from pathlib import Path
from isoloss.ladders import LadderPlan, train_ladder

plan_path, corpus, folder, rows, kill_after = sys.argv[1:]
known = {json.loads(line)["run_id"] for line in open(rows)} if os.path.exists(rows) else set()
written = 0

def on_row(row):
    global written
    assert row["run_id"] not in known
    with open(rows, "a") as file:
        file.write(json.dumps(row) + "\\n")
    written += 1
    if written == int(kill_after):
        os.kill(os.getpid(), signal.SIGKILL)

def on_progress(news):
    print(json.dumps([news.flops_done / news.flops_total, news.runs_done, news.runs_total]))

if __name__ == "__main__":
    plan = LadderPlan.from_dict(json.loads(Path(plan_path).read_text()))
    train_ladder(plan, Path(corpus), Path(folder), known=known, on_row=on_row,
                 on_progress=on_progress)
"""


def test_a_ladder_killed_with_sigkill_ends_in_the_same_rows(
    tiny_plan: LadderPlan, tiny_corpus: Corpus, tmp_path: Path
) -> None:
    script, plan, rows = tmp_path / "ladder.py", tmp_path / "plan.json", tmp_path / "rows.jsonl"
    script.write_text(SCRIPT)
    plan.write_text(json.dumps(replace(tiny_plan, workers=1).to_dict()))

    def run(kill_after: int) -> subprocess.CompletedProcess[str]:
        words = [script, plan, tiny_corpus.path, tmp_path / "trunks", rows, kill_after]
        return subprocess.run(
            [sys.executable, *map(str, words)],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    killed = run(kill_after=2)
    assert killed.returncode == -9, killed.stderr
    assert len(rows.read_text().splitlines()) == 2
    resumed = run(kill_after=0)
    assert resumed.returncode == 0, resumed.stderr
    found = [json.loads(line) for line in rows.read_text().splitlines()]
    assert len(found) == len(tiny_plan.runs())
    expected: list[Row] = []
    for trunk in tiny_plan.trunks:
        expected += trunk_rows(trunk, tiny_corpus, tmp_path / "whole")
    assert numbers(found) == json.loads(json.dumps(numbers(expected)))
    progress = [json.loads(line) for line in resumed.stdout.splitlines()]
    shares = [share for share, _, _ in progress]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] == pytest.approx(1)
    assert progress[-1][1:] == [len(found), len(found)]
    assert not list((tmp_path / "trunks").iterdir())


def test_a_finished_ladder_does_nothing_but_tidy(
    tiny_plan: LadderPlan, tiny_corpus: Corpus, tmp_path: Path
) -> None:
    left = tmp_path / tiny_plan.trunks[0].trunk_id / "00000010.safetensors"
    left.parent.mkdir()
    left.write_text("left over")
    known = {run.run_id for run in tiny_plan.runs()}
    train_ladder(
        tiny_plan,
        tiny_corpus.path,
        tmp_path,
        known=known,
        on_row=pytest.fail,
        on_progress=pytest.fail,
    )
    assert not left.parent.exists()


def test_mistakes_of_workers_reach_the_caller(tiny_plan: LadderPlan, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no prepared corpus"):
        train_ladder(
            tiny_plan, tmp_path, tmp_path, known=set(), on_row=pytest.fail, on_progress=print
        )


class Dead:
    """A worker that was killed."""

    exitcode = -9


def test_a_dead_worker_is_noticed_after_what_it_sent(tiny_plan: LadderPlan) -> None:
    import queue

    results: Any = queue.Queue()
    row = {"run_id": tiny_plan.runs()[0].run_id, "name": "a", "status": "ok", "loss": 3.0}
    results.put(("row", row))
    rows: list[Row] = []
    news: list[LadderProgress] = []
    with pytest.raises(EnvironmentProblem, match="a worker process died") as caught:
        engine._collect(tiny_plan, [Dead()], results, set(), rows.append, news.append)
    assert rows == [row]
    assert news[0].message == "a: loss 3.0000"
    assert "it continues" in caught.value.hint
