"""Which positions of a window belong to one document, so that attention can stay inside it."""

from __future__ import annotations

import numpy as np

PADDING = 0
"""Segment of positions that hold nothing."""


def document_segments(tokens: np.ndarray, end_of_text: int) -> np.ndarray:
    """Number the documents of each row from 1; positions of one document share a number.

    An end of text belongs to the document that it ends. For a causal model give the inputs
    (`rows[:, :-1]` of a batch): each position then attends to the earlier ones of its segment.

    Args:
        tokens: (B, T) ids.
        end_of_text: the id after each document (`Corpus.end_of_text`).

    Returns:
        (B, T) int64.

    >>> document_segments(np.array([[5, 0, 7, 8, 0, 0, 9]]), 0).tolist()
    [[1, 1, 2, 2, 2, 3, 4]]
    """
    ends = tokens == end_of_text
    before = np.zeros(tokens.shape, dtype=np.int64)
    before[:, 1:] = np.cumsum(ends[:, :-1], axis=1)
    return before + 1


def document_positions(segments: np.ndarray) -> np.ndarray:
    """Place of each position inside its segment, from 0, (B, T) int64.

    >>> document_positions(np.array([[1, 1, 2, 2, 2, 3]])).tolist()
    [[0, 1, 0, 1, 2, 0]]
    """
    places = np.arange(segments.shape[1])
    begins = np.ones(segments.shape, dtype=bool)
    begins[:, 1:] = segments[:, 1:] != segments[:, :-1]
    return places - np.maximum.accumulate(np.where(begins, places, 0), axis=1)
