"""The section on a task: figures, tables, summary; and nothing of it without a task."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from isoloss.errors import NotFoundError
from isoloss.reports import build_page, figure_svg, figures, summary_text
from isoloss.reports.charts import drawings
from isoloss.reports.task_tables import task_tables


def _points(values: list[float]) -> list[dict[str, Any]]:
    return [
        {"run_id": f"r{k}", "n": 2e4 * 2**k, "d": 5e5, "flops": 5e10 * 2**k, "loss": 4 - k / 5,
         "value": value, "low": value - 0.5, "high": value + 0.5}
        for k, value in enumerate(values)
    ]  # fmt: skip


def _metric(values: list[float], *, smooth: bool, higher: bool, step: float) -> dict[str, Any]:
    points = _points(values)
    return {
        "smooth": smooth, "higher_is_better": higher, "points": points, "largest_step": step,
        "means": [{"flops": p["flops"], "value": p["value"]} for p in points],
    }  # fmt: skip


@pytest.fixture
def scored(results: dict[str, Any]) -> dict[str, Any]:
    """The invented study with a translation task: BLEU identified, TER not."""
    curve = [
        {"flops": 5e10 * 2**k, "value": 2.0 * k, "low": 2.0 * k - 1, "high": 2.0 * k + 1}
        for k in range(6)
    ]
    law = {
        "status": "identified", "law": "error_exponential", "first_step": "chinchilla",
        "formula": "eps - k*exp(-gamma*loss)", "curve": curve,
        "held_out": {"rms": 0.31, "runs": [{"run_id": "r4"}]},
    }  # fmt: skip
    unknown = {"status": "not identified", "reason": "all 5 runs score 100", "curve": []}
    told = {"predicted": 11.0, "low": 9.0, "high": 13.5}
    task = {
        "name": "translation", "n_examples": 200, "notes": ["3 examples left out"], "level": 0.9,
        "main": "bleu", "sentence": "Neither jumps <here>.",
        "metrics": {
            "bleu": _metric([0, 0, 3, 6, 7], smooth=False, higher=True, step=0.43),
            "ter": _metric([100.0] * 5, smooth=False, higher=False, step=0.0),
            "answer_bits_per_byte": _metric([3, 2.6, 2.1, 1.7, 1.4], smooth=True, higher=False,
                                            step=0.3),
        },
        "chain": {"bleu": law, "ter": unknown},
        "direct": {"bleu": {**law, "law": "sigmoid of log C"}, "ter": unknown},
        "verification": {
            "bleu": {
                "route": "chain", **told, "level": 0.9, "measured": 10.0, "measured_low": 8.0,
                "measured_high": 12.0, "error": 1.0, "inside": True,
                "routes": {"chain": {**told, "error": 1.0},
                           "direct": {"predicted": 6.0, "low": 5.0, "high": 7.0, "error": -4.0}},
            },
            "ter": {"predicted": None, "low": None, "high": None, "measured": 100.0,
                    "reason": "all 5 runs score 100"},
        },
    }  # fmt: skip
    return {**copy.deepcopy(results), "task": task}


def _values(spec: Any) -> list[dict[str, Any]]:
    """Every record of a spec's layers."""
    sets = spec.get("datasets", {}).values()
    found = [row for rows in sets for row in rows]
    for layer in [spec, *spec.get("layer", [])]:
        found += layer.get("data", {}).get("values", [])
    return found


def test_without_a_task_there_is_nothing_of_it(results: dict[str, Any]) -> None:
    assert "How the task scales" not in build_page(results)
    assert "scales" not in summary_text(results)
    assert not [f for f in drawings(results) if f.name.startswith("task")]
    assert task_tables(results) == ()
    with pytest.raises(NotFoundError, match="no figure 'task'"):
        figure_svg(results, "task")


def test_the_score_figure_has_runs_laws_prediction_and_measurement(
    scored: dict[str, Any],
) -> None:
    drawn = figures(scored)
    records = _values(drawn["task"])
    assert {row["value"] for row in records if "run_id" in row} == {0, 3, 6, 7}
    (checked, *_) = [row for row in records if "measured" in row]
    assert [checked[k] for k in ("predicted", "low", "high", "measured")] == [11, 9, 13.5, 10]
    styles = [layer["mark"]["style"] for layer in drawn["task"]["layer"]]
    assert styles[:3] == ["band", "guide", "frontier"]
    assert {"predicted", "measured"} <= set(styles)


def test_metrics_are_shares_of_their_way_and_forward_is_up(scored: dict[str, Any]) -> None:
    records = _values(figures(scored)["task-metrics"])
    by_name: dict[str, list[float]] = {}
    for row in records:
        by_name.setdefault(f"{row['metric']} {row['kind']}", []).append(row["share"])
    assert set(by_name) == {"BLEU counts", "answer bits per byte smooth"}  # TER does not move
    assert all(min(s) == 0 and max(s) == 1 for s in by_name.values())
    assert by_name["answer bits per byte smooth"][-1] == 1
    json.dumps(records, allow_nan=False)


def test_pictures_can_be_drawn(scored: dict[str, Any]) -> None:
    for name in ("task", "task-metrics"):
        assert figure_svg(scored, name) == figure_svg(scored, name)


def test_page_and_summary_tell_scores_and_why_there_are_none(scored: dict[str, Any]) -> None:
    page, summary = build_page(scored), summary_text(scored)
    for text in (page, summary):
        assert "BLEU: predicted 11 [9, 13.5], measured 10, inside" in text
        assert "TER: not identified: all 5 runs score 100" in text
    assert "Neither jumps &lt;here&gt;." in page
    assert "3 examples left out" in page
    assert max(map(len, summary.splitlines())) <= 80


def test_tables_have_both_routes(scored: dict[str, Any]) -> None:
    scores, laws = task_tables(scored)
    cells = {row[:2]: row for row in scores.rows}
    assert cells["BLEU", "by way of the loss"][2:8] == (
        "11", "[9, 13.5]", "10", "[8, 12]", "+1", "inside",
    )  # fmt: skip
    assert cells["BLEU", "directly"][6:8] == ("-4", "outside")
    assert cells["TER", "–"][2] == "–"
    assert cells["TER", "–"][-1] == "all 5 runs score 100"
    status = {row[:2]: row for row in laws.rows}
    assert status["BLEU", "by way of the loss"][2] == "chinchilla, then error_exponential"
    assert status["TER", "directly"][-1] == "all 5 runs score 100"


def test_page_and_summary_tell_how_the_law_did_on_other_studies(scored: dict[str, Any]) -> None:
    tried = {
        "law": "error_exponential", "formula": "eps - k*exp(-gamma*loss)", "rms": 1.25,
        "mean_error": -0.5, "n_runs": 16, "n_outside": 2, "held_out_rms": 0.31, "runs": [],
    }  # fmt: skip
    check = {
        "study": "news", "folder": "/b", "loss_unit": "bits_per_byte", "notes": ["other examples"],
        "metrics": {"bleu": tried, "ter": {"reason": "not identified: all 5 runs score 100"}},
    }  # fmt: skip
    without = {"bleu": {"reason": "no run of the other study has both bleu and bits_per_byte"}}
    scored["task"]["checks"] = [check, {**check, "folder": "/c", "metrics": without}]
    line = "BLEU from the loss, on the runs of news (b): off by 1.25 (mean -0.5, 16 runs);"
    page, summary = build_page(scored), summary_text(scored)
    for text in (page, " ".join(summary.split())):
        assert f"{line} across sizes of its own 0.31 held out" in text
        assert "on the runs of news (c): not tried: no run of the other study has both" in text
        assert "TER from the loss" not in text
    assert max(map(len, summary.splitlines())) <= 80
    cells = {row[0]: row for row in task_tables(scored)[2].rows[:2]}
    assert cells["BLEU"][3:9] == ("bits per byte", "16", "2", "1.25", "-0.5", "0.31")
    assert cells["TER"][-1] == "not identified: all 5 runs score 100"
    assert "The law of the score on other studies" in page
    tried["held_out_rms"] = None
    assert "across sizes of its own none held out" in " ".join(summary_text(scored).split())


def test_no_run_with_a_score(scored: dict[str, Any]) -> None:
    for metric in scored["task"]["metrics"].values():
        metric["points"], metric["means"] = [], []
    first, second = [f for f in drawings(scored) if f.name.startswith("task")]
    assert first.reason == "No run has a value of bleu."
    assert second.reason == "No score moves over the ladder."
    assert "Not drawn: No run has a value of bleu." in build_page(scored)
