"""Gadre's law: its two forms are one, and it meets the published errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import isoloss as il
from isoloss.laws import get_law

# alpha N^b + beta 6^(b/2) (M N)^b + E, in the parametrisation of their code.
THEIRS = {
    "RedPajama": (166.211, 366.687, -0.272851, 1.836648),
    "C4": (113.693, 189.516, -0.242472, 1.508261),
    "RefinedWeb": (125.096, 246.207, -0.254395, 1.734462),
}


def _theta(corpus: str) -> np.ndarray:
    law = get_law("overtraining")
    constants = next(c for name, c in law.constants.items() if name.endswith(corpus))
    return np.array([constants[name] for name in law.names])


@pytest.mark.parametrize("corpus", THEIRS)
def test_both_forms_give_one_loss(corpus: str) -> None:
    alpha, beta, b, e = THEIRS[corpus]
    n, m = np.array([1e7, 4e8, 7e9]), np.array([5.0, 20.0, 640.0])
    theirs = alpha * n**b + beta * 6 ** (b / 2) * (m * n) ** b + e
    ours = get_law("overtraining").value(_theta(corpus), {"M": m, "C": 6 * n**2 * m})
    np.testing.assert_allclose(ours, theirs, rtol=1e-14)


def test_it_is_chinchilla_with_one_exponent() -> None:
    e, a, b, eta = _theta("C4")
    n, d = np.array([1e8, 1e10]), np.array([1e11, 3e11])
    chinchilla = get_law("chinchilla").value(
        np.array([e, a * 6**-eta, b * 6**-eta, 2 * eta, 2 * eta]), {"N": n, "D": d}
    )
    ours = get_law("overtraining").value(_theta("C4"), {"M": d / n, "C": 6 * n * d})
    np.testing.assert_allclose(ours, chinchilla, rtol=1e-13)


@pytest.mark.parametrize(
    ("corpus", "dataset"),
    [("RedPajama", "rpj"), ("C4", "c4_original"), ("RefinedWeb", "rw_original")],
)
def test_five_runs_give_the_published_constants(
    corpus: str, dataset: str, shared_data: Path
) -> None:
    runs = il.Runs.read(
        shared_data / "runs/gadre_overtraining/runs.csv", columns={"params": "params_total"}
    )

    def five(rows: object) -> object:
        size, multiple = rows["params_total"], rows["token_multiplier"]  # type: ignore[index]
        chosen = ((size < 5e8) & (multiple == 20)) | ((size < 2e7) & (multiple == 320))
        return (rows["dataset"] == dataset) & chosen  # type: ignore[index]

    fit = il.fit(
        runs.where(five), "overtraining", objective="squared", residual="raw", bootstrap=0,
        n="params_total",
    )  # fmt: skip
    assert fit.n_rows == 5
    np.testing.assert_allclose(fit.theta, _theta(corpus), rtol=2e-5)
    if corpus == "RedPajama":
        held = runs.to_frame().query("dataset == 'rpj' and params_total > 1e9")
        big = {
            (round(row.params_total / 1e8), row.token_multiplier): 100
            * (fit.predict(M=row.tokens / row.params_total, C=row.flops).loss / row.loss - 1)
            for row in held.itertuples()
        }
        assert big[14, 640] == pytest.approx(0.7103, abs=1e-3)
        assert big[69, 20] == pytest.approx(0.7320, abs=1e-3)
