"""How far an objective must rise before the runs speak against a parameter.

For a loss ρ of residuals with ψ = ρ', twice the rise of the summed objective from its minimum to
its minimum under one restriction is κ times chi-square with one degree of freedom, where κ is
the ratio of the sandwich variance to the naive one in the direction that is restricted (Kent
1982, doi:10.1093/biomet/69.1.19; Heritier and Ronchetti 1994, doi:10.1080/01621459.1994.10476822;
with clusters Rotnitzky and Jewell 1990, doi:10.1093/biomet/77.3.485). Where all residuals are
alike, κ is E ψ² / E ψ'; for the squared loss that is 2 s², and 2·rise/κ is the F of regression,
which n·log(objective/minimum) ~ chi2(1) approaches. The scatter of ladders shrinks with compute,
so κ is not taken from the pool: in a Monte Carlo of 30 runs whose scatter falls with C^-.2, 90%
profiles by the pooled κ held the truth in 63 to 79% of tables, by the sandwich in 81 to 88%, and
with equal scatter in 89 to 93% and 93 to 96%. F(1, freedom) stands in for chi-square.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from isoloss.fitting.solver.descent import Problem
from isoloss.laws.law import Array, Counts, Mask

NEGLIGIBLE = 1e-7
"""Residuals this small, relative to the loss, are rounding: nothing can be calibrated on them."""
NARROW = 0.9
WIDE = 1.5
"""Half-widths of difference quotients, in standard deviations (the first times n^-1/5)."""
LEAST_INFLATION = 0.1
"""Directions that one cluster fixes alone are blown up tenfold at most, as in the bootstrap."""


@dataclass(frozen=True)
class Calibration:
    """`2 · rise / scale` is F(1, `freedom`); `scale` is not-a-number with the `reason`."""

    scale: float
    freedom: int
    method: str
    reason: str = ""

    def limit(self, level: float) -> float:
        """The rise of the objective at the end of an interval of `level`."""
        return self.scale / 2 * student_quantile((1 + level) / 2, self.freedom) ** 2

    def statistic(self, rise: Array) -> Array:
        """The rise in units where its square root is Student's t."""
        return 2 * rise / self.scale


def calibrate(
    problem: Problem, u: Array, clusters: Counts, direction: Array, free: Mask | None = None
) -> Calibration:
    """Calibrate the rise of an objective for the restriction of one function of u.

    Args:
        problem: its loss has shape (n,).
        u: the optimum (P,).
        clusters: one integer a row (n,).
        direction: gradient (P,) of the function that is restricted.
        free: parameters (P,) that are not at a bound.
    """
    residual, jacobian = problem.residual_and_jacobian(u[None])
    r, j = residual[0], np.nan_to_num(jacobian[0])
    if free is not None:
        j, direction = j[:, free], direction[free]
    groups = len(np.unique(clusters))
    freedom = len(r) - j.shape[1] if groups == len(r) else groups - 1
    size = problem.loss if problem.objective.residual == "raw" else np.ones_like(r)
    if float(np.median(np.abs(r) / size)) < NEGLIGIBLE:
        return Calibration(math.nan, freedom, "", "the residuals are zero but for rounding")
    if freedom < 1:
        return Calibration(math.nan, freedom, "", "all runs belong to one cluster")
    scale = _sandwich(problem, r, j, clusters, direction)
    over = "runs" if groups == len(r) else "clusters"
    return Calibration(scale, freedom, f"sandwich variance over {groups} {over}")


def curvatures(problem: Problem, r: Array, parameters: int) -> Array:
    """E ψ' for each residual (n,), as slopes of ψ over the width that the residuals resolve.

    Difference quotients serve kinked losses, where they are densities estimated with a uniform
    kernel (Powell 1991): over a narrow width for their mean, over a wide one for how they differ
    from row to row. The `parameters` smallest residuals are left out of the mean: a kinked loss
    makes so many of them vanish, and they would look like density (Koenker 2005, section 3.4.2).
    """
    if problem.objective.name == "squared":
        return np.full_like(r, 2.0)

    def slope(at: Array, half: float) -> Array:
        return (_psi(problem, at + half) - _psi(problem, at - half)) / (2 * half)

    kept = r[np.argsort(np.abs(r), kind="stable")[parameters:]]
    kept = r if len(kept) < 2 else kept
    narrow = NARROW * max(_spread(kept), 1e-300) * len(kept) ** -0.2
    mean = max(float(slope(kept, narrow).mean()), 1e-300)
    each = slope(r, WIDE * max(_spread(r), 1e-300))
    each = np.maximum(each, 0.05 * each.mean())
    return each * mean / each.mean()


def _psi(problem: Problem, r: Array) -> Array:
    return problem.objective.weight(r) * r


def _spread(r: Array) -> float:
    """Standard deviation from the median absolute residual."""
    return 1.4826 * float(np.median(np.abs(r)))


def _sandwich(problem: Problem, r: Array, j: Array, clusters: Counts, direction: Array) -> float:
    """Ratio of a'Qa to a'Ma for a = M⁻¹ direction: M = Σ w ψ' jj', Q from scores by cluster.

    Residuals are inflated as if the fit had not seen their cluster (CR3; MacKinnon, Nielsen and
    Webb 2023, doi:10.1016/j.jeconom.2022.04.001), for a fit bends towards the few it has.
    """
    weights = np.ones(len(r)) if problem.weights is None else problem.weights
    root = np.sqrt(weights * curvatures(problem, r, j.shape[1]))
    columns = j * root[:, None]
    unit = np.maximum(np.linalg.norm(columns, axis=0), 1e-300)
    basis, singular, turned = np.linalg.svd(columns / unit, full_matrices=False)
    kept = singular > 1e-10 * singular[0]
    basis = basis[:, kept]
    # In the basis of the fitted directions M is the identity.
    target = (turned[kept] @ (direction / unit)) / singular[kept]
    score = weights * _psi(problem, r) / root
    along: list[float] = []
    labels, counts = np.unique(clusters, return_counts=True)
    if len(labels) == len(r):
        left = np.maximum(1 - (basis**2).sum(axis=1), LEAST_INFLATION)
        along = ((basis @ target) * score / left).tolist()
    else:
        order = np.argsort(clusters, kind="stable")
        for own in np.split(order, np.cumsum(counts)[:-1]):
            part = basis[own]
            values, vectors = np.linalg.eigh(np.eye(len(part)) - part @ part.T)
            seen = (vectors.T @ score[own]) / np.maximum(values, LEAST_INFLATION)
            along.append(float(target @ (part.T @ (vectors @ seen))))
    total = float((np.array(along) ** 2).sum()) * (len(labels) - 1) / len(labels)
    return max(total / max(float(target @ target), 1e-300), 1e-300)


def student_quantile(share: float, freedom: int) -> float:
    """Quantile of Student's t; within .5% of it for 3 and more degrees of freedom.

    Abramowitz and Stegun 26.7.5; SciPy takes longer to import than a fit takes.

    >>> round(student_quantile(0.975, 10), 3)
    2.228
    """
    z = NormalDist().inv_cdf(share)
    if freedom == 1:
        return math.tan(math.pi * (share - 0.5))
    if freedom == 2:
        return (2 * share - 1) * math.sqrt(2 / (4 * share * (1 - share)))
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom ** (power + 1) for power, term in enumerate(terms))


def chi_square_quantile(share: float, freedom: int) -> float:
    """Quantile of chi-square, by the cube root of Wilson and Hilferty (1931)."""
    part = 2 / (9 * freedom)
    return freedom * (1 - part + NormalDist().inv_cdf(share) * math.sqrt(part)) ** 3
