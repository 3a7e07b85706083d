"""Runs and laws → fits with intervals and checks, comparisons, and forecasts.

Where to look: `estimation` makes a `Fit` (`result`) through the `solver`, `bootstrap` and the
checks of `diagnosis`, where profiles, influence and the posterior are too. `predicting` has the
intervals of a prediction. What several fits are asked: `comparison` of laws, `arms`,
`side_by_side`, `chained`. Without a law of N and D: `frontier` (isoFLOP and envelope), `power`. A
bigger run before it is trained: `backtesting`, `forecasting`.
"""

from isoloss.fitting.arms.arm_effects import ArmComparison, ArmEffect
from isoloss.fitting.arms.arms import compare_arms
from isoloss.fitting.backtesting import Ladder, backtest
from isoloss.fitting.chained import ChainedFit, fit_chain
from isoloss.fitting.comparison.compared_laws import (
    ComparedLaw,
    Comparison,
    MixedPrediction,
    Window,
)
from isoloss.fitting.comparison.comparison import compare
from isoloss.fitting.curve_fitting import CurveFit, fit_curves
from isoloss.fitting.diagnosis.influences import Influence, Removal, influence
from isoloss.fitting.diagnosis.outlying import Outlier, outliers
from isoloss.fitting.diagnosis.posteriors import posterior
from isoloss.fitting.diagnosis.profiling import Profile, profile
from isoloss.fitting.estimation import fit
from isoloss.fitting.forecasting import Forecast, forecast
from isoloss.fitting.frontier.compute_optimum import Allocation, FrontierPoint, OptimalModel
from isoloss.fitting.frontier.isoflop_minima import isoflop
from isoloss.fitting.frontier.lower_envelope import envelope
from isoloss.fitting.noise import Noise, run_noise
from isoloss.fitting.power.power_fit import PowerFit, fit_power
from isoloss.fitting.predicted_curves import PredictedCurve
from isoloss.fitting.predicting import Prediction
from isoloss.fitting.result import Check, Estimate, Fit
from isoloss.fitting.scaled_predictions import ScaledPredictions, scale_fit
from isoloss.fitting.side_by_side import FitTable, GroupFit, fit_groups
from isoloss.fitting.solver.constraints import Constraints
from isoloss.fitting.solver.descent import Problem
from isoloss.fitting.solver.objective import Objective
from isoloss.fitting.solver.optimum import Optimum, solve

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
    "PredictedCurve",
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
