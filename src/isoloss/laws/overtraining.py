"""Over-training: one exponent for parameters and data, in compute and tokens per parameter."""

from __future__ import annotations

from isoloss.laws.chinchilla import E
from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter


def _constants(alpha: float, beta: float, b: float, e: float) -> dict[str, float]:
    """Ours from the form alpha N^b + beta 6^(b/2) (M N)^b + E, where C = 6 N^2 M."""
    eta = -b / 2
    return {"E": e, "a": alpha * 6**eta, "b": beta, "eta": eta}


_FIT = "Gadre et al. 2024, five runs, from their fits of"

OVERTRAINING = library_law(
    name="overtraining",
    formula="E + a*(M/C)**eta + b/(M*C)**eta",
    title="Over-training: loss against compute and tokens per parameter",
    reference="Gadre et al. 2024, arXiv:2403.08540, eq. 4: E + (a M^eta + b M^-eta) C^-eta",
    parameters=(
        E,
        Parameter("a", 1e-9, 1e18, (0.05, 5.0), "size of the part that a larger M makes worse"),
        Parameter("b", 1e-9, 1e18, (0.05, 5.0), "size of the part that a larger M makes better"),
        Parameter("eta", 1e-3, 1.5, (0.02, 0.5), "how fast compute removes loss at any M"),
    ),
    variables={"M": "tokens per parameter", "C": "training FLOP, 6ND"},
    note="Chinchilla with alpha = beta = 2 eta and C = 6ND: at every M the loss falls with the"
    " same power of C, so four parameters follow from a handful of small runs, some of them"
    " over-trained. Where the two exponents differ it misjudges M far from the runs. C must be"
    " 6ND with the N of M.",
    evidence="held-out errors of arXiv:2403.08540 (1.4B at M = 640: .71%; 6.9B at M = 20: .73%)",
    constants={
        f"{_FIT} RedPajama": _constants(166.211, 366.687, -0.272851, 1.836648),
        f"{_FIT} C4": _constants(113.693, 189.516, -0.242472, 1.508261),
        f"{_FIT} RefinedWeb": _constants(125.096, 246.207, -0.254395, 1.734462),
    },
)
