"""Loss of the best run at a budget."""

from __future__ import annotations

from dataclasses import replace

from isoloss.laws.chinchilla import ALPHA, A, E
from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter

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

COMPUTE_OFFSET = replace(
    library_law(
        name="compute_offset",
        formula="E + A/(C + B)**alpha",
        title="Loss of the best run at a budget, with compute that is not counted",
        reference="the form E + A (C + B)^-alpha; B = 0 is `compute`",
        parameters=(
            E,
            A,
            Parameter("B", 1e-9, 1e40, (1e-3, 1.0), "compute that every run has beside its own"),
            ALPHA,
        ),
        variables={"C": "training FLOP"},
        note="B bends the law where budgets are small, as a warm-up or a start from a trained"
        " model would. Runs far above B say nothing about it: it then lies at its bound and"
        " `compute` is the law to take.",
        evidence="its closed form; recovered from its own losses",
    ),
    # Only a power of C itself is recognised as such: a sum has no exponent of its own.
    amplitudes={"A": {"C": "alpha"}, "B": {"C": "1.0"}},
)
