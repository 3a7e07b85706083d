"""Figures that follow from published constants alone, without any fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from isoloss.fitting.reproducing._by_law import Found, optimum_of
from isoloss.fitting.reproducing.figures import Measured
from isoloss.laws import get_law


def as_paper(settings: Mapping[str, Any]) -> Found:
    """The optimum of `constants` at `flops`, and the losses of the law at `points`."""
    constants: Mapping[str, float] = settings["constants"]
    found: dict[str, Any] = {}
    if "flops" in settings:
        found |= optimum_of(constants, settings["flops"])
    law = get_law(settings["law"])
    theta = np.array([constants[name] for name in law.names])
    for name, point in settings.get("points", {}).items():
        data = {variable: np.array([float(point[variable])]) for variable in law.variables}
        found[name] = law.value(theta, data)[0]
    return {name: Measured(value=float(value)) for name, value in found.items()}
