"""Training on hardware: time, energy, money, a layout, and what a budget of it comes to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from isoloss.architecture import TransformerConfig
from isoloss.planning._answered import Answered, goal_for
from isoloss.planning.allocation import optimum
from isoloss.planning.hardware import cost_of, flops_of, layout_for
from isoloss.planning.recipe import recipe_for


def training_on(
    answered: Answered, shape: TransformerConfig, tokens: float
) -> dict[str, Any] | None:
    """The document under `hardware` of a plan, or None where no hardware was named."""
    choice = answered.trained_on
    if choice is None:
        return None
    layout = layout_for(shape, choice, recipe_for(shape, tokens).batch_tokens)
    document: dict[str, Any] = {
        "choice": choice.to_dict(),
        "training": cost_of(shape, tokens, choice, layout).to_dict(),
        "layout": layout.to_dict(),
    }
    if answered.aim.on_hardware:
        bought = flops_of(choice, **{answered.aim.kind: answered.aim.value})
        document["budget_flops"] = bought.to_dict()
        if bought.low < bought.high:
            document["at_the_ends"] = [
                _at_budget(answered, end) for end in (bought.low, bought.high)
            ]
    return document


def _at_budget(answered: Answered, flops: float) -> dict[str, float]:
    """N, D and loss where the assumptions buy so many FLOP, with width continuous."""
    source = answered.source
    silent = replace(source, beliefs=tuple(replace(b, draws=None) for b in source.beliefs))
    search = replace(answered.search, source=silent)
    n, d, loss = optimum(search, goal_for(search, answered.aim, flops, answered.lifetime)).smooth
    return {"n": n, "d": d, "loss": loss}
