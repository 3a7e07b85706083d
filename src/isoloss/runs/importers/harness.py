"""Results of lm-evaluation-harness: the `results_*.json` that `lm_eval --output_path` writes.

The layout is that of lm-eval 0.4 (`result_schema.py` and `EvaluationTracker`, read in 0.4.13):
`results` maps a task or group to keys `METRIC,FILTER` and `METRIC_stderr,FILTER`; before 0.4 the
keys had no filter. `config` says the model, `versions`, `n-shot` and `n-samples` how each task was
run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from isoloss.errors import DataError, IsolossError, NotFoundError
from isoloss.runs.importers._flat import mapping
from isoloss.runs.importers._json import read_object
from isoloss.runs.importers._logs import head
from isoloss.runs.importers._points import number
from isoloss.runs.importers.history import RunHistory
from isoloss.runs.importers.names import normal

_SCORES_ONLY = "scores without a training run: join them to its row by name"
_STDERR = "_stderr"
_NO_FILTER = ("", "none")
_NOT_METRICS = frozenset({"alias", "name", "sample_len", "sample_count"})
_MARKS = ('"n-shot"', '"versions"', '"configs"', '"config_general"', '"group_subtasks"')
_MAIN = ("", "main", "None")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One score of a task.

    Attributes:
        task: or group.
        metric: as the harness names it, `acc_norm`.
        filter: what was done to the answers first, `strict-match`; `none` for nothing.
        value: finite.
        stderr: its standard error, or None where the harness gives none.
    """

    task: str
    metric: str
    filter: str = "none"
    value: float
    stderr: float | None = None

    @property
    def name(self) -> str:
        """Its name in a run table, after `metric_`.

        >>> Figure(task="gsm8k", metric="exact_match", filter="strict-match", value=0.5).name
        'gsm8k_exact_match_strict_match'
        """
        kept = () if self.filter in _NO_FILTER else (self.filter,)
        return normal("_".join((self.task, self.metric, *kept)))


def figures(results: object) -> list[Figure]:
    """The scores under `results`, in its order; what is no finite number is passed over.

    >>> figures({"boolq": {"alias": "boolq", "acc,none": 0.6, "acc_stderr,none": 0.01}})
    [Figure(task='boolq', metric='acc', filter='none', value=0.6, stderr=0.01)]
    """
    found: list[Figure] = []
    for task, entry in (mapping(results) or {}).items():
        values = mapping(entry) or {}
        for key, item in values.items():
            metric, _, kind = key.partition(",")
            value = _finite(item)
            if value is None or metric in _NOT_METRICS or metric.endswith(_STDERR):
                continue
            stderr = _finite(
                values.get(",".join((metric + _STDERR, kind)) if kind else key + _STDERR)
            )
            found.append(
                Figure(
                    task=task,
                    metric=metric,
                    filter=kind or "none",
                    value=value,
                    stderr=stderr if stderr is None or stderr >= 0 else None,
                )
            )
    return found


def looks_like_harness(path: Path) -> bool:
    """Whether a path is such a file, or a folder of them, as the harness makes for each model."""
    if path.is_dir():
        return any(looks_like_harness(child) for child in _files(path))
    if path.suffix.lower() != ".json":
        return False
    text = head(path)
    return '"results"' in text and any(mark in text for mark in _MARKS)


def read_harness(path: Path) -> list[RunHistory]:
    """A run for each model: all scores of all its files, of a score that repeats the latest.

    Raises:
        NotFoundError: a folder without results; DataError: a file that holds none.
    """
    if not path.is_dir():
        return [_history([_read(path)])]
    read: list[_Results] = []
    notes: list[str] = []
    for file in _files(path):
        try:
            read.append(_read(file))
        except IsolossError as error:
            notes.append(f"{error.message}: left out")
    if not read:
        raise NotFoundError(
            f"{path}: no results of lm-eval{''.join(f'; {note}' for note in notes[:1])}",
            hint="Give the folder of one model, below what --output_path named.",
        )
    models: dict[str, list[_Results]] = {}
    for one in sorted(read, key=lambda one: (one.date, one.file.name)):
        models.setdefault(one.model, []).append(one)
    return [_history(files, notes) for files in models.values()]


@dataclass(frozen=True, kw_only=True)
class _Results:
    """One file."""

    file: Path
    model: str
    date: float
    figures: list[Figure]
    params: float | None
    settings: dict[str, object] = field(default_factory=dict[str, object])
    tasks: dict[str, str] = field(default_factory=dict[str, str])


def _read(path: Path) -> _Results:
    document = read_object(path)
    found = figures(document.get("results"))
    if not found:
        raise DataError(
            f"{path}: no scores of lm-eval under 'results'",
            hint="Give a results_….json that `lm_eval --output_path` wrote.",
        )
    config = mapping(document.get("config")) or {}
    params = _finite(config.get("model_num_parameters"))
    version, limit = document.get("lm_eval_version"), _finite(config.get("limit"))
    settings: dict[str, object] = {}
    if isinstance(version, str):
        settings["meta_lm_eval"] = version
    if limit is not None:
        settings["meta_lm_eval_limit"] = limit
    return _Results(
        file=path,
        model=_model(document, config, path),
        date=_finite(document.get("date")) or 0.0,
        figures=found,
        params=params if params is not None and params >= 1 else None,
        settings=settings,
        tasks=_tasks(document, dict.fromkeys(one.task for one in found)),
    )


def _model(document: Mapping[str, object], config: Mapping[str, object], path: Path) -> str:
    """What was evaluated, with its revision where that is not the main one."""
    given = config.get("model_args")
    arguments = mapping(given) or _arguments(given if isinstance(given, str) else "")
    names = (document.get("model_name"), arguments.get("pretrained"), config.get("model"))
    name = next((one for one in names if isinstance(one, str) and one.strip()), path.stem)
    revision = str(arguments.get("revision") or config.get("model_revision") or "")
    return name if revision in _MAIN else f"{name}@{revision}"


def _arguments(text: str) -> dict[str, object]:
    """`a=1,b=2` as the command line of the harness has it."""
    pairs = (part.partition("=") for part in text.split(","))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def _tasks(document: Mapping[str, object], names: Iterable[str]) -> dict[str, str]:
    """How each task was run: its version, examples in the prompt, examples scored."""
    versions, shots, samples = (
        mapping(document.get(key)) or {} for key in ("versions", "n-shot", "n-samples")
    )
    told: dict[str, str] = {}
    for name in names:
        counts = mapping(samples.get(name)) or {}
        done, whole = _finite(counts.get("effective")), _finite(counts.get("original"))
        parts = [name]
        if isinstance(versions.get(name), (int, float, str)):
            parts.append(f"version {versions[name]}")
        if _finite(shots.get(name)) is not None:
            parts.append(f"{shots[name]}-shot")
        if done is not None and whole is not None:
            parts.append(f"{done:g} of {whole:g}")
        told[name] = " ".join(parts)
    return told


def _history(files: list[_Results], notes: Iterable[str] = ()) -> RunHistory:
    """All files of one model, the oldest first."""
    summary: dict[str, object] = {}
    tasks: dict[str, str] = {}
    origin: dict[str, tuple[str, str, str]] = {}
    clashes: dict[str, None] = {}
    for one in files:
        summary |= one.settings
        tasks |= one.tasks
        for figure in one.figures:
            column = f"metric_{figure.name}"
            which = (figure.task, figure.metric, figure.filter)
            if origin.setdefault(column, which) != which:
                clashes[f"{column} is the name of two scores: the first counts"] = None
                continue
            summary.pop(f"{column}{_STDERR}", None)
            summary[column] = figure.value
            if figure.stderr is not None:
                summary[f"{column}{_STDERR}"] = figure.stderr
    summary["meta_lm_eval_tasks"] = "; ".join(tasks.values())
    params = next((one.params for one in reversed(files) if one.params is not None), None)
    limited = [one.file.name for one in files if "meta_lm_eval_limit" in one.settings]
    cut = [f"{', '.join(limited)}: scored on the first examples only (limit)"] if limited else []
    return RunHistory(
        name=files[-1].model,
        source=str(files[-1].file),
        config={} if params is None else {"params_total": params},
        summary=summary,
        reason=_SCORES_ONLY,
        created_at=_time(files[-1].date),
        notes=(*clashes, *cut, *notes),
    )


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.glob("results*.json") if child.is_file())
    except OSError:
        return []


def _finite(value: object) -> float | None:
    found = None if isinstance(value, str) else number(value)
    return found if found is not None and math.isfinite(found) else None


def _time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds > 0 else ""
    except (OverflowError, OSError, ValueError):
        return ""
