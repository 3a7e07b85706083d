"""Farseer: the data term's size and exponent both depend on the size of the model."""

from __future__ import annotations

from dataclasses import replace

from isoloss.laws.chinchilla import N_AND_D
from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter

FARSEER = replace(
    library_law(
        name="farseer",
        formula="exp(s*N**q + S) + exp(B*N**b + Q)*D**(-exp(A*N**a + E))",
        title="Farseer: a data term whose exponent depends on size",
        reference="Li et al. 2025, arXiv:2506.10972",
        parameters=(
            Parameter("s", -50.0, 50.0, (-1.5, 0.0), "how the loss on infinite data falls with N"),
            Parameter("q", -1.0, 1.0, (0.02, 0.3), "power of N there"),
            Parameter("S", -50.0, 50.0, (0.0, 2.0), "log loss on infinite data where s is 0"),
            Parameter("B", -1e4, 1e4, (0.5, 10.0), "how the data term's size depends on N"),
            Parameter("b", -1.0, 1.0, (-0.3, -0.02), "power of N there"),
            Parameter("Q", -50.0, 50.0, (-2.0, 8.0), "log size of the data term where B is 0"),
            Parameter("A", -50.0, 50.0, (-2.0, 0.0), "how the data term's exponent depends on N"),
            Parameter("a", -1.0, 1.0, (0.02, 0.3), "power of N there"),
            Parameter("E", -50.0, 50.0, (-1.5, 0.5), "log exponent of the data term where A is 0"),
        ),
        variables=N_AND_D,
        note="Nine parameters, six of them in pairs that trade off (s and q, B and b, A and a):"
        " read its predictions, not its parameters, and give it a grid of many sizes and budgets.",
        evidence="its closed form; recovered from its own losses",
    ),
    # Terms of an exponential: they scale with N, though they are no factors of the loss.
    amplitudes={"s": {"N": "-q"}, "B": {"N": "-b"}, "A": {"N": "-a"}},
)
