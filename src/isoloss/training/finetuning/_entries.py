"""Special entries of a foreign tokeniser under isoloss's names: ids and texts stay as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from isoloss.corpus import END_OF_TEXT, MASK, PAD, START

_ENDS = ("[SEP]", "</s>", "<eos>")
_PADS = ("[PAD]", "<pad>")
_MASKS = ("[MASK]", "<mask>")


def own_names(text: str, *, end: str | None, start: int | None, pad: int | None) -> str:
    """A `tokenizer.json` whose end of text, start, padding and mask are called as isoloss does.

    So what is trained on from a model of Hugging Face is a model of isoloss like any other.

    Args:
        text: the `tokenizer.json`.
        end: name of the entry that ends a text, where it is known.
        start, pad: ids of the entries that begin a target and fill rows up, where known.

    Raises:
        KeyError: nothing ends a text.
    """
    document = json.loads(text)
    ids = entries(document)
    by_id = {number: name for name, number in ids.items()}
    wanted: dict[str, str | None] = {
        END_OF_TEXT: end if end in ids else _first(ids, _ENDS),
        PAD: by_id.get(pad) if pad is not None else _first(ids, _PADS),
        START: None if start is None else by_id.get(start),
        MASK: _first(ids, _MASKS),
    }
    names: dict[str, str] = {}
    for ours, theirs in wanted.items():
        if ours not in ids and theirs is not None and theirs not in names:
            names[theirs] = ours
    if END_OF_TEXT not in ids and END_OF_TEXT not in names.values():
        raise KeyError(END_OF_TEXT)
    return json.dumps(_renamed(document, names), ensure_ascii=False) if names else text


def entries(document: Mapping[str, Any]) -> dict[str, int]:
    """Every entry of a tokeniser's document with its id."""
    vocabulary = document["model"]["vocab"]
    if isinstance(vocabulary, list):  # unigram: pieces with scores
        vocabulary = {entry[0]: index for index, entry in enumerate(vocabulary)}
    return {**vocabulary, **{one["content"]: one["id"] for one in document["added_tokens"]}}


def _first(ids: Mapping[str, int], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in ids), None)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Every text that is one of the names, key or value, replaced."""
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value
