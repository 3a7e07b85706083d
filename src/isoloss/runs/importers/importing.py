"""Runs from whatever holds them: tables, logs and folders of many runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from isoloss.errors import DataError, UsageError
from isoloss.runs.importers._rows import Made, log_rows, table_rows
from isoloss.runs.importers.formats import Format
from isoloss.runs.importers.history import RunHistory
from isoloss.runs.importers.imported import Imported, Source
from isoloss.runs.importers.locating import Located, located
from isoloss.runs.importers.mapping import map_names
from isoloss.runs.importers.model_config import Shape, given_shape
from isoloss.runs.importers.points import names_of, rising
from isoloss.runs.scores import is_scores_only, score_changes
from isoloss.runs.table import Runs
from isoloss.runs.units import split_factor

Points = Literal["last", "all"]


def import_runs(
    source: str | Path | Sequence[str | Path],
    *,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    config: str | Path | None = None,
    points: Points = "last",
    loss: str | None = None,
    preview: bool = False,
) -> Imported:
    """Read runs of any known format; nothing is written.

    Args:
        source: files, folders of many runs, or addresses such as `wandb:ENTITY/PROJECT`.
        format: a name of `FORMATS`; told by name and content where None.
        columns: their name → our name, with a factor where the unit differs, as in
            {"Tokens (B)": "tokens:1e9"}; of logs also "config.KEY" and "summary.KEY". What is
            not given is guessed from common names.
        config: a model's shape for runs whose source says none, or not enough: a JSON or TOML
            file, a Hugging Face config.json, or the name of a public model.
        points: the `last` measured loss of a run, or `all` of them; those before the last are
            marked with `meta_checkpoint` and share the last one's id as `parent_id`.
        loss: the name of the loss, where a source has several.
        preview: give counts whose unit is not confirmed, rather than refuse them.

    Raises:
        NotFoundError: a source is not there.
        DataError: it is not what it seems, a column may be one of several, or a unit has to be
            confirmed.
        UsageError: a wrong format, mapping or config.
    """
    if points not in ("last", "all"):
        raise UsageError(f"points must be 'last' or 'all', found {points!r}")
    given = dict(columns or {})
    if loss is not None:
        if any(split_factor(text)[0] == "loss" for text in given.values()):
            raise UsageError("the loss is given twice: by --map and by --loss")
        given[loss] = "loss"
    sources = [source] if isinstance(source, (str, Path)) else list(source)
    shape = given_shape(str(config)) if config is not None else Shape()
    found, skipped = located([str(one) for one in sources], format)
    tables = [item for item in found if item[0].kind == "table"]
    formats = dict.fromkeys(one for one, _, _ in found if one.kind != "table")
    gathered = _Gathered(
        skipped=skipped, given=given, shape=shape, lenient=len(tables) + len(formats) > 1
    )
    for one, where, _ in tables:
        gathered.add_table(one, where)
    for one in formats:
        gathered.add_logs(one, [item for item in found if item[0] == one], points)
    return gathered.finished(preview=preview)


@dataclass(kw_only=True)
class _Gathered:
    """What has been read so far."""

    skipped: dict[str, str]
    given: Mapping[str, str]
    shape: Shape
    lenient: bool
    rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    sources: list[Source] = field(default_factory=list[Source])
    derived: Counter[str] = field(default_factory=Counter[str])
    notes: list[str] = field(default_factory=list[str])
    unconfirmed: list[str] = field(default_factory=list[str])

    def add_table(self, one: Format, where: str) -> None:
        """Add the rows of a table or a store."""
        made = table_rows(one, where, self.given, self.shape, lenient=self.lenient)
        self._add(made, one, where)

    def add_logs(self, one: Format, items: list[Located], points: Points) -> None:
        """Add the runs of all logs of one format; their columns are mapped together."""
        histories: list[RunHistory] = []
        for _, where, in_folder in items:
            try:
                histories += one.read(where)
            except DataError as error:
                if not in_folder:
                    raise
                self.skipped[where] = error.message
        if not histories:
            return
        more = f" and {len(histories) - 1} more" if len(histories) > 1 else ""
        label = f"{histories[0].source}{more}"
        names = names_of(histories)
        numbers = {name for name, is_number in names.items() if is_number}
        mapping, notes = map_names(
            list(names), self.given, label=label, numbers=numbers, log=True, lenient=self.lenient
        )
        mapping, flat = rising(mapping, histories)
        made = log_rows(histories, mapping, self.shape, every=points == "all", free=one.free)
        self._add(made, one, label, [*notes, *flat])

    def _add(self, made: Made, one: Format, label: str, notes: Sequence[str] = ()) -> None:
        self.rows += made.rows
        self.derived.update(made.derived)
        self.notes += [*notes, *made.notes]
        self.unconfirmed += made.unconfirmed
        self.sources.append(
            Source(label=label, format=one.name, n_rows=len(made.rows), mapping=made.mapping)
        )

    def _refuse_unused(self) -> None:
        """A given name that no source has is a mistake."""
        used = {one.ours for source in self.sources for one in source.mapping if one.how == "given"}
        for theirs, text in self.given.items():
            if split_factor(text)[0] not in used:
                raise DataError(
                    f"no source has {theirs!r} to map to {split_factor(text)[0]!r}",
                    hint="Import one of them with --dry-run to see its names.",
                )

    def finished(self, *, preview: bool) -> Imported:
        """The import as a whole."""
        if self.lenient:
            self._refuse_unused()
        if not self.rows:
            why = next(iter(self.skipped.values()), "no runs")
            raise DataError(f"nothing to import: {why}", hint="Give other files, or a --format.")
        if self.unconfirmed and not preview:
            raise DataError(
                "the unit of a column has to be confirmed",
                hint=f"Say what it is: {'; '.join(self.unconfirmed)}.",
            )
        return Imported(
            runs=_combined(self.rows),
            sources=tuple(self.sources),
            derived=dict(self.derived),
            notes=tuple(dict.fromkeys(self.notes)),
            skipped=dict(self.skipped),
            unconfirmed=tuple(self.unconfirmed),
        )


def _combined(rows: list[dict[str, Any]]) -> Runs:
    """All rows as one table; a run that two sources have is taken from the first.

    Scores of a run are joined to its row.
    """
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        known = first.setdefault(row["run_id"], row)
        if known is not row and (is_scores_only(row) or is_scores_only(known)):
            run, scores = (known, row) if is_scores_only(row) else (row, known)
            first[row["run_id"]] = {**run, **score_changes(run, scores)}
        elif known is not row and _what(known) != _what(row):
            raise DataError(
                f"{known['source']} and {row['source']} have the same run_id {row['run_id']!r} "
                "but differ",
                hint="Import them one at a time, or give each run an id of its own.",
            )
    return Runs.from_rows(first.values(), label="the import")


def _what(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _WHENCE}


_WHENCE = frozenset({"source", "source_row", "created_at"})
