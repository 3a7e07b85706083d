"""Runs and laws → fits with intervals and checks, backtests and forecasts."""

from isoloss.fitting.descent import Problem
from isoloss.fitting.estimation import fit
from isoloss.fitting.objective import Objective
from isoloss.fitting.optimum import Optimum, solve
from isoloss.fitting.result import Check, Estimate, Fit, Prediction

__all__ = [
    "Check",
    "Estimate",
    "Fit",
    "Objective",
    "Optimum",
    "Prediction",
    "Problem",
    "fit",
    "solve",
]
