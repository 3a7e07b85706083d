"""Data mixing: the loss on one text against the shares of the training data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isoloss.errors import UsageError
from isoloss.laws.law import Array, Columns, Law, Parameter

LARGEST = 50.0
"""Of the log reducible loss of a domain alone: beyond, exp of it says nothing."""


def mixing_law(shares: Sequence[str], *, target: str = "loss") -> Law:
    """The exponential mixing law `c + exp(t_1*share_1 + … + t_M*share_M)` of one loss.

    Ye et al. write c + k exp(sum t_j r_j). The shares of a mixture sum to 1, so that k and an
    equal shift of every t are one thing; here k is 1, and t_j is the logarithm of the reducible
    loss after training on domain j alone. Their t_j are ours less log k.

    Args:
        shares: columns of the run table, one a domain, between 0 and 1; each row sums to 1.
        target: the loss that the law predicts, often one domain's.

    Raises:
        UsageError: fewer than two columns, one named twice, or a name that no formula can hold.

    >>> mixing_law(["share_web", "share_code"]).formula
    'c + exp(t_1*share_web + t_2*share_code)'
    """
    names = tuple(shares)
    _check(names)
    slopes = [f"t_{i}" for i in range(1, len(names) + 1)]
    products = (f"{slope}*{name}" for slope, name in zip(slopes, names, strict=True))
    return Law(
        name="mixing",
        formula=f"c + exp({' + '.join(products)})",
        title="Exponential of the shares of the training data",
        reference="Ye et al. 2024, arXiv:2403.16952, eq. 7, with k = 1",
        parameters=(
            Parameter("c", 0.0, 1e3, (0.3, 3.0), "loss that no mixture removes"),
            *(
                Parameter(slope, -LARGEST, LARGEST, (-1.0, 2.0), f"log reducible loss on {name}")
                for slope, name in zip(slopes, names, strict=True)
            ),
        ),
        variables=names,
        units=dict.fromkeys(names, "share of the training data, 0 to 1"),
        note="For one size and number of tokens, and mixtures of the same domains. One loss at a"
        " time; a mean of losses is the mean of their laws. Domains that help only together"
        " (what a product of shares would say) are beyond it.",
        target=target,
        evidence="RegMix: 13 losses of 256 unseen mixtures, half the error of a linear regression",
        linear=("c",),
        value=_Value(names),
        jacobian=_Jacobian(names),
    )


def _check(names: tuple[str, ...]) -> None:
    """Refuse columns that cannot be the shares of a mixture."""
    if len(names) < 2 or len(set(names)) < len(names):
        raise UsageError(
            f"a mixture needs two or more columns, each named once; found {', '.join(names)}"
        )
    for name in names:
        if not name.isidentifier() or name == "c" or name.startswith("t_"):
            raise UsageError(
                f"the column {name!r} cannot stand in a formula",
                hint="Use letters, digits and underscores, and no name t_… or c.",
            )


@dataclass(frozen=True)
class _Value:
    """c + exp(shares · t): (..., n) for parameters (..., 1 + M)."""

    shares: tuple[str, ...]

    def __call__(self, theta: Array, data: Columns) -> Array:
        with np.errstate(over="ignore"):
            return theta[..., :1] + np.exp(_logs(self.shares, theta, data))


@dataclass(frozen=True)
class _Jacobian:
    """Its derivatives by c and t, (..., n, 1 + M)."""

    shares: tuple[str, ...]

    def __call__(self, theta: Array, data: Columns) -> Array:
        with np.errstate(over="ignore"):
            removable = np.exp(_logs(self.shares, theta, data))
        slopes = np.empty((*removable.shape, theta.shape[-1]))
        slopes[..., 0] = 1.0
        slopes[..., 1:] = removable[..., None] * _matrix(self.shares, data)
        return slopes


def _matrix(shares: tuple[str, ...], data: Columns) -> Array:
    """The shares of each row, (n, M)."""
    return np.stack([np.asarray(data[name], dtype=np.float64) for name in shares], axis=-1)


def _logs(shares: tuple[str, ...], theta: Array, data: Columns) -> Array:
    """Logarithm of the reducible loss of each row, (..., n)."""
    return theta[..., 1:] @ _matrix(shares, data).T
