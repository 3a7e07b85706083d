"""Laws over whole loss curves: the loss at a step follows from the schedule up to that step.

A point's loss depends on every learning rate before it, so these laws are made for given
curves: their data columns (`point_columns`) index the points of those curves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from isoloss.errors import DataError, UsageError
from isoloss.laws._annealing_area import AreaTerms, annealing_areas, area_terms
from isoloss.laws._loss_drop import DropTerms, drop_slopes, drop_terms, drops
from isoloss.laws.curves import Curve, Points
from isoloss.laws.law import Array, Columns, Counts, Law, Parameter

DECAY = 0.999
"""lambda of the annealing momentum, as in the code of Tissue et al. (arXiv:2408.11029)."""
_A = Parameter("A", 1e-9, 1e18, (0.02, 2.0), "size of the part that training removes")
_ALPHA = Parameter("alpha", 1e-3, 5.0, (0.1, 1.0), "how fast training removes loss")
_VARIABLES = ("point", "S1", "lr")


def multi_power(curves: Iterable[Points]) -> Law:
    """The multi-power law at the points of `curves`, for `point_columns(curves)`.

    L(t) = L0 + A S1(t)^-alpha - B sum_k (eta_{k-1} - eta_k) G(eta_k^-gamma S_k(t)), with
    G(x) = 1 - (C x + 1)^-beta, over the steps k = 1 … t; S_k(t) is the sum of the learning rates
    from k to t, and S1 = S_0. The warm-up belongs to both sums: while the learning rate rises
    its terms add loss (arXiv:2503.12811, eq. 2 and the authors' code).

    Raises:
        DataError: no curve, a learning rate of zero after step 0 (its power has no value), or a
            point before any learning.
    """
    kept = _checked(curves)
    for curve in kept:
        zero = np.flatnonzero(curve.schedule.values[1 : curve.steps[-1] + 1] == 0)
        if len(zero):
            raise DataError(
                f"curve {curve.name!r}: the learning rate is zero at step {zero[0] + 1}, where"
                " the multi-power law has no value",
                hint="Let the schedule end a little above zero.",
            )
    terms = drop_terms(kept)
    return Law(
        name="multi_power",
        formula="L0 + A/S1**alpha - drop",
        title="Multi-power law: a loss curve from its learning-rate schedule",
        reference="Luo et al. 2025, arXiv:2503.12811, eq. 2",
        parameters=(_offset(kept), _A, _ALPHA, *_drop_parameters(kept)),
        variables=_VARIABLES,
        note="drop = B sum_k (eta_(k-1) - eta_k) (1 - (1 + C S_k eta_k^-gamma)^-beta). For one"
        " model and data set under several schedules with the same peak learning rate; curves"
        " that never lower it leave B, C, beta and gamma open, and it knows nothing of N.",
        value=lambda theta, data: _multi_power_value(theta, data, terms),
        jacobian=lambda theta, data: _multi_power_jacobian(theta, data, terms),
        linear=("L0", "A", "B"),
        amplitudes={"A": {"S1": "alpha"}, "C": {"lr": "gamma", "S1": "-1.0"}},
    )


def annealing_area(curves: Iterable[Points], *, decay: float | None = DECAY) -> Law:
    """The annealing law of Tissue et al. at the points of `curves`, for `point_columns(curves)`.

    L(s) = L0 + A S1^-alpha - C S2, where S1 is the sum of the learning rates up to s and S2 the
    annealing area: the sum up to s of a momentum m_i = lambda m_{i-1} + (eta_{i-1} - eta_i).
    A warm-up counts as if it ran at its peak (arXiv:2408.11029, §3.4): give curves whose
    schedules are `with_flat_warmup()`, as `fit_curves` does.

    Args:
        curves: points with their schedules.
        decay: lambda; None makes its memory 1/(1 - lambda), in steps, a fifth parameter.

    Raises:
        DataError: no curve, or a point before any learning.
        UsageError: a lambda outside [0, 1).
    """
    kept = _checked(curves)
    if decay is not None and not 0 <= decay < 1:
        raise UsageError(f"lambda must be at least 0 and below 1, found {decay}")
    terms = area_terms(kept)
    peak = max(float(curve.schedule.values.max()) for curve in kept)
    longest = max(int(curve.steps[-1]) + 1 for curve in kept)
    # S2 of a full anneal is about peak times the memory; C makes of it a share of the loss.
    around = peak * (longest / 30 if decay is None else 1 / (1 - decay))
    c = Parameter("C", 1e-12, 1e18, (0.003 / around, 0.3 / around), "loss per annealing area")
    memory = Parameter(
        "memory", 1.001, 1e7, (longest / 1000, longest / 3), "1/(1 - lambda), in steps"
    )
    return Law(
        name="annealing",
        formula="L0 + A/S1**alpha - C*S2",
        title="Annealing law: a loss curve from two areas of its schedule",
        reference="Tissue et al. 2024, arXiv:2408.11029, eq. 1",
        parameters=(_offset(kept), _A, _ALPHA, c, *(() if decay is not None else (memory,))),
        variables=_VARIABLES,
        note="S2 = sum_i m_i, m_i = lambda m_(i-1) + eta_(i-1) - eta_i. Few numbers for one model"
        " and data set, sound with one or two curves. Every fall of the learning rate takes effect"
        " over the same number of steps, whatever the rate; multi_power lets that vary.",
        value=lambda theta, data: _area_value(theta, data, terms, decay),
        jacobian=lambda theta, data: _area_jacobian(theta, data, terms, decay),
        linear=("L0", "A", "C"),
        amplitudes={"A": {"S1": "alpha"}},
    )


def _checked(curves: Iterable[Points]) -> tuple[Points, ...]:
    """At least one curve, each with learning before its first point."""
    kept = tuple(curves)
    if not kept:
        raise DataError("there is no loss curve to make a law for")
    for curve in kept:
        if curve.area[0] <= 0:
            raise DataError(
                f"curve {curve.name!r}: nothing was learnt at step {curve.steps[0]}, the sum of"
                " learning rates is zero there",
                hint="Leave that point out.",
            )
    return kept


def _offset(curves: Sequence[Points]) -> Parameter:
    """L0, to be sought below the smallest loss where losses are known."""
    losses = [float(curve.losses.min()) for curve in curves if isinstance(curve, Curve)]
    smallest = min(losses, default=1.0)
    return Parameter("L0", 0.0, 1e3, (0.3 * smallest, smallest), "loss after endless training")


def _drop_parameters(curves: Sequence[Points]) -> tuple[Parameter, ...]:
    """B, C, beta and gamma; B in units of loss per learning rate."""
    peak = max(float(curve.schedule.values.max()) for curve in curves)
    return (
        Parameter("B", 1e-12, 1e18, (0.005 / peak, 0.5 / peak), "loss per fall of learning rate"),
        Parameter("C", 1e-12, 1e18, (3.0, 3e4), "how soon a fall takes effect"),
        Parameter("beta", 1e-3, 20.0, (0.2, 2.0), "how fast its effect saturates"),
        Parameter("gamma", 1e-3, 5.0, (0.1, 1.2), "how much longer it takes at a low rate"),
    )


def _multi_power_value(theta: Array, data: Columns, terms: DropTerms) -> Array:
    _, power = _power_term(theta, data)
    drop = drops(theta[..., 3:], terms)[..., _rows(data)]
    return theta[..., 0, None] + theta[..., 1, None] * power - drop


def _multi_power_jacobian(theta: Array, data: Columns, terms: DropTerms) -> Array:
    slopes = drop_slopes(theta[..., 3:], terms)[..., _rows(data), :]
    return np.concatenate((_power_slopes(theta, data), -slopes), axis=-1)


def _area_value(theta: Array, data: Columns, terms: AreaTerms, decay: float | None) -> Array:
    _, power = _power_term(theta, data)
    area, _ = _areas(theta, terms, decay)
    above = theta[..., 0, None] + theta[..., 1, None] * power
    return above - theta[..., 3, None] * area[..., _rows(data)]


def _area_jacobian(theta: Array, data: Columns, terms: AreaTerms, decay: float | None) -> Array:
    area, by_memory = (x[..., _rows(data)] for x in _areas(theta, terms, decay))
    by_memory = -theta[..., 3, None] * by_memory
    further = (-area, by_memory) if decay is None else (-area,)
    return np.concatenate((_power_slopes(theta, data), np.stack(further, axis=-1)), axis=-1)


def _areas(theta: Array, terms: AreaTerms, decay: float | None) -> tuple[Array, Array]:
    """S2 and its derivative by the memory, both (..., n)."""
    if decay is None:
        return annealing_areas(theta[..., 4], terms)
    # The memory of a fixed lambda does not depend on theta.
    area, slope = annealing_areas(np.array(1 / (1 - decay)), terms)
    shape = (*theta.shape[:-1], len(area))
    return np.broadcast_to(area, shape), np.broadcast_to(slope, shape)


def _rows(data: Columns) -> Counts:
    """Which points of the curves the data are."""
    return data["point"].astype(np.int64)


def _power_term(theta: Array, data: Columns) -> tuple[Array, Array]:
    """log S1 (n,) and S1^-alpha (..., n)."""
    log_area = np.log(data["S1"])
    return log_area, np.exp(-theta[..., 2, None] * log_area)


def _power_slopes(theta: Array, data: Columns) -> Array:
    """Derivatives by L0, A and alpha, (..., n, 3)."""
    log_area, power = _power_term(theta, data)
    by_alpha = -theta[..., 1, None] * log_area * power
    return np.stack((np.ones_like(power), power, by_alpha), axis=-1)
