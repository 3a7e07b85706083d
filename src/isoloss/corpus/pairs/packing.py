"""Several pairs in a row of fixed length, and which rows a step sees: pure functions.

Pairs are drawn in an order that the seed decides and put into the first of a few open rows that
has room (first fit). Rows stay as they are; each epoch goes through them in an order of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from isoloss.corpus.packing import PADDING
from isoloss.corpus.pairs.tokens import PairCorpus, Pairs
from isoloss.errors import DataError, UsageError

OPEN_ROWS = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class PairBatch:
    """Rows of packed pairs, all int64; S and T are the fixed lengths.

    Attributes:
        source: (B, S) ids with an end of text after each source.
        target_in: (B, T) what the decoder reads: a start token, then the target.
        target_out: (B, T) what it is to predict: the target, then an end of text.
        source_segments: (B, S) the pair of each position, from 1 in each row; 0 is padding.
        target_segments: (B, T) likewise.
    """

    source: np.ndarray
    target_in: np.ndarray
    target_out: np.ndarray
    source_segments: np.ndarray
    target_segments: np.ndarray

    @property
    def encoder_tokens(self) -> int:
        """Source positions that are no padding."""
        return int((self.source_segments != PADDING).sum())

    @property
    def decoder_tokens(self) -> int:
        """Target positions that are no padding: the predicted tokens."""
        return int((self.target_segments != PADDING).sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class Packing:
    """Which pairs each row holds: `pairs[rows[i]:rows[i + 1]]`.

    Attributes:
        pairs: (P,) numbers of pairs.
        rows: (R + 1,) int64.
    """

    pairs: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows) - 1


@lru_cache(maxsize=4)
def pack_pairs(
    pairs: Pairs, source_length: int, target_length: int, *, seed: int | None = None
) -> Packing:
    """Put every pair into a row once; the same arguments give the same rows.

    Args:
        pairs: the pairs.
        source_length, target_length: positions of a row, S and T.
        seed: shuffles the pairs before; None keeps their order.

    Raises:
        UsageError: a pair is longer than a row.
    """
    lengths = pairs.lengths
    too_long = np.flatnonzero((lengths > (source_length, target_length)).any(axis=1))
    if len(too_long):
        source, target = lengths[too_long[0]].tolist()
        raise UsageError(
            f"pair {too_long[0] + 1:,} has {source} source and {target} target tokens; a row has"
            f" {source_length} and {target_length}",
            hint="Take longer rows, or prepare with smaller max_source_tokens, max_target_tokens.",
        )
    order = np.arange(len(pairs))
    if seed is not None:
        order = np.random.Generator(np.random.PCG64([seed, len(pairs)])).permutation(order)
    finished: list[list[int]] = []
    opened: list[tuple[list[int], list[int]]] = []  # pairs of a row, and the room left in it
    for number, (source, target) in zip(order.tolist(), lengths[order].tolist(), strict=True):
        for row, room in opened:
            if source <= room[0] and target <= room[1]:
                row.append(number)
                room[0] -= source
                room[1] -= target
                break
        else:
            if len(opened) == OPEN_ROWS:
                finished.append(opened.pop(0)[0])
            opened.append(([number], [source_length - source, target_length - target]))
    finished += [row for row, _ in opened]
    counts = [len(row) for row in finished]
    return Packing(
        pairs=np.array([number for row in finished for number in row], dtype=np.int64),
        rows=np.append(0, np.cumsum(counts)).astype(np.int64),
    )


def packed_rows(
    pairs: Pairs,
    packing: Packing,
    rows: np.ndarray,
    *,
    source_length: int,
    target_length: int,
    start: int,
    pad: int,
) -> PairBatch:
    """The chosen rows (B,) of a packing as arrays; `start` and `pad` are ids."""
    shape = (len(rows), source_length), (len(rows), target_length)
    source, target_in, target_out = (np.full(shape[i], pad, np.int64) for i in (0, 1, 1))
    source_segments, target_segments = (np.full(s, PADDING, np.int64) for s in shape)
    for place, row in enumerate(rows.tolist()):
        own = packing.pairs[packing.rows[row] : packing.rows[row + 1]].tolist()
        at_source = at_target = 0
        for segment, number in enumerate(own, start=1):
            from_ids, to_ids = pairs.pair(number)
            read = slice(at_source, at_source + len(from_ids))
            said = slice(at_target, at_target + len(to_ids))
            source[place, read] = from_ids
            source_segments[place, read] = segment
            target_out[place, said] = to_ids
            target_in[place, said] = np.append(start, to_ids[:-1])
            target_segments[place, said] = segment
            at_source, at_target = read.stop, said.stop
    return PairBatch(
        source=source,
        target_in=target_in,
        target_out=target_out,
        source_segments=source_segments,
        target_segments=target_segments,
    )


@lru_cache(maxsize=16)
def _order(rows: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64([seed, epoch])).permutation(rows)


def pair_batch(
    corpus: PairCorpus,
    *,
    seed: int,
    step: int,
    batch_size: int,
    source_length: int,
    target_length: int,
) -> PairBatch:
    """The packed pairs of a training step; every row comes once an epoch.

    The step number is the sampler's whole state, as for `batch`.

    Raises:
        UsageError: a pair is longer than a row.
    """
    packing = pack_pairs(corpus.train, source_length, target_length, seed=seed)
    places = range(step * batch_size, (step + 1) * batch_size)
    total = len(packing)
    rows = np.array([_order(total, seed, place // total)[place % total] for place in places])
    return packed_rows(
        corpus.train,
        packing,
        rows,
        source_length=source_length,
        target_length=target_length,
        start=corpus.start,
        pad=corpus.pad,
    )


def evaluation_pairs(
    corpus: PairCorpus, source_length: int, target_length: int, max_tokens: int
) -> tuple[PairBatch, np.ndarray, int]:
    """The held-out pairs, packed, the same for every run.

    Args:
        corpus: the pairs.
        source_length, target_length: positions of a row, S and T.
        max_tokens: most predicted tokens; the pairs are thinned out evenly.

    Returns:
        The rows; the validation pair of each target position (B, T), -1 at padding; UTF-8 bytes
        of all predicted tokens.

    Raises:
        DataError: not even one pair has so few tokens.
    """
    pairs = corpus.validation
    share = min(1.0, max_tokens / len(pairs.target))
    wanted = max(1, int(share * len(pairs)))
    chosen = np.unique(np.linspace(0, len(pairs) - 1, wanted).round().astype(np.int64))
    part = _some(pairs, chosen)
    if not len(part.target):
        raise DataError("the validation part has no pairs", hint="Give more pairs.")
    packing = pack_pairs(part, source_length, target_length)
    rows = packed_rows(
        part,
        packing,
        np.arange(len(packing)),
        source_length=source_length,
        target_length=target_length,
        start=corpus.start,
        pad=corpus.pad,
    )
    clusters = np.full(rows.target_segments.shape, -1, dtype=np.int64)
    firsts = packing.rows[:-1, None]
    inside = rows.target_segments != PADDING
    places = firsts + rows.target_segments - 1
    clusters[inside] = chosen[packing.pairs[places[inside]]]
    n_bytes = int(corpus.token_bytes[rows.target_out[inside]].sum())
    return rows, clusters, n_bytes


def _some(pairs: Pairs, chosen: np.ndarray) -> Pairs:
    """Copies of the chosen pairs."""
    kept = [pairs.pair(number) for number in chosen.tolist()]
    source, target = ([pair[side] for pair in kept] for side in (0, 1))
    return Pairs(
        source=np.concatenate(source),
        target=np.concatenate(target),
        source_offsets=np.append(0, np.cumsum([len(ids) for ids in source])),
        target_offsets=np.append(0, np.cumsum([len(ids) for ids in target])),
    )
