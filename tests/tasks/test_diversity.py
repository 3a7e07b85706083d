"""Figures of a pool of texts: by hand, by brute force, and against scipy and sacrebleu."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from scipy import stats

from isoloss.tasks.diversity import (
    distinct_terms,
    jackknife_terms,
    self_bleu,
    zipf_exponent,
    zipf_terms,
)
from isoloss.tasks.metric import mean_metric, mean_statistics, score

POOLS = st.lists(st.text(alphabet="abcd", min_size=1, max_size=8), min_size=2, max_size=6)


def alone(texts: list[str]) -> np.ndarray:
    return np.arange(len(texts))


def distinct(texts: list[str], n: int) -> float:
    grams = [text[i : i + n] for text in texts for i in range(len(text) - n + 1)]
    return len(set(grams)) / len(grams) if grams else math.nan


def zipf(texts: list[str]) -> float:
    counts = sorted((texts and [sum(t.count(c) for t in texts) for c in "abcd"]) or [])[::-1]
    counts = [count for count in counts if count]
    if len(counts) < 2:
        return math.nan
    return -stats.linregress(np.log(np.arange(1, len(counts) + 1)), np.log(counts)).slope


def test_distinct_by_hand() -> None:
    texts = [["the", "cat", "sat"], ["the", "cat", "ran"]]
    for n, wanted in ((1, 4 / 6), (2, 3 / 4), (3, 2 / 2)):
        assert distinct_terms(texts, np.arange(2), n).mean() == pytest.approx(wanted)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=25)
    terms = jackknife_terms(values.mean(), (values.sum() - values) / 24)
    assert terms == pytest.approx(values)


@settings(max_examples=40)
@given(POOLS, st.integers(1, 3))
def test_terms_of_distinct_leave_one_out(texts: list[str], n: int) -> None:
    whole = distinct(texts, n)
    without = [distinct(texts[:i] + texts[i + 1 :], n) for i in range(len(texts))]
    wanted = jackknife_terms(whole, np.array(without))
    assert distinct_terms(texts, alone(texts), n) == pytest.approx(wanted, nan_ok=True)


@settings(max_examples=40)
@given(POOLS)
def test_terms_of_zipf_leave_one_out(texts: list[str]) -> None:
    without = [zipf(texts[:i] + texts[i + 1 :]) for i in range(len(texts))]
    wanted = jackknife_terms(zipf(texts), np.array(without))
    assert zipf_terms(texts, alone(texts)) == pytest.approx(wanted, abs=1e-9, nan_ok=True)


def test_the_texts_of_a_document_are_left_out_together() -> None:
    texts = ["ab", "bc", "cd", "da"]
    together = distinct_terms(texts, np.array([0, 0, 1, 1]), 1)
    assert together == pytest.approx(distinct_terms(["abbc", "cdda"], np.arange(2), 1))
    assert together.mean() == pytest.approx(4 / 8)


def test_zipf_s_law_gives_its_exponent() -> None:
    ranks = np.arange(1.0, 400.0)
    assert zipf_exponent(1e6 * ranks**-0.9) == pytest.approx(0.9)
    assert math.isnan(zipf_exponent(np.array([5.0])))


@settings(max_examples=40)
@given(POOLS)
def test_self_bleu_is_that_of_sacrebleu(texts: list[str]) -> None:
    scorer = BLEU(tokenize="none", effective_order=True)
    wanted = [
        scorer.sentence_score(" ".join(text), [" ".join(t) for t in texts[:i] + texts[i + 1 :]])
        for i, text in enumerate(texts)
    ]
    assert self_bleu(texts) == pytest.approx([one.score / 100 for one in wanted])


def test_self_bleu_without_others() -> None:
    assert np.isnan(self_bleu(["abc"])).all()
    assert np.isnan(self_bleu(["", "abc"])).tolist() == [True, False]
    assert self_bleu(["abcdef", "abcdef"]).tolist() == pytest.approx([1.0, 1.0])


def test_the_interval_of_distinct_is_as_wide_as_pools_differ() -> None:
    """Pools drawn anew from one law: how often the interval holds the mean of all pools."""
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, 2001) ** 1.05
    shares /= shares.sum()
    values, intervals = [], []
    for pool in range(80):
        sizes = rng.integers(15, 45, size=40)
        texts = [rng.choice(2000, size=size, p=shares).tolist() for size in sizes]
        terms = distinct_terms(texts, np.arange(40), 1)
        values.append(terms.mean())
        found = score(
            mean_metric("distinct_1"), mean_statistics(terms), level=0.9, seed=pool, resamples=200
        )
        intervals.append((found.low, found.high))
    middle = np.mean(values)
    held = np.mean([low <= middle <= high for low, high in intervals])
    assert 0.85 <= held <= 0.99
