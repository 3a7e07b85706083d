"""MLflow's folder of files: `EXPERIMENT/RUN/` with `meta.yaml`, `params/`, `metrics/`, `tags/`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from isoloss.runs.importers._finding import counted, files_under, readable
from isoloss.runs.importers._points import Points

META = "meta.yaml"
_MOST = 16 << 20
_STATUSES = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}
_KEYS = frozenset({"run_id", "run_uuid"})
_LINE = re.compile(r"([A-Za-z_]\w*):(?: (.*))?")


def flat_yaml(text: str) -> dict[str, str]:
    """The plain values of a flat mapping in YAML, as MLflow writes `meta.yaml`.

    Not YAML in general: lists and nested mappings are left out, null is empty.

    >>> flat_yaml("run_name: 'it''s'\\nend_time: null\\ntags: []\\n")
    {'run_name': "it's", 'end_time': '', 'tags': '[]'}
    """
    raw: dict[str, str] = {}
    last = ""
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is not None:
            last = found[1]
            raw[last] = (found[2] or "").strip()
        elif line.startswith(" ") and last:
            # Long values are folded, with the rest indented.
            raw[last] = f"{raw[last]} {line.strip()}".strip()
    return {key: _scalar(value) for key, value in raw.items()}


def run_folders(root: Path) -> list[Path]:
    """The folders of runs under a folder, which may be a run or an experiment itself."""
    found = files_under(root, lambda name: name == META, without=("artifacts", "models"))
    return [path.parent for path in found if not _KEYS.isdisjoint(meta_of(path.parent))]


def looks_like_files(root: Path) -> bool:
    """Whether a folder has a `meta.yaml` of MLflow where a run, an experiment or a store has it."""
    for pattern in (META, f"*/{META}", f"*/*/{META}"):
        for path in root.glob(pattern):
            return not (_KEYS | {"experiment_id"}).isdisjoint(meta_of(path.parent))
    return False


def meta_of(folder: Path) -> dict[str, str]:
    """What `meta.yaml` says; nothing where there is none."""
    path = folder / META
    return flat_yaml(_read(path)) if path.is_file() else {}


def status_of(meta: dict[str, str]) -> str:
    """The name of a run's status; the file has its number."""
    status = meta.get("status", "")
    return _STATUSES.get(status, status)


def values_under(folder: Path) -> Iterator[tuple[str, str]]:
    """Parameters or tags: a file each, in folders where their names have slashes."""
    if folder.is_dir():
        for path in files_under(folder, lambda _: True):
            yield path.relative_to(folder).as_posix(), _read(path).rstrip("\n")


def points_under(folder: Path) -> tuple[Points, list[str]]:
    """Metrics: a file each, lines of time in milliseconds, value and step; and what is wrong."""
    points, notes = Points(), list[str]()
    for path in files_under(folder, lambda _: True) if folder.is_dir() else []:
        name = path.relative_to(folder).as_posix()
        bad = 0
        with readable(path), path.open("rb") as file:
            # Not by lines: one without an end would be read whole.
            while line := file.readline(4096):
                words = line.split()
                try:
                    step = int(words[2]) if len(words) > 2 else 0
                    points.add(name, step, float(words[1]))
                except (ValueError, IndexError, OverflowError):
                    bad += bool(words)
        if bad:
            notes.append(f"{name}: left out {counted(bad, 'line')} that are no metric.")
    return points, notes


def _read(path: Path) -> str:
    with readable(path), path.open("rb") as file:
        return file.read(_MOST).decode("utf-8", "replace")


def _scalar(text: str) -> str:
    if text in ("null", "~"):
        return ""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except (ValueError, RecursionError):
            return text[1:-1]
    return text
