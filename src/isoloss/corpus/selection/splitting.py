"""Documents → training and validation parts that share no text.

By file where there are many; otherwise by blocks with gaps, so that a single book works.
Everything is a range of bytes in the spool: no text is held in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from isoloss.corpus.selection.spool import Spool
from isoloss.errors import DataError

MANY_DOCUMENTS = 100
VALIDATION_SHARE = 0.05
LEAST_SHARE = 0.02
BLOCK_BYTES = 65_536
GAP_BYTES = 1_024
LEAST_BLOCKS = 160
_NONE = np.empty((0, 2), dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """One domain, split: first byte and end of each piece in the spool, (N, 2) int64.

    A piece is a document or, split by blocks, a block; training blocks that touch are one text
    for the model (see `joined`).
    """

    train: np.ndarray
    validation: np.ndarray
    by: Literal["files", "blocks"]
    documents: int
    n_bytes: int


def unique_documents(spool: Spool) -> np.ndarray:
    """Numbers of the documents that no earlier one equals, in the order of their hashes."""
    digests = spool.digests
    order = np.lexsort(digests.T[::-1])  # stable: of equal ones the earliest comes first
    same = (digests[order[1:]] == digests[order[:-1]]).all(axis=1)
    return order[np.append(True, ~same)] if len(order) else order


def at_most(hashed: np.ndarray, sizes: np.ndarray, max_bytes: int) -> np.ndarray:
    """Documents in the order of their hashes (`hashed`) until there are `max_bytes`."""
    before = np.cumsum(sizes[hashed]) - sizes[hashed]
    return hashed[before < max_bytes]


def split(spool: Spool, hashed: np.ndarray) -> Parts:
    """Split the documents `hashed` (numbers in the order of their hashes).

    Raises:
        DataError: too little text to hold a part of it out.
    """
    ranges = spool.ranges
    sizes = ranges[:, 1] - ranges[:, 0]
    n_bytes = int(sizes[hashed].sum())
    by: Literal["files", "blocks"] = "files"
    train = validation = _NONE
    if len(hashed) >= MANY_DOCUMENTS:
        held_out = _by_file(hashed, sizes, VALIDATION_SHARE * n_bytes)
        train = ranges[np.sort(hashed[~np.isin(hashed, held_out)])]
        validation = ranges[np.sort(held_out)]
    # A few huge files among many small ones leave the files too little to validate on.
    if lengths(validation).sum() < LEAST_SHARE * n_bytes or not len(validation):
        train, validation = _by_block(spool, ranges[np.sort(hashed)], n_bytes)
        by = "blocks"
    if not len(train) or not len(validation):
        raise DataError(
            f"the text is too small to hold a part of it out: {n_bytes:,} bytes",
            hint="Give more text; a hundred kilobytes is a small corpus.",
        )
    return Parts(train=train, validation=validation, by=by, documents=len(hashed), n_bytes=n_bytes)


def lengths(ranges: np.ndarray) -> np.ndarray:
    """Bytes of each range, (N,)."""
    return ranges[:, 1] - ranges[:, 0]


def joined(ranges: np.ndarray, document_starts: np.ndarray) -> np.ndarray:
    """Ranges that touch inside one document as one range; `ranges` are in order.

    Args:
        ranges: (N, 2).
        document_starts: first byte of every document, sorted: nothing is joined over one.
    """
    if not len(ranges):
        return ranges
    touches = ranges[1:, 0] == ranges[:-1, 1]
    places = np.searchsorted(document_starts, ranges[1:, 0])
    known = document_starts[np.minimum(places, len(document_starts) - 1)]
    begins = np.append(True, ~touches | (known == ranges[1:, 0]))
    firsts = np.flatnonzero(begins)
    return np.stack([ranges[firsts, 0], ranges[np.append(firsts[1:], len(ranges)) - 1, 1]], axis=1)


def _by_file(hashed: np.ndarray, sizes: np.ndarray, share: float) -> np.ndarray:
    """Files in the order of their hashes go to validation until its share is reached.

    A file that alone is a quarter of that share stays in training: it would decide the loss.
    """
    small = hashed[sizes[hashed] <= share / 4]
    before = np.cumsum(sizes[small]) - sizes[small]
    return small[before < share]


def _by_block(spool: Spool, documents: np.ndarray, n_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    """Every twentieth block goes to validation; the training text beside it loses a gap."""
    size = max(1, min(BLOCK_BYTES, n_bytes // LEAST_BLOCKS))
    every = round(1 / VALIDATION_SHARE)
    train: list[tuple[int, int]] = []
    validation: list[tuple[int, int]] = []
    count = 0
    for document_start, document_end in documents.tolist():
        part: list[tuple[int, int]] = []
        free = document_start  # training may use the bytes from here on
        for start, end in _blocks(spool, document_start, document_end, size):
            count += 1
            if count % every == every // 2:
                train += _without_end(spool, part, start - GAP_BYTES)
                part = []
                free = _next_character(spool, min(document_end, end + GAP_BYTES), document_end)
                validation.append((start, end))
            elif end > free:
                part.append((max(start, free), end))
        train += part
    return _as_ranges(train), _as_ranges(validation)


def _as_ranges(pairs: list[tuple[int, int]]) -> np.ndarray:
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _without_end(spool: Spool, part: list[tuple[int, int]], limit: int) -> list[tuple[int, int]]:
    """The blocks of a part up to the byte `limit`, or the start of the character there."""
    kept = [(start, end) for start, end in part if start < limit]
    if kept and kept[-1][1] > limit:
        start, _ = kept.pop()
        while limit > start and spool.read(limit, limit + 1)[0] & 0xC0 == 0x80:
            limit -= 1
        if limit > start:
            kept.append((start, limit))
    return kept


def _next_character(spool: Spool, place: int, end: int) -> int:
    """`place`, or the end of the character that it lies in."""
    while place < end and spool.read(place, place + 1)[0] & 0xC0 == 0x80:
        place += 1
    return place


def _blocks(spool: Spool, start: int, end: int, size: int) -> list[tuple[int, int]]:
    """Cut a text near every `size` bytes, after a line break where one is near."""
    blocks: list[tuple[int, int]] = []
    while start < end:
        cut = min(end, start + size)
        if cut < end:
            near = start + size * 3 // 4
            newline = spool.read(near, cut).rfind(b"\n")
            if newline >= 0 and near + newline > start:
                cut = near + newline + 1
            cut = _next_character(spool, cut, end)
        blocks.append((start, cut))
        start = cut
    return blocks
