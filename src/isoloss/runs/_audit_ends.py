"""Checks of how runs ended: checkpoints, rates that never fell, diverged and unfinished runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from isoloss.runs._audit_evidence import Evidence, Finding, counted, rounded, several
from isoloss.runs._audit_surface import surface_residuals, two_group_findings

# What a row of the middle of a run is called; in names and in the text of other columns.
_SAYS_CHECKPOINT = re.compile(r"checkpoint|intermediate|interpolat|trajector", re.I)
_SAYS_CONSTANT = re.compile(r"^(const|constant)\b|^(const|constant)[_:0-9]|no[-_ ]?decay", re.I)
_LEAST_SPACED = 5
_WIDE = 0.15
_RISE = 0.03


def end_findings(evidence: Evidence) -> Iterator[Finding]:
    """Rows that are not the end of a decayed, finished run."""
    yield from _checkpoints(evidence)
    yield from _not_decayed(evidence)
    yield from _left_out(evidence)
    yield from _outliers(evidence)
    yield from two_group_findings(evidence)
    yield from _rising(evidence)
    yield from _repeated_data(evidence)


_CURE = (
    "Keep the last row of each run, at the end of its decay. Intermediate losses suit isoFLOP"
    " minima (il.isoflop) and curves (il.fit_curves), not a law of final losses."
)


def _checkpoints(evidence: Evidence) -> Iterator[Finding]:
    reasons: list[str] = []
    rows: set[int] = set()
    for reason, found in (_said(evidence), _spaced(evidence), _of_one_run(evidence)):
        if reason:
            reasons.append(reason)
            rows |= set(found)
    if reasons:
        yield Finding(
            name="checkpoints",
            severity="warning",
            message=f"{counted(len(rows), 'row')} look like intermediate checkpoints:"
            f" {'; '.join(reasons)}",
            cure=_CURE,
            rows=evidence.run_ids(sorted(rows)),
        )
        return
    several_d = [group for group in _same_settings(evidence) if len(group) >= 3]
    told = any(evidence.has(name) for name in ("schedule", "parent_id", "own_flops"))
    if several_d and not told:
        yield Finding(
            name="checkpoints",
            severity="note",
            message=f"{counted(len(several_d), 'size')} with three or more D each, and no column"
            " (schedule, parent_id) says whether every row is the end of a run of its own",
            cure=f"If they are checkpoints: {_CURE[0].lower()}{_CURE[1:]}",
        )


def _same_settings(evidence: Evidence) -> list[list[int]]:
    """Rows of one N under the same labels, with different D, in the order of D."""
    d = evidence.numbers("D")
    labels = [evidence.texts(name) for name in evidence.labels() if name != "schedule"]
    shapes = [evidence.texts(name) for name in ("n_layer", "d_model", "seed", "learning_rate")]
    found: list[list[int]] = []
    for group in evidence.groups(rounded(evidence.numbers("N")), *labels, *shapes):
        ordered = sorted((row for row in group if d[row] == d[row]), key=lambda row: float(d[row]))
        if len({float(d[row]) for row in ordered}) > 1:
            found.append(ordered)
    return found


def _said(evidence: Evidence) -> tuple[str, list[int]]:
    """Text that speaks of checkpoints, of losses read between them, or smoothed over them."""
    for name in evidence.names():
        if name in ("run_id", "reason", "source"):
            continue
        texts = evidence.texts(name)
        rows = [row for row, text in enumerate(texts) if _SAYS_CHECKPOINT.search(text)]
        if rows:
            return f"the column {name!r} says {texts[rows[0]]!r}", rows
    return "", []


def _spaced(evidence: Evidence) -> tuple[str, list[int]]:
    """Five or more D at equal distances in one N: what is saved every so many steps.

    Runs that are planned to be compared are spaced by factors.
    """
    import numpy as np

    d = evidence.numbers("D")
    rows: list[int] = []
    groups = _same_settings(evidence)
    for group in groups:
        tokens = np.unique(d[group])
        gaps = np.diff(tokens)
        common = float(np.median(gaps)) if len(gaps) else 0.0
        if len(tokens) >= _LEAST_SPACED and (np.abs(gaps / common - 1) < 0.02).mean() > 0.8:
            rows += group
    if len(rows) < 0.3 * len(evidence):
        return "", []
    return "D rises in equal steps within one N, as checkpoints do", rows


def _of_one_run(evidence: Evidence) -> tuple[str, list[int]]:
    """One parent or one name with several D, and no word of a decay of their own."""
    import numpy as np

    d, own = evidence.numbers("D"), evidence.numbers("own_flops")
    schedule = evidence.texts("schedule")
    for name in ("parent_id", "name"):
        keys = evidence.texts(name)
        rows: list[int] = []
        for group in evidence.groups(keys, rounded(evidence.numbers("N"))):
            decayed = [bool(schedule[r]) and not _SAYS_CONSTANT.search(schedule[r]) for r in group]
            branches = all(decayed) or np.isfinite(own[group]).all()
            if keys[group[0]] and len({float(d[r]) for r in group}) > 1 and not branches:
                rows += group
        if len(rows) > 1:
            return f"rows with the same {name} have different D", rows
    return "", []


def _not_decayed(evidence: Evidence) -> Iterator[Finding]:
    names = [
        name
        for name in evidence.names()
        if name == "schedule" or any(word in name.lower() for word in ("lr_decay", "lr_schedule"))
    ]
    for name in names:
        texts = evidence.texts(name)
        rows = [row for row, text in enumerate(texts) if _SAYS_CONSTANT.search(text)]
        if not rows:
            continue
        every = len(rows) == len(evidence)
        yield Finding(
            name="not_decayed",
            severity="note" if every else "warning",
            message=f"the learning rate of {'all rows' if every else counted(len(rows), 'row')}"
            f" never fell ({name}: {several(dict.fromkeys(texts[r] for r in rows))}):"
            " losses are higher than those of decayed runs",
            cure="Fit decayed runs alone."
            if not every
            else "The law describes undecayed losses; a decayed run of the same cost is better.",
            rows=() if every else evidence.run_ids(rows),
        )


def _left_out(evidence: Evidence) -> Iterator[Finding]:
    """Rows whose status takes them out of a fit."""
    frame = evidence.runs.to_frame()
    pairs = zip(frame["run_id"].tolist(), frame["status"].tolist(), strict=True)
    bad = [(str(run_id), str(status)) for run_id, status in pairs if status not in ("", "ok")]
    if bad:
        counts = Counter(status for _, status in bad)
        shown = ", ".join(f"{number} {status}" for status, number in counts.most_common(4))
        yield Finding(
            name="unfinished",
            severity="note",
            message=f"{counted(len(bad), 'run')} did not end well and {_is(len(bad))} left out"
            f" ({shown})",
            cure="Where large runs diverge more often, the rest flatters the large sizes.",
            rows=tuple(run_id for run_id, _ in bad),
        )


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _outliers(evidence: Evidence) -> Iterator[Finding]:
    """Losses far off a smooth surface: diverged, wrong, or of another kind."""
    import numpy as np

    rest = surface_residuals(evidence)
    known = rest[np.isfinite(rest)]
    if not len(known):
        return
    scale = 1.4826 * float(np.median(np.abs(known)))
    limit = max(_WIDE, 8 * scale)
    rows = np.flatnonzero(np.abs(rest) > limit)
    if 0 < len(rows) <= 0.1 * len(known):
        worst = int(rows[np.argmax(np.abs(rest[rows]))])
        yield Finding(
            name="outliers",
            severity="warning",
            message=f"{counted(len(rows), 'loss', 'losses')} more than {limit:.0%} off a smooth"
            f" surface of N and D ({evidence.ids[worst]}: {rest[worst]:+.0%}): diverged,"
            " unfinished or misread",
            cure="Look at them; leave them out with a reason, or fit with --objective huber.",
            rows=evidence.run_ids(rows.tolist()),
        )


def _rising(evidence: Evidence) -> Iterator[Finding]:
    """More tokens and a clearly higher loss at the same N and settings."""
    d, loss, unique = (evidence.numbers(name) for name in ("D", "L", "U"))
    rows: list[int] = []
    for group in _same_settings(evidence):
        for before, after in pairwise(group):
            repeats = unique[after] < 0.5 * d[after]
            longer = d[after] > d[before] * 1.001
            if longer and not repeats and loss[after] > loss[before] * (1 + _RISE):
                rows.append(after)
    if rows:
        yield Finding(
            name="rising_loss",
            severity="warning",
            message=f"{counted(len(rows), 'row')} with more tokens and a loss more than 3% higher"
            " than another of the same N: diverged, unfinished, or other settings",
            cure="Look at them; leave them out with a reason.",
            rows=evidence.run_ids(rows),
        )


def _repeated_data(evidence: Evidence) -> Iterator[Finding]:
    import numpy as np

    epochs = evidence.numbers("D") / evidence.numbers("U")
    if np.isfinite(epochs).any() and float(np.nanmax(epochs)) > 1.01:
        yield Finding(
            name="repeated_data",
            severity="note",
            message=f"{counted(int((epochs > 1.01).sum()), 'row')} saw text more than once (up to"
            f" {np.nanmax(epochs):.3g} epochs): a repeated token is worth less than a new one",
            cure="Fit a data-constrained law (one with U), or rows of one epoch.",
        )
