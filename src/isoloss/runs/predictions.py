"""The ledger: predictions that were registered before their runs, and how they turned out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

    from isoloss.runs.store import RunStore

LOSS = "loss"
Standing = Literal["open", "scored", "failed", "late"]
"""`open`: no outcome yet. `failed`: the run gave no loss. `late`: registered after its outcome."""


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """A registered prediction and its outcome; None is what is not known.

    `n` parameters, `d` tokens and `flops` of the run; `predicted`, `low`, `high` and `measured`
    values of the column `target`; `level` of the interval; `error_percent` is
    (predicted − measured)/measured · 100; `inside` whether the measured value lies in the
    interval; times in ISO 8601, UTC.
    """

    prediction_id: str
    standing: Standing
    study: str | None
    n: float | None
    d: float | None
    flops: float | None
    predicted: float | None
    low: float | None
    high: float | None
    level: float | None
    runs_hash: str | None
    registered_at: str
    measured: float | None
    error_percent: float | None
    inside: bool | None
    trained_at: str | None
    reason: str
    target: str = LOSS

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Registered predictions in the order of their registration."""

    entries: tuple[LedgerEntry, ...]

    def __len__(self) -> int:
        return len(self.entries)

    def scored(self) -> tuple[LedgerEntry, ...]:
        """The entries with a measured loss, registered before it."""
        return tuple(entry for entry in self.entries if entry.standing == "scored")

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON: the entries and their score."""
        scored = self.scored()
        losses = [entry for entry in scored if entry.target == LOSS]
        errors = [abs(e.error_percent) for e in losses if e.error_percent is not None]
        return {
            "n_entries": len(self.entries),
            "n_scored": len(scored),
            "n_inside": sum(entry.inside is True for entry in scored),
            "mean_absolute_error_percent": sum(errors) / len(errors) if errors else None,
            "entries": [entry.to_dict() for entry in self.entries],
        }

    def to_frame(self) -> pd.DataFrame:
        """One row an entry."""
        import pandas as pd

        names = list(LedgerEntry.__dataclass_fields__)
        return pd.DataFrame([entry.to_dict() for entry in self.entries], columns=names)

    def summary(self) -> str:
        """A table of 80 columns, and the score; a metric's name stands over its line."""
        if not self.entries:
            return "No prediction is registered yet."
        head = ("registered", "study", "flops", "predicted", "interval", "measured", "error", "in")
        lines = [_aligned(head)]
        for entry in self.entries:
            if entry.target != LOSS:
                lines.append(f"{entry.target.removeprefix('metric_')}:")
            lines.append(_aligned(_line(entry)))
        return "\n".join([*lines, "", self._score()])

    def __repr__(self) -> str:
        return f"<Ledger: {self._score()}>"

    def _score(self) -> str:
        found = self.to_dict()
        text = f"{found['n_entries']} registered, {found['n_scored']} scored"
        error = found["mean_absolute_error_percent"]
        if error is not None:
            text += f", {found['n_inside']} inside the interval, mean absolute error {error:.2f}%"
        return text


def ledger(store: RunStore) -> Ledger:
    """Join every registered prediction of a store with its outcome.

    The first prediction of an id and its first outcome count, so that nothing is scored twice.

    Raises:
        DataError: the chain of events is broken.
    """
    store.verify()
    predictions: dict[str, Mapping[str, Any]] = {}
    outcomes: dict[str, Mapping[str, Any]] = {}
    for event in store.events():
        key = str(event["payload"].get("prediction_id", ""))
        if event["kind"] == "prediction":
            predictions.setdefault(key, event)
        elif event["kind"] == "outcome":
            outcomes.setdefault(key, event)
    return Ledger(
        entries=tuple(_entry(key, event, outcomes.get(key)) for key, event in predictions.items())
    )


def _entry(
    key: str, prediction: Mapping[str, Any], outcome: Mapping[str, Any] | None
) -> LedgerEntry:
    said: Mapping[str, Any] = prediction["payload"]
    came: Mapping[str, Any] = outcome["payload"] if outcome is not None else {}
    predicted, low, high = (_number(said.get(name)) for name in ("predicted", "low", "high"))
    measured = _number(came.get("measured"))
    error = inside = None
    if predicted is not None and measured:
        error = 100 * (predicted - measured) / measured
    if measured is not None and low is not None and high is not None:
        inside = low <= measured <= high
    return LedgerEntry(
        prediction_id=key,
        standing=_standing(prediction, outcome, measured),
        study=_text(said.get("study")),
        target=_text(said.get("target")) or LOSS,
        n=_number(said.get("n")),
        d=_number(said.get("d")),
        flops=_number(said.get("flops")),
        predicted=predicted,
        low=low,
        high=high,
        level=_number(said.get("level")),
        runs_hash=_text(said.get("runs_hash")),
        # The store's own stamp, not what the payload says of itself.
        registered_at=str(prediction["at"]),
        measured=measured,
        error_percent=error,
        inside=inside,
        trained_at=_text(came.get("trained_at")),
        reason=_text(came.get("reason")) or "",
    )


def _standing(
    prediction: Mapping[str, Any], outcome: Mapping[str, Any] | None, measured: float | None
) -> Standing:
    if outcome is None:
        return "open"
    if outcome["id"] < prediction["id"]:
        return "late"
    return "failed" if measured is None else "scored"


def _aligned(cells: tuple[str, ...]) -> str:
    widths = (16, 9, 8, 9, 13, 8, 7, 3)
    return " ".join(cell[:w].rjust(w) for cell, w in zip(cells, widths, strict=True)).rstrip()


def _line(entry: LedgerEntry) -> tuple[str, ...]:
    interval = f"{_shown(entry.low, '.3f')}..{_shown(entry.high, '.3f')}"
    error = "" if entry.error_percent is None else f"{entry.error_percent:+.2f}%"
    verdict = {True: "yes", False: "no", None: "-"}[entry.inside]
    measured = _shown(entry.measured, ".4f") if entry.standing == "scored" else entry.standing
    return (
        entry.registered_at[:16].replace("T", " "),
        entry.study or "-",
        _shown(entry.flops, ".2e"),
        _shown(entry.predicted, ".4f"),
        interval,
        measured,
        error,
        verdict,
    )


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)
