"""What came of a model on a task: scores with intervals, and every example."""

from __future__ import annotations

import html
import json
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from isoloss._files import write_json_atomic
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.tasks.metric import (
    Comparison,
    FloatArray,
    Metric,
    Score,
    compare_scores,
    score,
)

if TYPE_CHECKING:
    from pandas import DataFrame

FORMAT = "isoloss-task-1"
GIVEN = "given"
"""How answers were made that came in a file: nobody here knows."""
_MADE = re.compile(
    r"((?:greedy|beams:\d+)\|max_tokens:\d+|best-span\|max_tokens:\d+\|window:\w+\|stride:\w+"
    r"|context:\d+\|stride:\d+)(?:\||$)"
)
"""How files without `made` begin their signatures."""
WIDTH = 80


@dataclass(frozen=True, kw_only=True, repr=False)
class TaskResult:
    """A model on the examples of a task.

    Attributes:
        task: its name.
        model: folder or name of what was evaluated; a baseline is named as such.
        run_id: of the run that trained the model, or empty.
        metrics: scores by name.
        n_examples: how many.
        signature: settings that the figures depend on, in one line, as papers quote them: how the
            answers were made, then how they were scored.
        made: the first part of the signature; `given` where texts came in a file. Two results are
            compared whatever theirs is.
        level: of the intervals.
        statistics: by metric the terms of its sums, one row an example, for paired comparisons.
        clusters: which examples belong together, one number each, or None.
        outputs: one mapping an example: what went in, what came out, what it scored.
        notes: what to know of the figures (inputs cut short, failures), one sentence each.
    """

    task: str
    model: str
    run_id: str = ""
    metrics: Mapping[str, Score]
    n_examples: int
    signature: str
    level: float
    statistics: Mapping[str, FloatArray] = field(default_factory=dict[str, FloatArray])
    clusters: NDArray[np.int64] | None = None
    outputs: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    made: str = ""

    @property
    def scoring(self) -> str:
        """The second part of the signature: how the answers were scored."""
        return self.signature.removeprefix(self.made).removeprefix("|" if self.made else "")

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={found.value:.4g}" for name, found in self.metrics.items())
        return f"<TaskResult {self.task}: {self.n_examples} examples, {told}>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"

    def summary(self) -> str:
        """Scores, signature and notes, as text of 80 columns; a signature breaks at `|` alone."""
        lines = [f"{self.task}: {self.n_examples:,} examples, {self.model}"]
        width = max((len(name) for name in self.metrics), default=0)
        for name, found in self.metrics.items():
            interval = (
                f"[{found.low:.4g}, {found.high:.4g}]"
                if found.low == found.low
                else f"no interval: {found.reason}"
            )
            arrow = "" if found.higher_is_better else "  (lower is better)"
            lines.append(f"  {name:<{width}}  {found.value:<9.4g} {interval}{arrow}")
        if any(found.low == found.low for found in self.metrics.values()):
            lines.append(f"  {self.level:.0%} intervals over examples")
        lines += _at_bars(self.signature)
        lines += [line for note in self.notes for line in _wrapped(f"note: {note}")]
        return "\n".join(lines)

    def columns(self) -> dict[str, float]:
        """Columns of the run table: `metric_NAME`, and its interval's ends where it has one.

        >>> from isoloss.tasks.metric import Score
        >>> result = TaskResult(
        ...     task="t", model="m", metrics={"bleu": Score(value=12.5)}, n_examples=1,
        ...     signature="", level=0.9,
        ... )
        >>> result.columns()
        {'metric_bleu': 12.5}
        """
        found: dict[str, float] = {}
        for name, one in self.metrics.items():
            found[f"metric_{name}"] = one.value
            if one.low == one.low:
                found |= {f"metric_{name}_low": one.low, f"metric_{name}_high": one.high}
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON, without the examples."""
        return {
            "task": self.task,
            "model": self.model,
            "run_id": self.run_id,
            "metrics": {name: one.to_dict() for name, one in self.metrics.items()},
            "n_examples": self.n_examples,
            "signature": self.signature,
            "made": self.made,
            "level": self.level,
            "notes": list(self.notes),
        }

    def to_frame(self) -> DataFrame:
        """One row a metric: value, low, high, unit."""
        import pandas as pd

        rows = [{"metric": name, **vars(one)} for name, one in self.metrics.items()]
        return pd.DataFrame(rows).set_index("metric")

    def save(self, path: str | Path) -> None:
        """Write everything, examples included, as JSON, atomically.

        Raises:
            EnvironmentProblem: the folder is not writable or the disk is full.
        """
        clusters = None if self.clusters is None else self.clusters.tolist()
        whole = {
            "format": FORMAT,
            **self.to_dict(),
            "statistics": {name: rows.tolist() for name, rows in self.statistics.items()},
            "clusters": clusters,
            "outputs": [dict(one) for one in self.outputs],
        }
        write_json_atomic(path, whole)

    @staticmethod
    def load(path: str | Path) -> TaskResult:
        """Read what `save` wrote.

        Raises:
            NotFoundError: no such file; DataError: it holds no result.
        """
        hint = "Give a file written by `isoloss evaluate … -o RESULT`."
        try:
            document: Any = json.loads(Path(path).read_text("utf-8"))
        except (FileNotFoundError, IsADirectoryError) as error:
            raise NotFoundError(f"{path}: no such file", hint=hint) from error
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise DataError(f"{path}: expected a result in JSON ({error})", hint=hint) from error
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise DataError(f"{path}: no result of a task ({FORMAT})", hint=hint)
        try:
            return _from_document(cast("dict[str, Any]", document))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{path}: not a valid result ({error!r})", hint=hint) from error


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")


def _at_bars(signature: str) -> list[str]:
    """Lines of a signature that can be copied: no word of it is broken."""
    lines: list[str] = []
    line = "  "
    for part in re.findall(r"[^|]*\||[^|]+$", signature):
        if line.strip() and len(line) + len(part) > WIDTH:
            lines.append(line)
            line = "    "
        line += part
    return [*lines, line] if line.strip() else lines


def _from_document(document: dict[str, Any]) -> TaskResult:
    clusters = document["clusters"]
    signature = str(document["signature"])
    begins = _MADE.match(signature)
    made = document.get("made", "" if begins is None else begins[1])
    return TaskResult(
        task=str(document["task"]),
        model=str(document["model"]),
        run_id=str(document["run_id"]),
        metrics={name: Score.from_dict(one) for name, one in document["metrics"].items()},
        n_examples=int(document["n_examples"]),
        signature=signature,
        made=str(made),
        level=float(document["level"]),
        statistics={
            name: np.asarray(rows, dtype=np.float64)
            for name, rows in document["statistics"].items()
        },
        clusters=None if clusters is None else np.asarray(clusters, dtype=np.int64),
        outputs=tuple(document["outputs"]),
        notes=tuple(str(note) for note in document["notes"]),
    )


def scored(
    terms: Mapping[Metric, FloatArray],
    *,
    task: str,
    model: str,
    signature: str,
    outputs: tuple[Mapping[str, Any], ...],
    made: str = "",
    clusters: NDArray[np.int64] | None = None,
    level: float = 0.9,
    seed: int = 0,
    run_id: str = "",
    notes: tuple[str, ...] = (),
) -> TaskResult:
    """A result from each metric's terms, (N, K).

    Args:
        terms: of each metric.
        signature: how the answers were scored; `made` is put before it.
        task, model, outputs, made, clusters, level, run_id, notes: as in the result.
        seed: of the bootstrap.

    Raises:
        DataError: there are no examples.
    """
    if not outputs:
        raise DataError(f"{task}: no examples to score", hint="Give a file with examples.")
    return TaskResult(
        task=task,
        model=model,
        run_id=run_id,
        metrics={
            metric.name: score(metric, rows, clusters=clusters, level=level, seed=seed)
            for metric, rows in terms.items()
        },
        n_examples=len(outputs),
        signature="|".join(part for part in (made, signature) if part),
        made=made,
        level=level,
        statistics={metric.name: rows for metric, rows in terms.items()},
        clusters=clusters,
        outputs=outputs,
        notes=notes,
    )


def compare_results(
    first: TaskResult, second: TaskResult, metrics: Mapping[str, Metric], *, seed: int = 0
) -> tuple[Comparison, ...]:
    """Every metric that both have, paired over the same examples.

    Args:
        first, second: of the same task on the same examples.
        metrics: how sums become values, by name.
        seed: of the bootstrap.

    How the answers were made may differ (greedy or beams, a model or a file): `made` of each
    result says it.

    Raises:
        UsageError: another task, scored in another way, or other examples.
    """
    if first.task != second.task or first.scoring != second.scoring:
        raise UsageError(
            f"{first.task} ({first.scoring}) and {second.task} ({second.scoring}) are not"
            " the same task scored in the same way",
            hint="Evaluate both with the same options of the task and the same libraries.",
        )
    inputs = [[one.get("input") for one in result.outputs] for result in (first, second)]
    if inputs[0] != inputs[1]:
        raise UsageError(
            "the two results are of other examples", hint="Evaluate both on the same examples."
        )
    return tuple(
        compare_scores(
            metrics[name],
            first.statistics[name],
            second.statistics[name],
            clusters=first.clusters,
            level=first.level,
            seed=seed,
        )
        for name in first.statistics
        if name in second.statistics and name in metrics
    )
