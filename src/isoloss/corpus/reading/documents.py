"""Files, folders, data sets of the hub and Python's own source → documents."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from isoloss.corpus.reading.compressed import COMPRESSED_SUFFIXES, text_parts, text_suffix
from isoloss.corpus.reading.hub import hub_rows, is_hub
from isoloss.corpus.reading.tables import TABLE_SUFFIXES, Row, Several, table_rows
from isoloss.errors import DataError, NotFoundError

STANDARD_LIBRARY = "stdlib"
"""Name of the default corpus: real text that every machine with Python has."""

PLAIN_SUFFIXES = (".txt", ".md", ".py")
LISTS = (".csv", ".tsv")
"""Beside texts they tell about those: in a folder they are read where there is nothing else."""
_TEST_FOLDERS = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}


@dataclass(frozen=True, kw_only=True)
class Document:
    """One text with the place it came from (`file`, `file:row` or `file:part N`)."""

    name: str
    text: str


def read_documents(
    sources: Sequence[str | Path], *, text_field: str = "text"
) -> Iterator[Document]:
    """The documents of every source, in a fixed order, one in memory at a time.

    Args:
        sources: files (`.txt .md .py .jsonl .csv .tsv`, each may be compressed as `.gz .bz2 .xz
            .zst`, and `.parquet`), folders (searched at every depth; `.csv` and `.tsv` in them
            are read where there is nothing else), data sets
            (`hf://owner/name[/config][:split]`, streamed) or `"stdlib"`. A plain file beyond
            16 MiB is read in parts cut at line breaks, each a document.
        text_field: the field of rows that holds the text; for `.csv` and `.tsv` without a line of
            names the number of the column.

    Raises:
        NotFoundError: a source does not exist.
        DataError: a folder without text files, a file of another type, not UTF-8, or broken.

    >>> next(read_documents(["stdlib"])).name
    '__future__.py'
    """
    for source in sources:
        if str(source) == STANDARD_LIBRARY and not Path(source).exists():
            yield from standard_library_documents()
        elif is_hub(source):
            yield from _documents(hub_rows(source, [text_field]))
        else:
            for path in text_files(Path(source)):
                yield from _read_file(path, text_field)


def read_rows(
    sources: Sequence[str | Path], fields: Sequence[str], several: Several | None = None
) -> Iterator[Row]:
    """Several fields of every row of tables and data sets: what pairs are made of.

    Args:
        sources: as `read_documents`, tables and data sets alone.
        fields: their names; dots lead into nested fields.
        several: fields whose lists hold alternatives, as references are: their first is taken,
            and the rows that have more are counted in it.

    Raises:
        NotFoundError, DataError: as `read_documents`; also a file that is no table.
    """
    for source in sources:
        if is_hub(source):
            yield from hub_rows(source, fields, several)
            continue
        for path in text_files(Path(source), only=TABLE_SUFFIXES):
            yield from table_rows(path, fields, several)


def standard_library_documents() -> Iterator[Document]:
    """The source files of the running interpreter's standard library, without its tests."""
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        inside = path.relative_to(root)
        if _TEST_FOLDERS.isdisjoint(inside.parts[:-1]):
            try:
                text = path.read_text("utf-8")
            except (UnicodeDecodeError, OSError):
                continue  # a few sources test other encodings on purpose
            yield Document(name=inside.as_posix(), text=text)


def text_files(
    path: Path, *, only: tuple[str, ...] = PLAIN_SUFFIXES + TABLE_SUFFIXES
) -> list[Path]:
    """The text files that a path names, sorted.

    Raises:
        NotFoundError: the path does not exist.
        DataError: a file of another type, or a folder without any.
    """
    known = f"{', '.join(only)}; but for .parquet also with {', '.join(COMPRESSED_SUFFIXES)}"
    if path.is_dir():
        found = sorted(
            p
            for p in path.rglob("*")
            if _is_text(p, only)
            and p.is_file()
            and not any(part.startswith(".") for part in p.relative_to(path).parts)
        )
        if not found:
            raise DataError(f"{path}: no text in this folder", hint=f"isoloss reads {known}.")
        texts = [p for p in found if text_suffix(p) not in LISTS]
        return texts or found if PLAIN_SUFFIXES[0] in only else found
    if not path.exists():
        raise NotFoundError(
            f"{path}: no such file or folder",
            hint="Give a text file or a folder of them; without --corpus: Python's own source.",
        )
    if not _is_text(path, only):
        raise DataError(
            f"{path}: {path.suffix or 'no suffix'} is not a type of text that isoloss reads here",
            hint=f"Use {known}.",
        )
    return [path]


def _is_text(path: Path, only: tuple[str, ...]) -> bool:
    kind = text_suffix(path)
    return kind in only and (kind != ".parquet" or path.suffix.lower() == ".parquet")


def _read_file(path: Path, text_field: str) -> Iterator[Document]:
    if text_suffix(path) in TABLE_SUFFIXES:
        yield from _documents(table_rows(path, [text_field]))
        return
    parts = text_parts(path)
    first = next(parts)
    second = next(parts, None)
    if second is None:
        yield Document(name=str(path), text=first)
        return
    yield Document(name=f"{path}:part 1", text=first)
    yield Document(name=f"{path}:part 2", text=second)
    for number, text in enumerate(parts, start=3):
        yield Document(name=f"{path}:part {number}", text=text)


def _documents(rows: Iterator[Row]) -> Iterator[Document]:
    for place, (text,) in rows:
        yield Document(name=place, text=text)
