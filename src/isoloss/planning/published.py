"""Scaling laws as their papers print them: constants without runs, so without intervals."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoloss.errors import NotFoundError

FloatArray = NDArray[np.float64]

CHINCHILLA_FORMULA = "E + A/N**alpha + B/D**beta"
KAPLAN_FORMULA = "((N_c/N)**(alpha_N/alpha_D) + D_c/D)**alpha_D"

# Runs of Hoffmann et al.: N and D from the abstract of arXiv:2203.15556 ("70 million to over 16
# billion parameters on 5 to 500 billion tokens"); the largest compute is the largest that Epoch
# read off their Figure 4 (arXiv:2404.10102).
_HOFFMANN_RANGES = {"N": (7e7, 1.6e10), "D": (5e9, 5e11), "C": (1.3e18, 1.3e22)}


@dataclass(frozen=True, kw_only=True)
class PublishedLaw:
    """A law with the constants of a paper.

    Attributes:
        name: what follows `published:`.
        formula: the loss in nats per token, as text.
        constants: value of every parameter of the formula.
        variables: inputs of the formula.
        n_convention, flops_convention: what the paper counts as N and as C.
        ranges: what the paper's runs cover, lowest and highest; `C` in FLOP.
        reference: where the constants are printed.
        note: what to know before trusting them; may be empty.

    >>> law = published_law("hoffmann")
    >>> theta = np.array(list(law.constants.values()))
    >>> round(float(law.value(theta, {"N": np.array([70e9]), "D": np.array([1.4e12])})[0]), 4)
    1.9366
    """

    name: str
    formula: str
    constants: Mapping[str, float]
    variables: tuple[str, ...] = ("N", "D")
    n_convention: str
    flops_convention: str
    ranges: Mapping[str, tuple[float, float]]
    reference: str
    note: str = ""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the constants, in the order of `theta`."""
        return tuple(self.constants)

    def value(self, theta: FloatArray, data: Mapping[str, FloatArray], /) -> FloatArray:
        """Loss: `theta` (..., P) and each variable (n,) give (..., n)."""
        columns = [theta[..., i, np.newaxis] for i in range(theta.shape[-1])]
        if self.formula == KAPLAN_FORMULA:
            n_c, alpha_n, d_c, alpha_d = columns
            inner = (n_c / data["N"]) ** (alpha_n / alpha_d) + d_c / data["D"]
            return np.asarray(inner**alpha_d, dtype=np.float64)
        e, a, b, alpha, beta = columns
        return np.asarray(e + a / data["N"] ** alpha + b / data["D"] ** beta, dtype=np.float64)


def _chinchilla(
    name: str, e: float, a: float, b: float, alpha: float, beta: float, **rest: Any
) -> PublishedLaw:
    return PublishedLaw(
        name=name,
        formula=CHINCHILLA_FORMULA,
        constants={"E": e, "A": a, "B": b, "alpha": alpha, "beta": beta},
        n_convention="params_total",
        flops_convention="6nd_total",
        ranges=_HOFFMANN_RANGES,
        **rest,
    )


_LAWS: dict[str, PublishedLaw] = {
    law.name: law
    for law in (
        _chinchilla(
            "hoffmann", 1.69, 406.4, 410.7, 0.34, 0.28,
            reference="Hoffmann et al. 2022, arXiv:2203.15556, equation 10 (rounded)",
            note="The rounding of the exponents moves N* by a quarter at 5.76e23 FLOP; "
            "published:hoffmann-unrounded has more digits.",
        ),
        _chinchilla(
            "hoffmann-unrounded", 1.69337368, 406.401018, 410.722827, 0.33917084, 0.2849083,
            reference="Hoffmann et al. 2022, digits of the LaTeX source of arXiv:2203.15556",
            note="Epoch (arXiv:2404.10102) could not reproduce this fit from the same runs.",
        ),
        _chinchilla(
            "epoch", 1.8172, 482.01, 2085.43, 0.3478, 0.3658,
            reference="Besiroglu et al. 2024, arXiv:2404.10102",
            note="A, B and the exponents are the optimum of absolute errors, E that of the "
            "Huber loss: good for allocation, E good to about 0.001.",
        ),
        PublishedLaw(
            name="kaplan",
            formula=KAPLAN_FORMULA,
            constants={"N_c": 6.4e13, "alpha_N": 0.076, "D_c": 1.8e13, "alpha_D": 0.103},
            n_convention="params_non_embedding",
            flops_convention="6nd_non_embedding",
            # Section 3 of the paper: 768 to 1.5e9 non-embedding parameters, 2.2e7 to 2.3e10
            # tokens. It names no largest compute in FLOP.
            ranges={"N": (768, 1.5e9), "D": (2.2e7, 2.3e10)},
            reference="Kaplan et al. 2020, arXiv:2001.08361, equation 1.5 and Table 2",
            note="This is the joint law L(N, D). The paper's own N* proportional to C^0.73 came "
            "from another law, of N and steps; arXiv:2406.19146 explains both exponents.",
        ),
    )
}  # fmt: skip


def published_names() -> tuple[str, ...]:
    """Names of the published laws.

    >>> published_names()
    ('hoffmann', 'hoffmann-unrounded', 'epoch', 'kaplan')
    """
    return tuple(_LAWS)


def published_law(name: str) -> PublishedLaw:
    """The published law of that name; a leading `published:` may stay.

    Raises:
        NotFoundError: there is none; the hint has the closest name.
    """
    wanted = name.removeprefix("published:").strip().lower().replace("_", "-")
    if wanted in _LAWS:
        return _LAWS[wanted]
    known = ", ".join(f"published:{known}" for known in _LAWS)
    close = difflib.get_close_matches(wanted, _LAWS, n=1, cutoff=0.5)
    hint = f"Did you mean published:{close[0]}? " if close else ""
    raise NotFoundError(
        f"there is no published law named {wanted!r} to plan with", hint=f"{hint}Known: {known}."
    )
