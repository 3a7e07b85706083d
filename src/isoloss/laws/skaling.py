"""The additive terms under a common power: parameters and data that help each other."""

from __future__ import annotations

from isoloss.laws.chinchilla import ALPHA, BETA, N_AND_D, A, B, E
from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter

K = Parameter("k", 0.02, 5.0, (0.2, 1.5), "curvature of the joint term; 1 is Chinchilla")

SKALING = library_law(
    name="skaling",
    formula="E + (A/N**alpha + B/D**beta)**k",
    title="Skaling: additive terms under a common power",
    reference="the form E + (A N^-alpha + B D^-beta)^k; k = 1 is arXiv:2203.15556, eq. 2, and"
    " E = 0, beta = 1 is arXiv:2001.08361, eq. 1.5",
    parameters=(E, A, B, ALPHA, BETA, K),
    variables=N_AND_D,
    note="With k < 1 each resource helps more where the other is plentiful, as small ladders show."
    " One exponent more than Chinchilla: k, alpha and beta are known less well one by one than"
    " the loss they give.",
    evidence="registered predictions of bigger runs (docs/log.md)",
)
