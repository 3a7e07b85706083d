"""Laws of scores: a known chain is found again, and what tells no law gets no number."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any

import numpy as np
import pytest

import isoloss as il
from isoloss.studies.task_candidates import ScoredBy
from isoloss.studies.task_choosing import score_laws
from isoloss.studies.task_laws import ScoreLaw

BLEU = ScoredBy(name="bleu", best=100.0)
ACC = ScoredBy(name="acc", best=1.0, floor=0.25)
BITS = ScoredBy(name="answer_bits_per_byte", higher_is_better=False, smooth=True)
TARGET = {"N": 2e6, "D": 1e8}
TARGET["C"] = 6 * TARGET["N"] * TARGET["D"]


def loss_of(n: Any, d: Any) -> Any:
    return 1.5 + 40 / n**0.3 + 60 / d**0.28


def bleu_of(loss: Any) -> Any:
    return 100 * 12 * np.exp(-1.4 * loss)


def accuracy_of(loss: Any) -> Any:
    return 0.25 + 0.75 / (1 + np.exp(3.0 * (loss - 2.6)))


@cache
def ladder(noise: float = 0.003) -> il.Runs:
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for n in np.geomspace(3e4, 1e6, 6):
        for d in np.geomspace(2e6, 3e7, 5):
            loss = float(loss_of(n, d) * math.exp(noise * rng.standard_normal()))
            rows.append(
                {
                    "run_id": f"r{len(rows)}",
                    "params_matmul": round(n),
                    "tokens": round(d),
                    "flops": 6 * n * d,
                    "loss": loss,
                    "metric_bleu": float(bleu_of(loss)) + 0.15 * rng.standard_normal(),
                    "metric_acc": float(accuracy_of(loss)) + 0.004 * rng.standard_normal(),
                    "metric_answer_bits_per_byte": 0.4 * loss**1.3,
                }
            )
            rows[-1]["metric_bleu"] = max(rows[-1]["metric_bleu"], 0.0)
    return il.Runs.from_rows(rows)


@cache
def loss_fit() -> il.Fit:
    return il.fit(
        ladder(), "chinchilla", delta=0.005, bootstrap=120, resample="wild", level=0.9, seed=0
    )


@cache
def laws(metric: ScoredBy) -> tuple[ScoreLaw, ScoreLaw]:
    return score_laws(ladder(), metric, loss_fit())


@pytest.mark.parametrize(
    ("metric", "truth", "law", "off"),
    [
        (BLEU, bleu_of, "error_exponential", 3.0),
        (ACC, accuracy_of, "accuracy_sigmoid", 0.02),
        (BITS, lambda loss: 0.4 * loss**1.3, "power of the loss", 0.02),
    ],
)
def test_a_known_chain_is_recovered(metric: ScoredBy, truth: Any, law: str, off: float) -> None:
    chain, _ = laws(metric)
    assert chain.chosen is not None
    assert chain.chosen.name == law
    assert chain.to_dict()["paired_draws"] is True
    expected = float(truth(loss_of(TARGET["N"], TARGET["D"])))
    found = chain.predict(level=0.9, **TARGET)
    assert found.value == pytest.approx(expected, abs=off)
    assert found.low < expected < found.high
    assert found.low < found.value < found.high
    narrow = chain.predict(level=0.5, **TARGET)
    assert found.low < narrow.low < narrow.high < found.high


def test_the_largest_runs_are_held_out_and_told() -> None:
    chain, direct = laws(BLEU)
    costs = {row["run_id"]: row["flops"] for row in ladder().rows()}
    assert chain.held_out == direct.held_out
    least = min(costs[run_id] for run_id in chain.held_out)
    assert all(costs[r] < least for r in costs if r not in chain.held_out)
    told = chain.to_dict()["held_out"]
    for row in told["runs"]:
        assert row["error"] == pytest.approx(row["predicted"] - row["measured"])
    errors = [row["error"] for row in told["runs"]]
    assert told["rms"] == pytest.approx(math.sqrt(np.mean(np.square(errors))))
    by_law = {c["law"]: c["held_out_rms"] for c in chain.to_dict()["candidates"]}
    assert told["rms"] == min(by_law.values())
    assert len(by_law) == 3
    json.dumps([chain.to_dict(), direct.to_dict()], allow_nan=False)


def test_a_direct_law_of_another_shape_has_an_interval_that_holds() -> None:
    """The score is an exponential of the loss: no direct law has its shape."""
    chain, direct = laws(BLEU)
    assert chain.trial is not None
    assert direct.trial is not None
    assert direct.trial.rms > chain.trial.rms
    found = direct.predict(level=0.9, **TARGET)
    assert found.low < float(bleu_of(loss_of(TARGET["N"], TARGET["D"]))) < found.high
    nearer = direct.predict(level=0.9, N=1e6, D=4e7, C=2.4e14)
    assert nearer.high - nearer.low < found.high - found.low


def changed(change: Any) -> il.Runs:
    rows = [dict(row) for row in ladder().rows()]
    for index, row in enumerate(rows):
        row["metric_bleu"] = change(index, row)
    return il.Runs.from_rows(rows)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda index, row: 0.0, "all 30 runs score 0"),
        (lambda index, row: float(index % 3), "only 3 different scores"),
        (lambda index, row: float((7 * index) % 30), "does not follow the loss"),
        (lambda index, row: 10 + row["loss"], "does not follow the loss"),
        (lambda index, row: None, "no run has a value of bleu"),
    ],
)
def test_scores_that_tell_no_law_get_no_number(change: Any, reason: str) -> None:
    for law in score_laws(changed(change), BLEU, loss_fit()):
        assert not law.identified
        assert law.status == "not identified"
        assert reason in law.reason
        told = law.predict(level=0.9, **TARGET).to_dict()
        assert told["predicted"] is told["low"] is told["high"] is None
        assert reason in told["reason"]
        assert "law" not in law.to_dict()


def test_a_second_step_is_tried_on_another_corpus() -> None:
    """Runs of another corpus with the same way from loss to score, and with one 5 points lower."""
    chain, _ = laws(BLEU)
    rows = [{**row, "run_id": f"other {row['run_id']}"} for row in ladder().rows()]
    for row in rows:
        row["loss"] = 0.9 * row["loss"]
        row["metric_bleu"] = float(bleu_of(row["loss"]))
    same = chain.errors_on(il.Runs.from_rows(rows))
    assert set(same) == {row["run_id"] for row in rows}
    assert max(map(abs, same.values())) < 0.5
    shifted = [{**row, "metric_bleu": row["metric_bleu"] - 5} for row in rows]
    found = chain.errors_on(il.Runs.from_rows(shifted))
    assert np.mean(list(found.values())) == pytest.approx(5, abs=0.3)


def test_too_few_runs_to_hold_some_out() -> None:
    rows = ladder().rows()[:9]
    fit = il.fit(il.Runs.from_rows(rows), "E + A/D**alpha", bootstrap=0)
    chain, _ = score_laws(il.Runs.from_rows(rows), BLEU, fit)
    assert chain.held_out == ()
    assert "are needed to hold the latter out" in chain.to_dict()["held_out"]["reason"]
