"""Several fits as one source: each law counts by its weight.

The plan minimises the weighted mean of their losses; its intervals are those of all draws pooled,
each draw at its own optimum and counting by the weight of its law. So two laws that disagree
widen the interval, which no single law's bootstrap does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from isoloss.errors import UsageError
from isoloss.planning.sources import PlannableComparison, Source, of_fit


def averaged(sources: Sequence[Source], weights: str | Sequence[float] | None) -> Source:
    """One source of several, equal in weight unless told otherwise.

    Raises:
        UsageError: none, laws that count N or C differently, or weights that do not belong.
    """
    if not sources:
        raise UsageError("no fit to plan from", hint="Give at least one fit.")
    shares = _shares(weights, len(sources))
    for name in ("n_convention", "flops_convention"):
        found = {getattr(source, name) for source in sources}
        if len(found) > 1:
            raise UsageError(
                f"the laws to average differ in {name}: {', '.join(sorted(map(repr, found)))}",
                hint="Fit them to the same rows with the same n=…, then average.",
            )
    beliefs = tuple(
        replace(belief, weight=share * belief.weight)
        for source, share in zip(sources, shares, strict=True)
        for belief in source.beliefs
        if share > 0
    )
    first = sources[0]
    words = ", ".join(f"{b.label} ({b.weight:.2f})" for b in beliefs)
    return Source(
        label=f"average of {words}" if len(beliefs) > 1 else words.rpartition(" (")[0],
        beliefs=beliefs,
        n_convention=first.n_convention,
        flops_convention=first.flops_convention,
        ranges=_widest([source.ranges for source in sources]),
        family=_shared([source.family for source in sources]),
        caveats=tuple(dict.fromkeys(c for source in sources for c in source.caveats)),
        published=all(source.published for source in sources),
    )


def averaged_comparison(
    comparison: PlannableComparison, weights: str | Sequence[float] | None
) -> Source:
    """The laws of a comparison, weighed by their error on held-out runs.

    Raises:
        UsageError: as `averaged`.
    """
    usable = {law: weight for law, weight in comparison.weights.items() if weight > 0}
    if weights is None or weights == "held_out":
        shares: str | Sequence[float] = list(usable.values())
    else:
        shares = weights
    return averaged([of_fit(comparison.fits[law]) for law in usable], shares)


def _shares(weights: str | Sequence[float] | None, count: int) -> list[float]:
    if weights is None or weights == "equal":
        return [1 / count] * count
    if isinstance(weights, str):
        raise UsageError(
            f"weights must be 'equal' or numbers, found {weights!r}",
            hint="Weights by held-out error come with a comparison: plan(il.compare(runs, …), …).",
        )
    if len(weights) != count:
        raise UsageError(
            f"expected {count} weights, one a law, found {len(weights)}",
            hint="Weights of 0 leave a law out.",
        )
    if not all(math.isfinite(w) and w >= 0 for w in weights) or sum(weights) <= 0:
        raise UsageError(f"weights must be 0 or more with a positive sum, found {list(weights)}")
    return [float(w) / sum(weights) for w in weights]


def _widest(ranges: Sequence[Mapping[str, tuple[float, float]]]) -> dict[str, tuple[float, float]]:
    names = set[str].intersection(*(set(found) for found in ranges))
    return {
        name: (min(found[name][0] for found in ranges), max(found[name][1] for found in ranges))
        for name in sorted(names)
    }


def _shared(families: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first, *others = families
    return {
        name: value
        for name, value in first.items()
        if all(family.get(name) == value for family in others)
    }
