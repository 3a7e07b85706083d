"""What the flags of `isoloss train` mean, as the values that `train_one` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from isoloss.training import Recipe, Stop

if TYPE_CHECKING:
    from isoloss.tasks import TaskResult


def recipe_from(**settings: Any) -> Recipe:
    """The recipe of the studies with what was said otherwise."""
    return Recipe(**{name: value for name, value in settings.items() if value is not None})


def stop_from(**rules: Any) -> Stop:
    """The rules that were given."""
    return Stop(**{name: value for name, value in rules.items() if value is not None})


def score_text(row: Mapping[str, Any], baselines: Mapping[str, TaskResult]) -> str:
    """The scores of a row, a line each with its interval, and those that take no model.

    Empty without a task.
    """
    if "meta_task" not in row:
        return ""
    seen = row.get("meta_task_examples_seen")
    known = f", {seen:,} of them trained on" if seen else ""
    lines = [f"{row['meta_task']}, {row['meta_task_examples']:,} examples{known}"]
    for column, value in row.items():
        name = column.removeprefix("metric_")
        if name == column or name.endswith(("_low", "_high")) or name.startswith("loss_"):
            continue
        low, high = row.get(f"{column}_low"), row.get(f"{column}_high")
        ends = "no interval" if low is None or high is None else f"[{low:.4g}, {high:.4g}]"
        lines.append(f"  {name:<12} {value:<9.4g} {ends}" if value is not None else f"  {name}")
    from isoloss.training.finetuning import baseline_lines

    return "\n" + "\n".join([*lines, *baseline_lines(baselines)])
