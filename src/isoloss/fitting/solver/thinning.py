"""A sample of very many rows that looks like all of them: enough to tell good starts from bad."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isoloss.fitting.solver.descent import Problem
from isoloss.laws.law import Array, Counts

MANY = 20_000
"""Up to so many rows every start sees all of them."""
SAMPLE = 4_000
STRATA = 8
"""Of each variable, by rank."""


def thinned(problem: Problem, seed: int) -> Problem:
    """The problem of a stratified sample of its rows, or itself where it has not too many.

    Rows are ordered by strata of their variables and taken at equal distances, so that every
    region keeps its share; the rows with the smallest and largest value of each variable stay.
    """
    n = len(problem.loss)
    if n <= MANY:
        return problem
    kept = _sample(list(problem.data.values()), n, np.random.default_rng(seed))
    return replace(
        problem,
        data={name: column[kept] for name, column in problem.data.items()},
        loss=problem.loss[kept],
        weights=None if problem.weights is None else problem.weights[kept],
    )


def _sample(columns: list[Array], n: int, rng: np.random.Generator) -> Counts:
    shuffled = rng.permutation(n)
    ranks = [np.argsort(np.argsort(c[shuffled], kind="stable"), kind="stable") for c in columns]
    strata = [rank * STRATA // n for rank in ranks]
    order = shuffled[np.lexsort(strata)]
    spread = order[np.linspace(0, n - 1, SAMPLE).round().astype(np.int64)]
    ends = [int(end) for c in columns for end in (c.argmin(), c.argmax())]
    return np.unique(np.concatenate([spread, np.array(ends, dtype=np.int64)]))
