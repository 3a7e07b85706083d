"""What the flags of `isoloss train` mean, as the values that `train_one` takes."""

from __future__ import annotations

from typing import Any

from isoloss.errors import UsageError
from isoloss.training import Recipe, Stop


def recipe_from(**settings: Any) -> Recipe:
    """The recipe of the studies with what was said otherwise."""
    return Recipe(**{name: value for name, value in settings.items() if value is not None})


def stop_from(**rules: Any) -> Stop:
    """The rules that were given."""
    return Stop(**{name: value for name, value in rules.items() if value is not None})


def two_fields(text: str | None) -> tuple[str, str] | None:
    """`"zh,en"` as a source and a target field.

    Raises:
        UsageError: not two names.
    """
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(names):
        raise UsageError(
            f"--fields expects two names, found {text!r}", hint="For example: --fields zh,en"
        )
    return names[0], names[1]
