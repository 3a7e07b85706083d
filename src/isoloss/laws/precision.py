"""Numerical precision of training and of the finished weights."""

from __future__ import annotations

from isoloss.laws.chinchilla import ALPHA, BETA, A, B, E
from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter

_KEPT = "(1 - exp(n_{0} - meta_bits_{1}/gamma_{0}))"
_WEIGHTS = _KEPT.format("w", "weights")


def _width(name: str, what: str) -> Parameter:
    return Parameter(name, 0.05, 50.0, (0.5, 4.0), f"bits in which {what} get e times closer")


def _shift(name: str, what: str) -> Parameter:
    return Parameter(name, -5.0, 5.0, (-0.5, 1.0), f"shift of that for {what}, in such widths")


PRECISION = library_law(
    name="precision",
    formula=f"E + A/(N*{_WEIGHTS}*{_KEPT.format('a', 'activations')}"
    f"*{_KEPT.format('kv', 'cache')})**alpha + B/D**beta",
    title="Training in low precision: bits that act like parameters",
    reference="Kumar et al. 2024, arXiv:2411.04330, eq. 3 and 4, with the shifts n of Appendix K;"
    " constants: its Table 2",
    parameters=(
        E,
        A,
        ALPHA,
        B,
        BETA,
        _width("gamma_w", "weights"),
        _shift("n_w", "weights"),
        _width("gamma_a", "activations"),
        _shift("n_a", "activations"),
        _width("gamma_kv", "keys and values"),
        _shift("n_kv", "keys and values"),
    ),
    variables={
        "N": "parameters",
        "D": "training tokens",
        "meta_bits_weights": "bits of the weights while training",
        "meta_bits_activations": "bits of the activations while training",
        "meta_bits_cache": "bits of keys and values while training",
    },
    note="Unverified: no table here has such runs. The equations of the paper have no shifts, its"
    " fits do; their sign here is the one that gives its best training precision of 7 to 8 bits."
    " Below the bits where a factor is 0 the law means nothing. Fix n = 0 and the widths of parts"
    " that were always trained in 16 bits.",
    constants={
        "Kumar et al. 2024": {
            "E": 2.7648, "A": 4.299e3, "alpha": 0.4965, "B": 1.806e4, "beta": 0.4965,
            "gamma_w": 2.6745, "n_w": 0.3037, "gamma_a": 2.2102, "n_a": 1.4072,
            "gamma_kv": 0.9578, "n_kv": 2.4185,
        },
    },
)  # fmt: skip

_EFFECTIVE = "N*(1 - exp(-meta_bits_weights/gamma_w))"

QUANTIZED = library_law(
    name="quantized",
    formula=f"E + A/({_EFFECTIVE})**alpha + B/D**beta"
    f" + F*D**delta/({_EFFECTIVE})**nu*exp(-meta_bits_after/gamma_q)"
    "*(1 - exp(-r*(meta_bits_weights - meta_bits_after)))",
    title="Weights rounded after training",
    reference="Kumar et al. 2024, arXiv:2411.04330, eq. 8, 9 and 11, for weights alone",
    parameters=(
        E,
        A,
        ALPHA,
        B,
        BETA,
        _width("gamma_w", "weights"),
        Parameter("F", 1e-12, 1e12, (0.05, 5.0), "size of what rounding adds"),
        Parameter("delta", 1e-3, 3.0, (0.1, 1.0), "how data make rounding worse"),
        Parameter("nu", 1e-3, 3.0, (0.1, 1.0), "how parameters make it better"),
        _width("gamma_q", "rounded weights"),
        Parameter("r", 1e-3, 50.0, (0.1, 3.0), "how training in few bits protects from rounding"),
    ),
    variables={
        "N": "parameters",
        "D": "training tokens",
        "meta_bits_weights": "bits of the weights while training",
        "meta_bits_after": "bits to which they are rounded afterwards, no more than before",
    },
    note="Unverified and without constants: no table here has such runs, and Table 2 of the paper"
    " has a shift whose place it does not say. What rounding adds grows with D/N, so a model"
    " trained on more data may end worse. At equal bits it adds nothing.",
)
