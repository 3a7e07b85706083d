"""Data as text for other programs: TOML and YAML of plain values, which no library here writes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

_HIDDEN = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Characters that TOML or YAML does not take as they are."""


def toml_text(document: Mapping[str, Any]) -> str:
    """Tables of plain values, one level of nesting or more, as TOML; None is left out.

    >>> print(toml_text({"training": {"steps": 5, "seq_len": 2048}}), end="")
    [training]
    steps = 5
    seq_len = 2048
    """
    return "\n".join(_tables(document, ())).lstrip("\n") + "\n"


def _tables(document: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    lines: list[str] = []
    plain = {key: value for key, value in document.items() if not isinstance(value, Mapping)}
    if path and (plain or not document):
        lines += ["", f"[{'.'.join(path)}]"]
    lines += [f"{key} = {_scalar(value)}" for key, value in plain.items() if value is not None]
    for key, value in document.items():
        if isinstance(value, Mapping):
            lines += _tables(cast("Mapping[str, Any]", value), (*path, key))
    return lines


def yaml_text(document: Mapping[str, Any]) -> str:
    """Nested mappings and lists of plain values as block-style YAML 1.2; text is quoted.

    >>> print(yaml_text({"model": {"hidden_size": 64, "name": "a"}}), end="")
    model:
      hidden_size: 64
      name: "a"
    """
    return "\n".join(_yaml_lines(document, 0)) + "\n"


def _yaml_lines(document: Mapping[str, Any], depth: int) -> list[str]:
    lines: list[str] = []
    for key, value in document.items():
        start = f"{'  ' * depth}{key}:"
        if isinstance(value, Mapping) and value:
            lines += [start, *_yaml_lines(cast("Mapping[str, Any]", value), depth + 1)]
        else:
            lines.append(f"{start} {'null' if value is None else _scalar(value)}")
    return lines


def _scalar(value: Any) -> str:
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_scalar(item) for item in cast("Sequence[Any]", value)) + "]"
    if isinstance(value, str):
        # Both read JSON's escapes, but no pairs of surrogates; and some characters only escaped.
        quoted = json.dumps(value, ensure_ascii=False)
        return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
    return json.dumps(value)


def _number(value: float) -> str:
    """A float that TOML, YAML 1.1 and YAML 1.2 all read as one: with a point, and a sign in e."""
    text = repr(value)
    mantissa, e, exponent = text.partition("e")
    if not e:
        return text
    mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
    sign = exponent if exponent[0] in "+-" else f"+{exponent}"
    return f"{mantissa}e{sign}"
