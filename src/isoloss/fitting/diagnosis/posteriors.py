"""A Bayesian posterior of a law's parameters, sampled by emcee.

Residuals follow Student's t, whose heavy tails do for a posterior what Huber's loss does for a
fit; its scale is sampled too. Priors are flat in the coordinates of the search within the law's
box: in the logarithm of positive parameters, in the value of others, and in the logarithm of the
scale. Rows count as independent: clusters need the bootstrap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from isoloss.errors import EnvironmentProblem, UsageError
from isoloss.fitting.diagnosis._calibration import calibrate
from isoloss.fitting.diagnosis.profiling import problem_of
from isoloss.fitting.solver.constraints import expanded
from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.fitting.solver.descent import Problem
from isoloss.laws.law import Array

if TYPE_CHECKING:
    from isoloss.fitting.result import Check, Estimate, Fit

NU = 4.0
"""Degrees of freedom of the residuals, as in the objective `student`."""
WALKERS = 8
"""For each parameter."""
BURN_IN = 0.5
"""Share of the steps before the walkers have forgotten where they began."""
LEAST_TIMES = 50
"""Chains shorter than this many autocorrelation times are too short (emcee's own rule)."""
SCALE_BOX = (1e-9, 1e3)


def posterior(
    fit: Fit, *, draws: int = 1000, steps: int = 4000, nu: float = NU, seed: int | None = None
) -> Fit:
    """A fit with draws, standard errors and intervals of the posterior; values stay.

    `evidence["posterior"]` says how they were drawn, and the check `posterior` whether the
    chains were long enough. Needs the extra `bayes` (Foreman-Mackey et al. 2013,
    arXiv:1202.3665).

    Args:
        fit: with its rows.
        draws: how many to keep.
        steps: of each walker; the first half is dropped.
        nu: degrees of freedom of the residuals.
        seed: of the walkers; the fit's own when left out.

    Raises:
        EnvironmentProblem: emcee is not installed.
        UsageError: counts or `nu` that are not positive, or a fit without its rows.

    Example: `fit.posterior().params["E"].low`.
    """
    for what, value in (("draws", draws), ("steps", steps), ("nu", nu)):
        if not value > 0:
            raise UsageError(f"{what} must be positive, found {value}")
    emcee = _emcee()
    problem, u = problem_of(fit)
    seed = fit.seed if seed is None else seed
    target = _Target.of(problem, nu)
    rng = np.random.default_rng(seed)
    start = _start(target, u, fit, rng)
    sampler = _run(emcee, target, start, steps, seed)
    chain = np.asarray(sampler.get_chain(discard=int(BURN_IN * steps), flat=False))
    times = _autocorrelation(emcee, chain)
    flat = chain.reshape(-1, chain.shape[2])
    kept = flat[rng.choice(len(flat), size=min(draws, len(flat)), replace=False)]
    theta = Coordinates.of(problem.law).theta(kept[:, :-1])
    drawn = expanded(fit.law, fit.constraints, theta)
    acceptance = float(np.asarray(sampler.acceptance_fraction, dtype=np.float64).mean())
    evidence: dict[str, Any] = {
        "sampler": f"emcee {emcee.__version__}",
        "likelihood": f"student, nu {nu:g}, {problem.objective.residual} residuals, scale sampled",
        "prior": "flat in search coordinates within the law's box",
        "scale": float(np.median(np.exp(kept[:, -1]))),
        "walkers": len(start),
        "steps": steps,
        "acceptance": acceptance,
        "autocorrelation_time": times if math.isfinite(times) else None,
    }
    return replace(
        fit,
        draws=drawn,
        draws_reason="",
        params=_estimates(fit, drawn),
        checks=(*(c for c in fit.checks if c.name != "posterior"), _mixing(len(chain), times)),
        evidence={**fit.evidence, "draws": "posterior", "posterior": evidence},
    )


def _emcee() -> Any:
    """The sampler.

    Raises:
        EnvironmentProblem: it is not installed.
    """
    try:
        import emcee  # pyright: ignore[reportMissingTypeStubs, reportMissingImports, reportUnknownVariableType]
    except ImportError as error:
        raise EnvironmentProblem(
            "a posterior needs emcee", hint='pip install "isoloss[bayes]"'
        ) from error
    return emcee  # pyright: ignore[reportUnknownVariableType]


def _run(emcee: Any, target: _Target, start: Array, steps: int, seed: int) -> Any:
    """The sampler after `steps` from points (W, P + 1); moves that cross curved valleys."""
    moves = [(emcee.moves.DEMove(), 0.8), (emcee.moves.DESnookerMove(), 0.2)]
    sampler = emcee.EnsembleSampler(len(start), start.shape[1], target, vectorize=True, moves=moves)
    state = np.random.RandomState(seed).get_state()
    sampler.run_mcmc(emcee.State(start, random_state=state), steps, progress=False)
    return sampler


@dataclass(frozen=True)
class _Target:
    """Log density at points (S, P + 1): search coordinates and the logarithm of the scale."""

    problem: Problem
    low: Array
    high: Array
    nu: float

    @staticmethod
    def of(problem: Problem, nu: float) -> _Target:
        box = Coordinates.of(problem.law)
        low, high = (math.log(end) for end in SCALE_BOX)
        return _Target(problem, np.append(box.low, low), np.append(box.high, high), nu)

    def __call__(self, points: Array) -> Array:
        scale = np.exp(points[:, -1])
        residual = self.problem.residual(points[:, :-1]) / scale[:, None]
        with np.errstate(all="ignore"):
            density = -(self.nu + 1) / 2 * np.log1p(residual**2 / self.nu) - points[:, -1:]
        weights = self.problem.weights
        total = (density if weights is None else density * weights).sum(axis=1)
        inside = ((points >= self.low) & (points <= self.high)).all(axis=1)
        return np.where(inside & np.isfinite(total), total, -np.inf)


def _start(target: _Target, u: Array, fit: Fit, rng: np.random.Generator) -> Array:
    """Walkers (W, P + 1) around the optimum, as wide as the curvature says, inside the box."""
    assert fit.data is not None
    residual = target.problem.residual(u[None])[0]
    scale = max(1.4826 * float(np.median(np.abs(residual))), 10 * SCALE_BOX[0])
    _, hessian = target.problem.gradient_and_hessian(u[None])
    unit = calibrate(target.problem, u, fit.data.clusters, np.eye(len(u))[0]).scale
    unit = unit if math.isfinite(unit) else 1e-6
    size = np.sqrt(np.maximum(np.diag(hessian[0]), 1e-300))
    scaled = np.nan_to_num(hessian[0] / np.outer(size, size))
    values, vectors = np.linalg.eigh(scaled)
    width = np.minimum(1 / np.sqrt(np.maximum(values, 1e-6)), 30.0)
    drawn = rng.standard_normal((WALKERS * (len(u) + 1), len(u))) * width
    spread = (drawn @ vectors.T) / size * math.sqrt(unit)
    logs = math.log(scale) + 0.2 * rng.standard_normal(len(drawn))
    points = np.column_stack([u + np.clip(spread, -1.0, 1.0), logs])
    edge = 1e-6 * (target.high - target.low)
    # Walkers on a bound would share a coordinate and never leave it.
    inner = rng.random(points.shape) * edge
    return np.clip(points, target.low + inner, target.high - inner)


def _autocorrelation(emcee: Any, chain: Array) -> float:
    """Longest autocorrelation time of any coordinate, in steps."""
    with np.errstate(all="ignore"):
        times = emcee.autocorr.integrated_time(chain, tol=0, quiet=True)
    return float(np.asarray(times, dtype=np.float64).max())


def _mixing(steps: int, time: float) -> Check:
    from isoloss.fitting.result import Check

    passed = math.isfinite(time) and steps >= LEAST_TIMES * time
    return Check(
        name="posterior",
        passed=passed,
        message=f"{steps} steps are {steps / time:.0f} autocorrelation times"
        if time > 0
        else "the walkers did not move",
        cure="" if passed else "Sample more steps: the chains have not forgotten their start.",
    )


def _estimates(fit: Fit, drawn: Array) -> dict[str, Estimate]:
    """The fit's values with the posterior's standard deviations and central intervals."""
    from isoloss.fitting.result import too_few_draws

    tail = (1 - fit.level) / 2
    why = too_few_draws(len(drawn), fit.level)
    result: dict[str, Estimate] = {}
    for position, (name, estimate) in enumerate(fit.params.items()):
        if name in fit.constraints.fixed:
            result[name] = estimate
            continue
        column = drawn[:, position]
        low, high = (float(x) for x in np.quantile(column, [tail, 1 - tail]))
        result[name] = replace(
            estimate,
            stderr=float(column.std(ddof=1)) if not why else math.nan,
            low=low if not why else math.nan,
            high=high if not why else math.nan,
            reason=why,
        )
    return result
