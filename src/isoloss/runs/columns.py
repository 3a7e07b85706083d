"""Names of the run table: columns, the variables of formulas, and whose name is whose."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Literal

from isoloss.errors import DataError

Kind = Literal["text", "count", "positive", "not_negative", "number", "free"]
"""What a column holds: `count` and `positive` exceed zero; `free` is whatever it looks like."""

COLUMNS: dict[str, Kind] = {
    "run_id": "text",
    "name": "text",
    "group": "text",
    "parent_id": "text",
    "seed": "number",
    "params_total": "count",
    "params_non_embedding": "count",
    "params_matmul": "count",
    "params_active": "count",
    "n_layer": "count",
    "d_model": "count",
    "n_head": "count",
    "d_ff": "count",
    "vocab_size": "count",
    "context_length": "count",
    "tokens": "count",
    "unique_tokens": "count",
    "steps": "count",
    "batch_tokens": "count",
    "learning_rate": "positive",
    "schedule": "text",
    "optimizer": "text",
    "flops": "positive",
    "flops_convention": "text",
    "own_flops": "not_negative",
    "loss": "positive",
    "loss_se": "not_negative",
    "loss_unit": "text",
    "bits_per_byte": "positive",
    "dataset": "text",
    "tokenizer": "text",
    "architecture": "text",
    "objective": "text",
    "status": "text",
    "reason": "text",
    "source": "text",
    "source_row": "free",
    "created_at": "text",
}
"""The columns of docs/design.md §3 in their order; `metric_*`, `meta_*` and others may follow."""

ALIASES: dict[str, str] = {
    "D": "tokens",
    "C": "flops",
    "U": "unique_tokens",
    "L": "loss",
    "V": "vocab_size",
    "lr": "learning_rate",
    "B": "batch_tokens",
}
"""Variables of formulas that are columns. `N` is one of `params_*`; `M` is `tokens` over `N`."""

N_ORDER = ("params_matmul", "params_non_embedding", "params_total")
"""Which count is N where nothing is said: the first that every used row has."""

NOT_CONTENT = frozenset({"created_at", "meta_seconds"})
"""Columns that say when a run was made, not what it was: no part of a hash."""

# What a column is called elsewhere, in lower case; any name that holds the last one is close too.
_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "loss": ("l", "loss"),
    "params_total": ("n", "size", "param"),
    "tokens": ("d", "token"),
    "flops": ("c", "compute", "flop"),
}


def kind_of(name: str) -> Kind:
    """What a column holds; any `params_*` is a count, columns we do not know are free.

    >>> kind_of("params_body"), kind_of("metric_arc")
    ('count', 'free')
    """
    if name.startswith("params_"):
        return "count"
    return COLUMNS.get(name, "free")


def ordered(names: Iterable[str]) -> list[str]:
    """Our columns in the order of `COLUMNS`, then the others in the order they came."""
    given = list(names)
    ours = [name for name in COLUMNS if name in given]
    return ours + [name for name in given if name not in COLUMNS]


def close_names(wanted: str, found: Iterable[str], n: int = 3) -> list[str]:
    """Names in a table that may mean `wanted`, the likeliest first.

    >>> close_names("tokens", ["Model", "Training Tokens", "Epochs"])
    ['Training Tokens']
    """
    given = list(found)
    elsewhere = _ELSEWHERE.get(wanted, ())
    likely = [name for name in given if name.lower() in (wanted, *elsewhere)]
    if elsewhere:
        likely += [name for name in given if elsewhere[-1] in name.lower()]
    lower = {name.lower(): name for name in given}
    likely += [lower[key] for key in difflib.get_close_matches(wanted.lower(), lower, n=n)]
    return list(dict.fromkeys(likely))[:n]


def missing_column(wanted: str, found: Iterable[str], *, label: str, what: str = "") -> DataError:
    """The error for a column that is needed and absent, with what may have been meant.

    Args:
        wanted: our name of the column.
        found: the columns of the table.
        label: the file, or "the table".
        what: the sentence's object where it is more than the column.
    """
    given = list(found)
    close = close_names(wanted, given)
    meant = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    listed = ", ".join(given[:20]) + (f" and {len(given) - 20} more" if len(given) > 20 else "")
    example = close[0] if close else "THEIR NAME"
    return DataError(
        f"{label}: no column {what or repr(wanted)}{meant or '.'} Found: {listed or 'none'}.",
        hint=f'Name it with --map "{wanted}={example}"'
        f" (in Python: columns={{{example!r}: {wanted!r}}}).",
    )


def renamed(
    names: list[str], columns: Mapping[str, str] | None, *, label: str
) -> tuple[list[str], dict[str, str]]:
    """Our names of a table's columns, given the mapping their name → our name.

    A column that already bears a name which the mapping gives to another is kept as `meta_NAME`.

    Returns:
        The new names, in the table's order, and for each mapped name of ours theirs.

    Raises:
        DataError: the table has no such column, or two of its columns would get one name.
    """
    mapping = dict(columns or {})
    for theirs, ours in mapping.items():
        if theirs not in names:
            raise _unknown(theirs, ours, names, label)
    origin = {ours: theirs for theirs, ours in mapping.items()}
    if len(origin) < len(mapping):
        twice = next(o for t, o in mapping.items() if origin[o] != t)
        both = [theirs for theirs, ours in mapping.items() if ours == twice]
        raise DataError(
            f"{label}: the columns {' and '.join(map(repr, both))} are both mapped to {twice!r}",
            hint="Map one column to each name.",
        )
    result = [mapping.get(name, f"meta_{name}" if name in origin else name) for name in names]
    for name in result:
        if result.count(name) > 1:
            raise DataError(
                f"{label}: two columns would be called {name!r}",
                hint="Give each column a name of its own, in the table or with --map.",
            )
    return result, {ours: theirs for ours, theirs in origin.items() if ours != theirs}


def _unknown(theirs: str, ours: str, names: list[str], label: str) -> DataError:
    close = difflib.get_close_matches(theirs, names, n=3, cutoff=0.5)
    if ours in names:
        hint = f"The table has {ours!r} under our name already; or is it the other way round?"
    elif close:
        hint = f"Did you mean {' or '.join(map(repr, close))}?"
    else:
        hint = f"The columns are: {', '.join(names[:20])}"
    return DataError(f"{label}: no column {theirs!r} to map to {ours!r}", hint=hint)
