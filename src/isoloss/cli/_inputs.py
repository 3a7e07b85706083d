"""What a command is given by name: `example`, a file or a study folder."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoloss.errors import DataError, NotFoundError, UsageError

if TYPE_CHECKING:
    from isoloss.fitting import Fit
    from isoloss.runs import Runs, RunStore

STORE_SUFFIXES = (".sqlite", ".sqlite3", ".db")


def read_runs(source: str, columns: Mapping[str, str] | None = None) -> Runs:
    """The runs of `example`, of a table file, of a store or of a study folder.

    Raises:
        NotFoundError: nothing of that name; DataError: it holds no valid runs.
    """
    from isoloss.runs import Runs, example_runs

    if source == "example":
        _refuse_map(columns, "the bundled example")
        return example_runs()
    if source.startswith("published:"):
        _refuse_map(columns, "a published table")
        return _published_runs(source)
    path = existing(source)
    if path.is_dir():
        _refuse_map(columns, "a study")
        return _study_runs(path)
    if _is_store(path):
        _refuse_map(columns, "a store")
        return open_store(source).runs()
    return Runs.read(path, columns=columns)


def read_fit(source: str, law: str | None = None, *, seed: int = 0) -> Fit:
    """A saved fit, or a fit with the defaults to the run table that `source` names."""
    from isoloss.fitting import Fit, fit

    path = Path(source)
    if source != "example" and path.is_file() and is_fit(path):
        if law is not None:
            raise UsageError(
                f"{source} is a fit and has its law", hint="Leave out --law, or give a run table."
            )
        return Fit.load(path)
    return fit(read_runs(source), law or "chinchilla", seed=seed)


def is_fit(path: Path) -> bool:
    """Whether a file is a saved fit: a JSON object with a law and its parameters."""
    if path.suffix.lower() != ".json":
        return False
    try:
        document = json.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(
            f"{path}: expected a saved fit in JSON, found something else ({error})",
            hint="Give a fit written by `isoloss fit … -o FIT`, or a run table.",
        ) from error
    if isinstance(document, dict) and {"law", "params"} <= document.keys():
        return True
    raise DataError(
        f"{path}: a JSON file without 'law' and 'params' is no fit",
        hint="Give a fit written by `isoloss fit … -o FIT`, or a run table.",
    )


def read_results(source: str) -> dict[str, Any]:
    """The results of a finished study: its folder or its `study.json`."""
    from isoloss.studies import load_results

    path = existing(source)
    return load_results(path if path.is_dir() else path.parent)


def read_report(source: str) -> tuple[dict[str, Any], Path]:
    """The results that a page shows, and the folder where it goes unless told otherwise."""
    path = Path(source)
    if path.is_dir() or path.name == "study.json":
        return read_results(source), path if path.is_dir() else path.parent
    if path.suffix.lower() == ".json" and path.is_file():
        raise DataError(
            f"{path}: neither the result of a task nor of a study",
            hint="Give a file written by `isoloss evaluate … -o RESULT`, a study's folder, or a run"
            " table (CSV, Parquet).",
        )
    from isoloss.studies.results import results_of_table

    return results_of_table(read_runs(source), source), Path()


def open_store(source: str) -> RunStore:
    """An existing store: a database file, a URL, or the one in a study folder."""
    from isoloss.runs import RunStore

    if "://" in source:
        return RunStore.open(source, create=False)
    path = existing(source)
    if path.is_dir():
        path = _store_in(path)
    return RunStore.open(path, create=False)


def model_folder(source: str) -> Path:
    """The folder of a trained model; a study's is that of its verification run."""
    path = existing(source, example=False)
    inside = path / "model"
    return inside if (path / "spec.json").is_file() and inside.is_dir() else path


def existing(source: str, *, example: bool = True) -> Path:
    """The path of that name.

    Args:
        source: as it was given.
        example: whether the bundled runs could have been meant.

    Raises:
        NotFoundError: there is none; the hint has the closest name beside it.
    """
    path = Path(source)
    if path.exists():
        return path
    beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    names = [*beside, "example"] if example else beside
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.6)
    if example and close == ["example"]:
        hint = "Did you mean `example`, the bundled runs?"
    elif close:
        hint = f"Did you mean {path.parent / close[0]}?"
    elif example:
        hint = "Check the path; `example` names the bundled runs."
    else:
        hint = "Check the path: a folder that `isoloss train --out` named, or hf://owner/name."
    raise NotFoundError(f"{source}: no such file or folder", hint=hint)


def _published_runs(source: str) -> Runs:
    """A table of the catalogue; a published law has constants, but no runs here."""
    from isoloss.planning.published import published_names

    if source.removeprefix("published:") in published_names():
        raise NotFoundError(
            f"{source!r} is a published law, not a run table that isoloss can fetch",
            hint=f"`isoloss plan {source} --flops 1e20` plans from it; `isoloss runs published` "
            "lists the tables.",
        )
    from isoloss.runs.catalogue import published

    return published(source.removeprefix("published:"))


def _study_runs(folder: Path) -> Runs:
    if (folder / "study.json").is_file():
        from isoloss.runs import Runs

        return Runs.from_rows(read_results(str(folder))["runs"])
    return open_store(str(folder)).runs()


def _store_in(folder: Path) -> Path:
    found = sorted(path for path in folder.iterdir() if _is_store(path))
    if len(found) == 1:
        return found[0]
    what = "no store" if not found else f"{len(found)} stores"
    raise NotFoundError(
        f"{folder}: expected the folder of a study with one store, found {what}",
        hint="Give the folder that `isoloss study --out` named, or the database file itself.",
    )


def _is_store(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in STORE_SUFFIXES


def _refuse_map(columns: Mapping[str, str] | None, what: str) -> None:
    if columns:
        raise UsageError(f"--map is for table files; {what} has our column names already")
