"""How a ladder was trained, and whether its learning rate holds at another width."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from isoloss.architecture import TransformerConfig

if TYPE_CHECKING:
    from isoloss.runs import Runs

_RULES = {
    "mup": "µP, the rule for hidden matrices (arXiv:2203.03466, Table 3)",
    "inverse_width": "the ladder's rule, one rate that falls as 1/width",
}
_EQUAL = 1e-6


def recipe_of_runs(runs: Runs) -> dict[str, Any] | None:
    """How all rows of a table were trained, as `recipe_for` takes it; None where they say nothing.

    A row's rate is that of its embeddings and vectors. Under µP that rate is the same at every
    width and the rows do not say which width it belongs to, so that only a table with one width,
    or a `meta_base_width`, gives a base. Without a `meta_parameterization`, a rate that falls
    exactly as 1/width says so by itself.
    """
    kept = runs.used()
    optimizer = kept.constant("optimizer")
    if optimizer is None:
        return None
    found: dict[str, Any] = {"optimizer": "adamw" if optimizer == "adamw" else str(optimizer)}
    pairs = _rates(kept)
    if not pairs:
        return found
    width, rate = pairs[0]
    rule = kept.constant("meta_parameterization")
    if rule is None and all(math.isclose(r * w, rate * width, rel_tol=_EQUAL) for w, r in pairs):
        rule = "inverse_width"
    found["parameterization"] = str(rule or "unknown")
    base = kept.constant("meta_base_width") or (width if len({w for w, _ in pairs}) == 1 else None)
    if rule == "inverse_width":
        found |= {"base_learning_rate": rate, "base_width": width}
    elif base:
        found |= {"base_learning_rate": rate, "base_width": int(base)}
    return found


def _rates(runs: Runs) -> list[tuple[int, float]]:
    """Width and rate of every row that has both."""
    return [
        (int(row["d_model"]), float(row["learning_rate"]))
        for row in runs.rows()
        if row.get("d_model") and row.get("learning_rate")
    ]


def carried_rate(
    config: TransformerConfig, source: Mapping[str, Any] | None
) -> tuple[float | None, str]:
    """The ladder's rate at a width with its basis, or None with why it cannot be carried over."""
    if source is None:
        return None, "how the runs were trained is not known"
    optimizer = source.get("optimizer", "muon")
    if optimizer != "adamw":
        return None, f"the ladder's matrices were moved by {optimizer}, not by AdamW"
    rule = source.get("parameterization", "inverse_width")
    if rule not in _RULES:
        return None, f"rates do not carry over widths under parameterization={rule!r}"
    base, width = source.get("base_learning_rate"), source.get("base_width")
    if not base or not width:
        return None, "the ladder's rate is not known at any width"
    return (
        float(base) * width / config.d_model,
        f"carried over from the ladder: {base:g} at width {width}, times {width}/{config.d_model}"
        f" under {_RULES[rule]}",
    )
