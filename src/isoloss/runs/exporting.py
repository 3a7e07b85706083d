"""Run tables as files: CSV, TSV, JSON lines and Parquet, each of which reads back unchanged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from isoloss._files import write_bytes_atomic, write_text_atomic
from isoloss.errors import UsageError
from isoloss.runs._delimited import delimited
from isoloss.runs.table import Runs

EXPORT_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def export_runs(runs: Runs, path: str | Path) -> None:
    """Write a run table atomically, in the format that the name of the file says.

    In CSV and TSV, text that a spreadsheet would run as a formula (it begins with =, +, -, @, a
    tab or a line end) gets an apostrophe before it, which `Runs.read` takes away again. Numbers
    stay numbers, and read back exactly from every format.

    Raises:
        UsageError: another ending than .csv, .tsv, .jsonl or .parquet.
        EnvironmentProblem: the folder is not writable or the disk is full.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".parquet":
        write_bytes_atomic(path, _parquet(runs))
    elif suffix == ".jsonl":
        lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in runs.rows()]
        write_text_atomic(path, "".join(f"{line}\n" for line in lines))
    elif suffix in (".csv", ".tsv"):
        write_text_atomic(path, delimited(runs.cells(), "\t" if suffix == ".tsv" else ","))
    else:
        raise UsageError(
            f"{path}: expected a name that ends in {', '.join(EXPORT_SUFFIXES)}",
            hint="For example: runs.parquet",
        )


def _parquet(runs: Runs) -> bytes:
    import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs]
    from pyarrow import parquet  # pyright: ignore[reportMissingTypeStubs]

    arrow, writer = cast("Any", pa), cast("Any", parquet)
    table = arrow.table(runs.cells())
    sink = arrow.BufferOutputStream()
    writer.write_table(table, sink)
    return bytes(sink.getvalue().to_pybytes())
