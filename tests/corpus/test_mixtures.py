"""Domains: their own tokens, drawn by weight, each window once before any twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.corpus import (
    Corpus,
    batch,
    evaluation_windows,
    mixture_batch,
    mixture_facts,
    prepare_corpus,
)
from isoloss.corpus.mixtures import ROUND, _dealt
from isoloss.errors import UsageError

CONTEXT = 16


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Digits, letters and signs: a token tells its domain."""
    folder = tmp_path_factory.mktemp("mixed")
    rng = np.random.default_rng(0)
    kinds = {"digits": "0123456789", "letters": "abcdefghij", "signs": "+-*/()"}
    for (name, alphabet), size in zip(kinds.items(), (60_000, 30_000, 90_000), strict=True):
        characters = rng.choice(list(alphabet + "\n"), size)
        (folder / f"{name}.txt").write_text("".join(characters))
    return prepare_corpus(
        {name: [folder / f"{name}.txt"] for name in ("digits", "letters", "signs")},
        folder / "corpus",
        tokenizer="bytes",
        near_duplicates=None,
        weights={"digits": 6, "letters": 3, "signs": 1},
    )


def drawn(corpus: Corpus, steps: int, size: int, **options: object) -> np.ndarray:
    rows = [
        mixture_batch(
            corpus,
            seed=3,
            step=step,
            batch_size=size,
            context_length=CONTEXT,
            **options,  # type: ignore[arg-type]
        )
        for step in range(steps)
    ]
    return np.concatenate(rows)


def kinds(corpus: Corpus, rows: np.ndarray) -> list[str]:
    """The domain of each row, from its first character that is no break."""
    tokenizer = corpus.tokenizer()
    found = []
    for row in rows.tolist():
        text = tokenizer.decode(row).strip()
        first = text[0]
        found.append("digits" if first.isdigit() else "letters" if first.isalpha() else "signs")
    return found


def test_domains_hold_their_own_text(mixed: Corpus) -> None:
    domains = mixed.domains
    assert list(domains) == ["digits", "letters", "signs"]
    assert [d.weight for d in domains.values()] == pytest.approx([0.6, 0.3, 0.1])
    assert sum(d.train_tokens for d in domains.values()) == mixed.train_tokens
    assert sum(len(d.validation) for d in domains.values()) == len(mixed.validation)
    for name, domain in domains.items():
        for part in (domain.train, domain.validation):
            assert set(kinds(mixed, part[:1000].reshape(-1, 20))) == {name}
        assert domain.validation_starts[0] == 0
        assert (domain.validation[domain.validation_starts[1:] - 1] == mixed.end_of_text).all()


def test_shares_hold_over_every_stretch(mixed: Corpus) -> None:
    found = kinds(mixed, drawn(mixed, steps=40, size=10))
    for count in (50, 100, 400):
        counts = Counter(found[:count])
        assert counts["digits"] == pytest.approx(0.6 * count, abs=2)
        assert counts["letters"] == pytest.approx(0.3 * count, abs=2)


def test_a_step_depends_on_nothing_but_seed_and_number(mixed: Corpus) -> None:
    first = drawn(mixed, steps=5, size=8)
    assert np.array_equal(drawn(mixed, steps=5, size=8), first)
    assert np.array_equal(drawn(mixed, steps=10, size=4), first)  # rows, not steps, are dealt
    again = mixture_batch(mixed, seed=4, step=0, batch_size=8, context_length=CONTEXT)
    assert not np.array_equal(again, first[:8])


def test_no_window_comes_twice_before_all_came_once(mixed: Corpus) -> None:
    letters = mixed.domains["letters"].train
    windows = (len(letters) - 1) // CONTEXT
    weights = {"digits": 0, "letters": 1, "signs": 0}
    rows = drawn(mixed, steps=2 * windows // 10 + 1, size=10, weights=weights)
    expected = {letters[i * CONTEXT : (i + 1) * CONTEXT + 1].tobytes() for i in range(windows)}
    assert len(expected) == windows
    for epoch in range(2):
        part = rows[epoch * windows : (epoch + 1) * windows].astype(letters.dtype)
        assert {row.tobytes() for row in part} == expected


@given(
    weights=st.lists(st.integers(1, 50), min_size=1, max_size=5),
    first=st.integers(0, 3 * ROUND),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_rows_are_dealt_as_if_from_the_start(weights: list[int], first: int, seed: int) -> None:
    shares = tuple(weight / sum(weights) for weight in weights)
    whole, before = _dealt(shares, seed, np.arange(first + 50))
    owners, places = _dealt(shares, seed, np.arange(first, first + 50))
    assert np.array_equal(owners, whole[first:])
    assert np.array_equal(places, before[first:])
    for number in range(len(shares)):
        assert before[whole == number].tolist() == list(range((whole == number).sum()))


def test_one_domain_is_drawn_as_batch_draws(tiny_corpus: Corpus) -> None:
    options = {"seed": 5, "step": 7, "batch_size": 6, "context_length": 32}
    assert np.array_equal(
        mixture_batch(tiny_corpus, **options), batch(tiny_corpus.train, **options)
    )
    assert list(tiny_corpus.domains) == ["text"]


def test_epochs_and_unique_tokens(mixed: Corpus) -> None:
    tokens = 100_000
    uses = {use.name: use for use in mixture_facts(mixed, tokens)}
    letters = mixed.domains["letters"].train_tokens
    assert uses["letters"].tokens == 30_000
    assert uses["letters"].unique_tokens == letters < 30_000
    assert uses["letters"].epochs == 30_000 / letters > 1
    assert uses["signs"].unique_tokens == uses["signs"].tokens == 10_000


def test_validation_by_domain(mixed: Corpus) -> None:
    windows, clusters, n_bytes = evaluation_windows(mixed, CONTEXT, 2_000, domain="signs")
    assert set(kinds(mixed, windows)) == {"signs"}
    assert clusters[0] == 0
    assert n_bytes == windows[:, 1:].size - (windows[:, 1:] == mixed.end_of_text).sum()
    everything, _, _ = evaluation_windows(mixed, CONTEXT, 2_000)
    assert set(kinds(mixed, everything)) == {"digits", "letters", "signs"}
    with pytest.raises(UsageError, match="no domain 'sign'") as caught:
        evaluation_windows(mixed, CONTEXT, 2_000, domain="sign")
    assert caught.value.hint == "Did you mean 'signs'?"


def test_weights_are_part_of_the_fingerprint(mixed: Corpus, tmp_path: Path) -> None:
    names = dict(zip(mixed.domains, mixed.manifest["sources"], strict=True))
    other = prepare_corpus(names, tmp_path / "c", tokenizer="bytes", near_duplicates=None)
    assert np.array_equal(other.train, mixed.train)
    assert other.fingerprint != mixed.fingerprint
    total = sum(d.train_tokens for d in other.domains.values())
    assert [d.weight for d in other.domains.values()] == [
        d.train_tokens / total for d in other.domains.values()
    ]
    assert "domain" in other.summary()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"digits": 1, "letters": 1, "sings": 1}, "a weight for 'sings', which is no domain"),
        ({"digits": 1, "letters": 1}, "no weight for the domain 'signs'"),
        ({"digits": 1, "letters": 1, "signs": -1}, "'signs' must be 0 or a positive number"),
        ({"digits": 1, "letters": 1, "signs": float("nan")}, "'signs' must be 0 or a positive"),
        ({"digits": 0, "letters": 0, "signs": 0}, "all weights are 0"),
        ({"digits": 1, "letters": 1, "signs": 1e-6}, "less than one row in 4,096"),
    ],
)
def test_impossible_weights(mixed: Corpus, weights: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        drawn(mixed, 1, 4, weights=weights)
