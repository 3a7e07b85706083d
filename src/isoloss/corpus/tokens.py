"""A prepared corpus on disk: memory-mapped tokens, the tokeniser, and what they came from.

A folder holds `train.bin` and `validation.bin` (uint16, little endian), `tokenizer.json`, and
`corpus.json`, which is written last: a folder without it is not a corpus.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isoloss.errors import DataError, NotFoundError

TOKEN_TYPE = np.dtype("<u2")
MANIFEST = "corpus.json"
FORMAT = "isoloss-corpus-1"


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Tokens to train and to validate on.

    Attributes:
        path: the folder.
        train, validation: token ids, memory-mapped.
        validation_starts: position in `validation` where each document or block begins.
        token_bytes: UTF-8 bytes of every vocabulary entry.
        fingerprint: SHA-256 of tokens, tokeniser and split.
        manifest: everything in `corpus.json` (sources, counts, split).
    """

    path: Path
    train: np.ndarray
    validation: np.ndarray
    validation_starts: np.ndarray
    token_bytes: np.ndarray
    fingerprint: str
    manifest: dict[str, Any]

    @property
    def train_tokens(self) -> int:
        """Unique training tokens: the bound on D without repetition."""
        return len(self.train)

    @property
    def vocab_size(self) -> int:
        """Entries of the tokeniser."""
        return len(self.token_bytes)

    @staticmethod
    def load(path: str | Path) -> Corpus:
        """Open a prepared corpus and check it against its fingerprint.

        Raises:
            NotFoundError: no corpus there.
            DataError: a file is missing, cut short or changed.
        """
        path = Path(path)
        if not (path / MANIFEST).is_file():
            raise NotFoundError(
                f"{path}: no prepared corpus here", hint="Give the folder that holds corpus.json."
            )
        try:
            manifest = json.loads((path / MANIFEST).read_text("utf-8"))
            if manifest["format"] != FORMAT:
                raise DataError(f"{path}: corpus format {manifest['format']!r} is unknown")
            train = np.memmap(path / "train.bin", dtype=TOKEN_TYPE, mode="r")
            validation = np.memmap(path / "validation.bin", dtype=TOKEN_TYPE, mode="r")
            tokenizer = (path / "tokenizer.json").read_text("utf-8")
            starts = np.asarray(manifest["validation_starts"], dtype=np.int64)
            lengths = np.asarray(manifest["token_bytes"], dtype=np.int64)
            expected = str(manifest["fingerprint"])
            _check_lengths(lengths, tokenizer)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}: this corpus is damaged ({error})",
                hint="Delete the folder; the corpus is then prepared again.",
            ) from error
        found = fingerprint(train, validation, starts, tokenizer)
        if found != expected:
            raise DataError(
                f"{path}: the tokens are not those that were prepared"
                f" (fingerprint {found[:12]}, expected {expected[:12]})",
                hint="Delete the folder; the corpus is then prepared again.",
            )
        return Corpus(
            path=path,
            train=train,
            validation=validation,
            validation_starts=starts,
            token_bytes=lengths,
            fingerprint=found,
            manifest=manifest,
        )


def _check_lengths(lengths: np.ndarray, tokenizer: str) -> None:
    """Bits per byte depend on the lengths, which the fingerprint covers through the tokeniser."""
    entries = json.loads(tokenizer)["model"]["vocab"]
    special = {entry["content"] for entry in json.loads(tokenizer)["added_tokens"]}
    expected = np.zeros(len(entries), dtype=np.int64)
    for entry, index in entries.items():
        expected[index] = 0 if entry in special else len(entry)
    if not np.array_equal(expected, lengths):
        raise ValueError("token_bytes do not belong to tokenizer.json")


def fingerprint(
    train: np.ndarray, validation: np.ndarray, starts: np.ndarray, tokenizer: str
) -> str:
    """SHA-256 over everything that a run's numbers depend on."""
    digest = hashlib.sha256(FORMAT.encode())
    for array, kind in ((train, TOKEN_TYPE), (validation, TOKEN_TYPE), (starts, "<i8")):
        data = np.ascontiguousarray(array, dtype=kind)
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data.data)
    digest.update(tokenizer.encode("utf-8"))
    return digest.hexdigest()
