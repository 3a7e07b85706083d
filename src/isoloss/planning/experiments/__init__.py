"""Which runs to make next: candidates, a budget and a target become a design.

Where to look: `posterior` says what the runs so far leave open, `beliefs` and `field` what a
further run would take off the target's variance, `strategies` choose, `choosing` has `design`.
"""

from isoloss.planning.experiments.candidates import Candidates, grid_of, read_candidates
from isoloss.planning.experiments.choosing import design
from isoloss.planning.experiments.result import Alternative, ChosenRun, Design
from isoloss.planning.experiments.strategies import STRATEGIES

__all__ = [
    "STRATEGIES",
    "Alternative",
    "Candidates",
    "ChosenRun",
    "Design",
    "design",
    "grid_of",
    "read_candidates",
]
