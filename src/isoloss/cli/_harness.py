"""What `evaluate --harness` does: tasks of lm-evaluation-harness on a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from isoloss.cli._answer import Answer
from isoloss.errors import UsageError

if TYPE_CHECKING:
    from isoloss.cli._evaluation import Asked

_OPTIONS = ("num_fewshot", "batch_rows")


def harnessed(asked: Asked) -> Answer:
    """Score, save, compare.

    Raises:
        UsageError: no model, or a flag that is for isoloss's own tasks.
    """
    model, numbers = _checked(asked)
    from isoloss.cli._evaluation import told
    from isoloss.cli._inputs import model_folder
    from isoloss.tasks import TaskResult, open_model
    from isoloss.tasks.harness import evaluate_harness
    from isoloss.tasks.harness.adapter import require_lm_eval
    from isoloss.tasks.metric import mean_metric

    require_lm_eval()  # before a large model is read
    other = None if asked.against is None else TaskResult.load(asked.against)
    if other is not None and not other.signature.startswith("lm-eval:"):
        raise UsageError(
            f"--against {asked.against}: expected a result of --harness, found one of the task"
            f" {other.task}",
            hint="Compare results of one task.",
        )
    folder = model if model.startswith("hf://") else model_folder(model)
    result = evaluate_harness(
        open_model(folder, device=asked.device),
        asked.harness,
        include_path=asked.include_path,
        limit=asked.limit,
        num_fewshot=numbers.get("num_fewshot"),
        batch_rows=numbers.get("batch_rows", 16),
        level=asked.level,
        seed=asked.seed,
    )
    metrics = {
        name: mean_metric(name, higher_is_better=one.higher_is_better, unit=one.unit)
        for name, one in result.metrics.items()
    }
    return told(result, asked, other, metrics)


def _checked(asked: Asked) -> tuple[str, Mapping[str, int]]:
    """The model and the options, as whole numbers."""
    others = {
        "--task": asked.task,
        "--data": asked.data,
        "--map": asked.columns,
        "--predictions": asked.predictions,
        "--baseline": asked.baseline,
        "--train": asked.train,
    }
    given = [flag for flag, value in others.items() if value]
    if given:
        raise UsageError(
            f"{given[0]} does not go with --harness, whose tasks bring their examples",
            hint="Leave one of the two out.",
        )
    if asked.model is None:
        raise UsageError("no model given", hint="Name its folder before the flags.")
    numbers: dict[str, int] = {}
    for name, text in asked.options.items():
        if name not in _OPTIONS:
            raise UsageError(
                f"--harness has no option {name!r}", hint=f"It has {', '.join(_OPTIONS)}."
            )
        if not text.isdecimal():
            raise UsageError(f"--set {name} expects a whole number, found {text!r}")
        numbers[name] = int(text)
    return asked.model, numbers
