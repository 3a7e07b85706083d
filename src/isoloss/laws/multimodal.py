"""Two modalities in one model: what each would do alone, and what they do to each other."""

from __future__ import annotations

from isoloss.laws.chinchilla import ALPHA, BETA, A, B
from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter


def _alone(i: int) -> tuple[Parameter, ...]:
    """The Chinchilla law of one modality."""
    return (
        Parameter(f"E_{i}", 0.0, 1e3, (0.3, 3.0), f"least loss of modality {i} alone"),
        Parameter(f"A_{i}", 1e-9, 1e18, (0.05, 5.0), f"what parameters remove of modality {i}"),
        Parameter(f"alpha_{i}", 1e-3, 3.0, (0.05, 1.0), f"how fast, for modality {i}"),
        Parameter(f"B_{i}", 1e-9, 1e18, (0.05, 5.0), f"what data remove of modality {i}"),
        Parameter(f"beta_{i}", 1e-3, 3.0, (0.05, 1.0), f"how fast, for modality {i}"),
    )


TWO_MODALITIES = library_law(
    name="two_modalities",
    formula="(E_1 + A_1/N**alpha_1 + B_1/meta_tokens_1**beta_1"
    " + E_2 + A_2/N**alpha_2 + B_2/meta_tokens_2**beta_2)/2"
    " + A/N**alpha + B/D**beta - S",
    title="Two modalities with interaction",
    reference="Aghajanyan et al. 2023, arXiv:2301.03728, the mixed-modal law",
    parameters=(
        *_alone(1),
        *_alone(2),
        A,
        ALPHA,
        B,
        BETA,
        Parameter("S", 0.0, 1e3, (0.02, 0.5), "synergy of an infinite model on infinite data"),
    ),
    variables={
        "N": "parameters",
        "meta_tokens_1": "training tokens of the first modality",
        "meta_tokens_2": "training tokens of the second",
        "D": "training tokens of both",
    },
    note="Unverified and without constants: no table here has such runs. Fit both Chinchilla laws"
    " to runs of one modality first and pass them as `fixed`: mixed runs alone cannot tell the"
    " laws of the modalities from their interaction, and know only E_1/2 + E_2/2 - S. Modalities"
    " help each other where S exceeds A/N**alpha + B/D**beta, and compete elsewhere.",
)
