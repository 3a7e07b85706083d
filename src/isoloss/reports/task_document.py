"""A task's saved result as a plain dictionary, and which of its examples to show."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoloss.errors import DataError, UsageError
from isoloss.reports._numbers import finite

FORMAT = "isoloss-task-"
Document = Mapping[str, Any]
_CLOSE = 1e-6


def read_task_document(path: str | Path) -> dict[str, Any] | None:
    """The dictionary of a task's saved result; None for a file that is none.

    Raises:
        DataError: it says that it is one, and lacks what one has.
    """
    try:
        with Path(path).open("rb") as file:
            if file.read(1) != b"{":  # a table, a store: perhaps a large one
                return None
        document: Any = json.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not str(document.get("format")).startswith(FORMAT):
        return None
    for name, kind in (("metrics", dict), ("statistics", dict), ("outputs", list), ("notes", list)):
        value = document.get(name)
        if not isinstance(value, kind) or not _holds_mappings(name, value):
            raise DataError(
                f"{path}: not a valid result of a task: {name!r} is {value!r:.60}",
                hint="Give a file written by `isoloss evaluate … -o RESULT`.",
            )
    return document


def _holds_mappings(name: str, value: Any) -> bool:
    inside = {"metrics": lambda: value.values(), "outputs": lambda: value}.get(name, tuple)
    return all(isinstance(one, dict) for one in inside())


def scores_of(document: Document) -> dict[str, list[float | None]]:
    """By metric the score of each example, for metrics that single examples have.

    They are what the examples say of themselves, else those of metrics that are a ratio of two
    sums over examples, an example's own ratio.
    """
    outputs = document["outputs"]
    told = [one.get("scores") for one in outputs]
    if told and all(isinstance(one, Mapping) for one in told):
        return {name: [finite(one.get(name)) for one in told] for name in told[0]}
    found: dict[str, list[float | None]] = {}
    for name, metric in document["metrics"].items():
        ratios = _ratios(document["statistics"].get(name), finite(metric.get("value")))
        if ratios is not None and len(ratios) == len(outputs):
            found[name] = ratios
    return found


def _ratios(rows: Any, value: float | None) -> list[float | None] | None:
    """Each row's ratio, in percent where the whole one is; None where that is not the metric."""
    if not isinstance(rows, list) or value is None:
        return None
    pairs = [row for row in rows if isinstance(row, list) and len(row) == 2]
    if len(pairs) != len(rows) or not all(finite(x) is not None for row in pairs for x in row):
        return None
    below = math.fsum(row[1] for row in pairs)
    whole = math.fsum(row[0] for row in pairs) / below if below else math.nan
    for scale in (1.0, 100.0):
        if math.isclose(scale * whole, value, rel_tol=_CLOSE, abs_tol=_CLOSE):
            return [scale * row[0] / row[1] if row[1] else None for row in pairs]
    return None


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Examples to show: their numbers in groups with a heading, by which metric, of how many."""

    groups: tuple[tuple[str, tuple[int, ...]], ...]
    by: str
    total: int

    @property
    def shown(self) -> int:
        """How many."""
        return sum(len(numbers) for _, numbers in self.groups)


def selected(document: Document, *, most: int, by: str | None = None) -> Selection:
    """The worst, the middle and the best examples by a metric, or the first ones without any.

    Args:
        document: of a result.
        most: examples to show; where there are more, a third each.
        by: a metric of single examples; the first that tells them apart when None.

    Raises:
        UsageError: no such metric of single examples.
    """
    scores = scores_of(document)
    if by is not None and by not in scores:
        close = difflib.get_close_matches(by, scores, n=1)
        meant = f"Did you mean {close[0]}? " if close else ""
        raise UsageError(
            f"no metric {by!r} of single examples",
            hint=f"{meant}There are: {', '.join(scores) or 'none'}.",
        )
    name = by or next((n for n, found in scores.items() if len({*found} - {None}) > 1), "")
    total = len(document["outputs"])
    if not name:
        title = "In the order of the examples"
        return Selection(groups=((title, tuple(range(min(most, total)))),), by="", total=total)
    better = bool(document["metrics"].get(name, {}).get("higher_is_better", True))
    order = _worst_first(scores[name], better)
    if total <= most:
        return Selection(groups=(("From the worst to the best", order),), by=name, total=total)
    third = max(1, most // 3)
    middle = (total - third) // 2
    groups = (
        ("The worst", order[:third]),
        ("In the middle", order[middle : middle + third]),
        ("The best", order[total - third :]),
    )
    return Selection(groups=groups, by=name, total=total)


def _worst_first(scores: list[float | None], higher_is_better: bool) -> tuple[int, ...]:
    """Examples without a score stand last."""

    def key(index: int) -> tuple[bool, float, int]:
        score = scores[index]
        value = 0.0 if score is None else score
        return score is None, value if higher_is_better else -value, index

    return tuple(sorted(range(len(scores)), key=key))
