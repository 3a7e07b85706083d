"""Scaling laws as data: a formula, its parameters, and exact functions made from it."""

from isoloss.laws.law import Law, Parameter
from isoloss.laws.library import get_law, law_names

__all__ = ["Law", "Parameter", "get_law", "law_names"]
