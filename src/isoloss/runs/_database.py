"""A store's database: which file or server, durable transactions, errors in our words."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from isoloss._interrupts import interrupts_held
from isoloss.errors import DataError, EnvironmentProblem, IsolossError, NotFoundError, UsageError
from isoloss.runs._schema import MARK, SCHEMA_VERSION, TABLES, TRIGGERS

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL

_SQLITE_HEADER = b"SQLite format 3\0"
_BUSY_SECONDS = 30
# Bytes that SQLite may want beside a store before it writes anything.
_ROOM = 1 << 20
# The lock that a writer takes, so that positions and the chain of hashes have one order.
_POSTGRESQL_LOCK = "LOCK TABLE isoloss_runs, isoloss_events IN EXCLUSIVE MODE"


class Database:
    """One database that holds a store. No connection outlives a transaction."""

    def __init__(self, engine: Engine, label: str) -> None:
        self.engine = engine
        self.label = label
        self.closed = False

    @contextlib.contextmanager
    def reading(self) -> Generator[Connection]:
        """A transaction that sees one state of the store."""
        with interrupts_held(), _in_our_words(self.label):
            self._refuse_closed()
            with self.engine.connect() as connection, connection.begin():
                yield connection

    @contextlib.contextmanager
    def writing(self) -> Generator[Connection]:
        """A durable transaction that no other writer enters."""
        with interrupts_held(), _in_our_words(self.label):
            self._refuse_closed()
            options: dict[str, Any] = {"isoloss_writes": True}
            connecting = self.engine.connect().execution_options(**options)
            with connecting as connection, connection.begin():
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql(_POSTGRESQL_LOCK)
                yield connection

    def close(self) -> None:
        """Give back what is held; the store cannot be used after."""
        self.closed = True
        self.engine.dispose()

    def _refuse_closed(self) -> None:
        if self.closed:
            raise UsageError(f"{self.label}: the store is closed", hint="Open it again.")


def open_database(path_or_url: str | Path, *, create: bool) -> Database:
    """Open the database of a store, made where there is none and `create` says so.

    Raises:
        NotFoundError: there is none; DataError: it is no database, or another application's;
        EnvironmentProblem: it cannot be opened or written; UsageError: the URL makes no sense.
    """
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool

    url, path = _resolved(path_or_url)
    # A URL may hold a password: it is never shown.
    label = str(path) if path is not None else url.render_as_string(hide_password=True)
    if path is not None:
        _check_file(path, create=create)
    # A store is used for moments at a time and by several processes: connections are not kept.
    try:
        engine = create_engine(url, poolclass=NullPool)
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            f"{label}: this needs the package {error.name!r}, which is not installed",
            hint='Install it with: pip install "isoloss[postgres]"',
        ) from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    database = Database(engine, label)
    with interrupts_held(), _in_our_words(label):
        _ensure_store(database, create=create)
    return database


def _resolved(path_or_url: str | Path) -> tuple[URL, Path | None]:
    """The URL, and the path where it is a file of SQLite."""
    from sqlalchemy.engine import URL, make_url
    from sqlalchemy.exc import ArgumentError

    text = str(path_or_url)
    if "://" not in text:
        path = Path(text)
        return URL.create("sqlite", database=str(path.absolute())), path
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError) as error:
        raise UsageError(
            "the URL of the store cannot be read",
            hint="For example: postgresql://user@host/database, or the path of a file.",
        ) from error
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg"), None
    if backend != "sqlite" or url.database in (None, "", ":memory:"):
        raise UsageError(
            f"a store lies in a file of SQLite or in PostgreSQL, not in {url.drivername!r}",
            hint="Give the path of a file, or postgresql://user@host/database.",
        )
    path = Path(str(url.database))
    return URL.create("sqlite", database=str(path.absolute())), path


def _check_file(path: Path, *, create: bool) -> None:
    """Refuse what is no store before SQLite touches it."""
    try:
        if not path.exists():
            if not create:
                raise NotFoundError(f"{path}: no such store", hint="Check the path.")
            path.parent.mkdir(parents=True, exist_ok=True)
            return
        if not path.is_file():
            raise DataError(f"{path}: expected a store, found a folder", hint="Name a file in it.")
        with path.open("rb") as file:
            start = file.read(len(_SQLITE_HEADER))
    except OSError as error:
        raise EnvironmentProblem(
            f"{path}: cannot be opened: {error.strerror or error}",
            hint="Check that the folder exists and is writable.",
        ) from error
    if start != _SQLITE_HEADER and (start or not create):
        raise DataError(
            f"{path}: not a database, so no store of isoloss",
            hint="Give a file that isoloss made, or a new name.",
        )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # Transactions begin where we say (`_begin_sqlite`), not where the driver guesses.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = cast("dict[str, Any]", connection.get_execution_options()).get("isoloss_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _ensure_store(database: Database, *, create: bool) -> None:
    """Make the tables where the database is empty; refuse one that is not ours."""
    with database.engine.connect() as connection, connection.begin():
        known = _is_store(connection, database.label)
        sqlite = connection.dialect.name == "sqlite"
    if known:
        return
    if not create:
        raise DataError(
            f"{database.label}: a database, but not a store of isoloss",
            hint="Give a file or database that isoloss made.",
        )
    if sqlite:
        _switch_to_wal(database.engine)
    options: dict[str, Any] = {"isoloss_writes": True}
    with database.engine.connect().execution_options(**options) as connection, connection.begin():
        if not sqlite:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7598263)")
        if _is_store(connection, database.label):  # another process was quicker
            return
        for statement in (*TABLES, *TRIGGERS[connection.dialect.name]):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql(f"INSERT INTO {MARK} VALUES ('schema', '{SCHEMA_VERSION}')")


def _switch_to_wal(engine: Engine) -> None:
    """Write-ahead logging is a property of the file: readers then never wait for a writer."""
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.close()
    finally:
        raw.close()


def _is_store(connection: Connection, label: str) -> bool:
    """Whether the tables are there.

    Raises:
        DataError: the file belongs to another application, or to a newer isoloss.
    """
    from sqlalchemy import inspect

    names = inspect(connection).get_table_names()
    if MARK not in names:
        # On a server a database is shared as a matter of course; a file is not.
        if names and connection.dialect.name == "sqlite":
            raise DataError(
                f"{label}: the database of another application (tables {', '.join(names[:5])})",
                hint="Give a file that isoloss made, or a new name.",
            )
        return False
    result = connection.exec_driver_sql(f"SELECT value FROM {MARK} WHERE name = 'schema'")
    version = result.scalar()
    if version != SCHEMA_VERSION:
        raise DataError(
            f"{label}: a store of schema {version!r}, expected {SCHEMA_VERSION!r}",
            hint="It was made by another version of isoloss: update isoloss.",
        )
    return True


@contextlib.contextmanager
def _in_our_words(label: str) -> Generator[None]:
    """Turn the driver's errors into ours, naming the store."""
    from sqlalchemy.exc import DatabaseError, NoSuchModuleError, SQLAlchemyError

    try:
        yield
    except IsolossError:
        raise
    except NoSuchModuleError as error:
        raise UsageError(f"{label}: {error}", hint="Give the path of a file.") from error
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, DatabaseError) else None
        text = str(cause or error).splitlines()[0]
        raise _problem(label, text) from error


def _problem(label: str, text: str) -> IsolossError:
    """The error for a driver's message."""
    if re.search(r'database ".*" does not exist', text):
        return NotFoundError(f"{label}: {text}", hint="Make the database first: createdb NAME.")
    if any(words in text for words in ("not a database", "malformed", "no such")):
        return DataError(f"{label}: {text}", hint="The store is damaged: restore a copy of it.")
    if "locked" in text:
        hint = f"Another process has written for {_BUSY_SECONDS} seconds: wait for it."
    elif "full" in text or ("disk I/O error" in text and _nearly_full(label)):
        # SQLite says so where it cannot even make the files beside a store.
        text = text if "full" in text else f"{text}: the disk is full"
        hint = "Free some disk space; what was added before is kept."
    else:
        hint = "Check that the file and its folder are writable, or that the server is there."
    return EnvironmentProblem(f"{label}: cannot be opened or written: {text}", hint=hint)


def _nearly_full(label: str) -> bool:
    """Whether the disk of a file has less room than a store needs to be opened."""
    try:
        return shutil.disk_usage(Path(label).parent).free < _ROOM
    except OSError:
        return False
