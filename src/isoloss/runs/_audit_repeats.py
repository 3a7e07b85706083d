"""Checks of rows that stand beside each other: duplicates, views, sweeps, mixed data."""

from __future__ import annotations

from collections.abc import Iterator

from isoloss.runs._audit_evidence import Evidence, Finding, counted, rounded, several
from isoloss.runs._cells import content

_IDENTITY = frozenset({"run_id", "name", "source", "source_row", "created_at", "meta_seconds"})
_DATA = ("dataset", "tokenizer", "objective", "vocab_size")
_SETTINGS = ("learning_rate", "batch_tokens", "optimizer", "schedule", "weight_decay", "warmup")
_KNOWN_APART = frozenset({*_DATA, *_SETTINGS, "group", "seed", "architecture", "model"})
_SAME_LOSS = 1e-4
_SAME_SIZE = 5e-3
"""Rounding: 6.9B for 6,889,410,560."""
_SETTING_WORDS = {"lr", "wd", "warmup", "beta1", "beta2", "batch"}
_FEW_VALUES = 12
_NEIGHBOURS = 20
"""Rows of about the same loss that are compared with each."""
_ENOUGH = 0.1
"""Share of rows from which rows with the same N and D are a property of the table."""


def repeat_findings(evidence: Evidence) -> Iterator[Finding]:
    """The same run twice, several views or settings of one run, data that do not compare."""
    yield from _duplicates(evidence)
    yield from _near_duplicates(evidence)
    yield from _twins(evidence)
    yield from _mixed_data(evidence)
    yield from _groups(evidence)


def _duplicates(evidence: Evidence) -> Iterator[Finding]:
    rows = evidence.runs.used().rows()
    said = [content(row, leave_out=_IDENTITY) for row in rows]
    twice = [row for group in evidence.groups(said) for row in group[1:]]
    if twice:
        yield Finding(
            name="duplicates",
            severity="warning",
            message=f"{counted(len(twice), 'row')} say what another row says under another id:"
            " each counts twice in a fit",
            cure="Leave one of each out: runs.where(mask, reason).",
            rows=evidence.run_ids(twice),
        )


def _near_duplicates(evidence: Evidence) -> Iterator[Finding]:
    """Equal N and D up to rounding and nearly the same loss, but not the same text."""
    import numpy as np

    n, d, loss = (evidence.numbers(name) for name in ("N", "D", "L"))
    said = [content(row, leave_out=_IDENTITY) for row in evidence.runs.used().rows()]
    seeds = evidence.texts("seed")
    order: list[int] = np.argsort(loss, kind="stable").tolist()
    twice: set[int] = set()
    for place, row in enumerate(order):
        for other in order[place + 1 : place + _NEIGHBOURS]:
            if not loss[other] - loss[row] <= _SAME_LOSS * loss[row]:
                break
            sizes = np.abs(np.log([n[row] / n[other], d[row] / d[other]]))
            if sizes.max() < _SAME_SIZE and seeds[row] == seeds[other] and said[row] != said[other]:
                twice.add(max(row, other))
    if twice:
        yield Finding(
            name="near_duplicates",
            severity="warning",
            message=f"{counted(len(twice), 'row')} with the loss (to 0.01%) and about the N and D"
            " of another: perhaps one run from two sources",
            cure="Look at them; leave one of each out, or give their seeds.",
            rows=evidence.run_ids(sorted(twice)),
        )


def _twins(evidence: Evidence) -> Iterator[Finding]:
    """Rows with the same N and D, and which columns tell them apart."""
    twins = [
        group
        for group in evidence.groups(
            rounded(evidence.numbers("N")), rounded(evidence.numbers("D")), *_shapes(evidence)
        )
        if len(group) > 1
    ]
    rows = [row for group in twins for row in group]
    if len(rows) < max(2, _ENOUGH * len(evidence)):
        return
    views = [
        name
        for name in evidence.labels()
        if name not in _KNOWN_APART and _varies(evidence.texts(name), twins)
    ]
    if views:
        yield _views(evidence, views, rows)
    settings = [
        name
        for name in (*_SETTINGS, *_like_settings(evidence))
        if evidence.has(name) and _varies(evidence.texts(name), twins)
    ]
    if settings:
        yield Finding(
            name="sweep",
            severity="warning",
            message=f"{counted(len(rows), 'row')} share N and D with another and differ in"
            f" {several(dict.fromkeys(settings))}: a sweep of settings is mixed into the table",
            cure="Keep the best setting of each N and D: a law describes tuned runs.",
            rows=evidence.run_ids(rows),
        )
    if not views and not settings and not _told_apart(evidence, twins):
        yield Finding(
            name="repetitions",
            severity="note",
            message=f"{counted(len(rows), 'row')} share N and D with another, and no column says"
            " how they differ",
            cure="If they are seeds, give them a column seed.",
            rows=evidence.run_ids(rows),
        )


def _shapes(evidence: Evidence) -> list[list[str]]:
    return [evidence.texts(name) for name in ("n_layer", "d_model") if evidence.has(name)]


def _varies(texts: list[str], groups: list[list[int]]) -> bool:
    """Whether a column differs within at least half of the groups."""
    differing = sum(len({texts[row] for row in group}) > 1 for group in groups)
    return differing >= max(1, len(groups) / 2)


def _like_settings(evidence: Evidence) -> list[str]:
    """Columns of numbers that are named like a setting of the optimiser."""
    return [
        name
        for name in evidence.names()
        if name not in _SETTINGS
        and _SETTING_WORDS & set(name.lower().split("_"))
        and len(set(evidence.texts(name))) <= _FEW_VALUES
    ]


def _told_apart(evidence: Evidence, twins: list[list[int]]) -> bool:
    names = (*_DATA, "seed", "group", "architecture", "unique_tokens", "params_active")
    return any(evidence.has(n) and _varies(evidence.texts(n), twins) for n in names)


def _views(evidence: Evidence, names: list[str], rows: list[int]) -> Finding:
    names = sorted(names, key=lambda name: len(evidence.distinct(name)))
    shown = "; ".join(f"{name}: {several(evidence.distinct(name), 5)}" for name in names[:3])
    return Finding(
        name="mixed_views",
        severity="warning",
        message=f"{counted(len(rows), 'row')} share N and D with another and differ in a label:"
        f" several views of the same runs, or several experiments, are mixed ({shown})",
        cure=f'Take one, that of final losses: runs.where(lambda r: r["{names[0]}"] == …).',
        rows=evidence.run_ids(rows),
    )


def _mixed_data(evidence: Evidence) -> Iterator[Finding]:
    for name in ("dataset", "tokenizer", "objective", "metric_name"):
        values = evidence.distinct(name)
        if len(values) > 1:
            yield Finding(
                name=f"mixed_{'metrics' if name == 'metric_name' else name + 's'}",
                severity="warning",
                message=f"{counted(len(values), name, _plural(name))} ({several(values)}): their"
                f" losses do not compare{_in_nats(name)}",
                cure=_cure_of_data(evidence, name),
            )
    sizes = sorted({float(v) for v in evidence.numbers("V") if v == v})
    if len(sizes) > 1 and len(evidence.distinct("tokenizer")) < 2:
        yield Finding(
            name="mixed_tokenizers",
            severity="warning",
            message=f"{len(sizes)} sizes of vocabulary ({several(f'{v:.0f}' for v in sizes)}):"
            " losses in nats per token do not compare between tokenisers",
            cure=_cure_of_data(evidence, "tokenizer"),
        )


def _plural(name: str) -> str:
    return {"metric_name": "metrics"}.get(name, f"{name}s")


def _in_nats(name: str) -> str:
    return " in nats per token" if name == "tokenizer" else ""


def _cure_of_data(evidence: Evidence, name: str) -> str:
    if name == "tokenizer":
        there = evidence.has("bits_per_byte")
        how = "the column is there" if there else "loss / ln 2 / bytes per token"
        return f"Use bits_per_byte as the loss ({how}), or fit one tokeniser at a time."
    if name in ("metric_name", "objective"):
        return f"Keep one: runs.where(lambda r: r[{name!r}] == …)."
    return f'Fit each on its own: il.fit_groups(runs, by="{name}"), or keep one.'


def _groups(evidence: Evidence) -> Iterator[Finding]:
    values = evidence.distinct("group")
    if len(values) > 1:
        yield Finding(
            name="groups",
            severity="note",
            message=f"{counted(len(values), 'group')} ({several(values)}): one law for all of"
            " them says nothing of their differences",
            cure='il.fit_groups(runs, by="group") fits each, il.compare_arms compares two.',
        )
