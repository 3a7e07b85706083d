"""From fits to the joint belief about runs that were made, runs that may be made, and the target.

A mixture of normal distributions is matched by one normal of the same mean and covariance: its
covariance is that inside the modes, averaged, plus that between them (law of total covariance). A
linear model of features F with unit covariance has just that, F = [√w J R, …, √w (f − f̄), …] with
R R' a mode's covariance, so local optima, bootstrap draws and whole laws that disagree are all
treated alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from isoloss.errors import UsageError
from isoloss.fitting.solver.constraints import reduced_law
from isoloss.laws.law import Array, Columns
from isoloss.planning.experiments.posterior import (
    Mode,
    Observations,
    Posterior,
    ResidualName,
    Scatter,
    posterior_of,
)

if TYPE_CHECKING:
    from isoloss.fitting import Fit

Quantity = Callable[[Mode], tuple[Array, Array]]
"""Of a mode: values (n,) and their derivatives by search coordinates (n, P)."""
MOST_DRAWS = 200


@dataclass(frozen=True, kw_only=True)
class Belief:
    """A weighted mixture of modes, of one law or several.

    Attributes:
        modes: weights, summing to one, and modes.
        scatter: of runs around the heaviest law.
        residual: `log` or `raw`.
        informed: whether the modes' spread is what the runs left (draws), or what was there before
            them, so that the runs are still to be put in.
    """

    modes: tuple[tuple[float, Mode], ...]
    scatter: Scatter
    residual: ResidualName
    informed: bool = False

    @property
    def best(self) -> Belief:
        """The heaviest mode alone."""
        _, mode = max(self.modes, key=lambda pair: pair[0])
        return replace(self, modes=((1.0, mode),))

    def predicted(self, columns: Columns) -> Quantity:
        """The quantity that a run at each row would measure."""

        def quantity(mode: Mode) -> tuple[Array, Array]:
            return mode.values(columns, self.residual), mode.slopes(columns, self.residual)

        return quantity

    def mean_and_features(self, quantity: Quantity) -> tuple[Array, Array]:
        """Mean (n,) and features (n, F) of a quantity."""
        told = [(weight, mode, *quantity(mode)) for weight, mode in self.modes]
        mean = np.sum([weight * values for weight, _, values, _ in told], axis=0)
        columns: list[Array] = []
        for weight, mode, values, slopes in told:
            if mode.root.any():
                columns.append(np.sqrt(weight) * (slopes @ mode.root))
            columns.append(np.sqrt(weight) * (values - mean)[:, None])
        # Where a law has no value it teaches nothing.
        return mean, np.nan_to_num(np.concatenate(columns, axis=1), posinf=0.0, neginf=0.0)


def belief_of(posteriors: Sequence[Posterior], weights: Sequence[float]) -> Belief:
    """The mixture of several laws' posteriors; `weights` sum to one."""
    heaviest = posteriors[int(np.argmax(weights))]
    return Belief(
        modes=tuple(
            (weight * mode.weight, mode)
            for weight, posterior in zip(weights, posteriors, strict=True)
            for mode in posterior.modes
        ),
        scatter=heaviest.scatter,
        residual=heaviest.residual,
    )


def belief_of_fits(fits: Sequence[Fit], weights: Sequence[float], seen: Observations) -> Belief:
    """What the rows of fits say of their laws; the fits' own optima are among the starts."""
    posteriors: list[Posterior] = []
    for fit in fits:
        law = reduced_law(fit.law, fit.constraints)
        near = np.array([[fit.params[name].value for name in law.names]])
        posteriors.append(
            posterior_of(law, seen, residual=residual_of(fit), seed=fit.seed, near=near)
        )
    return belief_of(posteriors, weights)


def belief_of_draws(fits: Sequence[Fit], weights: Sequence[float], seen: Observations) -> Belief:
    """The fits' bootstrap draws as equal explanations without spread of their own.

    Raises:
        UsageError: a fit without draws.
    """
    modes: list[tuple[float, Mode]] = []
    for fit, weight in zip(fits, weights, strict=True):
        if fit.draws is None or len(fit.draws) < 2:
            raise UsageError(
                f"the fit of {fit.law.name!r} has no draws: {fit.draws_reason}",
                hint="Fit it with a bootstrap, or leave out spread='draws'.",
            )
        kept = fit.draws[:MOST_DRAWS]
        none = np.zeros((kept.shape[1], kept.shape[1]))
        modes += [
            (weight / len(kept), Mode(law=fit.law, theta=theta, root=none, weight=1 / len(kept)))
            for theta in kept
        ]
    heaviest = fits[int(np.argmax(weights))]
    told = heaviest.law.value(heaviest.theta, seen.columns)
    logs = residual_of(heaviest) == "log"
    gap = np.log(told / seen.values) if logs else told - seen.values
    spare = max(len(gap) - len(heaviest.law.names), 1)
    noise = float(np.sqrt((gap**2).sum() / spare))
    scatter = Scatter(noise=noise, discrepancy=0.0, trust=np.ones(len(gap)))
    return Belief(
        modes=tuple(modes), scatter=scatter, residual=residual_of(heaviest), informed=True
    )


def residual_of(fit: Fit) -> ResidualName:
    """In which residuals a fit's objective is told."""
    return fit.objective.spec.residual


def log_places(columns: Columns, names: Sequence[str]) -> Array:
    """Logarithms of positive variables, others as they are, (n, v)."""
    return np.stack(
        [np.log(c) if (c > 0).all() else c for c in (columns[name] for name in names)], axis=1
    )
