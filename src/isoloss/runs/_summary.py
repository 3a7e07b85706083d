"""The text of `Runs.summary`."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from isoloss.errors import IsolossError

if TYPE_CHECKING:
    import pandas as pd

    from isoloss.runs.table import Runs

WIDTH = 80
HEAD_SHARE_WARNING = 0.3
_MOST_REASONS = 10
_SAME_BUT_FOR_SEED = (
    "group", "params_total", "params_non_embedding", "params_matmul", "tokens", "learning_rate",
    "batch_tokens", "schedule", "dataset", "architecture", "objective",
)  # fmt: skip


def summary_text(runs: Runs, *, dropped: int = 0) -> str:
    """Counts, ranges, conventions and rows left out, in lines of at most 80 characters."""
    used = runs.used()
    left_out = len(runs) - len(used)
    every = f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}"
    lines = [f"{every}: {len(used)} for a fit, {left_out} left out"]
    if dropped:
        lines.append(f"{dropped} more rows repeat another and are dropped")
    if len(used):
        lines += [_range(used, *of) for of in _variables(used)]
        lines += _structure(used)
        lines += [f"note: {note}" for note in _notes(used)]
    if left_out:
        lines += ["left out:", *_reasons(runs)]
    return "\n".join(line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…" for line in lines)


def _variables(used: Runs) -> list[tuple[str, str, str]]:
    """Symbol, column and convention of what is shown."""
    try:
        n_column = used.n_column()
        convention = n_column
    except IsolossError:
        n_column, convention = "", "different counts in different rows"
    flops = f"flops, {_convention(used, 'flops_convention') or 'convention not said'}"
    loss = f"loss, {_convention(used, 'loss_unit') or 'nats_per_token (not said)'}"
    return [
        ("N", n_column, convention),
        ("D", "tokens", "tokens"),
        ("C", "flops", flops),
        ("L", "loss", loss),
    ]


def _convention(used: Runs, column: str) -> str:
    frame = used.to_frame()
    if column not in frame:
        return ""
    said = sorted({str(value) or "not said" for value in frame[column].tolist()})
    return "" if said == ["not said"] else " and ".join(said)


def _range(used: Runs, symbol: str, column: str, convention: str) -> str:
    frame = used.to_frame()
    values: list[Any] = frame[column].dropna().tolist() if column in frame else []
    if not values:
        text = "not there"
    else:
        text = f"{min(values):.4g} to {max(values):.4g}, {len(set(values))} different"
        if len(values) < len(frame):
            text += f", empty in {len(frame) - len(values)}"
    return f"  {symbol}  {text}  ({convention})"


def _structure(used: Runs) -> list[str]:
    """Groups, seeds and shared trunks, where there are any."""
    frame = used.to_frame()
    lines: list[str] = []
    groups = Counter(_cells(frame, "group", ""))
    if len(groups) > 1:
        shown = ", ".join(f"{name or 'none'} {number}" for name, number in groups.most_common(6))
        lines.append(f"  groups  {len(groups)}: {shown}")
    seeds = {seed for seed in _cells(frame, "seed", math.nan) if seed == seed}
    if len(seeds) > 1:
        keys = zip(*(_cells(frame, name, "") for name in _SAME_BUT_FOR_SEED), strict=True)
        repeated = sum(number > 1 for number in Counter(keys).values())
        lines.append(f"  seeds   {len(seeds)}; {repeated} settings with more than one")
    parents = Counter(parent for parent in _cells(frame, "parent_id", "") if parent)
    shared = [number for number in parents.values() if number > 1]
    if shared:
        lines.append(f"  trunks  {len(shared)} shared by {sum(shared)} runs (parent_id)")
    return lines


def _cells(frame: pd.DataFrame, name: str, empty: object) -> list[Any]:
    return frame[name].tolist() if name in frame else [empty] * len(frame)


def _notes(used: Runs) -> list[str]:
    notes: list[str] = []
    frame = used.to_frame()
    if {"vocab_size", "d_model", "params_matmul"} <= set(frame):
        head = (frame["vocab_size"] * frame["d_model"] / frame["params_matmul"]).max()
        if head > HEAD_SHARE_WARNING:
            notes.append(f"the output head is up to {head:.0%} of N (params_matmul)")
    if "flops" in frame and not _convention(used, "flops_convention"):
        notes.append("the table does not say how FLOP are counted (flops_convention)")
    return notes


def _reasons(runs: Runs) -> list[str]:
    frame = runs.to_frame()
    pairs = zip(frame["status"].tolist(), frame["reason"].tolist(), strict=True)
    counts = Counter(
        str(reason or f"status {status!r}")
        for status, reason in pairs
        if reason or status not in ("", "ok")
    )
    shown = [f"  {count:4}  {reason}" for reason, count in counts.most_common(_MOST_REASONS)]
    more = len(counts) - _MOST_REASONS
    return [*shown, f"  and {more} more reasons"] if more > 0 else shown
