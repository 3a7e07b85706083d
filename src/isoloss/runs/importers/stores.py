"""Stores of isoloss and folders of its studies, as sources of rows."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from isoloss.runs.store import RunStore

_SUFFIXES = (".sqlite", ".sqlite3", ".db")


def looks_like_store(path: Path) -> bool:
    """Whether a path is a store, or the folder of a study with one store."""
    return _store_of(path) is not None


def read_store(path: Path) -> list[dict[str, Any]]:
    """The rows of a store or of a study's."""
    with RunStore.open(_store_of(path) or path, create=False) as store:
        return store.rows()


def _store_of(path: Path) -> Path | None:
    if path.is_dir():
        inside = [child for child in sorted(path.iterdir()) if child.suffix in _SUFFIXES]
        study = (path / "spec.json").is_file() or (path / "study.json").is_file()
        return next((child for child in inside if _is_store(child)), None) if study else None
    return path if path.suffix.lower() in _SUFFIXES and _is_store(path) else None


def _is_store(path: Path) -> bool:
    """Whether a file is a SQLite database with our mark in it."""
    import sqlite3

    from isoloss.runs._schema import MARK

    try:
        with path.open("rb") as file:
            if file.read(16) != b"SQLite format 3\0":
                return False
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as found:
            query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
            return found.execute(query, (MARK,)).fetchone() is not None
    except (OSError, sqlite3.Error):
        return False
