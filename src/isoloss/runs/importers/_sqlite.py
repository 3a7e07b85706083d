"""Opening SQLite files of other programs: read only, and with nothing in them trusted."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from isoloss.errors import DataError, EnvironmentProblem
from isoloss.runs.importers._finding import readable

_HEADER = b"SQLite format 3\0"
_LONGEST = 16 << 20
_WAL = b"\x02"


def is_sqlite(path: Path) -> bool:
    """Whether the file begins as SQLite's do."""
    try:
        with path.open("rb") as file:
            return file.read(len(_HEADER)) == _HEADER
    except OSError:
        return False


@contextlib.contextmanager
def opened(path: Path) -> Generator[Reader]:
    """A read-only connection; nothing is written beside the file either.

    Raises:
        DataError: it is no database, or damaged; EnvironmentProblem: it cannot be read.
    """
    with readable(path), path.open("rb") as file:
        head = file.read(20)
    if not head.startswith(_HEADER):
        raise DataError(
            f"{path}: not an SQLite database", hint="Give the file that the runs are in."
        )
    # A database in write-ahead mode without its log would have one made for it: unwanted in a
    # folder of others, and impossible where that is read-only. Nobody writes to it then.
    alone = head[18:19] == _WAL and not path.with_name(path.name + "-wal").exists()
    address = f"file:{quote(str(path.absolute()))}?mode=ro" + ("&immutable=1" if alone else "")
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=10)) as connection:
            connection.text_factory = _text
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
            for pragma in ("query_only = ON", "trusted_schema = OFF", "cell_size_check = ON"):
                connection.execute(f"PRAGMA {pragma}")
            yield Reader(connection)
    except sqlite3.OperationalError as error:
        if "unable to open" in str(error) or "locked" in str(error):
            raise EnvironmentProblem(
                f"{path}: cannot be opened: {error}",
                hint="Try again, or copy it and read the copy.",
            ) from error
        raise _damaged(path, error) from error
    except (sqlite3.Error, OverflowError, UnicodeError) as error:
        # UnicodeError: the module could not even decode its message about a damaged schema.
        raise _damaged(path, error) from error


class Reader:
    """Plain selections of tables. Views, virtual tables and computed columns count as absent:
    what they would run is in the file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def columns(self, table: str) -> frozenset[str]:
        """The names of a table's columns, none where there is no such table."""
        found = self._connection.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
        ).fetchone()
        if found is None or not str(found[0]).lstrip().upper().startswith("CREATE TABLE"):
            return frozenset()
        rows = self._connection.execute(f'PRAGMA table_xinfo("{table}")').fetchall()
        return frozenset(str(row[1]) for row in rows if row[6] == 0)

    def rows(self, table: str, names: Sequence[str]) -> Iterator[tuple[object, ...]]:
        """Rows of some columns in the order of their making, read as they are used; a column
        that is not there is None."""
        have = self.columns(table)
        if not have:
            return iter(())
        chosen = ", ".join(f'"{name}"' if name in have else "NULL" for name in names)
        return iter(self._connection.execute(f'SELECT {chosen} FROM "{table}" ORDER BY rowid'))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path}: the database is damaged, or changed while it was read: {error}",
        hint="Copy it while no run writes to it, and read the copy.",
    )
