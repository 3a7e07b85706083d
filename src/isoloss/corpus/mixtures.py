"""Domains by weight: which domain and which window each row of a batch is, a pure function.

Rows are dealt in rounds of `ROUND`. In a round each domain has as many rows as its weight says
(largest remainders), spread evenly with a phase drawn from (seed, round). So a row's domain, and
how many rows that domain had before, follow from its number alone: the step is the whole state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from isoloss.corpus._settings import shares_of
from isoloss.corpus.sampling import windows_of
from isoloss.corpus.tokens import Corpus
from isoloss.errors import UsageError

ROUND = 4096
"""Rows of a round; weights are rounded to this share of one."""


def mixture_batch(
    corpus: Corpus,
    *,
    seed: int,
    step: int,
    batch_size: int,
    context_length: int,
    weights: Mapping[str, float] | None = None,
) -> np.ndarray:
    """The tokens of a training step from all domains, (batch_size, context_length + 1) int64.

    Inside a domain no token comes twice before all came once, as in `batch`; a domain that its
    weight asks for more than it has begins anew (see `mixture_facts`). A corpus of one domain
    gives exactly what `batch` gives.

    Args:
        corpus: prepared from a mapping of domains, or of one.
        weights: other shares than those of the corpus, domain → share in any unit.
        seed, step, batch_size, context_length: as for `batch`.

    Raises:
        UsageError: an impossible weight.
        DataError: a domain is too small for one window.
    """
    domains = list(corpus.domains.values())
    shares = _shares(corpus, weights)
    first = step * batch_size
    rows = np.arange(first, first + batch_size)
    owners, before = _dealt(tuple(shares), seed, rows)
    found = np.empty((batch_size, context_length + 1), dtype=np.int64)
    for number in np.unique(owners):
        own = owners == number
        found[own] = windows_of(
            domains[number].train,
            before[own],
            seed=seed,
            context_length=context_length,
            stream=int(number),
        )
    return found


@dataclass(frozen=True, kw_only=True)
class DomainUse:
    """What training on a mixture takes of one domain.

    Attributes:
        name: the domain.
        tokens: positions trained on.
        unique_tokens: different ones among them.
        epochs: tokens over all that the domain has for training.
    """

    name: str
    tokens: int
    unique_tokens: int
    epochs: float


def mixture_facts(
    corpus: Corpus, tokens: int, weights: Mapping[str, float] | None = None
) -> tuple[DomainUse, ...]:
    """How much of each domain a run of `tokens` sees, and how often; their sum is the run's U.

    >>> sum(use.unique_tokens for use in mixture_facts(corpus, 10**9))  # doctest: +SKIP
    """
    uses = []
    for domain, share in zip(corpus.domains.values(), _shares(corpus, weights), strict=True):
        own = round(share * tokens)
        uses.append(
            DomainUse(
                name=domain.name,
                tokens=own,
                unique_tokens=min(own, domain.train_tokens),
                epochs=own / domain.train_tokens,
            )
        )
    return tuple(uses)


def _shares(corpus: Corpus, weights: Mapping[str, float] | None) -> list[float]:
    domains = corpus.domains
    chosen = shares_of(weights, domains)
    if chosen is None:
        return [domain.weight for domain in domains.values()]
    return list(chosen.values())


def _dealt(shares: tuple[float, ...], seed: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The domain of each row (B,), and the rows that this domain had before it (B,)."""
    counts = _counts(shares)
    owners = np.empty(len(rows), dtype=np.int64)
    before = np.empty(len(rows), dtype=np.int64)
    for turn in np.unique(rows // ROUND).tolist():
        order, earlier = _round(counts, seed, turn)
        own = rows // ROUND == turn
        places = rows[own] % ROUND
        owners[own] = order[places]
        before[own] = turn * np.asarray(counts)[order[places]] + earlier[places]
    return owners, before


@lru_cache(maxsize=16)
def _counts(shares: tuple[float, ...]) -> tuple[int, ...]:
    """Rows of each domain in a round; a weight too small for one row is refused.

    Raises:
        UsageError: as said.
    """
    exact = np.asarray(shares) * ROUND
    counts = np.floor(exact).astype(np.int64)
    remainders = np.argsort(-(exact - counts), kind="stable")
    counts[remainders[: ROUND - counts.sum()]] += 1
    lost = [share for share, count in zip(shares, counts, strict=True) if share > 0 and not count]
    if lost:
        raise UsageError(
            f"a weight of {lost[0]:.2g} is less than one row in {ROUND:,}",
            hint="Give it more, or 0 to leave the domain out.",
        )
    return tuple(counts.tolist())


@lru_cache(maxsize=4)
def _round(counts: tuple[int, ...], seed: int, turn: int) -> tuple[np.ndarray, np.ndarray]:
    """Domain of each row of a round, and how many rows that domain had before in it."""
    phases = np.random.Generator(np.random.PCG64([seed, turn, len(counts)])).random(len(counts))
    owners = np.repeat(np.arange(len(counts)), counts)
    within = np.concatenate([np.arange(count) for count in counts])
    places = (within + phases[owners]) / np.asarray(counts)[owners]
    order = np.argsort(places, kind="stable")
    return owners[order], within[order]
