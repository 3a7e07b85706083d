"""The store: runs and registered events in one file of SQLite, or in PostgreSQL."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from isoloss._files import canonical_json, sha256_text
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.runs._database import Database, open_database
from isoloss.runs.table import Runs

if TYPE_CHECKING:
    from sqlalchemy import Connection

_FIRST = "0" * 64
"""What the hash of the first event is chained to."""
_AMENDMENT = "amendment"
_AT_ONCE = 500
"""Ids in one question to the database; SQLite takes no more than 999 in old versions."""


@dataclass(frozen=True, eq=False, repr=False)
class RunStore:
    """Runs by id, and events: both can be added, neither is ever changed.

    What becomes known of a run later is appended as an amendment (`amend`), which `get`, `rows`
    and `runs` apply; `history` tells what was said when.

    Each addition is one durable transaction: it is on the disk when the call comes back, or
    not there at all. Several processes may read and write at once. Open one with `open`.

    Events are chained: each stores the SHA-256 of the hash before it and its own canonical
    JSON; triggers refuse changes. `verify` finds an event that was changed in spite of them.
    It cannot find that somebody cut off the end, or computed the whole chain anew.
    """

    _database: Database

    @classmethod
    def open(cls, path_or_url: str | Path, create: bool = True) -> RunStore:
        """Open a store: the path of a file, or a URL such as postgresql://user@host/database.

        Args:
            path_or_url: where it lies.
            create: make it, and its folder, where there is none.

        Raises:
            NotFoundError: there is none and `create` is false.
            DataError: the file is no database, or belongs to another application; it is not
                touched.
            EnvironmentProblem: it cannot be opened or written.
        """
        return cls(open_database(path_or_url, create=create))

    def __repr__(self) -> str:
        return f"<RunStore: {self._database.label}>"

    def __enter__(self) -> RunStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store; it is of no use after that."""
        self._database.close()

    def add_run(self, row: Mapping[str, Any]) -> bool:
        """Add a run, unless one with its `run_id` is there: the first one wins.

        Numbers that are not finite become null.

        Returns:
            Whether it was added.

        Raises:
            DataError: the row has no `run_id`, or holds what JSON does not know.
        """
        return self.add_runs([row]) == 1

    def add_runs(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Add many runs in one transaction: all are there when it comes back, or none is.

        Runs whose `run_id` is there already, or came before in `rows`, are passed over.

        Returns:
            How many were added.

        Raises:
            DataError: a row has no `run_id`, or holds what JSON does not know; none is added.
        """
        texts: dict[str, str] = {}
        for row in rows:
            plain = cast("dict[str, Any]", _plain(dict(row)))
            text = json.dumps(plain, ensure_ascii=False, allow_nan=False)
            texts.setdefault(_run_id(plain), text)
        if not texts:
            return 0
        with self._database.writing() as connection:
            known = _known(connection, list(texts))
            statement = "SELECT COALESCE(MAX(position), 0) FROM isoloss_runs"
            last = int(_execute(connection, statement).scalar())
            new = [
                {"position": last + number, "run_id": run_id, "row": texts[run_id]}
                for number, run_id in enumerate((i for i in texts if i not in known), start=1)
            ]
            if new:
                statement = (
                    'INSERT INTO isoloss_runs (position, run_id, "row")'
                    " VALUES (:position, :run_id, :row)"
                )
                _execute_many(connection, statement, new)
        return len(new)

    def amend(self, run_id: str, changes: Mapping[str, Any], *, why: str) -> int:
        """Append what became known of a run after it was added; its first row stays.

        Args:
            run_id: which run.
            changes: column → new value; None empties a cell.
            why: a sentence for the history.

        Returns:
            The id of the event.

        Raises:
            NotFoundError: no such run; UsageError: no reason, or `run_id` is to be changed;
            DataError: the changed row is no valid row of a run table.
        """
        if not why.strip() or not changes or "run_id" in changes:
            raise UsageError(
                "an amendment needs changes of other columns than 'run_id', and a reason",
                hint='For example: store.amend(run_id, {"reason": "a spike"}, why="seen later")',
            )
        Runs.from_rows([{**self.get(run_id), **changes}], label=f"the amended run {run_id!r}")
        payload = {"run_id": run_id, "changes": dict(changes), "why": why}
        return self.add_event(_AMENDMENT, payload)

    def history(self, run_id: str) -> list[dict[str, Any]]:
        """What was said of a run, the oldest first.

        Returns:
            First `{"row": …}` as it was added, then the events that name the run (amendments
            and others with its `run_id`), each with `id`, `kind`, `at`, `payload` and `hash`.

        Raises:
            NotFoundError: there is no such run.
        """
        events = [event for event in self.events() if event["payload"].get("run_id") == run_id]
        return [{"row": self._first(run_id)}, *events]

    def has(self, run_id: str) -> bool:
        """Whether a run with this id is there."""
        with self._database.reading() as connection:
            return _has(connection, run_id)

    def get(self, run_id: str) -> dict[str, Any]:
        """The row of a run, amendments applied.

        Raises:
            NotFoundError: there is no such run.
        """
        return _amended(self._first(run_id), self.events(_AMENDMENT))

    def _first(self, run_id: str) -> dict[str, Any]:
        with self._database.reading() as connection:
            statement = 'SELECT "row" FROM isoloss_runs WHERE run_id = :run_id'
            found = _execute(connection, statement, run_id=run_id).scalar()
        if found is None:
            raise NotFoundError(
                f"{self._database.label}: no run {run_id!r}", hint="`rows()` lists all."
            )
        return self._parsed(str(found))

    def rows(self) -> list[dict[str, Any]]:
        """All rows, in the order in which they were added, amendments applied."""
        with self._database.reading() as connection:
            statement = 'SELECT "row" FROM isoloss_runs ORDER BY position'
            found = _execute(connection, statement).scalars().all()
        later: dict[str, list[dict[str, Any]]] = {}
        for event in self.events(_AMENDMENT):
            later.setdefault(str(event["payload"]["run_id"]), []).append(event)
        rows = [self._parsed(str(text)) for text in found]
        return [_amended(row, later.get(str(row["run_id"]), [])) for row in rows]

    def runs(self) -> Runs:
        """All runs as a checked table.

        Raises:
            DataError: there are none, or a row is wrong.
        """
        return Runs.from_rows(self.rows(), label=self._database.label)

    def add_event(self, kind: str, payload: Mapping[str, Any]) -> int:
        """Add an event for good: stamped with the time (UTC) and chained to the one before.

        Returns:
            Its id; ids count from 1.
        """
        plain = cast("dict[str, Any]", _plain(dict(payload)))
        with self._database.writing() as connection:
            statement = "SELECT id, hash FROM isoloss_events ORDER BY id DESC LIMIT 1"
            last = _execute(connection, statement).one_or_none()
            number, before = (1, _FIRST) if last is None else (int(last[0]) + 1, str(last[1]))
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            _execute(
                connection,
                "INSERT INTO isoloss_events (id, kind, at, payload, hash)"
                " VALUES (:id, :kind, :at, :payload, :hash)",
                id=number,
                kind=kind,
                at=at,
                payload=canonical_json(plain),
                hash=_chained(before, number, kind, at, plain),
            )
        return number

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Events in their order, each with `id`, `kind`, `at`, `payload` and `hash`."""
        which = "" if kind is None else "WHERE kind = :kind "
        values = {} if kind is None else {"kind": kind}
        statement = f"SELECT id, kind, at, payload, hash FROM isoloss_events {which}ORDER BY id"
        with self._database.reading() as connection:
            found = _execute(connection, statement, **values).all()
        return [
            {
                "id": int(row[0]),
                "kind": str(row[1]),
                "at": str(row[2]),
                "payload": self._parsed(str(row[3])),
                "hash": str(row[4]),
            }
            for row in found
        ]

    def verify(self) -> None:
        """Check the chain of events.

        Raises:
            DataError: an event was changed, removed or put in; the first wrong one is named.
        """
        before = _FIRST
        for expected, event in enumerate(self.events(), start=1):
            number, kind, at = event["id"], event["kind"], event["at"]
            right = _chained(before, number, kind, at, event["payload"])
            if number != expected or event["hash"] != right:
                raise DataError(
                    f"{self._database.label}: the chain of events is broken at event {number} "
                    f"({kind}, {at}): it, or one before it, was changed or removed",
                    hint="Do not trust the predictions of this store; restore a copy of it.",
                )
            before = event["hash"]

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            value = json.loads(text)
        except ValueError as error:
            raise DataError(
                f"{self._database.label}: a row holds no JSON: {text[:40]!r}",
                hint="The store was changed by other means; restore a copy of it.",
            ) from error
        return cast("dict[str, Any]", value)


def _chained(before: str, number: int, kind: str, at: str, payload: Mapping[str, Any]) -> str:
    event = {"id": number, "kind": kind, "at": at, "payload": dict(payload)}
    return sha256_text(before + canonical_json(event))


def _execute(connection: Connection, statement: str, **values: object) -> Any:
    from sqlalchemy import text

    return connection.execute(text(statement), values)


def _execute_many(connection: Connection, statement: str, rows: list[dict[str, Any]]) -> None:
    from sqlalchemy import text

    connection.execute(text(statement), rows)


def _run_id(row: Mapping[str, Any]) -> str:
    run_id = row.get("run_id")
    if not isinstance(run_id, str) or not run_id or "\0" in run_id:
        raise DataError(
            f"a run needs a 'run_id' of text, found {run_id!r}",
            hint="`record` makes one from the row's content.",
        )
    return run_id


def _known(connection: Connection, run_ids: Sequence[str]) -> set[str]:
    """Which of these ids are there."""
    from sqlalchemy import bindparam, text

    statement = text("SELECT run_id FROM isoloss_runs WHERE run_id IN :ids").bindparams(
        bindparam("ids", expanding=True)
    )
    found: set[str] = set()
    for start in range(0, len(run_ids), _AT_ONCE):
        part = list(run_ids[start : start + _AT_ONCE])
        found.update(str(i) for i in connection.execute(statement, {"ids": part}).scalars())
    return found


def _amended(row: dict[str, Any], events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A row with the amendments among `events` that name it."""
    for event in events:
        payload = cast("Mapping[str, Any]", event["payload"])
        if payload.get("run_id") == row["run_id"]:
            row = {**row, **cast("dict[str, Any]", payload["changes"])}
    return row


def _has(connection: Connection, run_id: str) -> bool:
    statement = "SELECT 1 FROM isoloss_runs WHERE run_id = :run_id"
    return _execute(connection, statement, run_id=run_id).scalar() is not None


def _plain(value: Any) -> Any:
    """Only what JSON knows: NumPy values unwrapped, numbers that are not finite as null.

    Raises:
        DataError: a value has no place in JSON.
    """
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {_text(str(key)): _plain(item) for key, item in items}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("list[Any]", value)]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    raise DataError(
        f"a store holds text, numbers and truth values, found {type(value).__name__}: {value!r}",
        hint="Convert the value first.",
    )


def _text(value: str) -> str:
    """Text that UTF-8 can write: JSON knows halves of surrogate pairs, databases do not."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            f"text that is no Unicode: {value[:40]!r}", hint="Correct it in its source."
        ) from error
    return value
