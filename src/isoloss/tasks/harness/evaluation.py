"""A model on tasks of lm-evaluation-harness, as a result like that of any other task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from isoloss._files import canonical_json, sha256_text
from isoloss.errors import DataError, IsolossError, UsageError
from isoloss.runs.importers.harness import Figure, figures
from isoloss.tasks.harness.adapter import harness_model, require_lm_eval
from isoloss.tasks.harness.choosing import load_tasks, told
from isoloss.tasks.harness.guarding import guarded
from isoloss.tasks.metric import FloatArray, Score, mean_statistics
from isoloss.tasks.opening import OpenModel
from isoloss.tasks.results import TaskResult

RESAMPLES = 1000
"""Of lm-eval's bootstrap, where a metric has no standard error in closed form."""

_LONGEST_INPUT = 2000


def evaluate_harness(
    opened: OpenModel,
    tasks: Sequence[str],
    *,
    include_path: str | Path | None = None,
    limit: int | None = None,
    num_fewshot: int | None = None,
    batch_rows: int = 16,
    level: float = 0.9,
    seed: int = 0,
) -> TaskResult:
    """Run tasks of lm-eval; metrics are named `TASK_METRIC`, as an import names them.

    Intervals are value ± z x lm-eval's standard error, of the normal distribution. No code of a
    task's file runs, none from the hub, and none that the model writes (`guarding`).

    Args:
        opened: a decoder or encoder-decoder.
        tasks: names of tasks, groups or tags.
        include_path: a folder with task files of your own.
        limit: most examples of each task.
        num_fewshot: solved examples in each prompt; as each task says when None.
        batch_rows: rows of the model at a time.
        level: of the intervals.
        seed: of sampling, where a task samples.

    Raises:
        EnvironmentProblem: `lm-eval` is missing, or a version that cannot be guarded.
        NotFoundError: no such task; UsageError: one that runs code, or a model of the wrong kind.
        DataError: a task that lm-eval cannot load or score.
    """
    if not 0 < level < 1:
        raise UsageError(f"level must lie between 0 and 1, found {level!r}", hint="Try 0.9.")
    require_lm_eval()
    model = harness_model(opened, batch_rows=batch_rows, seed=seed)
    folder = None if include_path is None else Path(include_path)
    with guarded():
        loaded = load_tasks(tasks, folder, num_fewshot=num_fewshot)
        results = _run(model, loaded, tasks, limit)
    return result_of(
        results,
        model=str(opened.folder),
        run_id=opened.run_id,
        level=level,
        settings=(f"seed:{seed}",),
        cut=model.responder.cut,  # type: ignore[attr-defined]
    )


def _run(
    model: Any, loaded: dict[str, Any], names: Sequence[str], limit: int | None
) -> Mapping[str, Any]:
    from jinja2 import TemplateError
    from lm_eval.evaluator import evaluate  # pyright: ignore[reportMissingImports]

    try:
        found = evaluate(
            lm=model,
            task_dict=loaded,  # type: ignore[arg-type]
            limit=limit,
            bootstrap_iters=RESAMPLES,
            log_samples=True,
        )
    except IsolossError:
        raise
    except (TemplateError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"lm-eval cannot score {', '.join(names)}: {told(error)}",
            hint="Check the task's templates against its examples.",
        ) from error
    assert found is not None, "one process, so that it has the results"
    return found


def result_of(
    results: Mapping[str, Any],
    *,
    model: str,
    run_id: str = "",
    level: float,
    settings: tuple[str, ...] = (),
    cut: int = 0,
) -> TaskResult:
    """What lm-eval's `evaluate` returns as one result.

    Raises:
        DataError: it holds no score.
    """
    found = figures(results["results"])
    if not found:
        raise DataError("lm-eval gave no score", hint="Give another task or more examples.")
    samples = {name: list(rows) for name, rows in results.get("samples", {}).items()}
    counts = {name: _examples(rows) for name, rows in samples.items()}
    statistics = {one.name: _terms(one, samples.get(one.task, [])) for one in found}
    notes = [f"intervals are value ± {_quantile(level):.3g} standard errors of lm-eval"]
    if cut:
        notes.append(f"{cut:,} contexts were cut to what the model reads")
    return TaskResult(
        task=",".join(dict.fromkeys(one.task for one in found)),
        model=model,
        run_id=run_id,
        metrics={one.name: _score(one, results, level) for one in found},
        n_examples=sum(counts.values()),
        signature="|".join((f"lm-eval:{_version()}", *settings, *_signatures(results, counts))),
        level=level,
        statistics={name: rows for name, rows in statistics.items() if rows is not None},
        outputs=tuple(_output(name, row) for name, rows in samples.items() for row in rows),
        notes=tuple(notes),
    )


def _quantile(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)


def _score(one: Figure, results: Mapping[str, Any], level: float) -> Score:
    directions = results.get("higher_is_better", {}).get(one.task, {})
    about: dict[str, Any] = {
        "unit": "as_reported",
        "higher_is_better": directions.get(one.metric) is not False,
    }
    if one.stderr is None:
        return Score(value=one.value, reason="lm-eval gives no standard error", **about)
    if one.stderr == 0:
        return Score(value=one.value, reason="all examples score alike", **about)
    half = _quantile(level) * one.stderr
    return Score(value=one.value, low=one.value - half, high=one.value + half, **about)


def _version() -> str:
    from importlib.metadata import version

    return version("lm-eval")


def _signatures(results: Mapping[str, Any], counts: Mapping[str, int]) -> list[str]:
    """Of each task its version, examples in the prompt, examples scored, and a hash.

    The hash is of its settings, examples and prompts, not of where its files lie.
    """
    told: list[str] = []
    for name, count in counts.items():
        places = ("metadata", "dataset_kwargs")
        config = {k: v for k, v in results["configs"][name].items() if k not in places}
        asked = [
            [row["doc_hash"], row["prompt_hash"], row["target_hash"]]
            for row in results["samples"][name]
        ]
        digest = sha256_text(canonical_json([_plain(config), asked]))[:8]
        version, shots = results["versions"].get(name), results["n-shot"].get(name, 0)
        whole = results["n-samples"][name]["original"]
        # lm-eval says "Yaml" of a file that gives no version.
        stated = "no version" if version in (None, "Yaml") else f"version {version}"
        told.append(f"{name}:{stated},{shots}-shot,{count} of {whole},{digest}")
    return told


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def _examples(rows: Sequence[Mapping[str, Any]]) -> int:
    """Examples; there is a row for each of them and each filter."""
    return len({row["doc_id"] for row in rows})


def _terms(one: Figure, rows: Sequence[Mapping[str, Any]]) -> FloatArray | None:
    """Terms of a metric that is the mean over the examples; None where it is anything else."""
    values = [row.get(one.metric) for row in rows if row.get("filter") == one.filter]
    numbers = [float(v) for v in values if isinstance(v, (bool, int, float, np.number))]
    if not numbers or len(numbers) < len(values):
        return None
    mean = math.fsum(numbers) / len(numbers)
    return mean_statistics(numbers) if math.isclose(mean, one.value, rel_tol=1e-9) else None


def _output(task: str, row: Mapping[str, Any]) -> dict[str, Any]:
    arguments = row["arguments"]
    return {
        "task": task,
        "input": str(arguments[0][0])[:_LONGEST_INPUT] if arguments else "",
        "target": _plain(row["target"]),
        "answers": _plain(row["filtered_resps"]),
        "filter": row["filter"],
        "scores": {name: _plain(row.get(name)) for name in row["metrics"]},
    }
