"""The whole loop: measure, infer, register, check, decide, report; resumable step by step.

Each step first asks whether its result is already there, so a killed study is simply run again.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoloss._files import canonical_json, sha256_text, write_json_atomic
from isoloss.errors import DataError, IsolossError, UsageError
from isoloss.studies.folder import StudyFolder, claimed, settle_spec
from isoloss.studies.spec import StudySpec

if TYPE_CHECKING:
    from isoloss.ladders import LadderPlan
    from isoloss.runs import RunStore


def run_study(
    spec: StudySpec,
    *,
    out: str | Path,
    minutes: float | None = None,
    corpus: Sequence[str | Path] = (),
    text_field: str | None = None,
    seeds: int | None = None,
    objective: str | None = None,
    family: str | None = None,
    fields: Sequence[str] | None = None,
    device: str | None = None,
    design: bool = False,
    task: str | None = None,
    task_data: Sequence[str | Path] = (),
    dry_run: bool = False,
    jobs: str | Path | None = None,
) -> dict[str, Any]:
    """Run a study, or go on with it; returns what `study.json` holds.

    Args:
        spec: from `load_spec`.
        out: the study's folder.
        minutes, corpus, text_field, seeds, objective, family, fields, device: choices over
            the spec.
        design: choose most of the ladder's runs by what they take off the prediction's
            uncertainty, once its narrowest widths are trained.
        task: what every run is scored on beside its loss.
        task_data: files with its examples.
        dry_run: stop after the plan; nothing is trained.
        jobs: write the plan there as jobs for another trainer (JSON), and stop after it.

    A finished study is only looked at: nothing is trained and no number changes.

    Raises:
        UsageError: the folder belongs to another study, or holds other things.
        DataError: the corpus is unusable or too small; a file of the study is damaged.
        EnvironmentProblem: the folder cannot be written, or another process works in it.
    """
    chosen = spec.with_choices(
        minutes=minutes,
        sources=[_resolved(c) for c in corpus],
        text_field=text_field,
        noise_seeds=seeds,
        objective=objective,
        family=family,
        fields=fields,
        device=device,
        design=design,
        task=task,
        task_data=[_resolved(c) for c in task_data],
    )
    if jobs is not None and chosen.ladder.design:
        raise UsageError(
            "a ladder by design chooses its runs as results come in, so it has no list of jobs",
            hint="Leave out --jobs or --design; `isoloss design … --jobs` lists the next runs.",
        )
    began = time.monotonic()
    with claimed(Path(out)) as folder:
        settle_spec(folder, chosen)
        return _run(folder, chosen, dry_run=dry_run, jobs=jobs, began=began)


def _resolved(source: str | Path) -> str:
    """A path that means the same from every folder; other names stay."""
    if str(source).startswith("hf://"):
        return str(source)
    path = Path(source)
    return str(source) if str(source) == "stdlib" and not path.exists() else str(path.resolve())


def _run(
    folder: StudyFolder, spec: StudySpec, *, dry_run: bool, jobs: str | Path | None, began: float
) -> dict[str, Any]:
    from isoloss.runs import RunStore
    from isoloss.studies import measurement
    from isoloss.studies.inference import infer
    from isoloss.studies.results import assemble, corpus_facts
    from isoloss.studies.rungs import rungs_text
    from isoloss.studies.task_study import foresee_scores

    tokens = measurement.prepare(folder, spec, _say)
    measurement.settle_scores(folder, spec, tokens, _say)
    plan, document = measurement.settle_plan(folder, spec, tokens, _say)
    shown = {
        "study": {
            "name": spec.name,
            "size": plan.size,
            "objective": plan.verification.objective.name,
            "family": measurement.aim_of(spec).family,
        },
        "dry_run": True,
        "corpus": corpus_facts(tokens),
        **{key: document[key] for key in ("rungs", "expected_seconds", "warnings")},
        "paths": {"plan": str(folder.plan)},
    }
    if jobs is not None:
        from isoloss.studies.jobs import jobs_document

        write_json_atomic(jobs, jobs_document(plan, tokens, study=spec.name))
        shown["paths"]["jobs"] = str(jobs)
    if dry_run or jobs is not None:
        return shown
    _say(rungs_text(shown))
    with RunStore.open(folder.store) as store:
        store.verify()
        before = _finished(folder, plan, store)
        if before is not None:
            _say("this study is finished; its results are shown again")
            if not folder.report.exists():
                _write_page(folder, before)
            return before
        plan, document = measurement.settle_design(
            folder, spec, plan, document, tokens, store, _say
        )
        measurement.climb(folder, plan, tokens, store)
        prediction, forecast = infer(folder, store, plan, document, spec, tokens)
        _say(
            f"registered: predicted {prediction['predicted']:.4f}"
            f" [{prediction['low']:.4f}, {prediction['high']:.4f}]"
            f" for N = {prediction['n']:,}, D = {prediction['d']:,}"
        )
        scores = foresee_scores(folder, store, plan, prediction, forecast)
        for line in scores.lines if scores else ():
            _say(line)
        measurement.verify(folder, plan, tokens, store)
        results = assemble(
            folder, store, plan, spec, tokens, prediction, forecast, document, scores,
            seconds=time.monotonic() - began,
            provenance=measurement.machine() | {"command": _command()},
        )  # fmt: skip
    write_json_atomic(folder.results, results)
    _say("report: drawing the page")
    _write_page(folder, results)
    return results


def _finished(folder: StudyFolder, plan: LadderPlan, store: RunStore) -> dict[str, Any] | None:
    """The results, if they are there and are those of the plan and of the store."""
    try:
        results = load_results(folder.root)
        measured = {row["run_id"]: row.get("loss") for row in results["runs"]}
        registered = results["verification"]["run_id"]
    except (IsolossError, KeyError, TypeError, AttributeError):
        return None  # missing or damaged: made again from the store
    wanted = [run.run_id for run in [*plan.runs(), plan.verification]]
    if registered != plan.verification.run_id or sorted(measured) != sorted(wanted):
        return None
    for run_id in wanted:
        if not store.has(run_id) or store.get(run_id).get("loss") != measured[run_id]:
            return None
    if not any(event["payload"].get("run_id") == registered for event in store.events("outcome")):
        return None
    return {**results, "paths": folder.paths()}


def _write_page(folder: StudyFolder, results: dict[str, Any]) -> None:
    from isoloss.reports import write_report

    write_report(results, folder.report)


def _command() -> str:
    return shlex.join(["isoloss", *sys.argv[1:]])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def study_status(out: str | Path) -> dict[str, Any]:
    """How far the study in a folder is; reads only, needs no PyTorch.

    Raises:
        NotFoundError: no study there.
        DataError: its spec, plan or store is damaged.
    """
    from isoloss.runs import RunStore
    from isoloss.studies.registration import LOSS, target_of

    folder = StudyFolder(Path(out))
    name = folder.read_as(folder.spec, lambda spec: spec["name"])
    told: dict[str, Any] = {"study": name, "folder": str(folder.root)}
    if not folder.plan.exists():
        return told | {"stage": "no plan yet"}
    size, wanted = folder.read_as(folder.plan, _planned)
    rows: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    if folder.store.exists():
        with RunStore.open(folder.store, create=False) as store:
            rows = [row for row in store.rows() if row["run_id"] in wanted]
            events = [e for e in store.events() if e["payload"].get("run_id") == wanted[-1]]
    failed = [row["name"] for row in rows if row.get("status") not in ("", "ok", None)]
    told |= {
        "size": size,
        "runs_finished": len(rows),
        "runs_planned": len(wanted),
        "runs_failed": failed,
    }
    for event in events:
        target = target_of(event["payload"])
        if target != LOSS:
            told.setdefault("scores", {}).setdefault(target, {}).update(_news(event))
        elif event["kind"] == "prediction":
            told["predicted"] = event["payload"]["predicted"]
            told["registered_at"] = event["payload"]["registered_at"]
        elif event["kind"] == "outcome":
            told["measured"] = event["payload"]["measured"]
    if folder.results.exists():
        return told | {"stage": "finished", "report": str(folder.report)}
    if "predicted" in told:
        return told | {"stage": "the prediction is registered, its run is not finished"}
    return told | {"stage": "the ladder is being trained" if rows else "the plan is settled"}


def _news(event: dict[str, Any]) -> dict[str, Any]:
    """What an event says of a score."""
    name = {"prediction": "predicted", "outcome": "measured"}.get(event["kind"])
    return {} if name is None else {name: event["payload"][name]}


def _planned(document: dict[str, Any]) -> tuple[str, list[str]]:
    """Size and run ids of a saved plan, the verification run last; needs no PyTorch."""
    plan = document["plan"]
    runs = [run for trunk in plan["trunks"] for run in trunk]
    ids = [sha256_text(canonical_json(run))[:16] for run in [*runs, plan["verification"]]]
    return plan["size"], ids


def load_results(folder: str | Path) -> dict[str, Any]:
    """What a finished study found; needs no PyTorch.

    Raises:
        NotFoundError: no finished study there.
        DataError: its results are damaged.
    """
    place = StudyFolder(Path(folder))
    hint = "Run the study again: it is made anew from the store, and nothing is trained twice."
    results = place.read_as(place.results, lambda value: value, hint)
    if not isinstance(results, dict) or not isinstance(results.get("runs"), list):
        raise DataError(f"{place.results}: no results of a study", hint=hint)
    return results


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
