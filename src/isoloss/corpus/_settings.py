"""What a corpus was asked to be, and whether the one in a folder is that."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from isoloss.corpus.selection import Cleaning
from isoloss.corpus.selection.near_duplicates import check_threshold
from isoloss.corpus.tokens import Corpus
from isoloss.errors import UsageError

Sources = str | Path | Sequence[str | Path]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every choice that decides the tokens; see `prepare_corpus`."""

    vocab_size: int
    text_field: str
    max_bytes: int | None
    tokenizer: str
    special_tokens: tuple[str, ...]
    cleaning: Cleaning
    near_duplicates: float | None
    weights: dict[str, float] | None

    def check(self) -> None:
        """Raise UsageError for a value that cannot be."""
        if self.max_bytes is not None and self.max_bytes < 1:
            raise UsageError(f"max_bytes must be positive, found {self.max_bytes}")
        if self.near_duplicates is not None:
            check_threshold(self.near_duplicates)

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        values = asdict(self)
        return {**values, "special_tokens": list(self.special_tokens)}


def as_domains(sources: Sequence[str | Path] | Mapping[str, Sources]) -> dict[str, list[str]]:
    """Domain → sources; a text that is no mixture is a domain without a name.

    Raises:
        UsageError: a mixture without domains, or a domain without a name.
    """
    if not isinstance(sources, Mapping):
        return {"": _as_list(sources)}
    if not sources or not all(name.strip() for name in sources):
        raise UsageError("every domain of a mixture needs a name, and there must be one")
    return {name: _as_list(own) for name, own in sources.items()}


def _as_list(sources: Sources) -> list[str]:
    return [str(s) for s in ([sources] if isinstance(sources, (str, Path)) else sources)]


def shares_of(
    weights: Mapping[str, float] | None, domains: Mapping[str, object]
) -> dict[str, float] | None:
    """Weights as shares that add up to 1; None stays None.

    Raises:
        UsageError: a domain without a weight, a weight without a domain, a negative one, or all 0.
    """
    if weights is None:
        return None
    for name in weights:
        if name not in domains:
            close = difflib.get_close_matches(name, domains, n=1)
            known = ", ".join(filter(None, domains)) or "none: the sources are no mapping"
            raise UsageError(
                f"a weight for {name!r}, which is no domain",
                hint=f"Did you mean {close[0]!r}?" if close else f"Domains: {known}.",
            )
    for name in domains:
        if name not in weights:
            raise UsageError(f"no weight for the domain {name!r}", hint="0 leaves it out.")
        if not (math.isfinite(weights[name]) and weights[name] >= 0):
            raise UsageError(
                f"the weight of {name!r} must be 0 or a positive number, found {weights[name]}"
            )
    total = sum(weights.values())
    if not total:
        raise UsageError("all weights are 0: there is nothing to train on")
    return {name: weights[name] / total for name in domains}


def opened(out: Path, domains: dict[str, list[str]], settings: Settings) -> Corpus:
    """The finished corpus in a folder, which must be the one that is asked for.

    Raises:
        UsageError: other sources or other settings.
    """
    corpus = Corpus.load(out)
    found = [str(source) for source in corpus.manifest.get("sources", [])]
    asked = [source for sources in domains.values() for source in sources]
    names = [span.name for span in corpus.spans] or [""]
    same = [Path(s).resolve() for s in found] == [Path(s).resolve() for s in asked]
    if names != list(domains) or (found != asked and not same):
        raise UsageError(
            f"{out} holds the corpus of {', '.join(found)}, not of {', '.join(asked)}",
            hint="Take another folder.",
        )
    known, wanted = corpus.manifest["settings"], settings.to_dict()
    if known["vocab_size"] != wanted["vocab_size"]:
        raise UsageError(
            f"{out} holds a corpus of {known['vocab_size']:,} vocabulary entries,"
            f" {wanted['vocab_size']:,} were asked for",
            hint="Take another folder.",
        )
    for name, value in wanted.items():
        if known.get(name) != value:
            raise UsageError(
                f"{out} holds a corpus prepared with {name} = {known.get(name)},"
                f" {value} was asked for",
                hint="Take another folder.",
            )
    return corpus
