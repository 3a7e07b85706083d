"""A data term that depends on the size of the model."""

from __future__ import annotations

from isoloss.laws.chinchilla import ALPHA, BETA, N_AND_D, A, B, E
from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter

GAMMA = Parameter("gamma", -1.0, 1.0, (-0.3, 0.3), "how size changes the data term; 0: not at all")

INTERACTION = library_law(
    name="interaction",
    formula="E + A/N**alpha + B/(D**beta*N**gamma)",
    title="Interaction: the data term depends on size",
    reference="the additive law of arXiv:2203.15556, eq. 2, with N^-gamma in its data term",
    parameters=(E, A, B, ALPHA, BETA, GAMMA),
    variables=N_AND_D,
    note="gamma > 0: larger models need less data for the same gain. Where gamma < 0 the data term"
    " grows with N and the law bends upwards far outside the runs: use it for short steps.",
    evidence="registered predictions of bigger runs (docs/log.md)",
)
