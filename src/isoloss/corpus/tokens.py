"""A prepared corpus on disk: memory-mapped tokens, the tokeniser, and what they came from.

A folder holds `train.bin` and `validation.bin` (uint16, or uint32 for large vocabularies, little
endian; the domains of a mixture one after the other), `tokenizer.json`, and `corpus.json`, which
is written last: a folder without it is not a corpus.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from isoloss._files import canonical_json
from isoloss.corpus.shards import checked, file_chunks
from isoloss.corpus.tokenizers import END_OF_TEXT, read_tokenizer, token_lengths
from isoloss.errors import DataError, NotFoundError, UsageError

MANIFEST = "corpus.json"
FORMAT = "isoloss-corpus-2"
FINGERPRINT_SEED = "isoloss-corpus-1"
"""Begins every fingerprint. Kept from the first format: the same tokens keep their name."""
ONLY_DOMAIN = "text"


@dataclass(frozen=True, kw_only=True)
class Span:
    """Where a domain of a mixture lies: `[first, end)` of training and validation tokens."""

    name: str
    weight: float
    train: tuple[int, int]
    validation: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Domain:
    """One kind of text in a corpus.

    Attributes:
        name: as in the mapping that the corpus was prepared from.
        weight: share of the training tokens that are drawn from it.
        train, validation: its token ids.
        validation_starts: position in its `validation` where each document or block begins.
    """

    name: str
    weight: float
    train: np.ndarray
    validation: np.ndarray
    validation_starts: np.ndarray

    @property
    def train_tokens(self) -> int:
        """Unique training tokens."""
        return len(self.train)


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Tokens to train and to validate on.

    Attributes:
        path: the folder.
        train, validation: token ids, memory-mapped.
        validation_starts: position in `validation` where each document or block begins.
        token_bytes: UTF-8 bytes of every vocabulary entry; none for special tokens.
        fingerprint: SHA-256 of tokens, tokeniser and split.
        manifest: everything in `corpus.json` (sources, counts, split).
        spans: the domains of a mixture; empty for a corpus of one.
        special_ids: id of each special token.
    """

    path: Path
    train: np.ndarray
    validation: np.ndarray
    validation_starts: np.ndarray
    token_bytes: np.ndarray
    fingerprint: str
    manifest: dict[str, Any]
    spans: tuple[Span, ...] = ()
    special_ids: Mapping[str, int] = field(default_factory=dict)

    @property
    def train_tokens(self) -> int:
        """Unique training tokens: the bound on D without repetition."""
        return len(self.train)

    @property
    def vocab_size(self) -> int:
        """Entries of the tokeniser, special tokens included: rows of an embedding."""
        return len(self.token_bytes)

    @property
    def end_of_text(self) -> int:
        """Id of the token that ends each document."""
        return self.token_id(END_OF_TEXT)

    def token_id(self, text: str) -> int:
        """Id of a special token.

        Raises:
            UsageError: the corpus has none of that name.
        """
        return special_id(self.special_ids, text, self.path)

    def tokenizer(self) -> Any:
        """The tokeniser, as the corpus was encoded with it."""
        return read_tokenizer(self.path / "tokenizer.json")

    @property
    def domains(self) -> dict[str, Domain]:
        """Every domain by name, in order; a corpus that is no mixture has one, named "text"."""
        everything = Span(
            name=ONLY_DOMAIN,
            weight=1.0,
            train=(0, len(self.train)),
            validation=(0, len(self.validation)),
        )
        return {span.name: self._domain(span) for span in self.spans or (everything,)}

    def domain(self, name: str) -> Domain:
        """One domain.

        Raises:
            UsageError: there is none of that name.
        """
        domains = self.domains
        if name not in domains:
            close = difflib.get_close_matches(name, domains, n=1)
            raise UsageError(
                f"{self.path}: no domain {name!r}",
                hint=f"Did you mean {close[0]!r}?" if close else f"It has {', '.join(domains)}.",
            )
        return domains[name]

    def _domain(self, span: Span) -> Domain:
        first, end = span.validation
        inside = (self.validation_starts >= first) & (self.validation_starts < end)
        return Domain(
            name=span.name,
            weight=span.weight,
            train=self.train[slice(*span.train)],
            validation=self.validation[first:end],
            validation_starts=self.validation_starts[inside] - first,
        )

    def report(self) -> dict[str, Any]:
        """Documents, tokens, what was removed and why, lengths; in JSON types."""
        from isoloss.corpus.summary import report

        return report(self.manifest)

    def summary(self) -> str:
        """The report as text, 80 columns wide."""
        from isoloss.corpus.summary import summary

        return summary(self.manifest)

    def __repr__(self) -> str:
        return (
            f"Corpus({str(self.path)!r}, {self.train_tokens:,} training tokens,"
            f" vocabulary {self.vocab_size:,}, {self.fingerprint[:12]})"
        )

    @staticmethod
    def load(path: str | Path, *, recheck: bool = False) -> Corpus:
        """Open a prepared corpus and check it against its fingerprint.

        Large files that were hashed before and have not changed since are not hashed again (see
        `shards`), but with `recheck`.

        Raises:
            NotFoundError: no corpus there.
            DataError: a file is missing, cut short or changed.
        """
        path = Path(path)
        if not (path / MANIFEST).is_file():
            raise NotFoundError(
                f"{path}: no prepared corpus here", hint="Give the folder that holds corpus.json."
            )
        files = [path / "train.bin", path / "validation.bin"]
        return checked(
            path,
            files,
            _read,
            lambda corpus: _fingerprint_of(corpus, files),
            recheck=recheck,
            what="this corpus is",
        )


def _read(path: Path) -> tuple[Corpus, bytes]:
    """A corpus that is not checked yet, and the bytes of its small files."""
    small = (path / MANIFEST).read_bytes()
    manifest = json.loads(small)
    if manifest["format"] != FORMAT:
        raise DataError(
            f"{path}: corpus format {manifest['format']!r} is unknown, expected {FORMAT!r}",
            hint="Delete the folder; the corpus is then prepared again.",
        )
    kind = np.dtype({"<u2": "<u2", "<u4": "<u4"}[manifest["token_type"]])
    tokenizer = (path / "tokenizer.json").read_text("utf-8")
    lengths = np.asarray(manifest["token_bytes"], dtype=np.int64)
    # Bits per byte depend on the lengths, which the fingerprint covers through the tokeniser.
    if not np.array_equal(token_lengths(tokenizer), lengths):
        raise ValueError("token_bytes do not belong to tokenizer.json")
    corpus = Corpus(
        path=path,
        train=np.memmap(path / "train.bin", dtype=kind, mode="r"),
        validation=np.memmap(path / "validation.bin", dtype=kind, mode="r"),
        validation_starts=np.asarray(manifest["validation_starts"], dtype=np.int64),
        token_bytes=lengths,
        fingerprint=str(manifest["fingerprint"]),
        manifest=manifest,
        spans=tuple(
            Span(
                name=str(d["name"]),
                weight=float(d["weight"]),
                train=tuple(d["train"]),
                validation=tuple(d["validation"]),
            )
            for d in manifest["domains"]
        ),
        special_ids=special_ids(tokenizer),
    )
    return corpus, small + tokenizer.encode("utf-8")


def special_ids(tokenizer: str) -> dict[str, int]:
    """The special tokens of a `tokenizer.json` with their ids."""
    added = json.loads(tokenizer)["added_tokens"]
    return {entry["content"]: int(entry["id"]) for entry in added if entry["special"]}


def special_id(known: Mapping[str, int], text: str, path: Path) -> int:
    """Id of a special token, or a UsageError that names those there are."""
    if text not in known:
        raise UsageError(
            f"{path}: the tokeniser has no special token {text!r}, only {', '.join(known)}",
            hint=f"Prepare the corpus with special_tokens=[{text!r}].",
        )
    return known[text]


def _fingerprint_of(corpus: Corpus, files: list[Path]) -> str:
    tokenizer = (corpus.path / "tokenizer.json").read_text("utf-8")
    train, validation = ((len(array), file_chunks(file)) for array, file in zip(
        (corpus.train, corpus.validation), files, strict=True
    ))  # fmt: skip
    return fingerprint(train, validation, corpus.validation_starts, tokenizer, corpus.spans)


def fingerprint(
    train: tuple[int, Iterable[bytes]],
    validation: tuple[int, Iterable[bytes]],
    starts: np.ndarray,
    tokenizer: str,
    spans: tuple[Span, ...] = (),
) -> str:
    """SHA-256 over everything that a run's numbers depend on.

    Args:
        train, validation: number of tokens, and their bytes in parts.
        starts: first token of each validation text.
        tokenizer: text of `tokenizer.json`.
        spans: domains and weights of a mixture.
    """
    digest = hashlib.sha256(FINGERPRINT_SEED.encode())
    places = np.ascontiguousarray(starts, dtype="<i8").tobytes()
    for count, parts in (train, validation, (len(starts), [places])):
        digest.update(count.to_bytes(8, "little"))
        for part in parts:
            digest.update(part)
    digest.update(tokenizer.encode("utf-8"))
    if spans:
        digest.update(canonical_json([asdict(span) for span in spans]).encode("utf-8"))
    return digest.hexdigest()
