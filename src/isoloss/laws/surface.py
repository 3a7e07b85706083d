"""A quadratic surface in log N and log D: no theory, only the shape of the runs."""

from __future__ import annotations

from isoloss.laws.chinchilla import N_AND_D
from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter

_MEANINGS = {
    "c": "log loss at N = 1e5, D = 1e6, where the logarithms are zero",
    "n": "slope in log N there",
    "d": "slope in log D there",
    "nd": "how each slope changes with the other",
    "nn": "bend in log N",
    "dd": "bend in log D",
}

SURFACE = library_law(
    name="surface",
    formula="exp(c + n*log(N/1e5) + d*log(D/1e6) + nd*log(N/1e5)*log(D/1e6)"
    " + nn*log(N/1e5)**2 + dd*log(D/1e6)**2)",
    title="Quadratic surface of log loss",
    reference="response surface of second order (Box and Wilson 1951)",
    parameters=tuple(
        Parameter(name, -20.0, 20.0, (-0.2, 0.2) if name != "c" else (0.0, 2.0), meaning)
        for name, meaning in _MEANINGS.items()
    ),
    variables=N_AND_D,
    note="It follows a bend that the laws do not have, and so tells how much it matters. A few"
    " times beyond the runs it is a fair witness; far beyond them it means nothing, so isoloss"
    " never plans with it.",
    evidence="registered predictions of bigger runs (docs/log.md)",
)
