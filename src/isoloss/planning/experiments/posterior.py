"""What runs say of a law, however few they are: the modes of a posterior.

A law is wrong by a little everywhere, and by much the same at points that are close. So a run is
the law, plus a discrepancy that is a Gaussian process over the logarithms of the variables
(Kennedy and O'Hagan 2001), plus noise of its own with the tails of Student's t (a run that went
wrong has little say). A hundred runs of one corner of the grid then do not outvote five near the
target. The prior of the parameters is that of `_prior`. How much of the scatter is discrepancy,
and how large both are, the residuals settle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.descent import Problem, descend
from isoloss.fitting.solver.objective import LossName, Objective, ResidualName
from isoloss.fitting.solver.starts import draw_starts
from isoloss.laws import Law
from isoloss.laws.law import Array, Columns, Counts
from isoloss.planning.experiments._prior import Prior

NU = 4.0
"""Degrees of freedom of the noise."""
EXPECTED_SCATTER, PRIOR_RUNS = 0.01, 4.0
"""Scatter that is expected before there are residuals, relative to the loss; weighs as many."""
SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Of the scatter's variance that may be discrepancy; before residuals speak, each as likely."""
ROUNDS = 4
"""Times that modes and scatter are settled in turn."""
DISTINCT = 0.05
"""Squared distance, in standard deviations, within which two modes are one."""
MOST_MODES = 6
LEAST_WEIGHT = 1e-3


@dataclass(frozen=True, kw_only=True)
class Observations:
    """Rows that were measured.

    Attributes:
        columns: the law's variables (n,) each.
        values: what the law predicts (n,).
        places: where the rows lie, (n, v), in units over which a law is wrong by much the same.
    """

    columns: Columns
    values: Array
    places: Array

    def rows(self, kept: Counts) -> Observations:
        """Some of the rows, by position."""
        return Observations(
            columns={name: column[kept] for name, column in self.columns.items()},
            values=self.values[kept],
            places=self.places[kept],
        )


@dataclass(frozen=True, kw_only=True)
class Mode:
    """One explanation of the runs.

    Attributes:
        law, theta: the law with its parameters (P,).
        root: of the covariance of search coordinates before the runs, (P, P).
        weight: its share of the posterior.
    """

    law: Law
    theta: Array
    root: Array
    weight: float

    def values(self, data: Columns, residual: ResidualName) -> Array:
        """What it predicts (n,), as logarithms where residuals are."""
        value = self.law.value(self.theta, data)
        return np.log(value) if residual == "log" else value

    def slopes(self, data: Columns, residual: ResidualName) -> Array:
        """Derivatives of `values` by search coordinates, (n, P), from the exact Jacobian."""
        slopes = self.law.jacobian(self.theta, data) * Coordinates.of(self.law).slope(self.theta)
        return slopes / self.law.value(self.theta, data)[:, None] if residual == "log" else slopes


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """How far runs lie from a law, in the unit of residuals.

    Attributes:
        noise: standard deviation of one run around what its neighbours share.
        discrepancy: standard deviation of what neighbours share.
        trust: of each seen run (n,): its noise is `noise` over the root of this.
    """

    noise: float
    discrepancy: float
    trust: Array


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """Modes of falling weight, and the scatter of runs around the heaviest."""

    modes: tuple[Mode, ...]
    scatter: Scatter
    residual: ResidualName

    @property
    def best(self) -> Mode:
        """The heaviest mode."""
        return self.modes[0]


def kernel(left: Array, right: Array) -> Array:
    """Correlation of the discrepancy at places (n, v) and (m, v): (n, m)."""
    square = ((left[:, None, :] - right[None, :, :]) ** 2).sum(axis=-1)
    return np.exp(-square / 2)


def posterior_of(
    law: Law,
    seen: Observations,
    *,
    residual: ResidualName = "log",
    starts: int = 32,
    seed: int = 0,
    near: Array | None = None,
) -> Posterior:
    """The modes of what `seen` says of a law; fewer rows than parameters are allowed.

    Args:
        law: the law.
        seen: at least one row.
        residual: `log` where the values are positive, else `raw`.
        starts: space-filling starts; `near`: further ones, parameters (K, P).
        seed: of the starts.
    """
    prior = Prior.of(law, seen.columns, seen.values)
    coordinates = prior.coordinates
    u = coordinates.nearest_u(draw_starts(law, seen.columns, seen.values, starts, seed))
    if near is not None:
        u = np.concatenate([coordinates.nearest_u(near), u])
    typical = float(np.median(np.abs(seen.values))) if residual == "raw" else 1.0
    expected = EXPECTED_SCATTER * max(typical, 1e-300)
    shared = kernel(seen.places, seen.places)
    alone = np.eye(len(seen.values)) / (3 * expected)  # wide at first: starts find their way
    problem = _problem(law, seen, prior, alone, residual, name="student")
    u, value = descend(problem, u, iterations=40, tolerance=1e-5, near=True)
    u = u[np.argsort(value, kind="stable")[: 2 * MOST_MODES]]
    scatter = Scatter(noise=expected, discrepancy=expected, trust=np.ones(len(seen.values)))
    for _ in range(ROUNDS):
        gap = _gap(law, seen, coordinates.theta(u[0]), residual)
        scatter = _scatter(gap, scatter, shared, expected)
        problem = _problem(law, seen, prior, _whitening(scatter, shared), residual)
        u, value = descend(problem, u, iterations=40, tolerance=1e-8, near=True)
        u = u[np.argsort(value, kind="stable")]
    value = problem.total(u)
    modes = _modes(problem, prior, law, u, value)
    return Posterior(modes=modes, scatter=scatter, residual=residual)


def _problem(
    law: Law, seen: Observations, prior: Prior, whitening: Array, residual: ResidualName,
    *, name: LossName = "squared",
) -> Problem:  # fmt: skip
    """Rows and prior as one least-squares problem of residuals without correlation."""
    logs = residual == "log"
    target = np.log(seen.values) if logs else seen.values
    size = len(law.names)

    def value(theta: Array, data: Columns) -> Array:
        with np.errstate(all="ignore"):
            told = law.value(theta, data)
            gap = (np.log(told) if logs else told) - target
            return np.concatenate([gap @ whitening.T, prior.residual(theta)], axis=-1)

    def jacobian(theta: Array, data: Columns) -> Array:
        with np.errstate(all="ignore"):
            slopes = law.jacobian(theta, data)
            if logs:
                slopes = slopes / law.value(theta, data)[..., None]
            return np.concatenate([whitening @ slopes, prior.slope(theta)], axis=-2)

    return Problem(
        law=replace(law, value=value, jacobian=jacobian),
        data=seen.columns,
        loss=np.zeros(len(target) + size),
        objective=Objective(name=name, delta=1.0, nu=NU, residual="raw"),
    )


def _gap(law: Law, seen: Observations, theta: Array, residual: ResidualName) -> Array:
    """Measured minus predicted (n,)."""
    told = law.value(theta, seen.columns)
    return np.log(seen.values / told) if residual == "log" else seen.values - told


def _covariance(share: float, trust: Array, shared: Array) -> Array:
    """Covariance of residuals for a scatter of one."""
    return share * shared + np.diag((1 - share) / trust)


def _scatter(gap: Array, before: Scatter, shared: Array, expected: float) -> Scatter:
    """The share of discrepancy that explains the residuals best, its size, and whom to trust.

    The size has a scaled inverse chi-square prior, so its likelihood is Student's t.
    """
    count = len(gap)
    found: list[tuple[float, float, float]] = []
    for share in SHARES:
        lower = np.linalg.cholesky(_covariance(share, before.trust, shared))
        whitened = np.linalg.solve(lower, gap)
        total = PRIOR_RUNS * expected**2 + float(whitened @ whitened)
        likelihood = -np.log(np.diag(lower)).sum() - (PRIOR_RUNS + count) / 2 * np.log(total)
        found.append((float(likelihood), share, total / (PRIOR_RUNS + count)))
    _, share, size = max(found)
    noise, discrepancy = np.sqrt((1 - share) * size), np.sqrt(share * size)
    # What is left of each run once its neighbours told what they share.
    own = noise**2 / before.trust
    both = discrepancy**2 * shared + np.diag(own)
    left = own * np.asarray(np.linalg.solve(both, gap), dtype=np.float64)
    trust = (NU + 1) / (NU + (left / noise) ** 2)
    return Scatter(noise=float(noise), discrepancy=float(discrepancy), trust=trust)


def _whitening(scatter: Scatter, shared: Array) -> Array:
    """A matrix that makes residuals independent with a variance of one half."""
    covariance = scatter.discrepancy**2 * shared + np.diag(scatter.noise**2 / scatter.trust)
    lower = np.linalg.cholesky(covariance)
    return np.asarray(np.linalg.inv(lower), dtype=np.float64)


def _modes(problem: Problem, prior: Prior, law: Law, u: Array, value: Array) -> tuple[Mode, ...]:
    """Distinct optima, weighed by the mass around each (Laplace's approximation)."""
    coordinates = prior.coordinates
    kept: list[tuple[Array, Array, float]] = []
    for position in np.argsort(value, kind="stable").tolist():
        point = u[position]
        hessian = problem.gradient_and_hessian(point[None])[1][0] / 2
        if not np.isfinite(value[position]) or not np.isfinite(hessian).all():
            continue
        if any((point - other) @ h @ (point - other) < DISTINCT for other, h, _ in kept):
            continue
        kept.append((point, hessian, -(float(value[position]) + _log_size(hessian)) / 2))
        if len(kept) == MOST_MODES:
            break
    if not kept:
        kept = [(u[0], np.eye(u.shape[1]), 0.0)]
    mass = np.array([each for _, _, each in kept])
    weight = np.exp(mass - mass.max())
    weight = np.where(weight < LEAST_WEIGHT * weight.sum(), 0.0, weight)
    weight /= weight.sum()
    modes = [
        Mode(law=law, theta=theta, root=prior.root(theta), weight=float(w))
        for theta, w in ((coordinates.theta(k[0]), w) for k, w in zip(kept, weight, strict=True))
        if w > 0
    ]
    return tuple(sorted(modes, key=lambda mode: -mode.weight))


def _log_size(hessian: Array) -> float:
    """Logarithm of the determinant of a curvature."""
    values = np.linalg.eigvalsh((hessian + hessian.T) / 2)
    return float(np.log(np.maximum(values, 1e-12 * max(float(values[-1]), 1e-12))).sum())
