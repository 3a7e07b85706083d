"""Runs and laws → fits with intervals and checks, comparisons, and forecasts.

Where to look: `estimation` makes a `Fit` (`result`), through the solver (`starts`, `descent`,
`optimum`), `bootstrap` and `checks`. What a fit is asked lies beside it: `predicting`,
`profiling`, `influences`, `posteriors`. What several fits are asked: `comparison` of laws, `arms`,
`side_by_side`, `chained`. Optima without a law: `isoflop_minima`, `lower_envelope`. A bigger run:
`backtesting`, `forecasting`.
"""

from isoloss.fitting.arm_effects import ArmComparison, ArmEffect
from isoloss.fitting.arms import compare_arms
from isoloss.fitting.backtesting import Ladder, backtest
from isoloss.fitting.chained import ChainedFit, fit_chain
from isoloss.fitting.compared_laws import ComparedLaw, Comparison, MixedPrediction, Window
from isoloss.fitting.comparison import compare
from isoloss.fitting.compute_optimum import Allocation, FrontierPoint, OptimalModel
from isoloss.fitting.constraints import Constraints
from isoloss.fitting.curve_fitting import CurveFit, fit_curves
from isoloss.fitting.descent import Problem
from isoloss.fitting.estimation import fit
from isoloss.fitting.forecasting import Forecast, forecast
from isoloss.fitting.influences import Influence, Removal, influence
from isoloss.fitting.isoflop_minima import isoflop
from isoloss.fitting.lower_envelope import envelope
from isoloss.fitting.noise import Noise, run_noise
from isoloss.fitting.objective import Objective
from isoloss.fitting.optimum import Optimum, solve
from isoloss.fitting.outlying import Outlier, outliers
from isoloss.fitting.posteriors import posterior
from isoloss.fitting.power_fit import PowerFit, fit_power
from isoloss.fitting.predicting import Prediction
from isoloss.fitting.profiling import Profile, profile
from isoloss.fitting.result import Check, Estimate, Fit
from isoloss.fitting.scaled_predictions import ScaledPredictions, scale_fit
from isoloss.fitting.side_by_side import FitTable, GroupFit, fit_groups

__all__ = [
    "Allocation",
    "ArmComparison",
    "ArmEffect",
    "ChainedFit",
    "Check",
    "ComparedLaw",
    "Comparison",
    "Constraints",
    "CurveFit",
    "Estimate",
    "Fit",
    "FitTable",
    "Forecast",
    "FrontierPoint",
    "GroupFit",
    "Influence",
    "Ladder",
    "MixedPrediction",
    "Noise",
    "Objective",
    "OptimalModel",
    "Optimum",
    "Outlier",
    "PowerFit",
    "Prediction",
    "Problem",
    "Profile",
    "Removal",
    "ScaledPredictions",
    "Window",
    "backtest",
    "compare",
    "compare_arms",
    "envelope",
    "fit",
    "fit_chain",
    "fit_curves",
    "fit_groups",
    "fit_power",
    "forecast",
    "influence",
    "isoflop",
    "outliers",
    "posterior",
    "profile",
    "run_noise",
    "scale_fit",
    "solve",
]
