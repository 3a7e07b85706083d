"""Documents → training and validation parts that share no text.

By file where there are many; otherwise by blocks with gaps, so that a single book works.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from isoloss.corpus.documents import Document
from isoloss.errors import DataError

MANY_DOCUMENTS = 100
VALIDATION_SHARE = 0.05
LEAST_SHARE = 0.02
BLOCK_BYTES = 65_536
GAP_BYTES = 1_024
LEAST_BLOCKS = 160


@dataclass(frozen=True, kw_only=True)
class Split:
    """Training texts and validation texts; each validation text is a cluster of its own."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    by: Literal["files", "blocks"]
    documents: int
    duplicates: int
    n_bytes: int


def split_documents(documents: Iterable[Document], *, max_bytes: int | None = None) -> Split:
    """Drop exact duplicates, then split; the same texts always give the same split.

    Args:
        documents: the texts.
        max_bytes: where there is more text, a random part of the documents is kept.

    Raises:
        DataError: there is no text at all, or too little to hold a part of it out.
    """
    unique: dict[bytes, str] = {}
    seen = 0
    for document in documents:
        if not document.text.strip():
            continue
        seen += 1
        unique.setdefault(hashlib.sha256(document.text.encode("utf-8")).digest(), document.text)
    if not unique:
        raise DataError(
            "the corpus is empty: no text in what was given",
            hint="Give files with text; --text-field names the field of .jsonl and .parquet.",
        )
    kept = _at_most(unique, max_bytes)
    sizes = [len(text.encode("utf-8")) for text in kept.values()]
    if len(kept) >= MANY_DOCUMENTS:
        train, validation = _by_file(kept, sum(sizes))
        by: Literal["files", "blocks"] = "files"
    else:
        train, validation = [], []
        by = "blocks"
    # A few huge files among many small ones leave the files too little to validate on.
    if sum(len(t.encode("utf-8")) for t in validation) < LEAST_SHARE * sum(sizes):
        train, validation = _by_block(list(kept.values()), sum(sizes))
        by = "blocks"
    if not train or not validation:
        raise DataError(
            f"the text is too small to hold a part of it out: {sum(sizes):,} bytes",
            hint="Give more text; a hundred kilobytes is a small corpus.",
        )
    return Split(
        train=tuple(train),
        validation=tuple(validation),
        by=by,
        documents=len(kept),
        duplicates=seen - len(unique),
        n_bytes=sum(sizes),
    )


def _at_most(unique: dict[bytes, str], max_bytes: int | None) -> dict[bytes, str]:
    """Documents in the order of their hashes until `max_bytes`, in their first order again."""
    if max_bytes is None or sum(len(t.encode("utf-8")) for t in unique.values()) <= max_bytes:
        return unique
    total, chosen = 0, set[bytes]()
    for digest in sorted(unique):
        if total >= max_bytes:
            break
        chosen.add(digest)
        total += len(unique[digest].encode("utf-8"))
    return {digest: text for digest, text in unique.items() if digest in chosen}


def _by_file(unique: dict[bytes, str], n_bytes: int) -> tuple[list[str], list[str]]:
    """Files in the order of their hashes go to validation until its share is reached.

    A file that alone is a quarter of that share stays in training: it would decide the loss.
    """
    share = VALIDATION_SHARE * n_bytes
    chosen, total = set[bytes](), 0
    for digest in sorted(unique):
        size = len(unique[digest].encode("utf-8"))
        if total < share and size <= share / 4:
            chosen.add(digest)
            total += size
    train = [text for digest, text in unique.items() if digest not in chosen]
    return train, [unique[digest] for digest in unique if digest in chosen]


def _by_block(texts: list[str], n_bytes: int) -> tuple[list[str], list[str]]:
    """Every twentieth block goes to validation; the training text beside it loses a gap."""
    size = max(1, min(BLOCK_BYTES, n_bytes // LEAST_BLOCKS))
    every = round(1 / VALIDATION_SHARE)
    train: list[str] = []
    validation: list[str] = []
    count = 0
    for text in texts:
        part: list[str] = []
        gap = 0  # bytes that training still has to leave out after a validation block
        for block in _blocks(text, size):
            count += 1
            if count % every == every // 2:
                train.append(_without_end("".join(part), GAP_BYTES))
                part, gap = [], GAP_BYTES
                validation.append(block)
            else:
                part.append(_without_start(block, gap) if gap else block)
                gap = max(0, gap - len(block.encode("utf-8")))
        train.append("".join(part))
    return [text for text in train if text], validation


def _blocks(text: str, size: int) -> list[str]:
    """Cut a text near every `size` bytes, after a line break where one is near."""
    encoded = text.encode("utf-8")
    blocks: list[str] = []
    start = 0
    while start < len(encoded):
        end = min(len(encoded), start + size)
        if end < len(encoded):
            newline = encoded.rfind(b"\n", start + size * 3 // 4, end)
            if newline > start:
                end = newline + 1
            while end < len(encoded) and encoded[end] & 0xC0 == 0x80:  # inside a character
                end += 1
        blocks.append(encoded[start:end].decode("utf-8"))
        start = end
    return blocks


def _without_end(text: str, n_bytes: int) -> str:
    return text.encode("utf-8")[:-n_bytes].decode("utf-8", errors="ignore")


def _without_start(text: str, n_bytes: int) -> str:
    return text.encode("utf-8")[n_bytes:].decode("utf-8", errors="ignore")
