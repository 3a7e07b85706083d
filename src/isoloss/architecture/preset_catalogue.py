"""Public models by name: their shape, and the size that their authors give.

The facts are in `presets.toml`, each family with its source.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from isoloss.architecture.config import TransformerConfig
from isoloss.architecture.counts import count_parameters
from isoloss.architecture.families import family_options
from isoloss.errors import UsageError

NOTABLE = 0.01
"""A relative difference above this needs a reason."""

_FACTS = ("name", "published", "published_active", "exact", "missing")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A public model.

    Attributes:
        name: as in `isoloss model count NAME`.
        title: the family's name.
        config: its shape, as far as `TransformerConfig` can say it.
        published: parameters as its authors state them, rounded as they do.
        published_active: those that one token uses, where the authors state it (experts).
        exact: parameters of the public weights, tied ones once; None where none are public.
        missing: how many of `exact` a `TransformerConfig` has no place for.
        missing_what: what those are.
        source: paper and public config that the shape and the sizes come from.
        note: why the count differs from `published` by more than `NOTABLE`, beyond rounding of
            the public weights' own count.
    """

    name: str
    title: str
    config: TransformerConfig
    published: float
    published_active: float | None
    exact: int | None
    missing: int
    missing_what: str
    source: str
    note: str

    @property
    def counted(self) -> int:
        """Our count of all parameters."""
        return count_parameters(self.config).total

    @property
    def difference(self) -> float:
        """(counted − published) / published."""
        return (self.counted - self.published) / self.published

    @property
    def active_difference(self) -> float | None:
        """The same of the weights that one token uses; None where nothing is published."""
        if self.published_active is None:
            return None
        return (count_parameters(self.config).active - self.published_active) / (
            self.published_active
        )

    @property
    def reason(self) -> str:
        """Why a count differs from what is published by more than 1%; empty where none does."""
        reasons: list[str] = []
        weights = self.exact is not None and self.counted + self.missing == self.exact
        if abs(self.difference) > NOTABLE and weights:
            stated = f"{self.published:,.0f}"
            reasons.append(f"{stated} is rounded: the public weights are {self.exact:,}")
        if max(abs(self.difference), abs(self.active_difference or 0)) > NOTABLE and self.note:
            reasons.append(self.note)
        return "; ".join(reasons)


def preset(name: str) -> Preset:
    """The public model of that name; a family's name means the model that made it known.

    Raises:
        UsageError: no such model; close names are given.

    >>> preset("llama-2-7b").counted
    6738415616
    """
    known, aliases = _all()
    wanted = name.strip().lower().replace("_", "-").replace(" ", "-")
    wanted = aliases.get(wanted, wanted)
    if wanted in known:
        return known[wanted]
    close = difflib.get_close_matches(wanted, [*known, *aliases], n=3, cutoff=0.5)
    raise UsageError(
        f"no such public model: {name!r}",
        hint=(f"Did you mean {' or '.join(close)}? " if close else "")
        + "`isoloss model list` shows all.",
    )


def presets() -> tuple[Preset, ...]:
    """All public models, family by family, small to large."""
    return tuple(_all()[0].values())


def preset_aliases() -> dict[str, str]:
    """Short names, with the names that they stand for."""
    return dict(_all()[1])


@cache
def _all() -> tuple[dict[str, Preset], dict[str, str]]:
    text = files("isoloss.architecture").joinpath("presets.toml").read_text("utf-8")
    known: dict[str, Preset] = {}
    aliases: dict[str, str] = {}
    for family in tomllib.loads(text)["family"]:
        aliases |= family.get("aliases", {})
        for row in family["rows"]:
            made = _preset(family, dict(zip(family["columns"], row, strict=True)))
            known[made.name] = made
    return known, aliases


def _preset(family: dict[str, Any], row: dict[str, Any]) -> Preset:
    options = family_options(family["of"]) if "of" in family else {}
    sizes = {key: value for key, value in row.items() if key not in _FACTS}
    return Preset(
        name=row["name"],
        title=family["title"],
        config=TransformerConfig(**{**options, **family["options"], **sizes}),
        published=float(row["published"]),
        published_active=row.get("published_active"),
        exact=row.get("exact"),
        missing=row.get("missing", 0),
        missing_what=family.get("missing_what", ""),
        source=family["source"],
        note=family.get("notes", {}).get(row["name"], ""),
    )
