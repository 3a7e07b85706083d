"""Examples of a task from files: rows, plain texts, SQuAD's JSON, or a data set of the hub."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from isoloss.corpus.reading.documents import read_documents
from isoloss.corpus.reading.hub import is_hub, whole_rows
from isoloss.corpus.reading.tables import field_names, field_value
from isoloss.errors import DataError, EnvironmentProblem, NotFoundError, UsageError

TEXTS = (".txt", ".md")
SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", *TEXTS)
Row = dict[str, Any]


def read_examples(
    sources: Sequence[str | Path],
    columns: Mapping[str, str] | None = None,
    *,
    wanted: Mapping[str, Sequence[str]],
    optional: Sequence[str] = (),
    limit: int | None = None,
) -> list[Row]:
    """The examples of files, under the names that a task uses.

    Args:
        sources: `.jsonl`, `.csv`, `.tsv`, `.parquet`, SQuAD's `.json`, `.txt` and `.md` (each one
            example with nothing but a `text`), or a data set, as corpora name them:
            `hf://owner/name[/config][:split]`, `train` where no split is named, or
            `hf:///folder[:split]` of this machine. Read in their order.
        columns: the task's name → theirs, where they differ; dots lead into nested columns, as in
            `translation.en`, and a number names a column of a table without a header.
        wanted: the task's names, each with other names that mean the same.
        optional: those of them that may be missing.
        limit: most examples.

    Raises:
        NotFoundError: no such file.
        DataError: it is not what its name says, or lacks a column that is needed.
        UsageError: `columns` names what the task does not have.
    """
    mapping = dict(columns or {})
    unknown = [name for name in mapping if name not in wanted]
    if unknown:
        close = difflib.get_close_matches(unknown[0], wanted, n=1)
        meant = f"Did you mean {close[0]}? " if close else ""
        raise UsageError(
            f"the task has no {unknown[0]!r}", hint=f"{meant}It reads: {', '.join(wanted)}."
        )
    rows = _all_rows(sources, mapping)
    found = [
        _named(row, place, mapping, wanted, optional)
        for place, row in (rows if limit is None else islice(rows, limit))
    ]
    if not found:
        raise DataError(
            f"{', '.join(map(str, sources))}: no examples", hint="Give a file with examples."
        )
    return found


def texts_of(value: Any, place: str) -> list[str]:
    """One text or several: a text, a list of texts, or SQuAD's `{"text": [...]}`.

    Raises:
        DataError: something else, or nothing.
    """
    if isinstance(value, Mapping):
        value = value.get("text")
    given: Any = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not given or not all(isinstance(t, str) for t in given):
        raise DataError(f"{place}: expected a text or a list of texts, found {value!r:.80}")
    if not all(text.strip() for text in given):
        raise DataError(f"{place}: an empty text", hint="Leave the example out, or fill it in.")
    return list(given)


def text_of(value: Any, place: str, *, empty: bool = False) -> str:
    """A text.

    Raises:
        DataError: something else, or an empty one where `empty` is false.
    """
    if not isinstance(value, str):
        raise DataError(f"{place}: expected a text, found {value!r:.80}")
    if not (empty or value.strip()):
        raise DataError(f"{place}: an empty text", hint="Leave the example out, or fill it in.")
    return value


def joined(value: Any, place: str, *, empty: bool = False) -> str:
    """A text, or the texts of a list with spaces between them.

    Raises:
        DataError: something else, or an empty one where `empty` is false.

    >>> joined(["One.", "Two."], "row 1")
    'One. Two.'
    """
    if isinstance(value, list):
        value = " ".join(text_of(part, place, empty=True) for part in value)
    return text_of(value, place, empty=empty)


def _named(
    row: Row,
    place: str,
    mapping: Mapping[str, str],
    wanted: Mapping[str, Sequence[str]],
    optional: Sequence[str],
) -> Row:
    result: Row = {"place": place}
    for name, others in wanted.items():
        candidates = [mapping[name]] if name in mapping else [name, *others]
        values = (field_value(row, candidate) for candidate in candidates)
        value = next((value for value in values if value is not None), None)
        if value is not None:
            result[name] = value
        elif name not in optional or name in mapping:
            numbers = _by_number(place, [n for n in wanted if n not in optional])
            raise _missing(name, candidates, row, place, numbers)
    return result


def _missing(name: str, candidates: Sequence[str], row: Row, place: str, numbers: str) -> DataError:
    names, theirs = field_names(row), candidates[0]
    null = next((candidate for candidate in candidates if candidate in names), None)
    if null is not None:
        return DataError(f"{place}: {null!r} is null", hint="Leave the example out, or fill it in.")
    close = difflib.get_close_matches(theirs, names, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else "."
    return DataError(
        f"{place}: no {theirs!r}{meant} Found: {', '.join(names[:12]) or 'nothing'}",
        hint=f'Name it with --map "{name}=THEIR NAME"{numbers}.',
    )


def _by_number(place: str, needed: Sequence[str]) -> str:
    """How the columns of a table without a header are named; empty of what is no such table."""
    if not place.rpartition(", row ")[0].lower().endswith((".csv", ".tsv")):
        return ""
    flags = " ".join(f"--map {name}={number}" for number, name in enumerate(needed, start=1))
    return f", or columns by number where there is no header: {flags}"


def _all_rows(
    sources: Sequence[str | Path], mapping: Mapping[str, str]
) -> Iterator[tuple[str, Row]]:
    numbered = bool(mapping) and all(theirs.isdecimal() for theirs in mapping.values())
    for source in sources:
        if not is_hub(source) and _suffix(Path(source)) in TEXTS:
            yield from ((one.name, {"text": one.text}) for one in read_documents([source]))
            continue
        rows = whole_rows(source) if is_hub(source) else _file_rows(Path(source), numbered)
        for number, row in enumerate(rows, start=1):
            yield f"{source}, row {number}", row


def _suffix(path: Path) -> str:
    """The ending of a file that can be read."""
    if path.is_dir():
        raise DataError(f"{path}: expected a file of examples, found a folder")
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, beside, n=1)
        hint = f"Did you mean {path.parent / close[0]}?" if close else "Check the path."
        raise NotFoundError(f"{path}: no such file", hint=hint)
    if not path.is_file():
        raise DataError(
            f"{path}: expected a file of examples, found a device or a pipe",
            hint=f"Save the examples in a file: {', '.join(SUFFIXES)}.",
        )
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(
            f"{path}: expected {', '.join(SUFFIXES)}, found {suffix or 'no ending'!r}",
            hint="Save the examples as JSON lines: one object a line.",
        )
    return suffix


def _file_rows(path: Path, numbered: bool) -> Iterable[Row]:
    suffix = _suffix(path)
    if suffix == ".parquet":
        return _parquet(path)
    text = _text(path)
    if suffix == ".jsonl":
        return _json_lines(text, path)
    if suffix == ".json":
        return _squad(text, path)
    return _separated(text, path, "\t" if suffix == ".tsv" else ",", numbered)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text", hint="Save the file as UTF-8.") from error
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be read: {error.strerror}") from error


def _json_lines(text: str, path: Path) -> Iterator[Row]:
    # Not splitlines: JSON text may hold U+2028 and other characters that it takes for line ends.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: expected a JSON object")
        yield row


def _separated(text: str, path: Path, delimiter: str, numbered: bool) -> Iterator[Row]:
    # Tab-separated sentences hold quotes that are none of the format's.
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)
    header: list[str] | None = None
    try:
        for line in reader:
            if not any(cell.strip() for cell in line):
                continue
            if numbered:
                yield {str(place): cell for place, cell in enumerate(line, start=1)}
            elif header is None:
                header = [name.strip() for name in line]
            elif len(line) != len(header):
                raise DataError(
                    f"{path}, line {reader.line_num}: expected {len(header)} cells as in the"
                    f" header, found {len(line)}",
                    hint='Without a header, name columns by number: --map "source=1".',
                )
            else:
                yield dict(zip(header, line, strict=True))
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from error


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        yield from parquet.read_table(path).to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path}: not a Parquet file: {str(error).splitlines()[0]}") from error


def _squad(text: str, path: Path) -> Iterator[Row]:
    """SQuAD's nesting as flat rows; a list or an object with a list of rows is read too."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    if isinstance(document, dict):
        document = document.get("data")
    if not isinstance(document, list):
        raise DataError(
            f"{path}: expected a list of examples, or SQuAD's object with 'data'",
            hint="Save the examples as JSON lines: one object a line.",
        )
    for number, entry in enumerate(document, start=1):
        if not isinstance(entry, dict):
            raise DataError(f"{path}, entry {number}: expected a JSON object")
        if "paragraphs" not in entry:
            yield entry
            continue
        try:
            for paragraph in entry["paragraphs"]:
                for asked in paragraph["qas"]:
                    yield {
                        "title": entry.get("title", ""),
                        "context": paragraph["context"],
                        **asked,
                    }
        except (KeyError, TypeError) as error:
            raise DataError(f"{path}, entry {number}: not as in SQuAD: {error!r}") from error
