"""Segments and places of packed documents, against a plain loop."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from isoloss.corpus import Corpus, batch, document_positions, document_segments


@given(st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=4))
def test_segments_and_places(rows: list[list[int]]) -> None:
    tokens = np.array(rows)
    segments = document_segments(tokens, 0)
    places = document_positions(segments)
    for row, own_segments, own_places in zip(rows, segments.tolist(), places.tolist(), strict=True):
        segment, place = 1, 0
        for token, found_segment, found_place in zip(row, own_segments, own_places, strict=True):
            assert (found_segment, found_place) == (segment, place)
            place += 1
            if token == 0:
                segment, place = segment + 1, 0


def test_documents_of_a_real_batch(tiny_corpus: Corpus) -> None:
    options = {"seed": 0, "batch_size": 200, "context_length": 64}
    rows = np.concatenate([batch(tiny_corpus.train, step=s, **options) for s in range(4)])
    segments = document_segments(rows[:, :-1], tiny_corpus.end_of_text)
    assert segments.shape == (800, 64)
    assert segments.max() > 1
    ends = (rows[:, :-2] == tiny_corpus.end_of_text).sum(axis=1)
    assert np.array_equal(segments[:, -1] - 1, ends)
