"""Runs of a W&B project through the `wandb` package and its account: `wandb:ENTITY/PROJECT`.

The whole history is read, not the sample of it that the site draws. Media, tables, histograms,
system metrics and artifacts are not read.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator
from typing import Any, cast

from isoloss.errors import EnvironmentProblem, IsolossError, NotFoundError, UsageError
from isoloss.runs.importers._finding import counted, distinct, listed, utc_of_text
from isoloss.runs.importers._flat import flat, mapping
from isoloss.runs.importers._points import Points, number
from isoloss.runs.importers._scalars import scalars
from isoloss.runs.importers._wandb_axes import axes_of_config
from isoloss.runs.importers.history import RunHistory

_ADDRESS = re.compile(r"wandb:(?P<path>[^/\s]+/[^/\s]+(?:/[^/\s]+)?)")
_PAGE_OF_RUNS = 50
_PAGE_OF_ROWS = 1000
_RUNNING = frozenset({"running", "pending", "preempting"})
_LIBRARIES = frozenset({"wandb", "requests", "urllib3", "httpx", "wandb_gql", "wandb_graphql"})


def read_wandb_project(address: str, *, api: Any = None) -> list[RunHistory]:
    """The runs of `wandb:ENTITY/PROJECT`, the oldest first, or one: `wandb:ENTITY/PROJECT/RUN`.

    Args:
        address: the project or run.
        api: what asks W&B, a `wandb.Api()`; made where it is not given.

    Raises:
        UsageError: the address is none; NotFoundError: there is no such project, or no run in it;
        EnvironmentProblem: `wandb` is not installed or not logged in, or W&B does not answer.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise UsageError(
            f"expected an address of W&B, found {address!r}",
            hint="Write wandb:ENTITY/PROJECT, or wandb:ENTITY/PROJECT/RUN for one run.",
        )
    path = found["path"]
    with _in_our_words(address):
        source = _new_api() if api is None else api
        if path.count("/") == 2:
            runs = [source.run(path)]
        else:
            runs = source.runs(path, order="+created_at", per_page=_PAGE_OF_RUNS)
        histories, ids = list[RunHistory](), list[str]()
        for run in runs:
            histories.append(_history(run, address))
            ids.append(str(run.id))
    if not histories:
        raise NotFoundError(f"{address}: no runs in it", hint="Check entity and project.")
    return distinct(histories, ids)


def _new_api() -> Any:
    try:
        import wandb  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        if error.name != "wandb":
            raise
        raise EnvironmentProblem(
            "reading a project of W&B needs the package 'wandb', which is not installed",
            hint='Install it with: pip install "isoloss[wandb]"',
        ) from error
    return cast("Any", wandb).Api()


def _history(run: Any, address: str) -> RunHistory:
    points, skipped = Points(), set[str]()
    for index, row in enumerate(run.scan_history(page_size=_PAGE_OF_ROWS)):
        step = number(row.get("_step"))
        for name, value in scalars({(str(key),): item for key, item in row.items()}, skipped):
            if name != "_step":
                points.add(name, index if step is None else step, value)
    raw = mapping(getattr(run, "rawconfig", None)) or {}
    axes = axes_of_config((mapping(raw.get("_wandb")) or {}).get("m"))
    metrics, notes = axes.applied(points)
    if skipped:
        names = sorted(skipped)
        left = f"Not numbers and left out: {counted(len(names), 'metric')} ({listed(names)})."
        notes = (*notes, left)
    status, reason = _standing(str(run.state))
    return RunHistory(
        name=str(run.name or run.id),
        source=address if address.endswith(f"/{run.id}") else f"{address}/{run.id}",
        config={**_values(run.config), **_facts(run)},
        summary=_values(getattr(run, "summary_metrics", None)),
        metrics=metrics,
        status=status,
        reason=reason,
        created_at=utc_of_text(str(run.created_at or "")),
        notes=notes,
    )


def _standing(state: str) -> tuple[str, str]:
    if state == "finished":
        return "ok", ""
    kind = "running" if state in _RUNNING else "failed"
    return kind, f"W&B has it as {state}"


def _facts(run: Any) -> dict[str, object]:
    """What offline logs say too, under the same names."""
    facts: dict[str, object] = {"wandb.id": str(run.id)}
    for name in ("project", "group", "job_type"):
        if getattr(run, name, None):
            facts[f"wandb.{name}"] = str(getattr(run, name))
    tags = getattr(run, "tags", None)
    if tags:
        facts["wandb.tags"] = ", ".join(map(str, tags))
    return facts


def _values(found: object) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, value in flat(mapping(found) or {}).items():
        if name.partition(".")[0] != "_wandb":
            special = number(value) if isinstance(value, str) else None
            values[name] = value if special is None else special
    return values


@contextlib.contextmanager
def _in_our_words(address: str) -> Generator[None]:
    """Failures of `wandb` and of the network as errors with a hint; others are ours."""
    try:
        yield
    except IsolossError:
        raise
    except Exception as error:
        library = type(error).__module__.partition(".")[0]
        if library not in _LIBRARIES and not isinstance(error, (OSError, ValueError)):
            raise
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        if re.search(r"not found|could not find|404", said, re.IGNORECASE):
            raise NotFoundError(
                f"{address}: not found by W&B: {said}",
                hint="Check entity and project, and that this account may see them.",
            ) from error
        if re.search(r"api.key|login|log in|permission|40[13]\b", said, re.IGNORECASE):
            raise EnvironmentProblem(
                f"{address}: W&B refuses: {said}",
                hint="Run `wandb login` with an account that may.",
            ) from error
        raise EnvironmentProblem(
            f"{address}: W&B cannot be read: {said}", hint="Check the network, then try again."
        ) from error
