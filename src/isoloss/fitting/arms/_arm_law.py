"""One law over the rows of several arms: shared parameters, and what each arm's runs are worth.

An arm whose parameters are worth c_N times as many and whose tokens c_D times as many follows the
baseline's law at (c_N·N, c_D·D). Where a law changes with N and D through its amplitudes alone,
that is the same law with other amplitudes (A·c_N^-alpha, B·c_D^-beta), so that derivatives are
exact by the chain rule and batches of multipliers cost no more than batches of parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from isoloss.errors import UsageError
from isoloss.laws import Law, Parameter
from isoloss.laws.law import Array, Columns, Counts

ARM = "meta_arm_index"
"""The column with the number of a row's arm, 0 for the baseline."""
EffectName = Literal["auto", "both", "compute", "data", "parameters"]
WAYS: dict[str, dict[str, tuple[float, float]]] = {
    "parameters": {"parameters": (1.0, 0.0)},
    "data": {"data": (0.0, 1.0)},
    "compute": {"compute": (0.5, 0.5)},
    "both": {"parameters": (1.0, 0.0), "data": (0.0, 1.0)},
}
"""For each effect its multipliers, each with the powers with which it multiplies N and D."""
_SCALES = {
    "N": (1.0, 0.0), "D": (0.0, 1.0), "tokens": (0.0, 1.0), "C": (1.0, 1.0), "flops": (1.0, 1.0),
    "M": (-1.0, 1.0),
}  # fmt: skip
_WIDEST = 1e4
"""Multipliers lie between its inverse and it."""
Factor = tuple[tuple[float, float], Array]
"""Powers of N and of D, and the logarithm of what is raised to them."""


def scales_of(law: Law) -> dict[str, tuple[float, float]]:
    """For each variable that grows with N or D, the powers with which it does.

    >>> from isoloss.laws import get_law
    >>> scales_of(get_law("chinchilla"))
    {'N': (1.0, 0.0), 'D': (0.0, 1.0)}
    """
    known = {v: (1.0, 0.0) if v.startswith("params_") else _SCALES.get(v) for v in law.variables}
    return {variable: scale for variable, scale in known.items() if scale is not None}


def unit_of(law: Law) -> str:
    """What an arm is worth more or less of: compute, parameters or tokens.

    Raises:
        UsageError: the law knows neither N nor D nor C.
    """
    scales = list(scales_of(law).values())
    if not scales:
        raise UsageError(
            f"the law {law.name!r} has no variable that grows with compute",
            hint="Use a law of N, D, C or M, such as chinchilla.",
        )
    if all(of_d == 0 for _, of_d in scales):
        return "parameters"
    return "tokens" if all(of_n == 0 for of_n, _ in scales) else "compute"


def two_sided(law: Law) -> bool:
    """Whether N and D can be told apart in a law, so that a budget can be shared out."""
    scales = np.array(list(scales_of(law).values()))
    return len(scales) > 1 and int(np.linalg.matrix_rank(scales)) == 2


def path_of(law: Law) -> tuple[float, float]:
    """Powers of N and D along which one more of `unit_of(law)` is spent."""
    of_unit = {"compute": (0.5, 0.5), "parameters": (1.0, 0.0), "tokens": (0.0, 1.0)}
    return of_unit[unit_of(law)]


def chosen_effect(law: Law, effect: str) -> str:
    """The effect's name, `auto` resolved.

    Raises:
        UsageError: an unknown name, or an effect that the law cannot show.
    """
    if effect not in get_args(EffectName):
        raise UsageError(
            f"unknown effect {effect!r}", hint=f"Use {', '.join(get_args(EffectName))}."
        )
    single = {"compute": "compute", "parameters": "parameters", "tokens": "data"}[unit_of(law)]
    if effect == "auto":
        return "both" if two_sided(law) else single
    if not two_sided(law) and effect != single:
        raise UsageError(
            f"the law {law.name!r} of {', '.join(law.variables)} cannot show the effect {effect!r}",
            hint=f"Use {single}.",
        )
    return effect


def scaled(law: Law, theta: Array, *factors: Factor) -> Array:
    """Parameters (..., P) with which the law says what `theta` says of multiplied N and D.

    Args:
        theta: parameters (..., P).
        factors: powers of N and of D, and the logarithm of what is raised to them, (...).
    """
    batch = np.broadcast_shapes(theta.shape[:-1], *(np.shape(x) for _, x in factors))
    new = np.broadcast_to(theta, (*batch, theta.shape[-1])).copy()
    for power in _powers(law):
        moved = -power.exponent(theta) * power.grown(factors)
        if power.logarithmic:
            new[..., power.amplitude] += moved
        else:
            with np.errstate(over="ignore", under="ignore"):
                new[..., power.amplitude] *= np.exp(moved)
    return new


def _slopes(
    law: Law, theta: Array, new: Array, factors: Sequence[Factor]
) -> tuple[Array, list[Array]]:
    """Derivatives of `scaled` (..., P): by theta (..., P, P), by each logarithm (..., P)."""
    by_theta = np.broadcast_to(np.eye(len(law.names)), (*new.shape, new.shape[-1])).copy()
    by_factor = [np.zeros(new.shape) for _ in factors]
    for power in _powers(law):
        i = power.amplitude
        unit = 1.0 if power.logarithmic else new[..., i]
        if not power.logarithmic:
            by_theta[..., i, i] = new[..., i] / theta[..., i]
        if power.named is not None:
            by_theta[..., i, power.named] -= power.sign * power.grown(factors) * unit
        for part, (way, _) in zip(by_factor, factors, strict=True):
            part[..., i] -= power.exponent(theta) * np.dot(power.scale, way) * unit
    return by_theta, by_factor


@dataclass(frozen=True)
class _Power:
    """A variable that divides an amplitude (or its exponential) by a power of itself.

    Attributes:
        amplitude: position of the amplitude; `logarithmic`: it is the logarithm of one.
        named: position of the parameter that is the exponent, times `sign`; or None, and `sign`
            is the exponent.
        scale: how the variable grows with N and D.
    """

    amplitude: int
    logarithmic: bool
    named: int | None
    sign: float
    scale: tuple[float, float]

    def exponent(self, theta: Array) -> Array:
        """The exponent for parameters (..., P)."""
        return self.sign * (np.ones(()) if self.named is None else theta[..., self.named])

    def grown(self, factors: Sequence[Factor]) -> Array:
        """Logarithm of what the variable was multiplied by, (...)."""
        return sum((np.dot(self.scale, way) * x for way, x in factors), start=np.zeros(()))


def _powers(law: Law) -> list[_Power]:
    scales = scales_of(law)
    found: list[_Power] = []
    for powers, logarithmic in ((law.amplitudes, False), (law.log_amplitudes, True)):
        for name, exponents in powers.items():
            for variable in (v for v in exponents if v in scales):
                text = exponents[variable]
                bare = text.removeprefix("-")
                named = law.index(bare) if bare in law.names else None
                sign = float(text) if named is None else (-1.0 if text != bare else 1.0)
                found.append(_Power(law.index(name), logarithmic, named, sign, scales[variable]))
    return found


def refuse_other_laws(law: Law, data: Columns) -> None:
    """Refuse a law that N and D change otherwise than through its amplitudes.

    Raises:
        UsageError: naming laws that will do.
    """
    rng = np.random.default_rng(0)
    starts = np.array([p.start for p in law.parameters])
    theta = starts[:, 0] + (starts[:, 1] - starts[:, 0]) * rng.random((4, len(starts)))
    near = {v: c / np.exp(np.log(c).mean()) if (c > 0).all() else c for v, c in data.items()}
    scales = scales_of(law)
    for way in ((1.0, 0.0), (0.0, 1.0)):
        grown = {v: c * 1.7 ** np.dot(scales.get(v, (0, 0)), way) for v, c in near.items()}
        with np.errstate(all="ignore"):
            wanted = law.value(theta, grown)
            found = law.value(scaled(law, theta, (way, np.full(4, np.log(1.7)))), near)
        if not np.allclose(wanted, found, rtol=1e-9, equal_nan=True):
            raise UsageError(
                f"arms cannot be compared with the law {law.name!r}: its variables do more than"
                " divide its amplitudes",
                hint="Use chinchilla, skaling, interaction, or a formula with its products written"
                " out, such as 'E + A/N**alpha + B/(D**beta*N**gamma)'.",
            )


@dataclass(frozen=True)
class Arms:
    """How the arms of a comparison follow from one vector of parameters.

    Attributes:
        law: the law of each arm.
        names: of the arms; the baseline first.
        effect: a key of `WAYS`.
    """

    law: Law
    names: tuple[str, ...]
    effect: str

    @property
    def ways(self) -> dict[str, tuple[float, float]]:
        """The multipliers of each arm but the baseline."""
        return WAYS[self.effect]

    def position(self, arm: int, way: int) -> int:
        """Where a multiplier of an arm (1 or higher) stands in the shared parameters."""
        return len(self.law.names) + (arm - 1) * len(self.ways) + way

    def of_arm(self, theta: Array, arm: int) -> Array:
        """Parameters (..., P) of the law for one arm, from the shared ones (..., Q)."""
        return scaled(self.law, theta[..., : len(self.law.names)], *self._factors(theta, arm))

    def _factors(self, theta: Array, arm: int) -> list[Factor]:
        """The multipliers of an arm; none of the baseline."""
        ways = list(self.ways.values()) if arm else []
        return [(way, np.log(theta[..., self.position(arm, k)])) for k, way in enumerate(ways)]

    def _with_slopes(self, theta: Array, arm: int) -> tuple[Array, Array]:
        """The arm's parameters (..., P) and their derivatives (..., P, Q)."""
        size = len(self.law.names)
        own, factors = theta[..., :size], self._factors(theta, arm)
        new = scaled(self.law, own, *factors)
        by_own, by_factor = _slopes(self.law, own, new, factors)
        slopes = np.zeros((*new.shape, theta.shape[-1]))
        slopes[..., :size] = by_own
        for k, part in enumerate(by_factor):
            column = self.position(arm, k)
            slopes[..., column] = part / theta[..., column, None]
        return new, slopes

    def value(self, theta: Array, data: Columns) -> Array:
        """The law of every row's arm, (..., n)."""
        result = np.empty((*theta.shape[:-1], len(data[ARM])))
        for arm, rows, own in _parts(self.law, len(self.names), data):
            result[..., rows] = self.law.value(self.of_arm(theta, arm), own)
        return result

    def jacobian(self, theta: Array, data: Columns) -> Array:
        """Its derivatives by the shared parameters, (..., n, Q)."""
        result = np.zeros((*theta.shape[:-1], len(data[ARM]), theta.shape[-1]))
        for arm, rows, own in _parts(self.law, len(self.names), data):
            new, slopes = self._with_slopes(theta, arm)
            result[..., rows, :] = self.law.jacobian(new, own) @ slopes
        return result


def shared_law(arms: Arms) -> Law:
    """The law over all rows: the law's parameters, then the multipliers of each further arm."""
    law = arms.law
    multipliers = tuple(
        Parameter(
            f"{way}[{arm}]", 1 / _WIDEST, _WIDEST, (0.5, 2.0), f"what {way} of {arm} is worth"
        )
        for arm in arms.names[1:]
        for way in arms.ways
    )
    return Law(
        name=f"{law.name}, shared by arms",
        formula=law.formula,
        title=f"{law.title}; one law for all arms, each with multipliers ({arms.effect})",
        reference=law.reference,
        parameters=law.parameters + multipliers,
        variables=(*law.variables, ARM),
        note=law.note,
        value=arms.value,
        jacobian=arms.jacobian,
        linear=law.linear,
        target=law.target,
        amplitudes=law.amplitudes,
        log_amplitudes=law.log_amplitudes,
    )


def arms_from(law: Law) -> Arms | None:
    """The arms that `shared_law` made a law from; None for other laws."""
    owner = getattr(law.value, "__self__", None)
    return owner if isinstance(owner, Arms) else None


@dataclass(frozen=True)
class _Separate:
    """A law with all parameters of its own for every arm, side by side in theta (..., K·P)."""

    law: Law
    count: int

    def of_arm(self, theta: Array, arm: int) -> Array:
        size = len(self.law.names)
        return theta[..., arm * size : (arm + 1) * size]

    def value(self, theta: Array, data: Columns) -> Array:
        result = np.empty((*theta.shape[:-1], len(data[ARM])))
        for arm, rows, own in _parts(self.law, self.count, data):
            result[..., rows] = self.law.value(self.of_arm(theta, arm), own)
        return result

    def jacobian(self, theta: Array, data: Columns) -> Array:
        result = np.zeros((*theta.shape[:-1], len(data[ARM]), theta.shape[-1]))
        size = len(self.law.names)
        for arm, rows, own in _parts(self.law, self.count, data):
            slopes = self.law.jacobian(self.of_arm(theta, arm), own)
            columns = np.arange(arm * size, (arm + 1) * size)
            result[..., rows[:, None], columns[None, :]] = slopes
        return result


def separate_law(law: Law, names: tuple[str, ...]) -> Law:
    """The law over all rows where every arm has all parameters of its own."""
    parts = _Separate(law, len(names))
    return Law(
        name=f"{law.name}, one for each arm",
        formula=law.formula,
        title=law.title,
        reference=law.reference,
        parameters=tuple(
            replace(p, name=f"{p.name}[{arm}]") for arm in names for p in law.parameters
        ),
        variables=(*law.variables, ARM),
        note=law.note,
        value=parts.value,
        jacobian=parts.jacobian,
        target=law.target,
    )


def _parts(law: Law, count: int, data: Columns) -> list[tuple[int, Counts, Mapping[str, Array]]]:
    """For each arm its number, its rows and its columns."""
    found: list[tuple[int, Counts, Mapping[str, Array]]] = []
    for arm in range(count):
        rows = np.flatnonzero(data[ARM] == arm)
        found.append((arm, rows, {v: data[v][rows] for v in law.variables}))
    return found
