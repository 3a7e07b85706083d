"""The step from loss to score, tried on finished studies of other corpora and tokenisers."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import isoloss as il
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.fitting.chained import fit_chain
from isoloss.studies.folder import StudyFolder
from isoloss.studies.task_candidates import ScoredBy, second_steps
from isoloss.studies.task_checks import OtherStudy, other_studies, tried_on
from isoloss.studies.task_choosing import second_step
from isoloss.studies.task_laws import ScoreLaw

BLEU = ScoredBy(name="bleu", best=100.0)
TASK = {"name": "translation", "options": {}, "fingerprint": "ab"}
BYTES = 3.0
"""Of a token, in the study whose law is tried; the other tokeniser has 2."""


def bleu_of(bits: Any) -> Any:
    return 100 * 12 * np.exp(-7.0 * bits)


def rows_of(bytes_per_token: float, *, scale: float = 1.0, shift: float = 0.0) -> list[Any]:
    """A ladder whose score follows its bits per byte, whatever its tokens are."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for n in np.geomspace(3e4, 1e6, 6):
        for d in np.geomspace(2e6, 3e7, 5):
            bits = scale * (0.3 + 9 / n**0.3 + 14 / d**0.28)
            bits *= math.exp(0.003 * rng.standard_normal())
            rows.append(
                {
                    "run_id": f"r{len(rows)}",
                    "params_matmul": round(n),
                    "tokens": round(d),
                    "flops": 6 * n * d,
                    "loss": bits * math.log(2) * bytes_per_token,
                    "bits_per_byte": bits,
                    "metric_bleu": float(bleu_of(bits)) - shift + 0.05 * rng.standard_normal(),
                    "status": "ok",
                }
            )
    return rows


@cache
def own() -> tuple[il.Runs, il.Fit, ScoreLaw]:
    runs = il.Runs.from_rows(rows_of(BYTES))
    loss = il.fit(runs, "chinchilla", bootstrap=0, seed=0)
    law = next(one for one in second_steps(BLEU) if one.law == "error_exponential")
    step, _ = second_step(runs.rows(), BLEU, law, loss)
    chain = ScoreLaw(
        metric=BLEU, route="chain", status="identified", chosen=law, fit=fit_chain(loss, step)
    )
    return runs, loss, chain


def tokenizers(tmp_path: Path, *, same: bool) -> tuple[StudyFolder, Path]:
    """Folders of this study and of another one, with what cuts their texts."""
    folders = tmp_path / "own", tmp_path / "other"
    for number, folder in enumerate(folders):
        (folder / "corpus").mkdir(parents=True)
        text = "one" if same else f"tokeniser {number}"
        (folder / "corpus" / "tokenizer.json").write_text(text, "utf-8")
    return StudyFolder(folders[0]), folders[1]


def found(tmp_path: Path, rows: list[Any], *, same: bool, **task: Any) -> dict[str, Any]:
    runs, loss, chain = own()
    folder, other = tokenizers(tmp_path, same=same)
    study = OtherStudy(folder=other, name="b", rows=tuple(rows), task={**TASK, **task})
    told = tried_on(study, folder, TASK, runs, loss, {"bleu": chain})
    json.dumps(told, allow_nan=False)
    return told


def test_another_tokeniser_is_tried_in_bits_per_byte(tmp_path: Path) -> None:
    told = found(tmp_path, rows_of(2.0, scale=0.97), same=False, fingerprint="cd")
    assert told["loss_unit"] == "bits_per_byte"
    assert "other examples" in told["notes"]
    bleu = told["metrics"]["bleu"]
    assert bleu["n_runs"] == 30
    assert bleu["rms"] < 0.5
    assert bleu["held_out_rms"] < 0.5
    for row in bleu["runs"]:
        assert row["error"] == pytest.approx(row["predicted"] - row["measured"])
        assert row["predicted"] == pytest.approx(float(bleu_of(row["loss"])), abs=0.6)
    lowest = min(row["bits_per_byte"] for row in rows_of(BYTES))
    assert bleu["n_outside"] == sum(row["loss"] < lowest for row in bleu["runs"]) > 0


def test_nats_of_other_tokens_would_be_far_off(tmp_path: Path) -> None:
    """What the bits per byte are for: the same rows, with losses taken for the same nats."""
    told = found(tmp_path, rows_of(2.0), same=True)
    assert told["loss_unit"] == "nats_per_token"
    assert told["metrics"]["bleu"]["rms"] > 10


def test_a_score_that_follows_another_way_is_told(tmp_path: Path) -> None:
    told = found(tmp_path, rows_of(BYTES, shift=5.0), same=True, options={"beams": 2})
    bleu = told["metrics"]["bleu"]
    assert bleu["mean_error"] == pytest.approx(5, abs=0.3)
    assert bleu["rms"] == pytest.approx(5, abs=0.3)
    assert bleu["held_out_rms"] < 0.5
    assert bleu["n_outside"] == 0
    assert told["notes"][1:] == ["the same examples", "other options of the task"]


def test_the_step_alone_is_held_out_on_measured_losses() -> None:
    """Noise of the loss that the score follows is no error of it: what is left is the score's."""
    runs, loss, chain = own()
    assert chain.chosen is not None
    _, errors = second_step(runs.used().rows(), BLEU, chain.chosen, loss)
    costs = [row["flops"] for row in runs.rows()]
    assert len(errors) == sum(cost > max(costs) / 2 for cost in costs) >= 2
    assert 0 < math.sqrt(np.mean(np.square(errors))) < 0.3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bits_per_byte": None}, "no run of the other study has both bleu and bits_per_byte"),
        ({"metric_bleu": None}, "no run of the other study has both bleu"),
        ({"status": "diverged"}, "no run of the other study"),
    ],
)
def test_what_cannot_be_tried_has_a_reason(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    rows = [{**row, **change} for row in rows_of(2.0)]
    told = found(tmp_path, rows, same=False)["metrics"]["bleu"]
    assert "rms" not in told
    assert reason in told["reason"]


def test_a_score_without_a_law_is_not_tried(tmp_path: Path) -> None:
    runs, loss, _ = own()
    folder, other = tokenizers(tmp_path, same=True)
    unknown = ScoreLaw(metric=BLEU, route="chain", status="not identified", reason="all score 0")
    study = OtherStudy(folder=other, name="b", rows=tuple(rows_of(2.0)), task=TASK)
    told = tried_on(study, folder, TASK, runs, loss, {"bleu": unknown})
    assert told["metrics"] == {"bleu": {"reason": "not identified: all score 0"}}


def finished(folder: Path, task: str | None) -> str:
    folder.mkdir(parents=True)
    told = {"task": {**TASK, "name": task}} if task else {}
    document = {"study": {"name": "b"}, "runs": rows_of(2.0), **told}
    (folder / "study.json").write_text(json.dumps(document), "utf-8")
    return str(folder)


def test_finished_studies_of_the_same_task_are_read(tmp_path: Path) -> None:
    folder = finished(tmp_path / "b", "question-answering")
    (study,) = other_studies([folder], tmp_path / "own", "question_answering")
    assert (study.name, len(study.rows)) == ("b", 30)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    own_folder = tmp_path / "own"
    with pytest.raises(NotFoundError, match=r"no study\.json here") as caught:
        other_studies([str(tmp_path / "nowhere")], own_folder, "translation")
    assert "can be added later" in caught.value.hint
    with pytest.raises(UsageError, match="the study itself"):
        other_studies([str(own_folder)], own_folder, "translation")
    for name, task in (("plain", None), ("other", "choices")):
        folder = finished(tmp_path / name, task)
        with pytest.raises(UsageError, match=f"a study of {task or 'no task'}, expected"):
            other_studies([folder], own_folder, "translation")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "study.json").write_text("{", "utf-8")
    with pytest.raises(DataError, match="damaged"):
        other_studies([str(tmp_path / "broken")], own_folder, "translation")
