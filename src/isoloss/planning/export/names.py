"""Names that other trainers take, as read from their own sources, and the check against them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, cast

_READERS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "bool": (bool,),
    "flag": (bool,),
    "list": (list, tuple),
    "any": (object,),
}


@cache
def known_names() -> dict[str, Any]:
    """The data file: for each source its repository, version, commit, and names with their type.

    A type is `int`, `float`, `str`, `bool`, `flag` (takes no value), `list`, `any`, or the
    values that are allowed, separated by `|`; a `?` after it allows none.
    """
    text = (files("isoloss.planning.export") / "names.json").read_text("utf-8")
    return cast("dict[str, Any]", json.loads(text))


def check_names(what: str, given: Mapping[str, Any], known: Mapping[str, str]) -> None:
    """Hold values against a list of names.

    Raises:
        AssertionError: a name is not in the list, or a value has another type: a mistake of
            isoloss, not of the user.
    """
    for name, value in given.items():
        assert name in known, f"{what} has no {name!r}"
        kind = known[name]
        if value is None:
            assert kind.endswith("?") or kind == "any", f"{what}: {name} must not be empty"
            continue
        kind = kind.removesuffix("?")
        if kind not in _READERS:
            assert str(value) in kind.split("|"), f"{what}: {name}={value!r} is not of {kind}"
            continue
        whole = isinstance(value, bool) and kind in ("int", "float")
        fits = isinstance(value, _READERS[kind]) and not whole
        assert fits, f"{what}: {name}={value!r} ({kind})"
