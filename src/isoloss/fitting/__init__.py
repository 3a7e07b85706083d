"""Runs and laws → fits with intervals and checks, backtests and forecasts."""

from isoloss.fitting.backtesting import Ladder, backtest
from isoloss.fitting.descent import Problem
from isoloss.fitting.estimation import fit
from isoloss.fitting.forecasting import Forecast, forecast
from isoloss.fitting.noise import Noise, run_noise
from isoloss.fitting.objective import Objective
from isoloss.fitting.optimum import Optimum, solve
from isoloss.fitting.result import Check, Estimate, Fit, Prediction

__all__ = [
    "Check",
    "Estimate",
    "Fit",
    "Forecast",
    "Ladder",
    "Noise",
    "Objective",
    "Optimum",
    "Prediction",
    "Problem",
    "backtest",
    "fit",
    "forecast",
    "run_noise",
    "solve",
]
