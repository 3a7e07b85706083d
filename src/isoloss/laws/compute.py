"""Loss of the best run at a budget."""

from __future__ import annotations

from isoloss.laws.chinchilla import ALPHA, A, E
from isoloss.laws.compiled import library_law

COMPUTE = library_law(
    name="compute",
    formula="E + A/C**alpha",
    title="Loss of the best run at a budget",
    reference="Kaplan et al. 2020, arXiv:2001.08361, eq. 1.3, with an offset",
    parameters=(E, A, ALPHA),
    variables={"C": "training FLOP"},
    note="For runs on the compute-optimal frontier only; elsewhere it mixes up N and D.",
    evidence="its closed form",
)
