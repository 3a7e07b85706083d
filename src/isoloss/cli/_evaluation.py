"""What `evaluate` was asked for, and where it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoloss._files import check_writable
from isoloss.cli._answer import Answer
from isoloss.errors import UsageError

if TYPE_CHECKING:
    from isoloss.tasks import Comparison, Metric, Task, TaskResult


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The words of the command."""

    model: str | None
    task: str | None
    harness: tuple[str, ...] = ()
    include_path: Path | None = None
    data: tuple[str, ...]
    columns: Mapping[str, str]
    options: Mapping[str, str]
    limit: int | None
    predictions: Path | None
    baseline: str | None
    against: Path | None
    output: Path | None
    device: str
    level: float
    seed: int
    train: tuple[str, ...] = ()


def listed() -> Answer:
    """Every task: what it scores, what it reads, its options."""
    from isoloss.tasks import TASKS, task_class

    documents: dict[str, Any] = {}
    lines: list[str] = []
    for name in TASKS:
        kind = task_class(name)
        options = {
            f.name: None if f.default is MISSING else f.default
            for f in fields(kind)
            if f.name not in ("level", "seed")
        }
        reads = [n + (" (optional)" if n in kind.optional else "") for n in kind.reads]
        metrics = [metric.name for metric in kind.metrics]
        documents[name] = {
            "about": kind.about,
            "kinds": list(kind.kinds),
            "reads": {n: list(others) for n, others in kind.reads.items()},
            "metrics": metrics,
            "baselines": list(kind.baseline_names),
            "options": options,
        }
        told = ", ".join(f"{n}={value!r}" for n, value in options.items())
        lines += [
            f"{name}: {kind.about}",
            f"  models   {', '.join(kind.kinds)}",
            f"  reads    {', '.join(reads)}",
            f"  metrics  {', '.join(metrics)}",
        ]
        if kind.baseline_names:
            lines.append(f"  baseline {', '.join(kind.baseline_names)}")
        lines.append(f"  --set    {told}")
    return Answer(document={"tasks": documents}, text="\n".join(lines))


def evaluated(asked: Asked) -> Answer:
    """Score, save, compare."""
    from isoloss.cli._tuned_options import tuned_options
    from isoloss.tasks import task_class, with_options

    if asked.output is not None:
        check_writable(asked.output)  # before the model answers for minutes
    if asked.harness:
        from isoloss.cli._harness import harnessed

        return harnessed(asked)
    if asked.include_path is not None:
        raise UsageError("--include-path is for --harness", hint="Name a task with --harness.")
    if asked.task is None:
        raise UsageError("no task given", hint="Name one with --task; --list shows them all.")
    if not asked.data:
        raise UsageError("no examples given", hint="Name their file with --data.")
    kind = task_class(asked.task)
    options = typed_options(kind, asked.options)
    tuned, notes = tuned_options(asked.model, kind, options)
    task = with_options(kind, {**tuned, **options, "level": asked.level, "seed": asked.seed})
    other = None if asked.against is None else earlier(asked.against, kind.name)
    result = _result(task, asked)
    result = replace(result, notes=(*result.notes, *notes))
    return told(result, asked, other, {metric.name: metric for metric in kind.metrics})


def earlier(path: Path, task: str) -> TaskResult:
    """A saved result to compare with.

    Raises:
        UsageError: it is of another task; NotFoundError, DataError: as `TaskResult.load`.
    """
    from isoloss.tasks import TaskResult

    other = TaskResult.load(path)
    if other.task != task:
        raise UsageError(
            f"--against {path}: expected a result of {task}, found one of {other.task}",
            hint="Compare results of one task.",
        )
    return other


def told(
    result: TaskResult,
    asked: Asked,
    other: TaskResult | None,
    metrics: Mapping[str, Metric],
) -> Answer:
    """A result as an answer, compared with another and saved where that was asked for.

    What fails then does not take the scores away: it is the answer's `failure`.
    """
    document = result.to_dict()
    text = result.summary()
    saved, failure = "", None
    if asked.output is not None:
        try:
            result.save(asked.output)
            document["paths"] = {"result": str(asked.output)}
            saved = f"\n\nSaved {asked.output}"
        except Exception as error:
            failure = error
    if other is not None:
        try:
            compared, lines = _beside(other, result, metrics, asked.seed)
            document["compared_with"] = compared
            text += lines
        except Exception as error:
            failure = failure or error
    return Answer(document=document, text=text + saved, failure=failure)


def _beside(
    other: TaskResult, result: TaskResult, metrics: Mapping[str, Metric], seed: int
) -> tuple[dict[str, Any], str]:
    """A comparison as a document and as text."""
    from isoloss.tasks import compare_results

    compared = compare_results(other, result, metrics, seed=seed)
    document = {
        "model": other.model,
        "made": other.made,
        "metrics": [one.to_dict() for one in compared],
    }
    text = f"\n\nagainst {other.model}, on the same examples:\n"
    if other.made != result.made:
        text += f"  made differently: {other.made or 'unknown'} -> {result.made or 'unknown'}\n"
    return document, text + "\n".join(map(_compared, compared))


def _compared(one: Comparison) -> str:
    """One line of a comparison."""
    difference = one.difference
    line = f"  {one.metric:<16} {one.first:.4g} -> {one.second:.4g}: {difference.value:+.4g}"
    if difference.low != difference.low:
        return f"{line}, no interval: {difference.reason}"
    return f"{line} [{difference.low:+.4g}, {difference.high:+.4g}], p = {one.p_value:.3g}"


def _result(task: Task, asked: Asked) -> TaskResult:
    """Of a model, of saved texts, or of a baseline: one of the three."""
    from isoloss.cli._inputs import model_folder
    from isoloss.tasks import ScoresTexts, open_model
    from isoloss.tasks.given_texts import read_texts
    from isoloss.tasks.task import baseline_result

    given = [x for x in (asked.model, asked.predictions, asked.baseline) if x is not None]
    if len(given) != 1:
        raise UsageError(
            f"{len(given)} of MODEL, --predictions and --baseline are given", hint="Give one."
        )
    if asked.train and asked.baseline is None:
        raise UsageError(
            "--train is what a baseline learns from, and no --baseline is given",
            hint="Name one, as in --baseline memory, or leave --train out.",
        )
    examples = task.read(asked.data, asked.columns, asked.limit)
    if asked.model is not None:
        folder = asked.model if asked.model.startswith("hf://") else model_folder(asked.model)
        return task.evaluate(open_model(folder, device=asked.device), examples)
    if not isinstance(task, ScoresTexts):
        raise UsageError(
            f"the task {task.name} takes a model, not a file of texts or a baseline",
            hint="Give a model.",
        )
    if asked.predictions is not None:
        return task.score(read_texts(asked.predictions), examples, model=str(asked.predictions))
    assert asked.baseline is not None
    train = task.read(asked.train, asked.columns) if asked.train else ()
    return baseline_result(task, asked.baseline, examples, train)


def typed_options(
    kind: type[Task], options: Mapping[str, str], flag: str = "--set"
) -> dict[str, Any]:
    """Options of the command line, given by a flag, as what the task's own defaults are.

    Raises:
        UsageError: a number or a truth value was expected.
    """
    known = {f.name: f for f in fields(kind)}
    typed: dict[str, Any] = {}
    for name, text in options.items():
        field = known.get(name)
        typed[name] = text if field is None else _value(name, text, str(field.type), flag)
    return typed


def _value(name: str, text: str, kind: str, flag: str) -> Any:
    if text.lower() in ("none", "") and "None" in kind:
        return None
    try:
        if kind.startswith("bool"):
            return {"true": True, "false": False}[text.lower()]
        if kind.startswith("int"):
            return int(text)
        if kind.startswith("float"):
            return float(text)
    except (KeyError, ValueError) as error:
        wanted = kind.split(" ")[0].split("|")[0]
        raise UsageError(f"{flag} {name} expects {wanted}, found {text!r}") from error
    text = text.replace("\\n", "\n").replace("\\t", "\t")
    return tuple(part for part in text.split(",") if part) if kind.startswith("tuple") else text
