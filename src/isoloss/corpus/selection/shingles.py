"""Texts → hashes of their words and of runs of words, without a loop over either.

A word is a run of letters, digits, `_` and bytes beyond ASCII; a character that starts with
UTF-8 byte 0xE3 to 0xE9 (kana, Chinese) begins a word of its own, as its script has no spaces.
ASCII case is folded. So a text in any language has words, and changed spaces or punctuation
do not make it another text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SEPARATOR = b"\n"


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every bit depends on all bits."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values ^= values >> np.uint64(30)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _byte_values() -> np.ndarray:
    """A fixed random number for each byte of a word, 0 for every other byte, (256,)."""
    values = _mixed(np.arange(1, 257, dtype=np.uint64))
    lower = np.arange(256)
    lower[65:91] += 32
    values = values[lower]
    is_word = np.zeros(256, dtype=bool)
    is_word[[ord("_"), *range(48, 58), *range(65, 91), *range(97, 123), *range(128, 256)]] = True
    values[~is_word] = 0
    return values


VALUES = _byte_values()
IS_WORD = VALUES != 0
ALONE = np.isin(np.arange(256), np.arange(0xE3, 0xEA))
BASE = 0x9E3779B97F4A7C15
"""An odd number, so that its powers can be undone modulo 2**64."""


BLOCK = 1 << 20
"""Bytes whose words are hashed at a time: bounds the memory. A word ends at a block's at latest."""


@lru_cache(maxsize=1)
def _powers() -> tuple[np.ndarray, np.ndarray]:
    """The first powers of `BASE` and of its inverse, modulo 2**64, (BLOCK,) each."""
    found = []
    for base in (BASE, pow(BASE, -1, 1 << 64)):
        powers = np.full(BLOCK, base, dtype=np.uint64)
        powers[0] = 1
        found.append(np.multiply.accumulate(powers))
    return found[0], found[1]


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words of one text.

    Attributes:
        hashes: (W,) uint64, equal for equal words.
        starts: (W,) place of each in the text's bytes.
        lengths: (W,) bytes of each.
    """

    hashes: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray


def words(text: bytes) -> Words:
    """Hash, place and length of every word of a text.

    >>> found = words("One two, ONE 學而".encode())
    >>> found.lengths.tolist(), bool(found.hashes[0] == found.hashes[2])
    ([3, 3, 3, 3, 3], True)
    """
    data = np.frombuffer(text, dtype=np.uint8)
    parts: list[Words] = []
    start = 0
    while start < len(data):
        end = min(len(data), start + BLOCK)
        if end < len(data):  # not inside a word, but for one as long as half a block
            end = _last_begin(data[start + BLOCK // 2 : end], start + BLOCK // 2) or end
        parts.append(_block_words(data[start:end], start))
        start = end
    names = ("hashes", "starts", "lengths")
    none = Words(hashes=np.empty(0, np.uint64), starts=np.empty(0, int), lengths=np.empty(0, int))
    whole = {
        name: np.concatenate([getattr(part, name) for part in (none, *parts)]) for name in names
    }
    return Words(**whole)


def _begins(data: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Whether a word begins at each byte."""
    begins = inside.copy()
    begins[1:] &= ~inside[:-1]
    return begins | ALONE[data]


def _last_begin(data: np.ndarray, offset: int) -> int | None:
    """Where the last word of a piece begins that has a byte before it; None where there is none."""
    found = np.flatnonzero(_begins(data, IS_WORD[data])[1:])
    return offset + 1 + int(found[-1]) if len(found) else None


def _block_words(data: np.ndarray, offset: int) -> Words:
    """The words of a block by prefix sums of a polynomial hash."""
    inside = IS_WORD[data]
    starts = np.flatnonzero(_begins(data, inside))
    if not len(starts):
        return Words(hashes=np.empty(0, np.uint64), starts=starts, lengths=starts)
    powers, inverses = _powers()
    sums = np.cumsum(VALUES[data] * powers[: len(data)], dtype=np.uint64)
    before = np.where(starts > 0, sums[starts - 1], np.uint64(0))
    totals = np.append(before[1:], sums[-1]) - before  # bytes between words count 0
    counts = np.append(0, np.cumsum(inside))
    lengths = np.append(counts[starts[1:]], counts[-1]) - counts[starts]
    return Words(hashes=_mixed(totals * inverses[starts]), starts=starts + offset, lengths=lengths)


def runs_of_words(hashes: np.ndarray, size: int) -> np.ndarray:
    """Hashes of every `size` words in a row, (W - size + 1,) uint64."""
    count = max(0, len(hashes) - size + 1)
    total = np.zeros(count, dtype=np.uint64)
    for place in range(size):
        total += hashes[place : place + count] * np.uint64(pow(BASE, place, 1 << 64))
    return _mixed(total)


def shingles(texts: Sequence[bytes], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all runs of `size` words inside each text.

    A text with fewer words has one shingle of all of them; a text without any word has none.

    Returns:
        All hashes in one array (S,) uint64, and where each text's begin, (texts + 1,) int64.
    """
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    found = words(SEPARATOR.join(texts))
    text_ends = np.cumsum(lengths + len(SEPARATOR))
    owners = np.searchsorted(text_ends, found.starts, side="right")
    counts = np.bincount(owners, minlength=len(texts))
    # After each text come size - 1 empty words: no run crosses texts, and short texts have a run.
    firsts = np.cumsum(counts + size - 1) - counts - (size - 1)
    padded = np.zeros(int(counts.sum()) + len(texts) * (size - 1), dtype=np.uint64)
    own_place = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    padded[firsts[owners] + own_place] = found.hashes
    runs = runs_of_words(padded, size)
    kept = np.where(counts > 0, np.maximum(1, counts - size + 1), 0)
    offsets = np.append(0, np.cumsum(kept))
    places = np.repeat(firsts - offsets[:-1], kept) + np.arange(offsets[-1])
    return runs[places], offsets
