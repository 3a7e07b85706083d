"""The plain power law of any metric: what is seen in a log-log plot and no more."""

from __future__ import annotations

from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter

_SLOPE = (-0.5, 0.5)

POWER = library_law(
    name="power",
    formula="a*N**b*D**c*C**d",
    title="Plain power law of a metric",
    reference="log-log regression; Kaplan et al. 2020, arXiv:2001.08361, §3, has it for the loss",
    parameters=(
        Parameter("a", 1e-300, 1e300, (0.05, 5.0), "the metric where N, D and C are 1"),
        Parameter("b", -10.0, 10.0, _SLOPE, "relative change of the metric with N"),
        Parameter("c", -10.0, 10.0, _SLOPE, "relative change of the metric with D"),
        Parameter("d", -10.0, 10.0, _SLOPE, "relative change of the metric with C"),
    ),
    variables={"N": "parameters", "D": "training tokens", "C": "training FLOP"},
    note="`isoloss.fitting.fit_power` fits it in closed form and says which exponents the runs"
    " identify: where C is a multiple of N D it is b + d and c + d, never all three. It has no"
    " floor and no ceiling: a loss goes to 0 and an accuracy above 1.",
    evidence="numpy.linalg.lstsq on the logarithms",
)
