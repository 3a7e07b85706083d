"""The laws of Kaplan et al. 2020: power laws without an offset, and the critical batch size."""

from __future__ import annotations

from isoloss.laws.chinchilla import N_AND_D
from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter

PF_DAY = 8.64e19
"""FLOP of a petaflop/s-day, the paper's unit of compute."""
_PAPER = "Kaplan et al. 2020, arXiv:2001.08361"
_SCALE = (1e2, 1e12)
"""A loss of a few nats at exponents of .05 to .3: the scale lies far above the runs."""

N_C = Parameter("N_c", 1e-9, 1e45, _SCALE, "parameters at which the loss would be 1")
ALPHA_N = Parameter("alpha_N", 1e-3, 3.0, (0.03, 0.4), "how fast parameters remove loss")
D_C = Parameter("D_c", 1e-9, 1e45, _SCALE, "tokens at which the loss would be 1")
ALPHA_D = Parameter("alpha_D", 1e-3, 3.0, (0.03, 0.4), "how fast data remove loss")
C_C = Parameter("C_c", 1e-9, 1e60, _SCALE, "compute at which the loss would be 1")
ALPHA_C = Parameter("alpha_C", 1e-3, 3.0, (0.02, 0.3), "how fast compute removes loss")
B_STAR = Parameter("B_star", 1e-3, 1e18, (1e5, 1e10), "critical batch, in tokens, at a loss of 1")
ALPHA_B = Parameter("alpha_B", 1e-2, 10.0, (0.1, 1.0), "how fast it grows as the loss falls")

_NO_OFFSET = (
    " Without an offset the loss would go to 0, which text does not allow: far beyond the runs it"
    " is too hopeful."
)

KAPLAN_N = library_law(
    name="kaplan_n",
    formula="(N_c/N)**alpha_N",
    title="Kaplan: loss against parameters",
    reference=f"{_PAPER}, eq. 1.1",
    parameters=(N_C, ALPHA_N),
    variables={"N": "parameters without embeddings"},
    note="For models trained to convergence on as much data as they can use." + _NO_OFFSET,
    evidence="its closed form",
    constants={f"{_PAPER}, eq. 1.1": {"N_c": 8.8e13, "alpha_N": 0.076}},
)

KAPLAN_D = library_law(
    name="kaplan_d",
    formula="(D_c/D)**alpha_D",
    title="Kaplan: loss against data",
    reference=f"{_PAPER}, eq. 1.2",
    parameters=(D_C, ALPHA_D),
    variables={"D": "tokens of the training text"},
    note="For large models stopped when the validation loss stops falling." + _NO_OFFSET,
    evidence="its closed form",
    constants={f"{_PAPER}, eq. 1.2": {"D_c": 5.4e13, "alpha_D": 0.095}},
)

KAPLAN_C = library_law(
    name="kaplan_c",
    formula="(C_c/C)**alpha_C",
    title="Kaplan: loss against compute",
    reference=f"{_PAPER}, eq. 1.3",
    parameters=(C_C, ALPHA_C),
    variables={"C": "training FLOP, 6ND without embeddings"},
    note="For the best model at each compute, trained well below the critical batch size; the"
    " second set of constants is for one fixed batch size. `compute` has an offset beside it."
    + _NO_OFFSET,
    evidence="its closed form",
    constants={
        f"{_PAPER}, eq. 1.3, 3.1e8 PF-days": {"C_c": 3.1e8 * PF_DAY, "alpha_C": 0.050},
        f"{_PAPER}, Table 5, 1.6e7 PF-days": {"C_c": 1.6e7 * PF_DAY, "alpha_C": 0.057},
    },
)

KAPLAN = library_law(
    name="kaplan",
    formula="((N_c/N)**(alpha_N/alpha_D) + D_c/D)**alpha_D",
    title="Kaplan: parameters and data under one exponent",
    reference=f"{_PAPER}, eq. 1.5",
    parameters=(N_C, ALPHA_N, D_C, ALPHA_D),
    variables=N_AND_D,
    note="Made for overfitting: D is the size of the text, read until the loss stops falling. On"
    " runs of one epoch the same form serves (it is skaling with E = 0 and beta = 1)." + _NO_OFFSET,
    evidence="the constants of planning/published.py; recovered from its own losses",
    constants={
        f"{_PAPER}, Table 2": {
            "N_c": 6.4e13, "alpha_N": 0.076, "D_c": 1.8e13, "alpha_D": 0.103,
        },
    },
)  # fmt: skip

CRITICAL_BATCH = library_law(
    name="critical_batch",
    formula="B_star/L**(1/alpha_B)",
    title="Kaplan: critical batch size against loss",
    reference=f"{_PAPER}, eq. 1.4; McCandlish et al. 2018, arXiv:1812.06162",
    parameters=(B_STAR, ALPHA_B),
    variables={"L": "loss, nats per token"},
    target="batch_tokens",
    note="Beyond this batch, more tokens a step hardly save steps. It depends on the loss alone,"
    " not on the size of the model. It says nothing about the best learning rate.",
    evidence="its closed form",
    constants={f"{_PAPER}, eq. 1.4": {"B_star": 2e8, "alpha_B": 0.21}},
)
