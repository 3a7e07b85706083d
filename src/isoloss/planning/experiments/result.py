"""Which runs to make next, what they cost, and what they leave uncertain. Frozen."""

from __future__ import annotations

import html
import json
import math
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from isoloss._files import write_json_atomic, write_text_atomic
from isoloss.errors import DataError, NotFoundError

if TYPE_CHECKING:
    from pandas import DataFrame

SCHEMA_VERSION = 1
FORMAT = "isoloss-design-1"
WIDTH = 80
SHOWN_ROWS = 20


@dataclass(frozen=True, kw_only=True)
class ChosenRun:
    """One run of a design.

    Attributes:
        position: of the candidate in the table that was given, from 0.
        job: the candidate's row: what to train.
        variables: of the law.
        flops, cumulative_flops: its cost, and that of all runs up to it.
        standard_error: of the target, expected after it.
        now: whether it belongs to the batch that is to be made before the next look.
    """

    position: int
    job: Mapping[str, Any]
    variables: Mapping[str, float]
    flops: float
    cumulative_flops: float
    standard_error: float
    now: bool


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """What another strategy would do with the same budget: its runs, cost and standard error."""

    strategy: str
    runs: int
    flops: float
    standard_error: float


@dataclass(frozen=True, kw_only=True)
class Design:
    """The runs to make next.

    Attributes:
        target: what is to become less uncertain, in words; `unit`: of its standard errors:
            `relative`, `loss` or `absolute`.
        target_value: its mean now, for one target; not-a-number for several.
        budget: FLOP that may be spent; `spent`: what the chosen runs cost.
        now, after: standard error of the target before and after all chosen runs; of several
            targets the root of their mean variance. Of a loss it is that of what runs there have
            in common: what the law is wrong by is in it, a run's own noise is not.
        runs: in the order in which they should be made.
        alternatives: the same budget spent by other strategies, under the same belief.
        laws: names with their weights; `modes`: explanations of the runs that were told apart.
        noise, discrepancy: standard deviations of a run around what its neighbours share, and of
            what neighbours share, in the unit of residuals.
        candidates: how many there were; `running`: how many are under way and counted as made.
        strategy, seed: how it was chosen.
        caveats: what to know before spending the budget.
    """

    target: str
    unit: str
    target_value: float
    budget: float
    spent: float
    now: float
    after: float
    runs: tuple[ChosenRun, ...]
    alternatives: tuple[Alternative, ...]
    laws: Mapping[str, float]
    modes: int
    noise: float
    discrepancy: float
    candidates: int
    running: int
    strategy: str
    seed: int
    caveats: tuple[str, ...]

    def __repr__(self) -> str:
        return (
            f"Design({len(self.runs)} of {self.candidates} candidates for {self.spent:.3g} FLOP:"
            f" {self.target} ±{self._error(self.now)} → ±{self._error(self.after)})"
        )

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"

    def jobs(self) -> list[dict[str, Any]]:
        """What to train, in order: the candidates' rows, as a trainer takes them."""
        return [dict(run.job) for run in self.runs]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        plain = {k: v for k, v in asdict(self).items() if k not in ("runs", "alternatives")}
        value = plain.pop("target_value")
        return {
            "schema_version": SCHEMA_VERSION,
            "format": FORMAT,
            **plain,
            "target_value": value if math.isfinite(value) else None,
            **({} if math.isfinite(value) else {"target_value_reason": "several targets"}),
            "laws": dict(self.laws),
            "caveats": list(self.caveats),
            "runs": [
                {**asdict(run), "job": dict(run.job), "variables": dict(run.variables)}
                for run in self.runs
            ],
            "alternatives": [asdict(other) for other in self.alternatives],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Design:
        """The design that `to_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: it did not write this.
        """
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r} is unknown")
        value = document["target_value"]
        return cls(
            target=str(document["target"]),
            unit=str(document["unit"]),
            target_value=math.nan if value is None else float(value),
            budget=float(document["budget"]),
            spent=float(document["spent"]),
            now=float(document["now"]),
            after=float(document["after"]),
            runs=tuple(_run(each) for each in document["runs"]),
            alternatives=tuple(_alternative(each) for each in document["alternatives"]),
            laws={str(name): float(weight) for name, weight in document["laws"].items()},
            modes=int(document["modes"]),
            noise=float(document["noise"]),
            discrepancy=float(document["discrepancy"]),
            candidates=int(document["candidates"]),
            running=int(document["running"]),
            strategy=str(document["strategy"]),
            seed=int(document["seed"]),
            caveats=tuple(str(caveat) for caveat in document["caveats"]),
        )

    def to_frame(self) -> DataFrame:
        """One row a run, as a pandas frame: its job, variables and what it is expected to do."""
        import pandas as pd

        return pd.DataFrame(
            [
                {**run.job, **run.variables, "flops": run.flops,
                 "cumulative_flops": run.cumulative_flops,
                 "standard_error": run.standard_error, "now": run.now}
                for run in self.runs
            ]
        )  # fmt: skip

    def save(self, path: str | Path) -> None:
        """Write the design as JSON, atomically.

        Raises:
            EnvironmentProblem: the folder is not writable or the disk is full.
        """
        write_json_atomic(path, self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> Design:
        """Read a design that `save` wrote.

        Raises:
            NotFoundError: no such file; DataError: it holds no design.
        """
        hint = "Give a file written by Design.save or `isoloss design … -o DESIGN`."
        try:
            document: Any = json.loads(Path(path).read_text("utf-8"))
        except (FileNotFoundError, IsADirectoryError) as error:
            raise NotFoundError(f"{path}: no such file", hint=hint) from error
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise DataError(f"{path}: expected a design in JSON ({error})", hint=hint) from error
        if not isinstance(document, dict):
            raise DataError(f"{path}: expected a design, found no JSON object", hint=hint)
        try:
            return cls.from_dict(cast("dict[str, Any]", document))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise DataError(f"{path}: not a valid design ({reason})", hint=hint) from error

    def summary(self) -> str:
        """The design in text, at most 80 columns wide."""
        return "\n".join([*self._head(), "", *self._table(), "", *self._others(), *self._notes()])

    def _head(self) -> list[str]:
        laws = ", ".join(
            name if len(self.laws) == 1 else f"{name} {weight:.0%}"
            for name, weight in self.laws.items()
        )
        value = f" {self.target_value:.4g}" if math.isfinite(self.target_value) else ""
        rows = [
            ("Target", f"{self.target}:{value} ±{self._error(self.now)} now,"
             f" ±{self._error(self.after)} after (standard error)"),
            ("Budget", f"{self.budget:.4g} FLOP; {len(self.runs)} of {self.candidates} candidates"
             f" for {self.spent:.4g}"
             + (f"; {self.running} under way are counted as made" if self.running else "")),
            ("Law", laws),
            ("Belief", f"{self.modes} explanation{'s' * (self.modes != 1)} of the runs; a run"
             f" scatters by {self._scatter(self.noise)}, neighbours share"
             f" {self._scatter(self.discrepancy)}"),
        ]  # fmt: skip
        lines = ["Runs to make next"]
        for name, text in rows:
            start = f"  {name:<8} "
            lines += textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=" " * 11)
        return lines

    def _table(self) -> list[str]:
        if not self.runs:
            return ["  no run is affordable"]
        names = list(self.runs[0].variables)[:4]
        lines = ["".join(f"{name[:10]:>11}" for name in ("", *names, "FLOP", "in all", "error"))]
        for place, run in enumerate(self.runs[:SHOWN_ROWS]):
            cells = [
                f"{'now ' if run.now else ''}{place + 1}",
                *(f"{run.variables[name]:.4g}" for name in names),
                f"{run.flops:.3g}",
                f"{run.cumulative_flops:.3g}",
                f"±{self._error(run.standard_error)}",
            ]
            lines.append("".join(f"{cell:>11}" for cell in cells))
        if len(self.runs) > SHOWN_ROWS:
            lines.append(f"  … and {len(self.runs) - SHOWN_ROWS} more")
        return [line[3:] for line in lines]

    def _others(self) -> list[str]:
        if not self.alternatives:
            return []
        return ["The same budget by other strategies, under the same belief:"] + [
            f"  {other.strategy:<14} {other.runs:>4} runs  {other.flops:>10.3g} FLOP"
            f"  ±{self._error(other.standard_error)}"
            for other in self.alternatives
        ]

    def _notes(self) -> list[str]:
        lines = ["", "Caveats"] if self.caveats else []
        for caveat in self.caveats:
            lines += textwrap.wrap(caveat, WIDTH, initial_indent="  - ", subsequent_indent=" " * 4)
        return lines

    def _error(self, value: float) -> str:
        return f"{100 * value:.3g}%" if self.unit == "relative" else f"{value:.3g}"

    def _scatter(self, value: float) -> str:
        return f"{100 * value:.2g}%" if self.unit == "relative" else f"{value:.2g}"


def save_jobs(found: Design, path: str | Path) -> None:
    """Write the jobs in order, one JSON object a line, atomically.

    Raises:
        EnvironmentProblem: the folder is not writable or the disk is full.
    """
    lines = (json.dumps(job, ensure_ascii=False, allow_nan=False) for job in found.jobs())
    write_text_atomic(path, "".join(f"{line}\n" for line in lines))


def _run(each: Mapping[str, Any]) -> ChosenRun:
    return ChosenRun(
        position=int(each["position"]),
        job=dict(each["job"]),
        variables={str(name): float(value) for name, value in each["variables"].items()},
        flops=float(each["flops"]),
        cumulative_flops=float(each["cumulative_flops"]),
        standard_error=float(each["standard_error"]),
        now=bool(each["now"]),
    )


def _alternative(each: Mapping[str, Any]) -> Alternative:
    return Alternative(
        strategy=str(each["strategy"]),
        runs=int(each["runs"]),
        flops=float(each["flops"]),
        standard_error=float(each["standard_error"]),
    )
