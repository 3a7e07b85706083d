"""Mixtures of experts: the loss against experts, active share, parameters and data."""

from __future__ import annotations

from isoloss.laws.chinchilla import ALPHA, BETA, E
from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter

_INVERSE = "(1/(meta_experts - 1 + 1/(1/E_start - 1/E_max)) + 1/E_max)"
"""1 over the effective number of experts of Clark et al. 2022."""
_EXPERTS = "experts of a routed layer; 1 is a dense model"
_E_START = Parameter("E_start", 1.0, 100.0, (1.2, 6.0), "what routing costs, in experts")
_E_MAX = Parameter("E_max", 2.0, 1e6, (40.0, 1e3), "experts beyond which more do not help")

ROUTED = library_law(
    name="routed",
    formula=f"10**(d + a*log10(N) - (b + c*log10(N))*log10{_INVERSE})",
    title="Routed language models: dense size and number of experts",
    reference="Clark et al. 2022, arXiv:2202.01169: log10 L = a log10 N + b log10 Ê"
    " + c log10 N log10 Ê + d",
    parameters=(
        Parameter("a", -2.0, 2.0, (-0.15, -0.02), "slope in log N of a model with Ê = 1"),
        Parameter("b", -2.0, 2.0, (-0.3, 0.0), "slope in log Ê where N = 1"),
        Parameter("c", -1.0, 1.0, (-0.01, 0.03), "how size changes what experts are worth"),
        Parameter("d", -20.0, 20.0, (0.2, 2.0), "log10 of the loss where N = 1 and Ê = 1"),
        _E_START,
        _E_MAX,
    ),
    variables={"N": "parameters of the dense model that is routed", "meta_experts": _EXPERTS},
    note="For one number of training tokens: it has no D. With c > 0 experts help large models"
    " less, and beyond a size not at all; where that size lies is an extrapolation. E_max is known"
    " only where the runs have hundreds of experts.",
    evidence="the S-Base runs of arXiv:2202.01169: its constants, RMS .00323 dex on 58 rows",
    constants={
        "Clark et al. 2022, S-Base": {
            "a": -0.0830, "b": -0.1180, "c": 0.0099, "d": 1.1136,
            "E_start": 2.075, "E_max": 238.7,
        },
    },
)  # fmt: skip

JOINT_EXPERTS = library_law(
    name="joint_experts",
    formula=f"E + A*{_INVERSE}**delta/params_active**(alpha - gamma*log{_INVERSE})"
    f" + B*{_INVERSE}**omega/D**(beta - zeta*log{_INVERSE})",
    title="Experts, active parameters and data in one law",
    reference="Ludziejewski et al. 2025, arXiv:2502.05172, eq. 6, with the signs of all exponents"
    " turned so that each divides; constants: its Table 3",
    parameters=(
        E,
        Parameter("A", 1e-9, 1e18, (3.0, 300.0), "size of the part that parameters remove"),
        ALPHA,
        Parameter("gamma", -1.0, 1.0, (-0.05, 0.05), "how log Ê changes alpha"),
        Parameter("delta", -5.0, 5.0, (-0.5, 0.5), "how fast experts remove the first part"),
        Parameter("B", 1e-9, 1e18, (3.0, 300.0), "size of the part that data remove"),
        BETA,
        Parameter("zeta", -1.0, 1.0, (-0.05, 0.05), "how log Ê changes beta"),
        Parameter("omega", -5.0, 5.0, (-1.0, 0.5), "how fast experts remove the second part"),
        _E_START,
        _E_MAX,
    ),
    variables={
        "params_active": "parameters that a token meets",
        "D": "training tokens",
        "meta_experts": _EXPERTS,
    },
    note="For every number of experts it is a Chinchilla law of its own. Eleven parameters: it"
    " wants runs that vary experts, size and data against each other; with one number of tokens"
    " `routed` is the law to take.",
    evidence="the dense laws (Table 4) and compute-optimal sizes (Table 1) of its paper",
    constants={
        "Ludziejewski et al. 2025": {
            "E": 1.3637, "A": 35.91, "alpha": 0.1889, "gamma": -0.0098, "delta": 0.2285,
            "B": 35.98, "beta": 0.1775, "zeta": 0.0259, "omega": -0.5529,
            "E_start": 2.0732, "E_max": 290.4521,
        },
    },
)  # fmt: skip

SPARSITY = library_law(
    name="sparsity",
    formula="E + A/N**alpha + B/D**beta + F/meta_active_share**lam"
    " + G/(meta_active_share**delta*N**gamma)",
    title="Total parameters, data and the share of experts that is active",
    reference="Abnar et al. 2025, arXiv:2501.12370, eq. 6, with 1 - S as the active share",
    parameters=(
        E,
        Parameter("A", 1e-9, 1e18, (0.05, 5.0), "size of the part that parameters remove"),
        ALPHA,
        Parameter("B", 1e-9, 1e18, (0.05, 5.0), "size of the part that data remove"),
        BETA,
        Parameter("F", 1e-9, 1e9, (0.05, 2.0), "size of the part that depends on sparsity alone"),
        Parameter("lam", -3.0, 3.0, (-0.5, 0.5), "how it changes with the active share"),
        Parameter("G", 1e-9, 1e18, (0.05, 5.0), "size of the part where both meet"),
        Parameter("delta", -3.0, 3.0, (0.05, 0.5), "its exponent of the active share"),
        Parameter("gamma", 1e-3, 3.0, (0.05, 0.5), "its exponent of N"),
    ),
    variables={
        "N": "all parameters, active or not",
        "D": "training tokens",
        "meta_active_share": "active experts over all experts, 1 - sparsity",
    },
    note="Unverified: no table here has such runs; the constants are those of Table 3 of the paper"
    " as two readers of it quote them. Ten parameters follow a grid closely and extrapolate"
    " poorly: the paper itself reports R2 68% on the sparsity it held out.",
    constants={
        "Abnar et al. 2025": {
            "E": 0.94, "A": 16612.5, "alpha": 0.5962, "B": 5455.67, "beta": 0.3954,
            "F": 0.4598, "lam": -0.1666, "G": 17.26, "delta": 0.1603, "gamma": 0.1595,
        },
    },
)  # fmt: skip
