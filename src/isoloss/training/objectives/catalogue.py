"""Objectives by name, and from settings as they stand in JSON, TOML or on a command line."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from isoloss.errors import UsageError
from isoloss.training.objectives.causal import Causal
from isoloss.training.objectives.masked import Masked
from isoloss.training.objectives.objective import Objective
from isoloss.training.objectives.prefix import PrefixLM
from isoloss.training.objectives.sequence_to_sequence import SequenceToSequence
from isoloss.training.objectives.span_corruption import SpanCorruption

OBJECTIVES: dict[str, type[Objective]] = {
    objective.name: objective
    for objective in (Causal, Masked, SpanCorruption, PrefixLM, SequenceToSequence)
}
"""Every objective by its name."""


def objective_from(values: Mapping[str, Any] | str) -> Objective:
    """The objective that settings describe; what is not said has its default.

    Args:
        values: a name; a name with settings, `"masked:rate=0.3,whole_words=true"`; or what
            `Objective.to_dict` returns. Hyphens in names are as good as underscores.

    Raises:
        UsageError: no such objective or setting (a close name is given), or a value that it
            cannot have.

    >>> objective_from("span-corruption:mean_span=4").to_dict()
    {'name': 'span_corruption', 'mean_span': 4.0}
    >>> objective_from({"name": "causal"})
    Causal(documents=False)
    """
    settings = _parsed(values) if isinstance(values, str) else dict(values)
    kind = OBJECTIVES[_close(settings.pop("name", None), list(OBJECTIVES), "objective")]
    names = {f.name: f for f in fields(kind)}  # pyright: ignore[reportArgumentType]
    given: dict[str, Any] = {}
    for written, value in settings.items():
        name = _close(written, list(names), f"setting of the objective {kind.name!r}")
        _check_type(kind.name, name, value, names[name].default)
        given[name] = value
    return kind(**given)


def _parsed(text: str) -> dict[str, Any]:
    """`name:setting=value,…`; values as in JSON."""
    name, _, rest = text.partition(":")
    settings: dict[str, Any] = {"name": name.strip()}
    for part in filter(None, rest.split(",")):
        setting, equals, value = part.partition("=")
        if not equals:
            raise UsageError(
                f"objective {text!r}: {part!r} is no setting",
                hint="Write name:setting=value,setting=value, as in masked:rate=0.3.",
            )
        try:
            settings[setting.strip()] = json.loads(value)
        except ValueError:
            settings[setting.strip()] = value
    return settings


def _close(name: object, known: list[str], what: str) -> str:
    """The known name that is meant."""
    found = str(name).replace("-", "_")
    if name is not None and found in known:
        return found
    near = difflib.get_close_matches(found, known, n=1)
    raise UsageError(
        f"an {what} needs a name" if name is None else f"no such {what}: {name!r}",
        hint=(f"Did you mean {near[0]!r}? " if near else "")
        + (f"There are: {', '.join(known)}." if known else "It has no settings."),
    )


def _check_type(objective: str, name: str, value: object, default: object) -> None:
    """Switches are true or false, and everything else is a number."""
    if isinstance(value, bool) != isinstance(default, bool) or not isinstance(value, int | float):
        expected = "true or false" if isinstance(default, bool) else "a number"
        raise UsageError(
            f"{name} of the objective {objective!r} must be {expected}, found {value!r}"
        )
