"""What the flags of `isoloss train` mean, as the values that `train_one` takes."""

from __future__ import annotations

from typing import Any

from isoloss.training import Recipe, Stop


def recipe_from(**settings: Any) -> Recipe:
    """The recipe of the studies with what was said otherwise."""
    return Recipe(**{name: value for name, value in settings.items() if value is not None})


def stop_from(**rules: Any) -> Stop:
    """The rules that were given."""
    return Stop(**{name: value for name, value in rules.items() if value is not None})
