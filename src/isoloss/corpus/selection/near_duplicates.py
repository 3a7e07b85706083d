"""Near-duplicates: MinHash finds candidates, the exact Jaccard similarity decides.

Texts are sets of shingles (runs of words). Signatures of 126 minima (Broder 1997; by `rensa`) are
cut in 21 bands of 6 (locality-sensitive hashing, Leskovec, Rajaraman and Ullman, "Mining of
Massive Datasets", section 3.4): two texts of similarity s meet in a band with probability
1 - (1 - s**6)**21, which is 0.998 at s = 0.8 and 0.03 at 0.35. Whoever meets is compared
exactly, so no text is dropped on an estimate.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from isoloss.corpus.selection.shingles import runs_of_words, shingles
from isoloss.errors import EnvironmentProblem, UsageError

WORDS = 5
"""Words of a shingle; 5 is the choice of Lee et al. 2022 (arXiv:2107.06499)."""
THRESHOLD = 0.8
BANDS, ROWS = 21, 6
SEED = 20
SLACK = 0.15
"""Four standard errors of an estimate from 126 minima at 0.8: below, texts are not even read."""
BATCH_BYTES = 4 << 20


def near_duplicates(
    sizes: np.ndarray,
    read: Callable[[int], bytes],
    *,
    threshold: float = THRESHOLD,
    words: int = WORDS,
    protected: int | None = None,
    folder: Path | None = None,
) -> np.ndarray:
    """For each text the kept text before it that it nearly repeats, or -1 where it is kept.

    Texts come in the order of their rights: no text is dropped for one after it, and of the
    texts that are kept no two are near-duplicates (but for the chance that MinHash misses one).

    Args:
        sizes: (N,) bytes of each text.
        read: the UTF-8 bytes of text i.
        threshold: Jaccard similarity of the shingles from which on texts count as the same.
        words: words of a shingle; fewer suit short texts.
        protected: the first so many texts are all kept, and the later ones are compared with
            these alone.
        folder: where signatures wait on disk.

    Returns:
        (N,) int64.
    """
    check_threshold(threshold)
    repeated = np.full(len(sizes), -1, dtype=np.int64)
    if len(sizes) < 2:
        return repeated
    signatures = _signatures(sizes, read, words, folder)
    keys, suspects = _shared_keys(signatures)

    @lru_cache(maxsize=8)
    def unique_shingles(index: int) -> np.ndarray:
        return np.unique(shingles([read(index)], words)[0])

    def first_alike(index: int, met: list[int]) -> int:
        """The likeliest of the texts met that is alike, or -1."""
        agreement = (signatures[met] == signatures[index]).mean(axis=1)
        for place in np.argsort(-agreement, kind="stable"):
            if agreement[place] < threshold - SLACK:
                break
            other = met[int(place)]
            if _jaccard(unique_shingles(other), unique_shingles(index)) >= threshold:
                return other
        return -1

    buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index in suspects:
        own = [(band, int(key)) for band, key in enumerate(keys[index]) if key]
        if protected is None or index >= protected:
            met = sorted({other for key in own for other in buckets[key]})
            repeated[index] = first_alike(index, met) if met else -1
        if index < protected if protected is not None else repeated[index] < 0:
            for key in own:
                buckets[key].append(index)
    return repeated


def check_threshold(threshold: float) -> None:
    """Raise UsageError for a similarity at which MinHash would miss many or everything is one."""
    if not 0.5 <= threshold <= 1:
        raise UsageError(
            f"the threshold of near-duplicates must lie in 0.5 to 1, found {threshold}",
            hint=f"{THRESHOLD} is usual; None keeps near-duplicates.",
        )


def threshold_from(text: str) -> float | None:
    """A threshold from a word of a command line: a number, or "off".

    Raises:
        UsageError: neither, or out of range.
    """
    if text == "off":
        return None
    try:
        threshold = float(text)
    except ValueError:
        raise UsageError(
            f"expected a similarity such as {THRESHOLD}, or off, found {text!r}"
        ) from None
    check_threshold(threshold)
    return threshold


def _jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """Similarity of two sorted sets; texts without any word are like none other."""
    common = len(np.intersect1d(first, second, assume_unique=True))
    union = len(first) + len(second) - common
    return common / union if union else 0.0


def _signatures(
    sizes: np.ndarray, read: Callable[[int], bytes], words: int, folder: Path | None
) -> np.ndarray:
    """MinHash signatures, (N, BANDS * ROWS) uint32, on disk."""
    try:
        import rensa
    except ImportError as error:
        raise EnvironmentProblem(
            "finding near-duplicates needs `rensa`", hint="pip install 'isoloss[train]'"
        ) from error
    sketch: Any = getattr(rensa, "RMinHash")  # noqa: B009 - the library has no type stubs
    shape = (len(sizes), BANDS * ROWS)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(shape[0] * shape[1] * 4)
        signatures = np.memmap(file, dtype=np.uint32, shape=shape)
    first = 0
    while first < len(sizes):
        ends = np.cumsum(sizes[first : first + 100_000])
        count = max(1, int(np.searchsorted(ends, BATCH_BYTES, side="right")))
        hashes, offsets = shingles([read(i) for i in range(first, first + count)], words)
        digests = sketch.digest_matrix_from_flat_token_hashes(
            hashes, offsets.astype(np.uint64), BANDS * ROWS, SEED
        )
        signatures[first : first + count] = digests.to_rows()
        first += count
    return signatures


def _shared_keys(signatures: np.ndarray) -> tuple[dict[int, np.ndarray], list[int]]:
    """Which texts meet another one: their key in each band, 0 where nobody else has it."""
    found: dict[int, np.ndarray] = {}
    for band in range(BANDS):
        rows = np.asarray(signatures[:, band * ROWS : (band + 1) * ROWS], dtype=np.uint64)
        keys = runs_of_words(rows.reshape(-1), ROWS)[::ROWS] | np.uint64(1)
        _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
        for index in np.flatnonzero(counts[inverse] > 1):
            row = found.setdefault(int(index), np.zeros(BANDS, dtype=np.uint64))
            row[band] = keys[index]
    return found, sorted(found)
