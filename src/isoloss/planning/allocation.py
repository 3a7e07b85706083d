"""The best split of a budget between parameters and tokens.

Two ways: over real shapes, where the source knows its family, with `D = C / (FLOP per token)`
by exact count; or over N alone with `C = 6 N D`, in closed form for the Chinchilla law
(Hoffmann et al. 2022, arXiv:2203.15556, equation 4) and by search for any other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoloss.architecture import TransformerConfig
from isoloss.errors import UntrustedError, UsageError
from isoloss.planning.shapes import ShapeTable
from isoloss.planning.sources import Source

FloatArray = NDArray[np.float64]

MIN_TOKENS_PER_PARAMETER, MAX_TOKENS_PER_PARAMETER = 1e-3, 1e7
"""Splits outside these are not looked at; an optimum at the edge is a caveat."""
_GRID = 1025
_ZOOM, _ZOOM_POINTS = 6, 65
_DRAWS_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """Where the loss of a budget is lowest.

    Attributes:
        n, d, loss: the optimum of the point estimate.
        smooth: N, D and loss (3,) as if width were continuous; the same as above without shapes.
        draws: N, D and loss (3, R) of every draw's own optimum, width continuous, or none.
        edge: `smallest` or `largest` N of the search where the optimum lies there, else empty.
        draws_at_edge: share of the draws whose optimum lies at an edge.
        draws_lost: share of the draws that gave no finite loss.
        method: how it was found, in words.
        config: the shape, where real shapes were searched.
    """

    n: float
    d: float
    loss: float
    smooth: tuple[float, float, float]
    draws: FloatArray | None
    edge: str
    draws_at_edge: float
    draws_lost: float
    method: str
    config: TransformerConfig | None


def optimum_of_shapes(source: Source, table: ShapeTable, flops: float) -> Optimum:
    """The best real shape of a table, by looking at every one of them.

    Raises:
        UsageError: the budget pays the smallest shape for less than one context of tokens.
        UntrustedError: the law gives no finite loss.
    """
    smallest = table.config(0)
    vocab_size = smallest.vocab_size
    affordable = flops / table.flops_per_token >= smallest.context_length
    if not affordable[0]:
        cost = float(table.flops_per_token[0]) * smallest.context_length
        raise UsageError(
            f"a budget of {flops:.4g} FLOP is less than one context of the smallest model",
            hint=f"Give at least {cost:.3g} FLOP, better a thousand times that.",
        )
    n = table.n[affordable]
    d = flops / table.flops_per_token[affordable]
    loss = source.loss(source.theta, n, d, flops=flops, vocab_size=vocab_size)
    best = _lowest(source, loss)
    dense = flops / table.dense_flops >= smallest.context_length
    dense_n, dense_d = table.dense_n[dense], flops / table.dense_flops[dense]
    smooth = _smooth_optima(
        source.loss(source.theta[None], dense_n, dense_d, flops=flops, vocab_size=vocab_size),
        np.log(dense_n),
        np.log(dense_d),
    )[:, 0]
    draws, at_edge, lost = _draw_optima(source, dense_n, dense_d, flops, vocab_size)
    return Optimum(
        n=float(n[best]),
        d=float(d[best]),
        loss=float(loss[best]),
        smooth=(float(smooth[0]), float(smooth[1]), float(smooth[2])),
        draws=draws,
        edge=_edge(best, len(n)),
        draws_at_edge=at_edge,
        draws_lost=lost,
        method=f"{len(n)} real shapes",
        config=table.config(best),
    )


def optimum_of_6nd(source: Source, flops: float, *, vocab_size: int) -> Optimum:
    """The best N with `C = 6 N D`: in closed form where the law allows it.

    Raises:
        UsageError: the optimum has less than one parameter or token.
        UntrustedError: the law gives no finite loss.
    """
    columns = chinchilla_columns(source)
    if columns is None:
        found = numeric_optimum(source, flops, vocab_size=vocab_size)
    else:
        found = _closed_optimum(source, columns, flops)
    if found.n < 1 or found.d < 1:
        raise UsageError(
            f"a budget of {flops:.4g} FLOP buys less than one parameter or one token",
            hint="Give the budget in FLOP, such as 1e20.",
        )
    return found


def closed_form(theta: FloatArray, flops: float) -> FloatArray:
    """N*, D* and the loss, (3, ...), of E, A, B, alpha, beta (..., 5) under C = 6 N D.

    N* = G (C/6)^a and D* = (C/6)^b / G with G = (alpha A / (beta B))^(1/(alpha + beta)),
    a = beta/(alpha + beta), b = alpha/(alpha + beta). Not-a-number where there is no optimum
    inside (a coefficient or an exponent that is not positive).

    >>> n, d, loss = closed_form(np.array([1.69, 406.4, 410.7, 0.34, 0.28]), 5.76e23)
    >>> f"{n:.4g} {d / n:.3g}"
    '3.219e+10 92.6'
    """
    e, a, b, alpha, beta = np.moveaxis(theta, -1, 0)
    inside = (a > 0) & (b > 0) & (alpha > 0) & (beta > 0)
    with np.errstate(all="ignore"):
        total = alpha + beta
        log_g = np.log(alpha * a / (beta * b)) / total
        log_budget = math.log(flops / 6)
        n = np.where(inside, np.exp(log_g + beta / total * log_budget), np.nan)
        d = np.where(inside, np.exp(-log_g + alpha / total * log_budget), np.nan)
        return np.stack([n, d, e + a / n**alpha + b / d**beta])


def chinchilla_columns(source: Source) -> list[int] | None:
    """Where `theta` has E, A, B, alpha and beta, if the law is the Chinchilla form.

    Names alone prove nothing, so the law is compared with the form at a few points.
    """
    wanted = ("E", "A", "B", "alpha", "beta")
    if set(source.names) != set(wanted) or set(source.law.variables) != {"N", "D"}:
        return None
    columns = [source.names.index(name) for name in wanted]
    n, d = np.geomspace(1e5, 1e11, 7), np.geomspace(1e7, 1e13, 7)[::-1]
    e, a, b, alpha, beta = source.theta[columns]
    form = e + a / n**alpha + b / d**beta
    law = source.loss(source.theta, n, d, flops=1.0, vocab_size=1)
    return columns if np.allclose(law, form, rtol=1e-9, atol=0) else None


def numeric_optimum(source: Source, flops: float, *, vocab_size: int) -> Optimum:
    """The best N for any law with `C = 6 N D`: a grid in log N, then ever finer ones."""

    def losses(log_n: FloatArray) -> FloatArray:
        n = np.exp(log_n)
        return source.loss(source.theta, n, flops / (6 * n), flops=flops, vocab_size=vocab_size)

    grid = _log_n_grid(flops)
    loss = losses(grid)
    best = _lowest(source, loss)
    edge = _edge(best, len(grid))
    finer: FloatArray = grid
    for _ in range(0 if edge else _ZOOM):
        low = float(finer[max(best - 1, 0)])
        high = float(finer[min(best + 1, len(finer) - 1)])
        finer = np.linspace(low, high, _ZOOM_POINTS, dtype=np.float64)
        loss = losses(finer)
        best = _lowest(source, loss)
    n_best, n_grid = math.exp(finer[best]), np.exp(grid)
    draws, at_edge, lost = _draw_optima(source, n_grid, flops / (6 * n_grid), flops, vocab_size)
    return Optimum(
        n=n_best,
        d=flops / (6 * n_best),
        loss=float(loss[best]),
        smooth=(n_best, flops / (6 * n_best), float(loss[best])),
        draws=draws,
        edge=edge,
        draws_at_edge=at_edge,
        draws_lost=lost,
        method="search in log N with C = 6 N D",
        config=None,
    )


def _closed_optimum(source: Source, columns: list[int], flops: float) -> Optimum:
    n, d, loss = closed_form(source.theta[columns], flops)
    if not np.isfinite(n):
        return numeric_optimum(source, flops, vocab_size=1)
    draws, lost = None, 0.0
    if source.draws is not None and len(source.draws):
        optima = closed_form(source.draws[:, columns], flops)
        good = np.isfinite(optima).all(axis=0)
        draws, lost = optima[:, good], 1 - float(good.mean())
    return Optimum(
        n=float(n),
        d=float(d),
        loss=float(loss),
        smooth=(float(n), float(d), float(loss)),
        draws=draws,
        edge="",
        draws_at_edge=0.0,
        draws_lost=lost,
        method="closed form with C = 6 N D",
        config=None,
    )


def _log_n_grid(flops: float) -> FloatArray:
    low = 0.5 * math.log(flops / (6 * MAX_TOKENS_PER_PARAMETER))
    high = 0.5 * math.log(flops / (6 * MIN_TOKENS_PER_PARAMETER))
    return np.linspace(low, high, _GRID)


def _draw_optima(
    source: Source, n: FloatArray, d: FloatArray, flops: float, vocab_size: int
) -> tuple[FloatArray | None, float, float]:
    """N, D, loss (3, R) of each draw on a grid; shares of draws at an edge and of lost ones."""
    if source.draws is None or not len(source.draws) or len(n) < 3:
        return None, 0.0, 0.0
    found: list[FloatArray] = []
    edges = lost = 0
    for start in range(0, len(source.draws), _DRAWS_AT_ONCE):
        theta = source.draws[start : start + _DRAWS_AT_ONCE]
        loss = source.loss(theta, n, d, flops=flops, vocab_size=vocab_size)
        good = np.isfinite(loss).any(axis=1)
        lost += int((~good).sum())
        loss = loss[good]
        best = loss.argmin(axis=1)
        edges += int(((best == 0) | (best == len(n) - 1)).sum())
        found.append(_smooth_optima(loss, np.log(n), np.log(d)))
    optima = np.concatenate(found, axis=1)
    kept = optima.shape[1]
    return optima, edges / max(kept, 1), lost / len(source.draws)


def _smooth_optima(loss: FloatArray, log_n: FloatArray, log_d: FloatArray) -> FloatArray:
    """N, D, loss (3, R) where each row of `loss` (R, n) is lowest, finer than the grid.

    Between grid points the optimum is the vertex of the parabola through the lowest three; the
    grids are even enough in log N for a parabola in the index.
    """
    rows, best = np.arange(len(loss)), loss.argmin(axis=1)
    if len(log_n) < 3:
        return np.stack([np.exp(log_n[best]), np.exp(log_d[best]), loss[rows, best]])
    inner = np.clip(best, 1, loss.shape[1] - 2)
    left, middle, right = (loss[rows, inner + shift] for shift in (-1, 0, 1))
    with np.errstate(all="ignore"):
        bend = left - 2 * middle + right
        shift = np.where(bend > 0, 0.5 * (left - right) / bend, 0.0)
        vertex = middle - 0.25 * (left - right) * shift
    usable = (inner == best) & np.isfinite(shift)
    at: FloatArray = best + np.where(usable, np.clip(shift, -1, 1), 0.0)
    lowest = np.where(usable, vertex, loss[rows, best])
    index: FloatArray = np.arange(len(log_n), dtype=np.float64)
    return np.stack(
        [np.exp(np.interp(at, index, log_n)), np.exp(np.interp(at, index, log_d)), lowest]
    )


def _lowest(source: Source, loss: FloatArray) -> int:
    best = int(loss.argmin())
    if not np.isfinite(loss[best]):
        raise UntrustedError(
            f"the {source.label} gives no finite loss for this budget",
            hint="Look at the fit's parameters and checks before planning with it.",
        )
    return best


def _edge(best: int, count: int) -> str:
    if best == 0:
        return "smallest"
    return "largest" if best == count - 1 else ""
