"""A small stand-in for a fit: the attributes that planning reads, with exact known laws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Formula = Callable[[FloatArray, Mapping[str, FloatArray]], FloatArray]

# Near what a laptop ladder gives: 3 layers, a vocabulary of 1,024, 128 tokens of context.
LADDER = {"E": 1.6, "A": 60.0, "B": 420.0, "alpha": 0.33, "beta": 0.35}
LADDER_FAMILY = {"vocab_size": 1024, "context_length": 128, "n_layer": 3}
LADDER_RANGES = {"N": (4e4, 4e5), "D": (5e5, 4e6), "C": (2e11, 2.4e12)}


def chinchilla(theta: FloatArray, data: Mapping[str, FloatArray]) -> FloatArray:
    e, a, b, alpha, beta = (theta[..., i, None] for i in range(5))
    return e + a / data["N"] ** alpha + b / data["D"] ** beta


@dataclass(frozen=True)
class FakeLaw:
    function: Formula = chinchilla
    name: str = "chinchilla"
    formula: str = "E + A/N**alpha + B/D**beta"
    variables: tuple[str, ...] = ("N", "D")

    def value(self, theta: FloatArray, data: Mapping[str, FloatArray], /) -> FloatArray:
        return self.function(theta, data)


@dataclass(frozen=True, kw_only=True)
class FakeFit:
    law: FakeLaw = FakeLaw()
    params: Mapping[str, Any] = field(default_factory=lambda: dict(LADDER))
    draws: FloatArray | None = None
    status: str = "The starts agree on one optimum."
    trusted: bool = True
    n_convention: str = "params_matmul"
    flops_convention: str = "palm"
    n_rows: int = 24
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=lambda: dict(LADDER_RANGES))
    family: Mapping[str, Any] = field(default_factory=lambda: dict(LADDER_FAMILY))

    @property
    def theta(self) -> FloatArray:
        return np.array(list(self.params.values()))


@pytest.fixture
def make_fit() -> Callable[..., FakeFit]:
    """A fake fit: of the ladder's family unless told otherwise."""
    return FakeFit


@pytest.fixture
def make_law() -> Callable[..., FakeLaw]:
    return FakeLaw


@pytest.fixture
def ladder_draws() -> FloatArray:
    """300 draws around `LADDER`, exponents moving with their coefficients as in real fits."""
    rng = np.random.default_rng(0)
    draws = np.tile(np.array(list(LADDER.values())), (300, 1))
    for coefficient, exponent, centre in ((1, 3, 2e5), (2, 4, 2e6)):
        shift = rng.normal(0, 0.02, 300)
        draws[:, exponent] += shift
        draws[:, coefficient] *= centre**shift
    draws[:, 0] += rng.normal(0, 0.02, 300)
    return draws
