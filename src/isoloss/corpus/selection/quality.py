"""Measures of a text that need no language, and the reason a filter would drop it for.

The repetition measures are those of Gopher (Rae et al. 2021, arXiv:2112.11446, appendix A.1.1),
with words that every script has (see `shingles`).
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import NamedTuple

import numpy as np

from isoloss.corpus.selection.shingles import runs_of_words, words


class Shares(NamedTuple):
    """Shares of a text's characters that are no white space, each 0 to 1."""

    letters: float
    digits: float
    symbols: float


def shares(text: str) -> Shares:
    """Letters (with the marks that belong to them), digits, and symbols or punctuation.

    >>> shares("ab 12 !")
    Shares(letters=0.4, digits=0.4, symbols=0.2)
    """
    counts: Counter[str] = Counter()
    for character, number in Counter(text).items():
        if not character.isspace():
            counts[unicodedata.category(character)[0]] += number
    total = max(1, counts.total())
    return Shares(
        letters=(counts["L"] + counts["M"]) / total,
        digits=counts["N"] / total,
        symbols=(counts["S"] + counts["P"]) / total,
    )


def repeated_lines(text: str) -> float:
    """Share of the characters in lines that stood before in the same text; blank lines aside.

    >>> repeated_lines("one\\ntwo\\none\\n")
    0.3333333333333333
    """
    lines = [line for line in (line.strip() for line in text.split("\n")) if line]
    total = sum(map(len, lines))
    unique = sum(map(len, set(lines)))
    return (total - unique) / total if total else 0.0


def repeated_ngrams(text: str, size: int) -> float:
    """Share of the bytes of words inside runs of `size` words that stood before; none twice.

    >>> repeated_ngrams("a b c d a b c d", 4)
    0.5
    """
    found = words(text.encode("utf-8"))
    runs = runs_of_words(found.hashes, size)
    if not len(runs):
        return 0.0
    _, first = np.unique(runs, return_index=True)
    again = np.ones(len(runs), dtype=np.int64)
    again[first] = 0
    # A word is inside a repeated run where one began at most size - 1 words before.
    reach = np.append(np.cumsum(again), np.full(size - 1, again.sum()))
    reach[size:] -= reach[: len(found.hashes) - size].copy()
    covered = reach > 0
    return float(found.lengths[covered].sum() / found.lengths.sum())
