"""Nested values of a configuration as flat ones, keys joined by dots."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import cast

_DEEPEST = 12


def parsed(text: str | bytes) -> object:
    """What a JSON text says; None where it is none. Never raises, whatever the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def mapping(value: object) -> dict[str, object] | None:
    """The value with text for its keys where it is a mapping, as a JSON object is; else None."""
    if not isinstance(value, Mapping):
        return None
    return {str(key): item for key, item in cast("Mapping[object, object]", value).items()}


def flat(value: object, name: str = "") -> dict[str, object]:
    """Leaves by their path.

    A list becomes its JSON text, and so does what lies more than twelve levels deep.

    >>> flat({"lr": 0.1, "model": {"d": 64, "widths": [1, 2]}})
    {'lr': 0.1, 'model.d': 64, 'model.widths': '[1, 2]'}
    """
    return dict(_leaves(value, name, 0))


def _leaves(value: object, name: str, depth: int) -> Iterator[tuple[str, object]]:
    nested = mapping(value) if depth < _DEEPEST else None
    if nested is not None:
        for key, item in nested.items():
            yield from _leaves(item, f"{name}.{key}" if name else key, depth + 1)
    elif value is None or isinstance(value, (str, int, float, bool)):
        yield name, value
    else:
        yield name, as_text(value)


def as_text(value: object) -> str:
    """JSON text of a value, "…" where it is nested too deeply for that."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        return "…"
