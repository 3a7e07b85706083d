"""Whether a metric jumps where smooth ones move evenly.

Counts of right answers can stay at their floor for long and then rise at once, while the
likelihood of the right answer rose all along: the jump is the metric's (Schaeffer et al. 2023,
arXiv:2304.15004). Runs are put together by compute, a factor of two a step, and each metric's
largest step is told as a share of its whole way. A cause is named only where the step is beyond
the noise of its examples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

LEAST_STEPS = 2
SUDDEN = 1.5
"""How much larger the largest step of a metric must be than a smooth one's to look like a jump."""
CLEAR = 2.0
"""How many combined half-widths of the two means a step must have to be more than noise."""


def shape_of(points: Sequence[Mapping[str, Any]], *, higher_is_better: bool) -> dict[str, Any]:
    """Means by compute, and the largest step between neighbours as a share of the whole way.

    `clear` says whether that step is more than twice the half-widths of its two means, combined
    as a root of squares; never where no run has an interval.

    Args:
        points: runs with `flops` and `value`; `low` and `high` where they have an interval.
        higher_is_better: which way is forward.

    >>> points = [{"flops": 2.0**k, "value": v} for k, v in enumerate([0, 0, 0, 8, 10])]
    >>> shape_of(points, higher_is_better=True)["largest_step"]
    0.8
    """
    means = _means(points)
    values = [one["value"] if higher_is_better else -one["value"] for one in means]
    way = max(values, default=0.0) - min(values, default=0.0)
    if len(values) <= LEAST_STEPS or way <= 0:
        return {"means": means, "largest_step": None, "clear": False}
    steps = [later - one for one, later in pairwise(values)]
    place = max(range(len(steps)), key=steps.__getitem__)
    clear = steps[place] > CLEAR * _noise(means, place)
    return {"means": means, "largest_step": steps[place] / way, "clear": clear}


def _noise(means: Sequence[Mapping[str, Any]], place: int) -> float:
    """Combined half-width of a mean and the next; infinite where no mean has one.

    A mean without one (all examples alike) takes the widest of the others.
    """
    known = [one["half"] for one in means if one["half"] is not None]
    if not known:
        return math.inf
    halves = [one["half"] for one in means[place : place + 2]]
    return math.hypot(*(max(known) if half is None else half for half in halves))


def _means(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mean value of the runs of each factor of two of compute, at their mean log compute.

    Its half-width is the mean of theirs: the runs share their examples, so more runs of about the
    same compute do not make the noise of the examples smaller.
    """
    groups: dict[int, list[Mapping[str, Any]]] = {}
    for point in points:
        groups.setdefault(math.floor(math.log2(point["flops"])), []).append(point)
    return [
        {
            "flops": math.exp(sum(math.log(p["flops"]) for p in group) / len(group)),
            "value": sum(p["value"] for p in group) / len(group),
            "half": _half(group),
        }
        for _, group in sorted(groups.items())
    ]


def _half(group: Sequence[Mapping[str, Any]]) -> float | None:
    """Mean half-width of the runs that have an interval; None where none has."""
    ends = [(p.get("low"), p.get("high")) for p in group]
    halves = [(high - low) / 2 for low, high in ends if low is not None and high is not None]
    return sum(halves) / len(halves) if halves else None


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
        if moving[most] <= SUDDEN * base:
            told.append(f"{compared}: neither jumps.")
        elif counted[most]["clear"]:
            told.append(
                f"{compared}: what looks like a jump is the threshold of the metric, not a jump"
                " of the models."
            )
        else:
            told.append(
                f"{compared}; that step of {most} is within the noise of its examples, so these"
                " runs do not tell whether it jumps."
            )
    return " ".join(told)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _ends(metric: Mapping[str, Any]) -> str:
    means = metric["means"]
    return f"{means[0]['value']:.3g} to {means[-1]['value']:.3g}"
