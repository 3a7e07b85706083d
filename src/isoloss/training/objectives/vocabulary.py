"""What an objective must know of a tokeniser: special tokens, and where words begin."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from isoloss.corpus.tokenizers import byte_character
from isoloss.errors import DataError
from isoloss.training.objectives.windows import AnyCorpus

_BYTE_ENTRY = re.compile(r"<0x([0-9A-F]{2})>")


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The entries of a tokeniser, as arrays.

    Attributes:
        ordinary: ids that stand for text, ascending.
        starts_word: (V,) whether an entry starts a word wherever it stands: it begins with a
            space, a line break or anything else that is no letter or digit.
        ends_word: (V,) whether whatever follows an entry starts a word: it ends with no letter
            or digit.
    """

    ordinary: np.ndarray
    starts_word: np.ndarray
    ends_word: np.ndarray

    def word_starts(self, tokens_BT: np.ndarray) -> np.ndarray:
        """Where words begin in rows of tokens, (B, T) boolean; a row begins with one."""
        starts_BT = self.starts_word[tokens_BT]
        starts_BT[:, 1:] |= self.ends_word[tokens_BT[:, :-1]]
        starts_BT[:, 0] = True
        return starts_BT


def vocabulary_of(corpus: AnyCorpus) -> Vocabulary:
    """The vocabulary of a corpus, read once."""
    return _read(str(corpus.path / "tokenizer.json"), corpus.fingerprint)


@lru_cache(maxsize=8)
def _read(path: str, _fingerprint: str) -> Vocabulary:
    return read_vocabulary(Path(path).read_text("utf-8"))


def special_ids(corpus: AnyCorpus, wanted: Sequence[str], objective: str) -> list[int]:
    """Ids of special tokens, in the order of `wanted`.

    Raises:
        DataError: the tokeniser lacks some; they are named.
    """
    if not wanted:
        return []
    known = corpus.special_ids
    missing = [token for token in wanted if token not in known]
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if missing[3:] else "")
        raise DataError(
            f"{corpus.path}: the objective {objective!r} needs special tokens that the tokeniser"
            f" lacks: {shown}",
            hint=f"Prepare it in a new folder with --special-token '{missing[0]}'"
            + (" and so on" if missing[1:] else "")
            + ", or give the text itself: it is then prepared with what the objective needs.",
        )
    return [known[token] for token in wanted]


def read_vocabulary(tokenizer_json: str) -> Vocabulary:
    """The vocabulary of a `tokenizer.json`: BPE, unigram or words, byte-level or not.

    Raises:
        ValueError, KeyError, TypeError: not the JSON of a tokeniser.
    """
    whole = json.loads(tokenizer_json)
    entries = whole["model"]["vocab"]
    if isinstance(entries, list):  # unigram: pieces with scores
        entries = {entry[0]: index for index, entry in enumerate(entries)}
    special = {a["content"]: a["id"] for a in whole["added_tokens"] if a["special"]}
    plain = {a["content"]: a["id"] for a in whole["added_tokens"] if not a["special"]}
    size = max([*entries.values(), *special.values(), *plain.values()], default=-1) + 1
    starts, ends = np.ones(size, dtype=bool), np.ones(size, dtype=bool)
    as_bytes = _decoding(whole)
    for entry, index in entries.items():
        text = as_bytes(entry)
        starts[index], ends[index] = not _goes_on(text), not _left_open(text)
    chosen = list(special.values())
    starts[chosen] = ends[chosen] = True
    ordinary = np.setdiff1d(np.fromiter({*entries.values(), *plain.values()}, np.int64), chosen)
    return Vocabulary(ordinary=ordinary, starts_word=starts, ends_word=ends)


def _goes_on(text: bytes) -> bool:
    """Whether an entry goes on with the word before it: a letter or digit comes first.

    A byte inside a character always goes on. Of characters beyond ASCII those of alphabets go
    on (U+0080 to U+1FFF: lead bytes up to 0xE1); later ones, mostly Chinese, Japanese and Korean
    characters and symbols, are words of their own.
    """
    if not text:
        return False
    first = text[0]
    return first <= 0xE1 if first >= 0x80 else text[:1].isalnum()


def _left_open(text: bytes) -> bool:
    """Whether a word can go on after an entry: a letter or digit, or part of one, comes last."""
    return bool(text) and (text[-1] >= 0x80 or text[-1:].isalnum())


def _decoding(whole: dict[str, Any]) -> Callable[[str], bytes]:
    """How the text of an entry stands for bytes."""
    parts = json.dumps([whole.get("pre_tokenizer"), whole.get("decoder")])
    if '"ByteLevel"' in parts:
        table = {byte_character(byte): byte for byte in range(256)}
        return lambda entry: bytes(table[c] for c in entry if c in table)
    prefix = whole["model"].get("continuing_subword_prefix") or ""

    def decode(entry: str) -> bytes:
        byte = _BYTE_ENTRY.fullmatch(entry)
        if byte is not None:
            return bytes([int(byte[1], 16)])
        if prefix:  # WordPiece: whatever lacks the prefix starts a word
            bare = entry.removeprefix(prefix)
            return (bare if bare != entry else " " + entry).encode("utf-8")
        return entry.replace("▁", " ").encode("utf-8")

    return decode
