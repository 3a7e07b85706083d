"""The log of a run: one JSON object a line, in `log.jsonl` beside the model.

A line holds what the run's settings decide and no time, so the log of a run that was killed and
went on equals that of one that never was, byte for byte. Lines of later steps than the checkpoint
are dropped when it goes on; they come again.

* `{"kind": "step", "step", "loss", "gradient_norm", "rate", "tokens", "predicted"}`: the training
  loss of one step; `"skipped": true` where the weights were left as they were.
* `{"kind": "evaluation", "step", "loss", "loss_se", "bits_per_byte", "tokens", "domains"}`: the
  validation loss after that many steps.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from isoloss._files import write_bytes_atomic
from isoloss.errors import DataError, EnvironmentProblem
from isoloss.training.evaluation import Evaluation
from isoloss.training.log_writers import Writer
from isoloss.training.state import Step

LOG = "log.jsonl"

Line = dict[str, Any]


def step_line(step: Step) -> Line:
    """The line of a step."""
    line: Line = {
        "kind": "step",
        "step": step.step,
        "loss": _finite(step.loss),
        "gradient_norm": _finite(step.gradient_norm),
        "rate": step.factor,
        "tokens": step.tokens,
        "predicted": step.predicted,
    }
    return {**line, "skipped": True} if step.skipped else line


def evaluation_line(step: int, evaluation: Evaluation) -> Line:
    """The line of an evaluation."""
    line: Line = {
        "kind": "evaluation",
        "step": step,
        "loss": _finite(evaluation.loss),
        "loss_se": _finite(evaluation.loss_se),
        "bits_per_byte": _finite(evaluation.bits_per_byte),
        "tokens": evaluation.tokens,
    }
    if evaluation.domains:
        line["domains"] = {name: _finite(e.loss) for name, e in evaluation.domains.items()}
    return line


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def read_log(folder: str | Path) -> list[Line]:
    """The lines of a run's log, in their order; a last line that was cut short is left out.

    Args:
        folder: the folder of the model.

    Raises:
        DataError: a line within the log is damaged.
    """
    path = Path(folder) / LOG
    if not path.exists():
        return []
    lines: list[Line] = []
    texts = path.read_bytes().split(b"\n")
    for number, text in enumerate(texts, start=1):
        if not text:
            continue
        try:
            line = json.loads(text)
            lines.append({**line, "kind": str(line["kind"]), "step": int(line["step"])})
        except (ValueError, KeyError, TypeError) as error:
            if number == len(texts):  # no newline: the run was killed while it wrote
                break
            raise DataError(
                f"{path}, line {number}: damaged, or not written by isoloss ({error})",
                hint="Delete the file; the model is not touched.",
            ) from error
    return lines


class RunLog:
    """A log that is being written, with the evaluations so far."""

    def __init__(self, file: TextIO, kept: Sequence[Line], writers: Sequence[Writer]) -> None:
        self._file = file
        self._writers = writers
        self.evaluations = [line for line in kept if line["kind"] == "evaluation"]

    def write(self, line: Line) -> None:
        """Append a line, to the file at once and to the other writers.

        Raises:
            EnvironmentProblem: the disk is full.
        """
        try:
            self._file.write(json.dumps(line, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise EnvironmentProblem(
                f"cannot write {self._file.name}: {error.strerror or error}",
                hint="Check that the disk has room; the run goes on from its last checkpoint.",
            ) from error
        if line["kind"] == "evaluation":
            self.evaluations.append(line)
        for writer in self._writers:
            writer.write(line)

    def has_evaluation(self, step: int) -> bool:
        """Whether the loss after that many steps is there already."""
        return bool(self.evaluations) and self.evaluations[-1]["step"] == step


@contextmanager
def open_log(folder: Path, step: int, writers: Sequence[Writer] = ()) -> Iterator[RunLog]:
    """The log of a run that stands at `step`: what is there up to it, and what comes.

    Raises:
        DataError: see `read_log`.
        EnvironmentProblem: the folder is not writable or the disk is full.
    """
    path = folder / LOG
    try:
        kept = [line for line in read_log(folder) if line["step"] <= step] if step else []
        text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in kept)
        write_bytes_atomic(path, text.encode("utf-8"))
        with path.open("a", encoding="utf-8", newline="\n") as file:
            yield RunLog(file, kept, writers)
    finally:
        for writer in writers:
            writer.close()
