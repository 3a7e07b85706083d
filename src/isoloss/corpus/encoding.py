"""Texts → token ids, many at a time on all cores, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from isoloss.corpus.shards import TokenWriter
from isoloss.corpus.tokenizers import chunks

BATCH_CHARACTERS = 1 << 20
"""Text encoded at a time: the library spreads its chunks over the cores."""

_Batch = list[tuple[str, bool]]
"""Chunks of texts, and whether each is the last of its text."""


def encode_texts(
    tokenizer: Any,
    texts: Iterable[str],
    writer: TokenWriter,
    *,
    end_of_text: int,
    counts: np.ndarray,
) -> np.ndarray:
    """Append the ids of each text and an end of text.

    Args:
        tokenizer: of the `tokenizers` library.
        texts: any number, read one after the other.
        writer: where the ids go.
        end_of_text: id that ends each text.
        counts: (V,) int64; each id's occurrences are added to it.

    Returns:
        Position in the file where each text begins, (texts,) int64.
    """
    starts: list[int] = []
    begins = True
    for batch, encoded in _encoded(tokenizer, _batches(texts)):
        parts: list[np.ndarray] = []
        position = writer.count
        for (_, is_last), ids in zip(batch, encoded, strict=True):
            if begins:
                starts.append(position)
            part = np.asarray([*ids, end_of_text] if is_last else ids, dtype=np.int64)
            parts.append(part)
            position += len(part)
            begins = is_last
        whole = np.concatenate(parts)
        counts += np.bincount(whole, minlength=len(counts))
        writer.append(whole)
    return np.asarray(starts, dtype=np.int64)


def _batches(texts: Iterable[str]) -> Iterator[_Batch]:
    batch: _Batch = []
    waiting = 0
    for text in texts:
        parts = list(chunks(text))
        for number, part in enumerate(parts, start=1):
            batch.append((part, number == len(parts)))
            waiting += len(part)
            if waiting >= BATCH_CHARACTERS:
                yield batch
                batch, waiting = [], 0
    if batch:
        yield batch


def _encoded(tokenizer: Any, batches: Iterator[_Batch]) -> Iterator[tuple[_Batch, list[list[int]]]]:
    """Each batch with its ids; while one is used, the next is being encoded."""

    def encode(batch: _Batch) -> tuple[_Batch, list[list[int]]]:
        encodings = tokenizer.encode_batch_fast(
            [part for part, _ in batch], add_special_tokens=False
        )
        return batch, [encoding.ids for encoding in encodings]

    with ThreadPoolExecutor(max_workers=1) as pool:
        ahead: Future[tuple[_Batch, list[list[int]]]] | None = None
        for batch in batches:
            started = pool.submit(encode, batch)
            if ahead is not None:
                yield ahead.result()
            ahead = started
        if ahead is not None:
            yield ahead.result()
