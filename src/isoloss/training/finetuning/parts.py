"""What a model is tuned on: examples in two parts, and what each part left out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from isoloss._files import write_text_atomic
from isoloss.corpus.tokenizers import token_lengths
from isoloss.errors import DataError
from isoloss.tasks.examples import Row
from isoloss.training._folder import TOKENIZER

TRAIN, VALIDATION = "train", "validation"
HELD_OUT = "held-out"
"""Begins the reasons why held-out examples are left out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskData:
    """What a model is tuned on.

    Attributes:
        corpus: training and held-out examples as tokens.
        train, dev: the examples.
        left_out: how many were not taken into the corpus, by reason; reasons that begin with
            `HELD_OUT` are those of `dev`.
    """

    corpus: Any
    train: tuple[Row, ...]
    dev: tuple[Row, ...]
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """Examples by the part of a corpus that they go to, and what each part does not take.

    Attributes:
        rows: examples of `train` and of `validation`.
        left_out: what is not taken of them, by reason; counted while they become tokens.
    """

    rows: Mapping[str, tuple[Row, ...]]
    left_out: Mapping[str, Counter[str]]

    def refuse_empty(self, encoded: Mapping[str, Sized], task: str, hint: str) -> None:
        """Refuse a part of which nothing became tokens.

        Raises:
            DataError: with the reasons of that part.
        """
        for part, found in encoded.items():
            if not found:
                told = ", ".join(f"{why}: {count:,}" for why, count in self._told(part).items())
                raise DataError(
                    f"{task}: no {part} example is left" + (f" ({told})" if told else ""), hint=hint
                )

    def data(self, corpus: Any) -> TaskData:
        """Them with their corpus."""
        return TaskData(
            corpus=corpus,
            train=self.rows[TRAIN],
            dev=self.rows[VALIDATION],
            left_out={**self._told(TRAIN), **self._told(VALIDATION)},
        )

    def _told(self, part: str) -> dict[str, int]:
        before = f"{HELD_OUT} " if part == VALIDATION else ""
        return {before + why: count for why, count in self.left_out[part].items() if count}


def parts_of(
    train: Sequence[Row],
    dev: Sequence[Row],
    key: Callable[[Row], str],
    *,
    one_in: int,
    shared: str,
    limit: int | None = None,
) -> Parts:
    """Training and held-out examples that have no key in common.

    Without `dev` the examples of one key in `one_in` are held out, chosen by hash: which they are
    does not hang on the order of the examples.

    Args:
        train: examples; those with a key of `dev` are left out.
        dev: held-out examples, if there are any.
        key: what two parts may not share, as a question.
        one_in: as said.
        shared: the reason that is told where training examples are left out for `dev`.
        limit: most held-out examples. Without `dev` no more keys are held out than it needs, and
            further examples of those keys are left out of both parts.
    """
    keys = [key(row) for row in train]
    if dev:
        dev = dev[:limit]
        held = {key(row) for row in dev}
        left = sum(one in held for one in keys)
    else:
        names = sorted(set(keys), key=_hash)
        names = names[: max(1, len(names) // one_in)]
        count = Counter(keys)
        so_far = accumulate((count[name] for name in names), initial=0)
        held = {
            name
            for name, before in zip(names, so_far, strict=False)
            if limit is None or before < limit
        }
        dev = [row for row, one in zip(train, keys, strict=True) if one in held]
        left, dev = len(dev) - len(dev[:limit]), dev[:limit]
    own = [row for row, one in zip(train, keys, strict=True) if one not in held]
    return Parts(
        rows={TRAIN: tuple(own), VALIDATION: tuple(dev)},
        left_out={TRAIN: Counter({shared: left}), VALIDATION: Counter()},
    )


def corpus_facts(tokenizer_json: str, parts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What a corpus of parts has, whatever its objective; writes the tokeniser into its folder."""
    write_text_atomic(folder / TOKENIZER, tokenizer_json)
    return {
        "path": folder,
        **parts,
        "token_bytes": token_lengths(tokenizer_json),
        "fingerprint": _fingerprint(
            tokenizer_json, {name: vars(part) for name, part in parts.items()}
        ),
        "manifest": {"settings": {"tokenizer": "file"}},
    }


def _fingerprint(tokenizer_json: str, parts: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    """SHA-256 of a tokeniser and of arrays by name."""
    found = hashlib.sha256(tokenizer_json.encode("utf-8"))
    for part, arrays in sorted(parts.items()):
        for name, array in sorted(arrays.items()):
            found.update(f"{part}.{name} {array.dtype.str} {array.shape}\n".encode())
            found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
