"""One run as a log tells it: what was set, what came of it, and its curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Series:
    """A metric over a run.

    Attributes:
        steps: where it was logged, in optimiser steps (or in what the source counts), rising.
        values: what was logged there; as long as `steps`.
    """

    steps: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class RunHistory:
    """What every reader of a log returns, before anything is mapped to our columns.

    Attributes:
        name: the run's name in its source, else the name of the file or folder.
        source: file, folder or address that it came from.
        config: what was set before the run (flat, nested keys joined by dots): text, numbers,
            truth values or None.
        summary: what the source says of the finished run, likewise flat.
        ours: columns of the run table as they are, by our own names; nothing is guessed of them.
        metrics: curves by their name in the source.
        status: `ok` for a run that ended as it should; `running` for one without an end, `failed`
            for one that says that it failed, with `reason`.
        reason: why it is not `ok`.
        created_at: when it began (ISO 8601, UTC), or empty.
        notes: what the reader had to skip or guess, one sentence each.
    """

    name: str
    source: str
    config: Mapping[str, object] = field(default_factory=dict[str, object])
    summary: Mapping[str, object] = field(default_factory=dict[str, object])
    ours: Mapping[str, object] = field(default_factory=dict[str, object])
    metrics: Mapping[str, Series] = field(default_factory=dict[str, Series])
    status: str = "ok"
    reason: str = ""
    created_at: str = ""
    notes: tuple[str, ...] = ()
