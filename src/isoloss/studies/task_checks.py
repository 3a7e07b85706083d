"""The law from loss to score, tried on finished studies of the same task: across corpora.

The held-out check of a study tries its law across sizes. Another corpus or tokeniser tries whether
the score follows the loss at all, or the loss of this text alone (arXiv:2109.07740 finds that it
depends on the corpus). Losses must mean the same: where the tokenisers differ, the step is fitted
again to bits per byte, which do not depend on them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.runs import usable
from isoloss.studies.folder import StudyFolder
from isoloss.studies.task_choosing import second_step
from isoloss.studies.task_laws import ScoreLaw, known

if TYPE_CHECKING:
    from isoloss.fitting import Fit
    from isoloss.runs import Runs

Row = Mapping[str, Any]
NATS, BITS = "nats_per_token", "bits_per_byte"
_LOSS_OF = {NATS: "loss", BITS: BITS}


@dataclass(frozen=True, kw_only=True)
class OtherStudy:
    """A finished study of the same task.

    Attributes:
        folder: where it lies.
        name: of the study.
        rows: every run, the verification run too.
        task: its `study.json`'s part on the task.
    """

    folder: Path
    name: str
    rows: tuple[Row, ...]
    task: Mapping[str, Any]


def other_studies(folders: Sequence[str], own: Path, task: str) -> list[OtherStudy]:
    """The studies in some folders.

    Args:
        folders: of finished studies.
        own: folder of the study whose law is tried.
        task: its task.

    Raises:
        UsageError: the study itself, or one of another task.
        NotFoundError, DataError: no finished study there, or a damaged one.
    """
    return [_other(Path(folder), own, task) for folder in folders]


def _other(path: Path, own: Path, task: str) -> OtherStudy:
    from isoloss.studies.loop import load_results

    if path.resolve() == own.resolve():
        raise UsageError(
            f"task.check_on names {path}, the study itself",
            hint="Name finished studies on another corpus or with another tokeniser.",
        )
    try:
        results = load_results(path)
    except NotFoundError as error:
        raise NotFoundError(
            f"task.check_on: {error.message}",
            hint="Name folders of finished studies. One that is still running can be added later:"
            " a finished study takes another task.check_on and trains nothing again.",
        ) from error
    told = results.get("task") or {}
    wanted = task.strip().lower().replace("_", "-")
    if told.get("name") != wanted:
        raise UsageError(
            f"task.check_on: {path} is a study of {told.get('name') or 'no task'}, expected"
            f" {wanted}",
            hint="Name studies whose runs were scored on the same task.",
        )
    try:
        name, rows = str(results["study"]["name"]), tuple(results["runs"])
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: its results are damaged ({error!r})") from error
    return OtherStudy(folder=path, name=name, rows=rows, task=told)


def tried_on(
    other: OtherStudy,
    own: StudyFolder,
    task: Mapping[str, Any],
    runs: Runs,
    loss: Fit,
    laws: Mapping[str, ScoreLaw],
) -> dict[str, Any]:
    """The laws of a study on the runs of another one, as plain data for `study.json`.

    Args:
        other: the other study.
        own: folder of this one.
        task: of this one, as `task.json` has it.
        runs: the ladder of this one.
        loss: its law of the loss.
        laws: by metric the chain, whose second step is tried.
    """
    unit = NATS if _same_tokenizer(own, StudyFolder(other.folder)) else BITS
    same = other.task.get("fingerprint") == task["fingerprint"]
    options = other.task.get("options") == task["options"]
    notes = [
        "the same tokeniser: losses in nats per token"
        if unit == NATS
        else "another tokeniser: the step is fitted again to bits per byte",
        f"{'the same' if same else 'other'} examples",
        *([] if options else ["other options of the task"]),
    ]
    return {
        "study": other.name,
        "folder": str(other.folder),
        "loss_unit": unit,
        "notes": notes,
        "metrics": {
            name: _tried(law, runs.used().rows(), other.rows, loss, unit)
            for name, law in laws.items()
        },
    }


def _same_tokenizer(one: StudyFolder, other: StudyFolder) -> bool:
    """Whether both studies cut text into the same tokens; not where a corpus is gone."""
    try:
        texts = [(folder.corpus / "tokenizer.json").read_bytes() for folder in (one, other)]
    except OSError:
        return False
    return texts[0] == texts[1]


def _tried(
    law: ScoreLaw, own: Sequence[Row], others: Sequence[Row], loss: Fit, unit: str
) -> dict[str, Any]:
    """One law on other runs: its errors, or the reason why there are none."""
    from isoloss.runs import Runs

    if law.chosen is None:
        return {"reason": f"not identified: {law.reason}"}
    mine, theirs = (_in_unit(rows, law.metric.column, unit) for rows in (own, others))
    if not mine or not theirs:
        whose = "this" if not mine else "the other"
        return {"reason": f"no run of {whose} study has both {law.metric.name} and {unit}"}
    try:
        fit, held = second_step(mine, law.metric, law.chosen, loss)
        found = replace(law, fit=fit).errors_on(Runs.from_rows(theirs))
    except (DataError, UsageError) as error:
        return {"reason": error.message}
    if not fit.trusted:
        return {"reason": f"the second step in {unit}: {fit.status}"}
    errors = np.array(list(found.values()))
    inside = [row["loss"] for row in mine]
    return {
        "law": law.chosen.name,
        "formula": fit.law.formula,
        "rms": _rms(errors),
        "mean_error": float(errors.mean()),
        "n_runs": len(errors),
        "n_outside": sum(not min(inside) <= r["loss"] <= max(inside) for r in theirs),
        "held_out_rms": _rms(np.array(held)) if held else None,
        "runs": [
            {
                "run_id": row["run_id"],
                "loss": row["loss"],
                "measured": row[law.metric.column],
                "predicted": row[law.metric.column] + found[str(row["run_id"])],
                "error": found[str(row["run_id"])],
            }
            for row in theirs
        ],
    }


def _in_unit(rows: Sequence[Row], column: str, unit: str) -> list[dict[str, Any]]:
    """Usable rows with a score, their `loss` in the unit."""
    return [
        {**row, "loss": row[_LOSS_OF[unit]], "loss_unit": unit}
        for row in rows
        if known(row.get(column)) and known(row.get(_LOSS_OF[unit])) and usable(row)
    ]


def _rms(errors: np.ndarray) -> float:
    return math.sqrt(float(np.mean(np.square(errors))))
