"""Scaling laws as data: a formula, its parameters, and exact functions made from it."""

from isoloss.laws.annealing import annealing_area, multi_power
from isoloss.laws.curves import Curve, Curves, Points, point_columns
from isoloss.laws.law import Law, Parameter
from isoloss.laws.library import get_law, law_names
from isoloss.laws.mixing import mixing_law
from isoloss.laws.schedules import LearningRates

__all__ = [
    "Curve",
    "Curves",
    "Law",
    "LearningRates",
    "Parameter",
    "Points",
    "annealing_area",
    "get_law",
    "law_names",
    "mixing_law",
    "multi_power",
    "point_columns",
]
