"""The whole loop: measure, infer, register, check, decide, report; resumable step by step.

Each step first asks whether its result is already there, so a killed study is simply run again.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoloss._files import canonical_json, sha256_text, write_json_atomic
from isoloss.errors import DataError, IsolossError, UsageError
from isoloss.studies.folder import StudyFolder, claimed, settle_spec
from isoloss.studies.spec import StudySpec, settled

if TYPE_CHECKING:
    from isoloss.ladders import LadderPlan
    from isoloss.runs import RunStore
    from isoloss.training.objectives.windows import AnyCorpus


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
    allow_code_execution: bool = False,
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
        allow_code_execution: let the task `code` run the programs that models write, in isolation.
        dry_run: stop after the plan; nothing is trained.
        jobs: write the plan there as jobs for another trainer (JSON), and stop after it.

    A finished study is only looked at: nothing is trained and no number changes. Only what its
    law of the score is tried on (`check_on` of the task) may change then.

    Raises:
        UsageError: the folder belongs to another study, or holds other things.
        DataError: the corpus is unusable or too small; a file of the study is damaged.
        EnvironmentProblem: the folder cannot be written, or another process works in it.
    """
    chosen = spec.with_choices(
        minutes=minutes,
        sources=settled(corpus, Path()),
        text_field=text_field,
        noise_seeds=seeds,
        objective=objective,
        family=family,
        fields=fields,
        device=device,
        design=design,
        task=task,
        task_data=settled(task_data, Path()),
        allow_code_execution=allow_code_execution,
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


def _run(
    folder: StudyFolder, spec: StudySpec, *, dry_run: bool, jobs: str | Path | None, began: float
) -> dict[str, Any]:
    from isoloss.runs import RunStore
    from isoloss.studies import measurement
    from isoloss.studies.inference import infer
    from isoloss.studies.provenance import machine
    from isoloss.studies.results import assemble
    from isoloss.studies.rungs import rungs_text
    from isoloss.studies.task_study import foresee_scores

    tokens = measurement.prepare(folder, spec, _say)
    measurement.settle_study_task(folder, spec, tokens, _say)
    plan, document = measurement.settle_plan(folder, spec, tokens, _say)
    shown = _shown(folder, spec, plan, document, tokens)
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
        if before is not None and _tried_on(before) == _to_try_on(spec):
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
            provenance=machine() | {"command": _command()},
        )  # fmt: skip
    if before is not None:  # only what its law is tried on is new, not when and where it was made
        results["study"] = {**before["study"], "spec": spec.model_dump()}
        results["provenance"] = before["provenance"]
    write_json_atomic(folder.results, results)
    _say("report: drawing the page")
    _write_page(folder, results)
    return results


def _shown(
    folder: StudyFolder,
    spec: StudySpec,
    plan: LadderPlan,
    document: dict[str, Any],
    corpus: AnyCorpus,
) -> dict[str, Any]:
    """What is told of a plan before anything is trained."""
    from isoloss.studies.measurement import aim_of
    from isoloss.studies.results import corpus_facts

    return {
        "study": {
            "name": spec.name,
            "size": plan.size,
            "objective": plan.verification.objective.name,
            "family": aim_of(spec).family,
        },
        "dry_run": True,
        "corpus": corpus_facts(corpus),
        **{key: document[key] for key in ("rungs", "expected_seconds", "warnings")},
        "paths": {"plan": str(folder.plan)},
    }


def _finished(folder: StudyFolder, plan: LadderPlan, store: RunStore) -> dict[str, Any] | None:
    """The results, if they are there and are those of the plan and of the store."""
    try:
        results = load_results(folder.root)
        measured = {row["run_id"]: row.get("loss") for row in results["runs"]}
        registered = results["verification"]["run_id"]
        _tried_on(results)
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


def _tried_on(results: dict[str, Any]) -> list[str]:
    """Folders of the studies that the law of the score was tried on."""
    return [str(one["folder"]) for one in results.get("task", {}).get("checks", ())]


def _to_try_on(spec: StudySpec) -> list[str]:
    return [] if spec.task is None else [str(Path(other)) for other in spec.task.check_on]


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
    from isoloss.runs import RunStore, usable

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
    failed = [row["name"] for row in rows if not usable(row)]
    told |= {
        "size": size,
        "runs_finished": len(rows),
        "runs_planned": len(wanted),
        "runs_failed": failed,
    }
    told |= _news(events)
    if folder.results.exists():
        return told | {"stage": "finished", "report": str(folder.report)}
    if "predicted" in told:
        return told | {"stage": "the prediction is registered, its run is not finished"}
    return told | {"stage": "the ladder is being trained" if rows else "the plan is settled"}


def _news(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the ledger says of the loss, and of each score by its name."""
    from isoloss.studies.registration import LOSS, target_of

    news: dict[str, Any] = {}
    for event in events:
        payload, target = event["payload"], target_of(event["payload"])
        about = news if target == LOSS else news.setdefault("scores", {}).setdefault(target, {})
        if event["kind"] == "prediction":
            about["predicted"] = payload["predicted"]
            if about is news:
                news["registered_at"] = payload["registered_at"]
        elif event["kind"] == "outcome":
            about["measured"] = payload["measured"]
    return news


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
