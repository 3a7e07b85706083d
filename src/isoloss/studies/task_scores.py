"""A study's task: settled before anything is trained, and scored while each model is in memory.

`task.json` in the study's folder holds the task and its examples, so that a study which goes on
scores what it scored before, whatever became of the files.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from isoloss._files import canonical_json, sha256_text, write_json_atomic
from isoloss.architecture import TransformerConfig
from isoloss.errors import UsageError
from isoloss.models import build_model
from isoloss.studies.folder import StudyFolder, has_runs
from isoloss.studies.spec import TaskSpec
from isoloss.studies.task_examples import floor_of, study_examples
from isoloss.studies.task_likelihood import ANSWER, has_answers, surprise
from isoloss.studies.task_tuning import BATCH_ROWS, SPAN, SpanTuning, parted, span_scores
from isoloss.tasks import Metric, OpenModel, Task, TextTask, open_model, task_class, with_options
from isoloss.tasks.code_generation import Code
from isoloss.tasks.examples import Row
from isoloss.tasks.extractive import Extractive
from isoloss.tasks.hub_models import HubModel
from isoloss.tasks.metric import Score
from isoloss.tasks.results import TaskResult
from isoloss.training.devices import resolve_device
from isoloss.training.finetuning.starting import opened_with
from isoloss.training.guards import Diverged
from isoloss.training.objectives.windows import AnyCorpus
from isoloss.training.run import RunConfig

FORMAT = "isoloss-study-task-1"
COUNTED = ("share", "percent")
"""Units of metrics that count what is right: the others move with every gain of the model."""


def settle_task(
    folder: StudyFolder,
    asked: TaskSpec,
    shape: TransformerConfig,
    corpus: AnyCorpus,
    *,
    level: float,
) -> dict[str, Any]:
    """The task of a study: read where it is saved and runs were scored, else settled and saved.

    The narrowest model is scored before it is trained, on every example: mistakes come first.

    Args:
        folder: of the study.
        asked: the task, as the spec has it.
        shape: of the narrowest model.
        corpus: what the models are trained on.
        level: of the intervals over examples.

    Returns:
        What `task.json` holds.

    Raises:
        UsageError, DataError, NotFoundError: no such task or option, examples that are none, a
            model of the wrong kind.
        EnvironmentProblem: programs are to be run, and this machine cannot isolate them.
    """
    if folder.task.exists() and has_runs(folder):
        return folder.read_as(folder.task, _checked)
    task = _task(asked.name, asked.options, level=level, run_code=asked.allow_code_execution)
    _check_kind(task, shape)
    job, notes = _job(task, asked, corpus)
    began = time.monotonic()
    with _threads(1):  # as the workers of a ladder have it, for the time that is expected
        untrained = _scored(job, build_model(shape, seed=0), corpus, "untrained")
    document: dict[str, Any] = {
        "format": FORMAT,
        "name": task.name,
        "options": dict(asked.options),
        "level": task.level,
        "sources": list(asked.data),
        "notes": [*notes, *untrained.notes],
        "examples": job.examples,
        "fingerprint": sha256_text(canonical_json([task.name, asked.options, *job.facts])),
        "metrics": [_facts(metric, task, job.examples) for metric in _metrics(task, untrained)],
        "untrained": untrained.columns,
        "seconds": round(time.monotonic() - began, 1),
    }
    if job.training:
        document |= {"training": job.training, "tuning_steps": job.tuning_steps}
    write_json_atomic(folder.task, document)
    return document


def _checked(document: Any) -> dict[str, Any]:
    if document["format"] != FORMAT:
        raise ValueError(f"task format {document['format']!r} is unknown")
    return {**document, "metrics": list(document["metrics"]), "name": str(document["name"])}


def _task(name: str, options: Mapping[str, Any], *, level: float, run_code: bool) -> Task:
    """A task with the options of a spec; TOML's lists are tuples."""
    kind = task_class(name)
    if "allow_code_execution" in options:
        raise UsageError(
            "'allow_code_execution' is no option of a study's task",
            hint="Say it in [task] itself: allow_code_execution = true, or with"
            " --allow-code-execution.",
        )
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
    own = {"level", "seed"} & given.keys()
    if own:
        raise UsageError(
            f"{own.pop()!r} is no option of a study's task",
            hint="The level is that of [prediction]; the seed of the bootstrap is 0.",
        )
    if run_code:
        if not issubclass(kind, Code):
            raise UsageError(
                f"allow_code_execution: the task {kind.name} runs no code",
                hint="Leave it out; only the task code runs what models write.",
            )
        given["allow_code_execution"] = True
    return with_options(kind, {**given, "level": level})


def _check_kind(task: Task, shape: TransformerConfig) -> None:
    if shape.kind not in task.kinds:
        words = " or ".join(kind.replace("_", "-") for kind in task.kinds)
        raise UsageError(
            f"the task {task.name} needs models of kind {words}, those of this study are of kind"
            f" {shape.kind.replace('_', '-')}",
            hint="Choose another objective or family, or another task.",
        )


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A task with what every model is scored on and, for a head of its own, tuned on."""

    task: Task
    examples: list[Row]
    training: list[Row] = field(default_factory=list[Row])
    tuning_steps: int = 0

    @property
    def facts(self) -> list[Any]:
        """What decides the scores besides the task."""
        tuned = [self.training, self.tuning_steps] if self.training else []
        return [self.examples, *tuned]


def _job(task: Task, asked: TaskSpec, corpus: AnyCorpus) -> tuple[_Job, list[str]]:
    """The examples of a study, and what to know of them."""
    if not isinstance(task, Extractive):
        examples, notes = study_examples(task, asked, corpus)
        return _Job(task=task, examples=examples), notes
    most = asked.tuning_steps * BATCH_ROWS
    rows, notes = study_examples(task, asked, corpus, limit=2 * (asked.limit + most))
    held, training = parted(rows, held=asked.limit, train=most)
    steps = asked.tuning_steps
    return _Job(task=task, examples=held, training=training, tuning_steps=steps), notes


def _metrics(task: Task, found: _Found) -> list[Metric]:
    """Those that a model has been scored by."""
    every = [*task.metrics, ANSWER, SPAN]
    return [metric for metric in every if f"metric_{metric.name}" in found.columns]


def _facts(metric: Metric, task: Task, examples: list[Row]) -> dict[str, Any]:
    """What laws and charts have to know of a metric."""
    best = {"share": 1.0, "percent": 100.0}.get(metric.unit)
    return {
        "name": metric.name,
        "unit": metric.unit,
        "higher_is_better": metric.higher_is_better,
        "best": best if metric.higher_is_better else None,
        "floor": floor_of(task, metric.name, examples),
        "smooth": metric.unit not in COUNTED,
    }


@dataclass(frozen=True)
class StudyScorer:
    """Scores a model on the task in `path`: what the workers of a ladder are given.

    Programs that models write run only where `allow_code_execution` says so, whatever the file
    holds.
    """

    path: Path
    allow_code_execution: bool = False

    def __call__(self, model: torch.nn.Module, corpus: AnyCorpus, run: RunConfig) -> dict[str, Any]:
        """Columns `metric_*` of a run, with the ends of their intervals, and `meta_task`."""
        document = _read(self.path)
        options, level = document["options"], document["level"]
        job = _Job(
            task=_task(document["name"], options, level=level, run_code=self.allow_code_execution),
            examples=document["examples"],
            training=document.get("training", []),
            tuning_steps=document.get("tuning_steps", 0),
        )
        with _threads(run.threads):
            found = _scored(job, model, corpus, run.run_id)
        return {
            **found.columns,
            "meta_task": f"{job.task.name}:{document['fingerprint'][:12]}",
        }

    def of_folder(self, folder: Path, corpus: AnyCorpus, run: RunConfig) -> dict[str, Any]:
        """The same of a finished run that `train_run` kept."""
        opened = open_model(folder, device=resolve_device(run.device))
        assert not isinstance(opened.model, HubModel)
        return self(opened.model, corpus, run)


def _read(path: Path) -> dict[str, Any]:
    return _checked(json.loads(path.read_text("utf-8")))


@dataclass(frozen=True, kw_only=True)
class _Found:
    """Columns of a model, what is not known as None; and what to know of every model's scores."""

    columns: Mapping[str, float | None]
    notes: tuple[str, ...] = ()

    @staticmethod
    def of(
        result: TaskResult, more: Mapping[str, Score] | None = None, notes: Sequence[str] = ()
    ) -> _Found:
        """The scores of a result, and others beside them."""
        whole = replace(result, metrics={**result.metrics, **(more or {})}).columns()
        columns = {k: v if math.isfinite(v) else None for k, v in whole.items()}
        return _Found(columns=columns, notes=tuple(notes))


def _scored(job: _Job, model: Any, corpus: AnyCorpus, name: str) -> _Found:
    """The scores of a model."""
    tokenizer = (corpus.path / "tokenizer.json").read_text("utf-8")
    task, examples = job.task, job.examples
    if isinstance(task, Extractive):
        return _spans(task, job, model.eval(), tokenizer, name)
    opened = opened_with(model.eval(), tokenizer, Path(name), name)
    if isinstance(task, Code):
        return _code(task, opened, examples)
    result = task.evaluate(opened, examples)
    if not (isinstance(task, TextTask) and has_answers(task)):
        return _Found.of(result)
    smooth = surprise(task, opened, examples, result.clusters)
    more = {} if smooth.score is None else {ANSWER.name: smooth.score}
    return _Found.of(result, more, smooth.notes)


def _code(task: Code, opened: OpenModel, examples: Sequence[Row]) -> _Found:
    """How well right solutions are predicted; pass@k too, where programs may be run."""
    if task.allow_code_execution:
        return _Found.of(task.evaluate(opened, examples))
    result = task.likelihood(opened, examples)
    told = "no program was run: pass@k needs allow_code_execution (--allow-code-execution)"
    return _Found.of(result, notes=(*result.notes, told))


def _spans(task: Extractive, job: _Job, model: Any, tokenizer: str, name: str) -> _Found:
    tuning = SpanTuning(train=job.training, steps=job.tuning_steps)
    try:
        found = span_scores(task, tuning, model, tokenizer, job.examples, name=name)
    except Diverged:
        return _Found(columns={})
    return _Found.of(found.result, {SPAN.name: found.surprise}, found.notes)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """PyTorch's threads while a model is scored, as while it was trained: sums differ with them."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
