"""Published fits made again on the real tables, and a made-up one whose truth is known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from isoloss.errors import NotFoundError, UsageError
from isoloss.fitting.reproducing import reproduction
from isoloss.fitting.reproducing.reproduction import METHODS, reproduce, reproducible_tables
from isoloss.runs import Runs
from isoloss.runs.catalogue import PublishedFit, PublishedTable
from isoloss.runs.catalogue.entries import Form

QUICK = (
    "bnsl_addition",
    "chinchilla_epoch",
    "datablations",
    "olmo_ladder",
    "routed_moe_clark",
    "scalebench_data_constrained",
    "scalebench_vocab",
)
SOME = {
    "gadre_overtraining": "RedPajama",
    "gemstones": "cool_end",
    "lr_anneal_mpl": "25M",
    "porian_kaplan_chinchilla": "OpenWebText2: last layer counted, short warm-up, const",
}
"""Of tables with many fits of one kind."""


@pytest.mark.parametrize("name", [*QUICK, *SOME])
def test_published_figures_are_met(shared_data: Path, name: str) -> None:
    made = reproduce(name, "paper", fit=SOME.get(name), directory=shared_data / "runs")
    missed = [
        f"{fit.name}: {figure.name} {figure.published} {figure.paper}"
        for fit in made.fits
        for figure in fit.figures
        if not figure.passed and math.isfinite(figure.tolerance)
    ]
    assert not missed
    assert max(map(len, made.summary().splitlines())) <= 80


def test_every_table_with_fits_is_tried() -> None:
    assert {table.name for table in reproducible_tables()} == {*QUICK, *SOME}


def test_our_way_on_chinchilla(shared_data: Path) -> None:
    made = reproduce(
        "chinchilla_epoch", "ours", fit="240", directory=shared_data / "runs", bootstrap=200
    )
    huber, absolute, squares = made.fits
    figures = {figure.name: figure for figure in huber.figures}
    assert figures["a"].inside
    assert figures["tokens_per_parameter"].ours is not None
    assert figures["tokens_per_parameter"].ours.high > 25, "the interval is wide"
    assert huber.status == "converged and identified"
    assert "mix of the two" in absolute.note
    # Our interval is that of the Huber fit whatever the authors minimised.
    huber_beta, absolute_beta, squares_beta = (
        next(f.ours.value for f in fit.figures if f.name == "beta" and f.ours) for fit in made.fits
    )
    assert huber_beta == absolute_beta == squares_beta
    assert not any(figure.passed is not None for figure in squares.figures)


def test_the_miss_of_the_olmo_ladder_is_shown(shared_data: Path) -> None:
    made = reproduce("olmo_ladder", directory=shared_data / "runs", bootstrap=200)
    (figure,) = [f for f in made.fits[0].figures if f.name.startswith("error.peteish13")]
    assert figure.passed
    assert figure.published == pytest.approx(-3.8348, abs=1e-4)
    assert figure.ours is not None
    assert figure.ours.low < -3 < figure.ours.high + 3


TRUE = {"E": 1.8, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}


def invented(monkeypatch: pytest.MonkeyPatch, figures: dict[str, dict[str, float]]) -> None:
    """A table in the catalogue whose losses follow a law exactly, with published figures."""
    rng = np.random.default_rng(0)
    n, d = 10 ** rng.uniform(7, 10, 40), 10 ** rng.uniform(9, 11, 40)
    loss = TRUE["E"] + TRUE["A"] / n ** TRUE["alpha"] + TRUE["B"] / d ** TRUE["beta"]
    rows = [
        {"params_total": a, "tokens": b, "loss": c, "source": "invented"}
        for a, b, c in zip(n, d, loss, strict=True)
    ]
    fit = PublishedFit(
        name="whole", by="nobody", method="law", settings={"law": "chinchilla"}, figures=figures
    )
    table = PublishedTable(
        name="invented", title="", paper="", licence="", repository="a/b", commit="0" * 40,
        verified=True, counts="", copy=None, columns={}, constants={}, fits=(fit,),
        source=Form(name="source", files=(), reader="one_csv", n_rows=40),
    )  # fmt: skip
    monkeypatch.setattr(reproduction, "published_table", lambda name: table)
    monkeypatch.setattr(reproduction, "published", lambda *a, **k: Runs.from_rows(rows))


def test_a_right_figure_is_met_and_a_wrong_one_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = {name: {"value": value, "rtol": 1e-4} for name, value in TRUE.items()}
    invented(monkeypatch, right)
    told: list[str] = []
    made = reproduce("invented", "paper", tell=told.append)
    assert made.passed
    assert told == ["1 of 1: whole"]
    invented(monkeypatch, right | {"beta": {"value": 0.38, "rtol": 1e-3}})
    made = reproduce("invented", "paper")
    assert [f.name for f in made.fits[0].figures if not f.passed] == ["beta"]
    assert not made.passed


def test_one_way_leaves_the_other_out(monkeypatch: pytest.MonkeyPatch) -> None:
    invented(monkeypatch, {"alpha": {"value": 0.34, "atol": 1e-3}})
    (figure,) = reproduce("invented", "ours", bootstrap=0).fits[0].figures
    assert figure.paper is None
    assert figure.ours is not None
    assert figure.ours.value == pytest.approx(0.34, rel=1e-5)
    assert figure.inside is None, "no interval without resamples"
    (figure,) = reproduce("invented", "paper").fits[0].figures
    assert figure.ours is None


def test_mistakes() -> None:
    with pytest.raises(UsageError, match="unknown way 'theirs'"):
        reproduce("chinchilla_epoch", "theirs")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="bootstrap must not be negative"):
        reproduce("chinchilla_epoch", bootstrap=-1)
    with pytest.raises(UsageError, match="level"):
        reproduce("chinchilla_epoch", level=1.0)
    with pytest.raises(NotFoundError, match="no public run table"):
        reproduce("chinchillas")
    with pytest.raises(NotFoundError, match="no published fit of chinchilla_epoch is called") as e:
        reproduce("chinchilla_epoch", fit="lasso")
    assert "240 runs, Huber 1e-3" in e.value.hint
    with pytest.raises(NotFoundError, match="no published fit of regmix") as e:
        reproduce("regmix")
    assert "chinchilla_epoch" in e.value.hint
    assert set(METHODS) >= {fit.method for table in reproducible_tables() for fit in table.fits}
