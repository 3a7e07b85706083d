"""Files and folders → documents: `.txt .md .py .jsonl .parquet`, and Python's own source."""

from __future__ import annotations

import json
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from isoloss.errors import DataError, EnvironmentProblem, NotFoundError

STANDARD_LIBRARY = "stdlib"
"""Name of the default corpus: real text that every machine with Python has."""

PLAIN_SUFFIXES = (".txt", ".md", ".py")
TABLE_SUFFIXES = (".jsonl", ".parquet")
_TEST_FOLDERS = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}


@dataclass(frozen=True, kw_only=True)
class Document:
    """One text with the place it came from (`file` or `file:row`)."""

    name: str
    text: str


def read_documents(
    sources: Sequence[str | Path], *, text_field: str = "text"
) -> Iterator[Document]:
    """The documents of every source, in a fixed order.

    Args:
        sources: files, folders (searched at every depth) or `"stdlib"`.
        text_field: the field of `.jsonl` and `.parquet` rows that holds the text.

    Raises:
        NotFoundError: a source does not exist.
        DataError: a folder without text files, a file of another type, not UTF-8, or broken.
    """
    for source in sources:
        if str(source) == STANDARD_LIBRARY and not Path(source).exists():
            yield from standard_library_documents()
            continue
        for path in _files(Path(source)):
            yield from _read_file(path, text_field)


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


def _files(path: Path) -> list[Path]:
    """The text files that a path names."""
    if path.is_dir():
        found = sorted(
            p
            for p in path.rglob("*")
            if p.suffix.lower() in PLAIN_SUFFIXES + TABLE_SUFFIXES
            and p.is_file()
            and not any(part.startswith(".") for part in p.relative_to(path).parts)
        )
        if not found:
            raise DataError(
                f"{path}: no text in this folder",
                hint=f"isoloss reads {', '.join(PLAIN_SUFFIXES + TABLE_SUFFIXES)}.",
            )
        return found
    if not path.exists():
        raise NotFoundError(
            f"{path}: no such file or folder",
            hint="Give a text file or a folder of them; without --corpus: Python's own source.",
        )
    if path.suffix.lower() not in PLAIN_SUFFIXES + TABLE_SUFFIXES:
        raise DataError(
            f"{path}: {path.suffix or 'no suffix'} is not a type of text that isoloss reads",
            hint=f"Use {', '.join(PLAIN_SUFFIXES + TABLE_SUFFIXES)}.",
        )
    return [path]


def _read_file(path: Path, text_field: str) -> Iterator[Document]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        yield from _read_parquet(path, text_field)
    elif suffix == ".jsonl":
        yield from _read_jsonl(path, text_field)
    else:
        yield Document(name=str(path), text=_utf8(path))


def _utf8(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot read {path}: {error.strerror or error}", hint="Check who may read the file."
        ) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start:,}",
            hint="Convert it, for example: iconv -f LATIN1 -t UTF-8 FILE > NEW",
        ) from error


def _read_jsonl(path: Path, text_field: str) -> Iterator[Document]:
    # Not splitlines(): JSON text may hold U+2028 and its like as they are.
    for number, line in enumerate(_utf8(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}, line {number}: not JSON ({error.msg})",
                hint="A .jsonl file has one JSON object a line.",
            ) from error
        text = row.get(text_field) if isinstance(row, dict) else None
        if not isinstance(text, str):
            keys = ", ".join(map(str, row)) if isinstance(row, dict) else type(row).__name__
            raise DataError(
                f"{path}, line {number}: no text in field {text_field!r}; found {keys}",
                hint="Name the field with --text-field.",
            )
        if not _is_unicode(text):
            raise DataError(
                f"{path}, line {number}: half of a surrogate pair (\\ud800 to \\udfff) is no text",
                hint="Write the character itself, or both halves of the pair.",
            )
        yield Document(name=f"{path}:{number}", text=text)


def _is_unicode(text: str) -> bool:
    """Whether UTF-8 can hold a text; JSON escapes can make strings that it cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _read_parquet(path: Path, text_field: str) -> Iterator[Document]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if text_field not in names:
                raise DataError(
                    f"{path}: no column {text_field!r}; found {', '.join(names)}",
                    hint="Name the column with --text-field.",
                )
            row = 0
            for part in file.iter_batches(columns=[text_field]):
                for text in part.column(0).to_pylist():
                    row += 1
                    if not isinstance(text, str):
                        raise DataError(
                            f"{path}, row {row}: column {text_field!r} holds"
                            f" {type(text).__name__}, not text",
                            hint="Name another column with --text-field.",
                        )
                    yield Document(name=f"{path}:{row}", text=text)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: not a Parquet file, or it is cut short ({error})",
            hint="Write it again, or give another file.",
        ) from error
