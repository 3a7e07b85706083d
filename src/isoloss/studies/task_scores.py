"""A study's task: settled before anything is trained, and scored while each model is in memory.

`task.json` in the study's folder holds the task and its examples, so that a study which goes on
scores what it scored before, whatever became of the files.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isoloss._files import canonical_json, sha256_text, write_json_atomic
from isoloss.architecture import TransformerConfig
from isoloss.errors import UsageError
from isoloss.models import build_model
from isoloss.studies.folder import StudyFolder, has_runs
from isoloss.studies.spec import TaskSpec
from isoloss.studies.task_examples import floor_of, study_examples
from isoloss.tasks import Metric, OpenModel, Task, TextTask, open_model, task_class, with_options
from isoloss.tasks.answers import reference_answers
from isoloss.tasks.examples import Row, texts_of
from isoloss.tasks.hub_models import HubModel
from isoloss.tasks.likelihood import continuations
from isoloss.tasks.metric import mean_metric, score
from isoloss.training.devices import resolve_device
from isoloss.training.finetuning.starting import opened_with
from isoloss.training.objectives.windows import AnyCorpus
from isoloss.training.run import RunConfig

FORMAT = "isoloss-study-task-1"
REFERENCES = {"translation": "target", "summarisation": "target", "question-answering": "answers"}
"""Where an example of a task with texts has its right answers."""
ANSWER = mean_metric("answer_bits_per_byte", higher_is_better=False, unit="bits_per_byte")
"""Surprise at the right answer: smooth, and for every vocabulary the same unit."""
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
    """
    if folder.task.exists() and has_runs(folder):
        return folder.read_as(folder.task, _checked)
    task = _task(task_class(asked.name), asked.options, level=level)
    if shape.kind not in task.kinds:
        words = " or ".join(task.kinds)
        raise UsageError(
            f"the task {task.name} needs models of kind {words}, those of this study are of kind"
            f" {shape.kind}",
            hint="Choose another objective or family, or another task.",
        )
    examples, notes = study_examples(task, asked, corpus)
    began = time.monotonic()
    document: dict[str, Any] = {
        "format": FORMAT,
        "name": task.name,
        "options": dict(asked.options),
        "level": task.level,
        "sources": list(asked.data),
        "notes": notes,
        "examples": examples,
        "fingerprint": sha256_text(canonical_json([task.name, asked.options, examples])),
    }
    untrained = _scored(task, examples, build_model(shape, seed=0), corpus, "untrained")
    document["metrics"] = [_facts(metric, task, examples) for metric in _metrics(task)]
    document["untrained"] = untrained
    document["seconds"] = round(time.monotonic() - began, 1)
    write_json_atomic(folder.task, document)
    return document


def _checked(document: Any) -> dict[str, Any]:
    if document["format"] != FORMAT:
        raise ValueError(f"task format {document['format']!r} is unknown")
    return {**document, "metrics": list(document["metrics"]), "name": str(document["name"])}


def _task(kind: type[Task], options: Mapping[str, Any], *, level: float) -> Task:
    """A task with the options of a spec; TOML's lists are tuples."""
    if "allow_code_execution" in options:
        raise UsageError(
            f"a study does not run what its models write, so {kind.name} cannot be its task",
            hint="Score one model: isoloss evaluate MODEL --task code --allow-code-execution.",
        )
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
    own = {"level", "seed"} & given.keys()
    if own:
        raise UsageError(
            f"{own.pop()!r} is no option of a study's task",
            hint="The level is that of [prediction]; the seed of the bootstrap is 0.",
        )
    return with_options(kind, {**given, "level": level})


def _metrics(task: Task) -> list[Metric]:
    return [*task.metrics, *([ANSWER] if task.name in REFERENCES else [])]


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
    """Scores a model on the task in `path`: what the workers of a ladder are given."""

    path: Path

    def __call__(self, model: torch.nn.Module, corpus: AnyCorpus, run: RunConfig) -> dict[str, Any]:
        """Columns `metric_*` of a run, with the ends of their intervals, and `meta_task`."""
        document = _read(self.path)
        task = _task(task_class(document["name"]), document["options"], level=document["level"])
        with _threads(run.threads):
            found = _scored(task, document["examples"], model, corpus, run.run_id)
        return {**found, "meta_task": f"{task.name}:{document['fingerprint'][:12]}"}

    def of_folder(self, folder: Path, corpus: AnyCorpus, run: RunConfig) -> dict[str, Any]:
        """The same of a finished run that `train_run` kept."""
        opened = open_model(folder, device=resolve_device(run.device))
        assert not isinstance(opened.model, HubModel)
        return self(opened.model, corpus, run)


@lru_cache(maxsize=1)
def _read(path: Path) -> dict[str, Any]:
    return _checked(json.loads(path.read_text("utf-8")))


def _scored(
    task: Task, examples: list[Row], model: Any, corpus: AnyCorpus, run_id: str
) -> dict[str, Any]:
    """Columns of a model; what is not known is None."""
    tokenizer = (corpus.path / "tokenizer.json").read_text("utf-8")
    opened = opened_with(model.eval(), tokenizer, Path(run_id), run_id)
    columns = dict(task.evaluate(opened, examples).columns())
    if isinstance(task, TextTask) and task.name in REFERENCES:
        columns |= _answer_columns(task, examples, opened)
    return {name: value if math.isfinite(value) else None for name, value in columns.items()}


def _answer_columns(task: TextTask, examples: list[Row], opened: OpenModel) -> dict[str, float]:
    """Bits per byte of each example's first right answer; those longer than a context are not."""
    asked = [
        str(one[task.source_name]) if opened.kind == "encoder_decoder" else task.prompt(one)
        for one in examples
    ]
    answers = [_references(task, one)[0] for one in examples]
    pairs = [
        (before, text)
        for before, text in zip(asked, answers, strict=True)
        if len(opened.encode(text)) < opened.context_length
    ]
    if not pairs:
        return {}
    found = continuations(opened, pairs, batch_rows=task.batch_rows)
    bits = [-one.total / math.log(2) for one in found]
    sizes = [len(text.encode("utf-8")) for _, text in pairs]
    told = score(ANSWER, np.array([bits, sizes], dtype=np.float64).T, level=task.level)
    columns = {f"metric_{ANSWER.name}": told.value}
    if told.low == told.low:
        columns |= {f"metric_{ANSWER.name}_low": told.low, f"metric_{ANSWER.name}_high": told.high}
    return columns


def _references(task: TextTask, example: Row) -> list[str]:
    name = REFERENCES[task.name]
    if name == "answers":
        return reference_answers(example)
    return texts_of(example[name], str(example["place"]))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """PyTorch's threads while a model is scored, as while it was trained: sums differ with them."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
