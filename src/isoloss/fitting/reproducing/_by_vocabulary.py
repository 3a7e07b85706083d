"""Vocabulary sizes of Tao et al. 2024 (arXiv:2407.13623), approach 3, with its own count of D.

Widths, tokens from characters and the points left out are those of the authors' script
(approach3_isoloss.py of github.com/sail-sg/scaling-with-vocab).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from isoloss.fitting.estimation import fit
from isoloss.fitting.reproducing._by_law import Found
from isoloss.fitting.reproducing.figures import Measured
from isoloss.fitting.result import Fit
from isoloss.fitting.solver.coordinates import Coordinates
from isoloss.laws import get_law
from isoloss.laws.law import Array
from isoloss.runs import Runs

LAW = "vocabulary"
WIDTHS = ((5e7, 512), (2e8, 768), (5e8, 1024), (1e9, 1536), (float("inf"), 2048))
"""Embedding widths by the largest N that has them."""
LEAST_FLOPS = 2.18e17
"""The first points of every run by FLOP are left out."""
THOUSANDS = 1000.0
"""Their script takes the vocabulary in thousands where it makes tokens of characters."""


def as_paper(runs: Runs, settings: Mapping[str, Any], seed: int) -> Found:
    """The optimum with their D, and `ratio`: its objective over that of the published constants."""
    made = _fitted(runs, THOUSANDS, bootstrap=0, seed=seed)
    assert made.data is not None
    law = get_law(LAW)
    theta = np.array([settings["constants"][name] for name in law.names])
    problem = made.data.problem(law, made.objective.spec)
    published = float(problem.total(Coordinates.of(law).u(theta)[None])[0])
    found = {name: Measured(value=e.value) for name, e in made.params.items()}
    return found | {"ratio": Measured(value=made.objective.value / published)}


def as_ours(
    runs: Runs, settings: Mapping[str, Any], bootstrap: int, level: float, seed: int
) -> tuple[Found, str]:
    """The same law of D in tokens, with intervals."""
    made = _fitted(runs, 1.0, bootstrap=bootstrap, level=level, seed=seed)
    found = {
        name: Measured(value=e.value, low=e.low, high=e.high) for name, e in made.params.items()
    }
    return found, made.status


def _fitted(runs: Runs, unit: float, **settings: Any) -> Fit:
    """Raw residuals, for the losses are negative; alpha = beta, as the paper has it."""
    return fit(_table(runs, unit), LAW, residual="raw", tied={"alpha": "beta"}, **settings)


def _table(runs: Runs, unit: float) -> Runs:
    """The points with vocabulary parameters and D, tokens made of characters of V / `unit`.

    A run table wants a positive loss, which the source does not give: it is 1 in every row, and
    the law predicts another column.
    """
    frame = runs.to_frame()
    n, v, characters = (
        frame[name].to_numpy(dtype=np.float64)
        for name in ("params_non_embedding", "vocab_size", "num_characters")
    )
    vocabulary = v * np.select([n <= most for most, _ in WIDTHS], [width for _, width in WIDTHS])
    kept = 6 * (n + vocabulary) * _tokens(characters, v) > LEAST_FLOPS
    frame["params_vocabulary"], frame["tokens"] = vocabulary, _tokens(characters, v / unit)
    frame["loss"], frame["reason"] = 1.0, ""
    return Runs.from_frame(frame).where(kept, "one of the first points of a run")


def _tokens(characters: Array, v: Array) -> Array:
    """Tokens of a text by its characters and the vocabulary, a parabola in log V."""
    x = np.log(v)
    return characters * (0.00639222 * x**2 - 0.15811069 * x + 1.20470122)
