"""The store: runs and registered events in one file of SQLite, or in PostgreSQL."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from isoloss._files import canonical_json, sha256_text
from isoloss.errors import DataError, NotFoundError
from isoloss.runs._database import Database, open_database
from isoloss.runs.table import Runs

if TYPE_CHECKING:
    from sqlalchemy import Connection

_FIRST = "0" * 64
"""What the hash of the first event is chained to."""


@dataclass(frozen=True, eq=False, repr=False)
class RunStore:
    """Runs by id, and events that can be added but never changed.

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
            DataError: the row has no `run_id`.
        """
        plain = cast("dict[str, Any]", _plain(dict(row)))
        run_id = plain.get("run_id")
        if not isinstance(run_id, str) or not run_id:
            raise DataError(
                f"a run needs a 'run_id' of text, found {run_id!r}",
                hint="`record` makes one from the row's content.",
            )
        text = json.dumps(plain, ensure_ascii=False, allow_nan=False)
        with self._database.writing() as connection:
            if _has(connection, run_id):
                return False
            _execute(
                connection,
                'INSERT INTO isoloss_runs (position, run_id, "row") VALUES ('
                "(SELECT COALESCE(MAX(position), 0) + 1 FROM isoloss_runs), :run_id, :row)",
                run_id=run_id,
                row=text,
            )
        return True

    def has(self, run_id: str) -> bool:
        """Whether a run with this id is there."""
        with self._database.reading() as connection:
            return _has(connection, run_id)

    def get(self, run_id: str) -> dict[str, Any]:
        """The row of a run.

        Raises:
            NotFoundError: there is no such run.
        """
        with self._database.reading() as connection:
            statement = 'SELECT "row" FROM isoloss_runs WHERE run_id = :run_id'
            found = _execute(connection, statement, run_id=run_id).scalar()
        if found is None:
            raise NotFoundError(
                f"{self._database.label}: no run {run_id!r}", hint="`rows()` lists all."
            )
        return self._parsed(str(found))

    def rows(self) -> list[dict[str, Any]]:
        """All rows, in the order in which they were added."""
        with self._database.reading() as connection:
            statement = 'SELECT "row" FROM isoloss_runs ORDER BY position'
            found = _execute(connection, statement).scalars().all()
        return [self._parsed(str(text)) for text in found]

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
        with self._database.reading() as connection:
            statement = "SELECT id, kind, at, payload, hash FROM isoloss_events ORDER BY id"
            found = _execute(connection, statement).all()
        return [
            {
                "id": int(row[0]),
                "kind": str(row[1]),
                "at": str(row[2]),
                "payload": self._parsed(str(row[3])),
                "hash": str(row[4]),
            }
            for row in found
            if kind is None or row[1] == kind
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


def record(store: RunStore, row: Mapping[str, Any]) -> str:
    """Add the run of another trainer to a store, checked as `Runs` checks its rows.

    Args:
        store: where to.
        row: columns of docs/design.md §3, at least a `params_*`, `tokens` or `flops`, and
            `loss`. Without `run_id` it gets one made from its content, so that the same row is
            recorded once; without `created_at` it gets the time.

    Returns:
        The run's id.

    Raises:
        DataError: a column is missing or a value is wrong.
    """
    checked = Runs.from_rows([row], label="the row").rows()[0]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    store.add_run({"created_at": now, **checked})
    return str(checked["run_id"])


def _chained(before: str, number: int, kind: str, at: str, payload: Mapping[str, Any]) -> str:
    event = {"id": number, "kind": kind, "at": at, "payload": dict(payload)}
    return sha256_text(before + canonical_json(event))


def _execute(connection: Connection, statement: str, **values: object) -> Any:
    from sqlalchemy import text

    return connection.execute(text(statement), values)


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
        return {str(key): _plain(item) for key, item in items}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("list[Any]", value)]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    raise DataError(
        f"a store holds text, numbers and truth values, found {type(value).__name__}: {value!r}",
        hint="Convert the value first.",
    )
