"""Rows of tables and of logs, with what was derived, what is missing, and ids."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.runs._cells import is_empty, usable
from isoloss.runs.columns import kind_of, missing_column, renamed
from isoloss.runs.importers._flat import flat
from isoloss.runs.importers._logs import number_of
from isoloss.runs.importers._points import number as as_number
from isoloss.runs.importers.derivation import derived
from isoloss.runs.importers.formats import Format
from isoloss.runs.importers.history import RunHistory
from isoloss.runs.importers.mapping import Mapped, map_names
from isoloss.runs.importers.model_config import Shape, resized, shape_of
from isoloss.runs.importers.names import normal
from isoloss.runs.importers.points import HELPERS, add_unit, rows_of
from isoloss.runs.reading import read_table
from isoloss.runs.table import Runs
from isoloss.runs.units import scaled

Row = dict[str, Any]

EMPTY = frozenset({"", "nan", "na", "n/a", "null", "none", "-"})
"""What tables write where there is no number."""

SMALLEST = {"params_": 1e4, "tokens": 1e4}
"""Medians below these are no absolute counts of a language model, or have to be said to be."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """Rows of a source and what is to be told of them."""

    rows: list[Row]
    mapping: tuple[Mapped, ...] = ()
    derived: Mapping[str, int] = field(default_factory=dict[str, int])
    notes: tuple[str, ...] = ()
    unconfirmed: tuple[str, ...] = ()


def table_rows(
    one: Format, where: str, given: Mapping[str, str], shape: Shape, *, lenient: bool
) -> Made:
    """The rows of a table file or of a store; `lenient` as in `map_names`.

    Raises:
        DataError: as `Runs.read` and `map_names`.
    """
    if one.name == "isoloss-store":
        from isoloss.runs.importers.stores import read_store

        if given and not lenient:
            raise UsageError(f"--map is for tables and logs; {where} has our column names already")
        return Made(rows=Runs.from_rows(read_store(Path(where)), label=where).rows())
    raw = _flat_columns(_read(one, where))
    numbers = {name for name, values in raw.items() if _holds_numbers(values)}
    mapping, notes = map_names(list(raw), given, label=where, numbers=numbers, lenient=lenient)
    names, _ = renamed(list(raw), {m.theirs: m.ours for m in mapping}, label=where)
    factors = {m.ours: m.factor for m in mapping}
    cells = [
        [_parsed(name, value, factors.get(name, 1.0)) for value in raw[theirs]]
        for name, theirs in zip(names, raw, strict=True)
    ]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]
    for row in rows:
        add_unit(row, mapping)
    shapes = [resized(shape, row) for row in rows]
    reasons = dict.fromkeys(shape.reason for shape in shapes if shape.reason)
    full, counts, differing, lacking = _completed(rows, shapes)
    _refuse_lacking(full, names, where, list(reasons))
    mapping, unconfirmed = _suspicious(mapping, rows)
    checked = _with_ids(full, where, numbered=True)
    repeated = len(full) - len(checked)
    dropped = [f"{where}: {repeated} rows repeat another and are dropped"] if repeated else []
    return Made(
        rows=checked,
        mapping=mapping,
        derived=counts,
        notes=(*notes, *differing, *_told(lacking), *reasons, *dropped),
        unconfirmed=unconfirmed,
    )


def log_rows(
    histories: Sequence[RunHistory],
    mapping: tuple[Mapped, ...],
    shape: Shape,
    *,
    every: bool,
    free: bool,
) -> Made:
    """The rows of runs with curves.

    Args:
        histories: the runs.
        mapping: which name is which column, for all of them.
        shape: given by the user, or empty.
        every: a row each measured loss; those of one run get its last row's id as `parent_id`.
        free: whether units are the user's own, so that small counts have to be confirmed.
    """
    rows: list[Row] = []
    raw: list[Row] = []
    derived_in: Counter[str] = Counter()
    notes: list[str] = []
    lacking: Counter[str] = Counter()
    for history in histories:
        made, told = rows_of(history, mapping, every=every)
        own = shape_of(history.config, origin=f"the config of {history.name}")
        chosen = resized(shape, made[-1]) if shape.config is not None else own
        full, counts, differing, missing = _completed(made, [chosen] * len(made))
        checked = _with_ids(full, history.source, numbered=False)
        if every:
            checked = [{**row, "parent_id": checked[-1]["run_id"]} for row in checked]
        rows += checked
        raw += made
        derived_in.update(counts)
        lacking.update(missing)
        said = [*told, *(f"{history.name}: {note}" for note in history.notes), *differing]
        notes += [*said, *([f"{history.name}: {chosen.reason}"] if chosen.reason else [])]
    unconfirmed: tuple[str, ...] = ()
    if free:
        mapping, unconfirmed = _suspicious(mapping, raw)
    return Made(
        rows=rows,
        mapping=mapping,
        derived=derived_in,
        notes=(*notes, *_told(lacking)),
        unconfirmed=unconfirmed,
    )


def _read(one: Format, where: str) -> dict[str, list[Any]]:
    path = Path(where)
    if not path.exists():
        raise NotFoundError(f"{where}: no such file", hint="Check the path.")
    wanted = {"csv": ".csv", "tsv": ".tsv", "jsonl": ".jsonl", "parquet": ".parquet"}[one.name]
    return read_table(path, suffix=wanted)


def _flat_columns(raw: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Columns of objects as one column a key."""
    if not any(isinstance(value, dict) for column in raw.values() for value in column):
        return raw
    rows = [
        flat({name: column[index] for name, column in raw.items()})
        for index in range(max(map(len, raw.values())))
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _holds_numbers(values: list[Any]) -> bool:
    """Whether a column has numbers and nothing else, but for gaps."""
    given = [value for value in values if not is_empty(value)]
    words = [value.strip() for value in given if isinstance(value, str)]
    words = [word for word in words if word.lower() not in EMPTY]
    plain = sum(isinstance(value, (int, float)) for value in given)
    return bool(words or plain) and all(number_of(word) is not None for word in words)


def _parsed(name: str, value: Any, factor: float) -> Any:
    """A cell in our unit; text that is a number becomes one where the column holds numbers."""
    product = scaled(value, factor)
    if isinstance(product, str) and kind_of(name) not in ("text", "free"):
        word = product.strip()
        if word.lower() in EMPTY:
            return None
        number = number_of(word) if word[-1:].isdigit() and "," not in word else None
        return product if number is None else number
    return product


def _completed(
    rows: list[Row], shapes: list[Shape]
) -> tuple[list[Row], Counter[str], list[str], Counter[str]]:
    """Rows with what can be derived, and a reason where they still lack what a fit needs.

    Returns:
        The rows, how many of them have each derived column, what does not agree, and how many
        lack what.
    """
    full: list[Row] = []
    counts: Counter[str] = Counter()
    differing: Counter[str] = Counter()
    lacking: Counter[str] = Counter()
    for row, shape in zip(rows, shapes, strict=True):
        helpers = {
            ours: value
            for ours, names in HELPERS.items()
            for theirs, value in row.items()
            if normal(theirs) in names and ours not in row
        }
        made, how, notes = derived(row | helpers, shape)
        made = {name: value for name, value in made.items() if name not in helpers}
        counts.update(how.keys())
        differing.update(notes)
        missing = _missing(made)
        used = usable(made)
        if missing and used:
            made["reason"] = "; ".join(missing)
            lacking.update(missing)
        full.append(made)
    return full, counts, list(differing), lacking


def _told(lacking: Counter[str]) -> list[str]:
    return [f"{n} row{'' if n == 1 else 's'}: {text}" for text, n in lacking.items()]


def _missing(row: Row) -> list[str]:
    missing: list[str] = []
    if all(is_empty(value) for name, value in row.items() if name.startswith("params_")):
        missing.append("no count of parameters: give --config, or --map params_total=…")
    if is_empty(row.get("tokens")) and is_empty(row.get("flops")):
        missing.append("no tokens and no flops: give --map tokens=…")
    if is_empty(row.get("loss")):
        missing.append("no loss: give --loss")
    return missing


def _refuse_lacking(rows: list[Row], names: list[str], label: str, reasons: list[str]) -> None:
    """A table of which no row has what a fit needs is refused: its columns are called otherwise."""
    if not rows or not all(_missing(row) for row in rows):
        return
    if all(is_empty(row.get("loss")) for row in rows):
        raise missing_column("loss", names, label=label)
    if all(is_empty(v) for row in rows for n, v in row.items() if n.startswith("params_")):
        if reasons:
            raise DataError(f"{label}: {reasons[0]}", hint="Give another --config.")
        raise missing_column("params_total", names, label=label, what="that counts parameters")
    if all(is_empty(row.get(name)) for row in rows for name in ("tokens", "flops")):
        raise missing_column("tokens", names, label=label, what="'tokens' (nor 'flops')")


def _suspicious(
    mapping: tuple[Mapped, ...], rows: list[Row]
) -> tuple[tuple[Mapped, ...], tuple[str, ...]]:
    """Columns whose unit has to be confirmed: the header says one, or the values are too small."""
    checked: list[Mapped] = []
    flags: list[str] = []
    for one in mapping:
        if one.unconfirmed:
            flags.append(f"{one.flag()} (the header says the unit)")
        limit = next((v for start, v in SMALLEST.items() if one.ours.startswith(start)), None)
        numbers = [n for row in rows if (n := as_number(row.get(one.ours))) is not None]
        low = bool(numbers) and limit is not None and statistics.median(numbers) < limit
        if low and one.how != "given" and not one.unconfirmed:
            note = f"values about {statistics.median(numbers):g} are hardly absolute counts"
            one = replace(one, unconfirmed=True, note=note)
            flags.append(
                f'--map "{one.ours}={one.theirs}:1e9" ({note}; :1e6 for millions, :1 if they are)'
            )
        checked.append(one)
    return tuple(checked), tuple(flags)


def _with_ids(rows: list[Row], source: str, *, numbered: bool) -> list[Row]:
    """Checked rows, each with an id made from what it says, and then where it came from.

    The file's name is no part of what a run is: the same run from another folder has one id.
    """
    checked = Runs.from_rows(rows, label=source).rows()
    if len(checked) < len(rows):
        # Repeats were dropped, so that rows have no number any more.
        numbered = False
    return [
        {"source": source, **({"source_row": index + 1} if numbered else {}), **row}
        for index, row in enumerate(checked)
    ]
