"""The additive law of Hoffmann et al."""

from __future__ import annotations

from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter

E = Parameter("E", 0.0, 1e3, (0.3, 3.0), "loss of an infinite model on infinite data")
A = Parameter("A", 1e-9, 1e18, (0.05, 5.0), "size of the part that parameters remove")
B = Parameter("B", 1e-9, 1e18, (0.05, 5.0), "size of the part that data remove")
ALPHA = Parameter("alpha", 1e-3, 3.0, (0.05, 1.0), "how fast parameters remove loss")
BETA = Parameter("beta", 1e-3, 3.0, (0.05, 1.0), "how fast data remove loss")
N_AND_D = {"N": "parameters", "D": "training tokens"}

CHINCHILLA = library_law(
    name="chinchilla",
    formula="E + A/N**alpha + B/D**beta",
    title="Chinchilla: additive in parameters and data",
    reference="Hoffmann et al. 2022, arXiv:2203.15556, eq. 2",
    parameters=(E, A, B, ALPHA, BETA),
    variables=N_AND_D,
    note="The field's common law. It misleads where more data help a large model more than a"
    " small one (small ladders, strong under-training): compare it with skaling and interaction.",
    evidence="the optima of the Chinchilla runs by five objectives, to 1e-6",
    constants={
        "Hoffmann et al. 2022, unrounded": {
            "E": 1.69337368, "A": 406.401018, "B": 410.722827,
            "alpha": 0.33917084, "beta": 0.2849083,
        },
    },
)  # fmt: skip
