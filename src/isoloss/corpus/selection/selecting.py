"""Which text trains, which validates and which is left out: duplicates, border, share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from isoloss.corpus.reading import Document
from isoloss.corpus.selection.cleaning import Cleaner
from isoloss.corpus.selection.near_duplicates import THRESHOLD, near_duplicates
from isoloss.corpus.selection.splitting import (
    Parts,
    at_most,
    joined,
    lengths,
    split,
    unique_documents,
)
from isoloss.corpus.selection.spool import Spool
from isoloss.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Removed:
    """Pieces (documents, or blocks of a text split by blocks) that nearly repeat another one.

    Attributes:
        border: training pieces that nearly repeat a validation piece.
        train: training pieces that nearly repeat another training piece.
        validation: validation pieces that nearly repeat another validation piece.
        n_bytes: bytes of all of them.
    """

    border: int = 0
    train: int = 0
    validation: int = 0
    n_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Selection:
    """One domain's texts as ranges of the spool (`parts`) with what was left out."""

    parts: Parts
    removed: Removed = field(default_factory=Removed)


@dataclass(frozen=True, kw_only=True)
class Split:
    """Training texts and validation texts; each validation text is a cluster of its own."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    by: Literal["files", "blocks"]
    documents: int
    duplicates: int
    n_bytes: int


def split_documents(
    documents: Iterable[Document],
    *,
    max_bytes: int | None = None,
    near: float | None = None,
) -> Split:
    """Drop duplicates, then split; the same texts always give the same split.

    Args:
        documents: the texts.
        max_bytes: where there is more text, a random part of the documents is kept.
        near: similarity from which on a text counts as a near-duplicate; None keeps those.

    Raises:
        DataError: there is no text at all, or too little to hold a part of it out.
    """
    with Spool() as spool:
        for document in documents:
            if document.text.strip():
                spool.add(document.text)
        spool.finish()
        (selection,), duplicates = select(spool, max_bytes=max_bytes, near=near)
        parts = selection.parts

        def texts(ranges: np.ndarray) -> tuple[str, ...]:
            return tuple(spool.read(start, end).decode("utf-8") for start, end in ranges.tolist())

        return Split(
            train=texts(parts.train),
            validation=texts(parts.validation),
            by=parts.by,
            documents=parts.documents,
            duplicates=duplicates,
            n_bytes=parts.n_bytes,
        )


def fill(spool: Spool, documents: Iterable[Document], cleaner: Cleaner, domain: int = 0) -> None:
    """Clean texts into a spool; the cleaner counts those that are left out."""
    for document in documents:
        text = cleaner(document.text)
        if text is not None:
            spool.add(text, domain)
    spool.finish()


def select(
    spool: Spool,
    *,
    names: tuple[str, ...] = ("",),
    max_bytes: int | None = None,
    near: float | None = THRESHOLD,
    folder: Path | None = None,
) -> tuple[list[Selection], int]:
    """Split every domain of a spool, without duplicates inside and across the domains.

    Exact duplicates go first (the earliest text stays), then a random part of each domain is
    taken where there is more than `max_bytes`, then each domain is split. Near-duplicates go
    last: validation texts stay before training texts, so that none is nearly in those.

    Returns:
        One selection a domain, training texts joined; and the number of exact duplicates.

    Raises:
        DataError: no text, too little of it, or only one text again and again.
    """
    hashed = unique_documents(spool)
    duplicates = len(spool) - len(hashed)
    sizes = lengths(spool.ranges)
    total = int(sizes[hashed].sum())
    selections = []
    for number, name in enumerate(names):
        own = hashed[spool.domains[hashed] == number]
        if max_bytes is not None and total > max_bytes:  # the same share of every domain
            own = at_most(own, sizes, max_bytes * int(sizes[own].sum()) // total)
        where = f"domain {name!r}: " if name else ""
        if not len(own):
            raise DataError(
                f"{where}the corpus is empty: no text in what was given",
                hint="Give files with text (--text-field names the field of rows with it),"
                " or filter less.",
            )
        try:
            selections.append(Selection(parts=split(spool, own)))
        except DataError as error:
            raise DataError(where + error.message, hint=error.hint) from error
    if near is not None:
        selections = _without_near_duplicates(spool, selections, near, folder)
    starts = spool.ranges[:, 0]
    finished = [
        replace(s, parts=replace(s.parts, train=joined(s.parts.train, starts))) for s in selections
    ]
    return finished, duplicates


def _without_near_duplicates(
    spool: Spool, selections: list[Selection], threshold: float, folder: Path | None
) -> list[Selection]:
    """Drop pieces that nearly repeat a piece with more rights, wherever that is.

    Rights: validation before training, then by hash where pieces are documents and by place
    where they are blocks, so that the order of files does not matter.
    """
    ranges = np.concatenate(
        [s.parts.validation for s in selections] + [s.parts.train for s in selections]
    )
    counts = [len(s.parts.validation) for s in selections] + [
        len(s.parts.train) for s in selections
    ]
    owners = np.repeat(np.arange(len(counts)), counts)
    is_training = owners >= len(selections)
    order = np.lexsort((ranges[:, 0], *_hash_ranks(spool, ranges), is_training))
    found = near_duplicates(
        lengths(ranges)[order],
        lambda i: spool.read(*ranges[order[i]].tolist()),
        threshold=threshold,
        folder=folder,
    )
    twin = np.full(len(ranges), -1, dtype=np.int64)  # the piece that each nearly repeats
    twin[order] = np.where(found >= 0, order[found], -1)
    kinds = np.where(twin < 0, 0, 1 + is_training.astype(int) + (is_training & ~is_training[twin]))
    results = []
    for number, selection in enumerate(selections):
        held_out, training = owners == number, owners == number + len(selections)
        gone = (held_out | training) & (kinds > 0)
        parts = replace(
            selection.parts,
            validation=ranges[held_out & (kinds == 0)],
            train=ranges[training & (kinds == 0)],
        )
        if not len(parts.train):
            raise DataError(
                "nothing is left to train on: every text nearly repeats a validation text",
                hint="Give more varied text, or keep near-duplicates (--near-duplicates off).",
            )
        removed = Removed(
            validation=int((kinds[held_out] == 1).sum()),
            train=int((kinds[training] == 2).sum()),
            border=int((kinds[training] == 3).sum()),
            n_bytes=int(lengths(ranges[gone]).sum()),
        )
        results.append(Selection(parts=parts, removed=removed))
    return results


def _hash_ranks(spool: Spool, ranges: np.ndarray) -> tuple[np.ndarray, ...]:
    """Sort keys, least first: the hash of a piece that is a whole document; 0 for a block."""
    starts, ends = spool.ranges[:, 0], spool.ranges[:, 1]
    places = np.minimum(np.searchsorted(starts, ranges[:, 0]), len(starts) - 1)
    whole = (starts[places] == ranges[:, 0]) & (ends[places] == ranges[:, 1])
    digests = np.where(whole[:, None], spool.digests[places], 0)
    return tuple(digests.T[::-1])
