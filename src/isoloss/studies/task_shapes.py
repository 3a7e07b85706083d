"""Whether a metric jumps where smooth ones move evenly.

Counts of right answers can stay at their floor for long and then rise at once, while the
likelihood of the right answer rose all along: the jump is the metric's (Schaeffer et al. 2023,
arXiv:2304.15004). Runs are put together by compute, a factor of two a step, and each metric's
largest step is told as a share of its whole way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

LEAST_STEPS = 2
SUDDEN = 1.5
"""How much larger the largest step of a metric must be than a smooth one's to look like a jump."""


def shape_of(points: Sequence[Mapping[str, Any]], *, higher_is_better: bool) -> dict[str, Any]:
    """Means by compute, and the largest step between neighbours as a share of the whole way.

    Args:
        points: runs with `flops` and `value`.
        higher_is_better: which way is forward.

    >>> points = [{"flops": 2.0**k, "value": v} for k, v in enumerate([0, 0, 0, 8, 10])]
    >>> shape_of(points, higher_is_better=True)["largest_step"]
    0.8
    """
    means = _means(points)
    values = [one["value"] if higher_is_better else -one["value"] for one in means]
    way = max(values, default=0.0) - min(values, default=0.0)
    if len(values) <= LEAST_STEPS or way <= 0:
        return {"means": means, "largest_step": None}
    largest = max(later - one for one, later in pairwise(values))
    return {"means": means, "largest_step": largest / way}


def _means(points: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """Mean value of the runs of each factor of two of compute, at their mean log compute."""
    groups: dict[int, list[Mapping[str, Any]]] = {}
    for point in points:
        groups.setdefault(math.floor(math.log2(point["flops"])), []).append(point)
    return [
        {
            "flops": math.exp(sum(math.log(p["flops"]) for p in group) / len(group)),
            "value": sum(p["value"] for p in group) / len(group),
        }
        for _, group in sorted(groups.items())
    ]


def shapes_sentence(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """One sentence on the metrics that count beside the smooth ones.

    Args:
        metrics: by name, each with `smooth`, `points` and what `shape_of` gave.
    """
    smooth = {k: m for k, m in metrics.items() if m["smooth"] and m["largest_step"] is not None}
    counted = {k: m for k, m in metrics.items() if not m["smooth"] and m["points"]}
    if not smooth or not counted:
        return ""
    even = min(smooth, key=lambda name: smooth[name]["largest_step"])
    still = [name for name, m in counted.items() if m["largest_step"] is None]
    moving = {k: m["largest_step"] for k, m in counted.items() if m["largest_step"] is not None}
    told: list[str] = []
    if still:
        told.append(
            f"{_listed(still)} {'does' if len(still) == 1 else 'do'} not move, while {even} goes"
            f" from {_ends(smooth[even])}: the models improve before that metric shows it."
        )
    if moving:
        most = next(iter(moving))  # the first is what the task is judged by
        base = max(smooth[even]["largest_step"], 0.0)
        compared = (
            f"The largest step within a factor of two of compute is {moving[most]:.0%} of its"
            f" whole way for {most} and {base:.0%} for {even}"
        )
        told.append(
            f"{compared}: what looks like a jump is the threshold of the metric, not a jump of"
            " the models."
            if moving[most] > SUDDEN * base
            else f"{compared}: neither jumps."
        )
    return " ".join(told)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _ends(metric: Mapping[str, Any]) -> str:
    means = metric["means"]
    return f"{means[0]['value']:.3g} to {means[-1]['value']:.3g}"
