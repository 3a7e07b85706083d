"""A prepared corpus of pairs on disk: what translation and other such tasks train on.

A part (`train`, `validation`) is three files: `PART.source.bin`, `PART.target.bin` (ids, each
text with an end of text) and `PART.lengths.bin` (tokens of source and target of each pair).
`pairs.json` is written last.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isoloss.corpus.shards import checked, file_chunks
from isoloss.corpus.tokenizers import END_OF_TEXT, PAD, START, read_tokenizer, token_lengths
from isoloss.corpus.tokens import special_id, special_ids
from isoloss.errors import DataError, NotFoundError

MANIFEST = "pairs.json"
FORMAT = "isoloss-pairs-1"
LENGTHS_TYPE = np.dtype("<u4")
FILES = tuple(
    f"{part}.{kind}.bin"
    for part in ("train", "validation")
    for kind in ("source", "target", "lengths")
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Pairs of token sequences; each ends with the end of text.

    Attributes:
        source, target: ids of all pairs, one after the other.
        source_offsets, target_offsets: (P + 1,) where each begins.
    """

    source: np.ndarray
    target: np.ndarray
    source_offsets: np.ndarray
    target_offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.source_offsets) - 1

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Source and target ids of one pair, int64."""
        return (
            np.asarray(self.source[slice(*self.source_offsets[index : index + 2])], np.int64),
            np.asarray(self.target[slice(*self.target_offsets[index : index + 2])], np.int64),
        )

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of source and target, (P, 2)."""
        return np.stack([np.diff(self.source_offsets), np.diff(self.target_offsets)], axis=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class PairCorpus:
    """Pairs to train and to validate on, with one tokeniser for both sides.

    Attributes:
        path: the folder.
        train, validation: the pairs.
        token_bytes: UTF-8 bytes of every vocabulary entry; none for special tokens.
        fingerprint: SHA-256 of tokens, lengths and tokeniser.
        manifest: everything in `pairs.json` (sources, counts, attribution).
        special_ids: id of each special token: `END_OF_TEXT`, `PAD`, `START` and others.
    """

    path: Path
    train: Pairs
    validation: Pairs
    token_bytes: np.ndarray
    fingerprint: str
    manifest: dict[str, Any]
    special_ids: Mapping[str, int]

    @property
    def vocab_size(self) -> int:
        """Entries of the tokeniser, special tokens included."""
        return len(self.token_bytes)

    @property
    def train_tokens(self) -> int:
        """Unique training tokens, of both sides."""
        return len(self.train.source) + len(self.train.target)

    @property
    def end_of_text(self) -> int:
        """Id that ends every source and target."""
        return self.token_id(END_OF_TEXT)

    @property
    def pad(self) -> int:
        """Id at positions that hold nothing."""
        return self.token_id(PAD)

    @property
    def start(self) -> int:
        """Id that every target input begins with."""
        return self.token_id(START)

    def token_id(self, text: str) -> int:
        """Id of a special token.

        Raises:
            UsageError: the corpus has none of that name.
        """
        return special_id(self.special_ids, text, self.path)

    def tokenizer(self) -> Any:
        """The tokeniser, as the corpus was encoded with it."""
        return read_tokenizer(self.path / "tokenizer.json")

    def report(self) -> dict[str, Any]:
        """Pairs, tokens and what was left out, in JSON types."""
        return {k: v for k, v in self.manifest.items() if k not in ("token_bytes", "format")}

    def summary(self) -> str:
        """The report as text, 80 columns wide."""
        from isoloss.corpus.pairs.summary import summary

        return summary(self.manifest)

    def __repr__(self) -> str:
        return (
            f"PairCorpus({str(self.path)!r}, {len(self.train):,} training pairs,"
            f" vocabulary {self.vocab_size:,}, {self.fingerprint[:12]})"
        )

    @staticmethod
    def load(path: str | Path, *, recheck: bool = False) -> PairCorpus:
        """Open prepared pairs and check them against their fingerprint, as `Corpus.load` does.

        Raises:
            NotFoundError: no pairs there.
            DataError: a file is missing, cut short or changed.
        """
        path = Path(path)
        if not (path / MANIFEST).is_file():
            raise NotFoundError(
                f"{path}: no prepared pairs here", hint=f"Give the folder that holds {MANIFEST}."
            )
        return checked(
            path,
            [path / name for name in FILES],
            _read,
            lambda _: fingerprint(path, (path / "tokenizer.json").read_text("utf-8")),
            recheck=recheck,
            what="these pairs are",
        )


def _read(path: Path) -> tuple[PairCorpus, bytes]:
    """Pairs that are not checked yet, and the bytes of their small files."""
    small = (path / MANIFEST).read_bytes()
    manifest = json.loads(small)
    if manifest["format"] != FORMAT:
        raise DataError(f"{path}: format {manifest['format']!r} is unknown, expected {FORMAT!r}")
    tokenizer = (path / "tokenizer.json").read_text("utf-8")
    lengths = np.asarray(manifest["token_bytes"], dtype=np.int64)
    if not np.array_equal(token_lengths(tokenizer), lengths):
        raise ValueError("token_bytes do not belong to tokenizer.json")
    kind = np.dtype({"<u2": "<u2", "<u4": "<u4"}[manifest["token_type"]])
    corpus = PairCorpus(
        path=path,
        train=_part(path, "train", kind),
        validation=_part(path, "validation", kind),
        token_bytes=lengths,
        fingerprint=str(manifest["fingerprint"]),
        manifest=manifest,
        special_ids=special_ids(tokenizer),
    )
    return corpus, small + tokenizer.encode("utf-8")


def _part(path: Path, part: str, kind: np.dtype[Any]) -> Pairs:
    lengths = np.fromfile(path / f"{part}.lengths.bin", dtype=LENGTHS_TYPE).reshape(-1, 2)
    offsets = np.zeros((len(lengths) + 1, 2), dtype=np.int64)
    np.cumsum(lengths, axis=0, out=offsets[1:])
    source, target = (
        np.memmap(path / f"{part}.{side}.bin", dtype=kind, mode="r")
        for side in ("source", "target")
    )
    if [len(source), len(target)] != offsets[-1].tolist():
        raise ValueError(f"the lengths of {part} do not add up to its tokens")
    return Pairs(
        source=source, target=target, source_offsets=offsets[:, 0], target_offsets=offsets[:, 1]
    )


def fingerprint(path: Path, tokenizer: str) -> str:
    """SHA-256 over everything that a run's numbers depend on."""
    digest = hashlib.sha256(FORMAT.encode())
    for name in FILES:
        digest.update((path / name).stat().st_size.to_bytes(8, "little"))
        for part in file_chunks(path / name):
            digest.update(part)
    digest.update(tokenizer.encode("utf-8"))
    return digest.hexdigest()
