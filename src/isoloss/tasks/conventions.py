"""What the makers of a model put around its texts, and force or forbid while it writes.

Of `generation_config.json` only what belongs to the model is taken: which entries begin and end
texts, and which are never written. Beams, penalties and lengths are the user's to choose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from isoloss.errors import DataError
from isoloss.models.huggingface.reading import read_json

GENERATION = "generation_config.json"
_ENTRIES = ("eos_token_id", "decoder_start_token_id", "pad_token_id", "bos_token_id")
_RULES = ("forced_bos_token_id", "forced_eos_token_id", "bad_words_ids", "suppress_tokens")


@dataclass(frozen=True, kw_only=True)
class Conventions:
    """Entries by their ids.

    Attributes:
        source_before, source_after: around the source of an encoder-decoder; the end of text
            follows it where `source_after` is None.
        target_before: in a target, between its start and its text.
        first: what every text begins with, such as a language.
        last: one of these takes the place of the last token of a text that did not end.
        never: entries that are not written.
    """

    source_before: tuple[int, ...] = ()
    source_after: tuple[int, ...] | None = None
    target_before: tuple[int, ...] = ()
    first: int | None = None
    last: tuple[int, ...] = ()
    never: tuple[int, ...] = ()

    def directed(self, scores_BV: Tensor, *, first: bool, last: bool) -> Tensor:
        """Scores with what must not come at -inf; an entry that must come has 0.

        Args:
            scores_BV: logits, or log-probabilities in beam search.
            first, last: whether it is the first token of a text, the last that there is room for.
        """
        if last and self.last:
            return _only(scores_BV, self.last)
        if first and self.first is not None:
            return _only(scores_BV, (self.first,))
        if self.never:
            scores_BV = scores_BV.clone()
            scores_BV[:, list(self.never)] = -math.inf
        return scores_BV


def _only(scores_BV: Tensor, entries: tuple[int, ...]) -> Tensor:
    found = scores_BV.new_full(scores_BV.shape, -math.inf)
    found[:, list(entries)] = 0.0
    return found


def added_entries(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What a tokeniser itself puts before a text and after it."""
    plain = tokenizer.encode("a", add_special_tokens=False).ids
    added = tokenizer.encode("a", add_special_tokens=True).ids
    for before in range(len(added) - len(plain) + 1):
        if added[before : before + len(plain)] == plain:
            return tuple(added[:before]), tuple(added[before + len(plain) :])
    return (), ()


def separators_between(tokenizer: Any) -> int:
    """How many entries a tokeniser itself puts between two texts, 1 where it puts none."""
    parts = tokenizer.encode("a", "b", add_special_tokens=True).sequence_ids
    second = parts.index(1)
    return max(1, parts[:second].count(None) - parts.index(0))


def own_conventions(tokenizer: Any, end: int) -> Conventions:
    """Those of an encoder-decoder of isoloss.

    Its pairs end with the end of text. Only a model that began as one of Hugging Face, whose end
    of text is what its tokeniser adds, has the rest of what that tokeniser adds too.
    """
    before, after = added_entries(tokenizer)
    if after[-1:] != (end,):
        return Conventions()
    return Conventions(source_before=before, source_after=after, target_before=before)


def hub_conventions(
    tokenizer: Any, values: Mapping[str, Any], path: Path, *, kind: str
) -> Conventions:
    """Those of a model of Hugging Face.

    Args:
        tokenizer: its own.
        values: of `generation_values`.
        path: for messages.
        kind: of the model; only an encoder-decoder has a source and a target.

    Raises:
        DataError: an entry that the tokeniser does not have.
    """
    alone = [word for word in _listed(values.get("bad_words_ids")) if _is_single(word)]
    rules = {**values, "bad_words_ids": [word[0] for word in alone]}
    never = [
        _entries(rules, name, tokenizer, path) for name in ("bad_words_ids", "suppress_tokens")
    ]
    last = _entries(values, "forced_eos_token_id", tokenizer, path)
    if kind != "encoder_decoder":
        return Conventions(last=last, never=(*never[0], *never[1]))
    before, after = added_entries(tokenizer)
    forced = _entries(values, "forced_bos_token_id", tokenizer, path)[:1]
    return Conventions(
        source_before=before,
        # A model that isoloss exported: its tokeniser adds nothing, its sources have an end.
        source_after=after if before or after else None,
        target_before=forced or (before if before == (values.get("bos_token_id"),) else ()),
        first=forced[0] if forced else None,
        last=last,
        never=(*never[0], *never[1]),
    )


def _is_single(word: Any) -> bool:
    return isinstance(word, list) and len(word) == 1


def generation_values(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """What `generation_config.json` says, or `config.json` where that is missing.

    Entries that begin and end texts are looked up in both; either's end ends a text.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / GENERATION
    if not path.is_file():
        return {name: config.get(name) for name in (*_ENTRIES, *_RULES)}
    own = read_json(path)
    found = {name: own.get(name) for name in _RULES}
    for name in _ENTRIES:
        found[name] = config.get(name) if own.get(name) is None else own[name]
    ends = [*_listed(config.get("eos_token_id")), *_listed(own.get("eos_token_id"))]
    return {**found, "eos_token_id": [e for at, e in enumerate(ends) if e not in ends[:at]]}


def known_entries(values: Mapping[str, Any], name: str, tokenizer: Any) -> tuple[int, ...]:
    """Those of the entries that a value names which the tokeniser has."""
    size = tokenizer.get_vocab_size()
    return tuple(entry for entry in _listed(values.get(name)) if _is_entry(entry, size))


def _entries(values: Mapping[str, Any], name: str, tokenizer: Any, path: Path) -> tuple[int, ...]:
    """The entries that a value names: one, a list of them, or none.

    Raises:
        DataError: something else, or what the tokeniser does not have.
    """
    size = tokenizer.get_vocab_size()
    for entry in _listed(values.get(name)):
        if not _is_entry(entry, size):
            raise DataError(
                f"{path}: {name} is {entry!r:.40}, expected an entry of the tokeniser, 0 to"
                f" {size - 1:,}",
                hint="config.json, generation_config.json and tokenizer.json must be of one model.",
            )
    return known_entries(values, name, tokenizer)


def _is_entry(value: Any, size: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < size


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
