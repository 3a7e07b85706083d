"""The scores of a study: their laws, what is registered of them, and how that turned out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isoloss.errors import DataError
from isoloss.runs import RunStore, usable
from isoloss.studies.folder import StudyFolder
from isoloss.studies.inference import ladder_runs
from isoloss.studies.registration import append_prediction, registered, settle_outcome
from isoloss.studies.task_candidates import ScoredBy
from isoloss.studies.task_checks import other_studies, tried_on
from isoloss.studies.task_choosing import score_laws
from isoloss.studies.task_laws import ScoreLaw, ScorePrediction
from isoloss.studies.task_shapes import shape_of, shapes_sentence

if TYPE_CHECKING:
    from isoloss.fitting import Fit, Forecast
    from isoloss.ladders import LadderPlan
    from isoloss.runs import Runs

ROUTES = ("chain", "direct")


@dataclass(frozen=True, kw_only=True)
class ScoreOutlook:
    """What is known of the scores before the verification run is trained.

    Attributes:
        task: what `task.json` holds, without the examples.
        laws: by metric the chain and the direct law.
        registered: by metric what the ledger holds; metrics without a law have nothing there.
        checks: the second steps tried on other studies, each as `study.json` has it.
    """

    task: Mapping[str, Any]
    laws: Mapping[str, tuple[ScoreLaw, ScoreLaw]]
    registered: Mapping[str, dict[str, Any]]
    checks: Sequence[Mapping[str, Any]] = ()

    @property
    def lines(self) -> list[str]:
        """What is said of it while a study runs."""
        told: list[str] = []
        for name, (chain, direct) in self.laws.items():
            said = self.registered.get(name)
            if said is None:
                told.append(f"score {name}: not identified: {chain.reason or direct.reason}")
            else:
                low, high = said["low"], said["high"]
                band = "no interval" if low is None else f"[{low:.4g}, {high:.4g}]"
                told.append(f"registered: {name} {said['predicted']:.4g} {band} ({said['route']})")
        return told


def foresee_scores(
    folder: StudyFolder,
    store: RunStore,
    plan: LadderPlan,
    prediction: Mapping[str, Any],
    forecast: Forecast,
) -> ScoreOutlook | None:
    """Fit the laws of every score and register what they say of the verification run.

    Where both routes are identified, the chain's prediction is the one that is judged; the direct
    one stands beside it. The first registered prediction stands.

    Args:
        folder: of the study.
        store: with the ladder's runs.
        plan: of the study.
        prediction: the registered prediction of the loss.
        forecast: that it came from; its best law is the first step of the chains.

    Returns:
        None where the study has no task.

    Raises:
        DataError: runs were scored on other examples than those of `task.json`.
        UsageError, NotFoundError: `check_on` of the spec names no finished study of the task.
    """
    if not folder.task.exists():
        return None
    task = folder.read_as(folder.task, _without_examples)
    runs = ladder_runs(store, plan)
    _check_task(task, runs.rows())
    loss = forecast.fits[forecast.best]
    at = {"N": prediction["n"], "D": prediction["d"], "C": prediction["flops"]}
    laws: dict[str, tuple[ScoreLaw, ScoreLaw]] = {}
    told: dict[str, dict[str, Any]] = {}
    for metric in map(_scored_by, task["metrics"]):
        laws[metric.name] = score_laws(runs, metric, loss)
        said = registered(store, prediction["run_id"], metric.column)
        said = said or _register(store, metric, laws[metric.name], prediction, at)
        if said is not None:
            told[metric.name] = said
    checks = _checks(folder, task, runs, loss, {name: chain for name, (chain, _) in laws.items()})
    return ScoreOutlook(task=task, laws=laws, registered=told, checks=checks)


def _checks(
    folder: StudyFolder,
    task: Mapping[str, Any],
    runs: Runs,
    loss: Fit,
    chains: Mapping[str, ScoreLaw],
) -> list[dict[str, Any]]:
    """The second steps, tried on the studies that the spec names."""
    asked = folder.read_as(folder.spec, lambda spec: list(spec["task"].get("check_on", ())))
    others = other_studies(asked, folder.root, task["name"])
    return [tried_on(other, folder, task, runs, loss, chains) for other in others]


def _check_task(task: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Scores of different examples are not one ladder's."""
    wanted = f"{task['name']}:{task['fingerprint'][:12]}"
    for row in rows:
        found = row.get("meta_task")
        if isinstance(found, str) and found and found != wanted:
            raise DataError(
                f"run {row['name']} was scored on {found}, task.json holds {wanted}",
                hint="Restore a copy of task.json, or begin anew with another --out.",
            )


def _without_examples(document: Any) -> dict[str, Any]:
    count = len(document["examples"])
    return {**{k: v for k, v in document.items() if k != "examples"}, "n_examples": count}


def _scored_by(facts: Mapping[str, Any]) -> ScoredBy:
    names = ("name", "higher_is_better", "best", "floor", "smooth")
    return ScoredBy(**{name: facts[name] for name in names})


def _register(
    store: RunStore,
    metric: ScoredBy,
    laws: tuple[ScoreLaw, ScoreLaw],
    prediction: Mapping[str, Any],
    at: Mapping[str, float],
) -> dict[str, Any] | None:
    """Append what both routes say to the ledger; None where neither says a number."""
    level = float(prediction["level"])
    said: dict[str, Any] = {}
    for law in laws:
        found = law.predict(level=level, **at)
        if law.chosen is not None and math.isfinite(found.value):
            said[law.route] = {**found.to_dict(), "law": law.chosen.name}
    if not said:
        return None
    main = next(route for route in ROUTES if route in said)
    kept = ("study", "run_id", "n", "n_convention", "d", "flops", "flops_convention", "level")
    return append_prediction(
        store,
        {
            **{name: prediction[name] for name in kept},
            "target": metric.column,
            "route": main,
            **{k: said[main][k] for k in ("predicted", "low", "high")},
            "routes": said,
            "runs_hash": prediction["runs_hash"],
            "plan_hash": prediction["plan_hash"],
        },
    )


def score_results(
    outlook: ScoreOutlook,
    store: RunStore,
    plan: LadderPlan,
    frontier: list[dict[str, Any]],
    level: float,
) -> dict[str, Any]:
    """The part `task` of `study.json`; settles the outcome of every registered score.

    Args:
        outlook: from `foresee_scores`.
        store: with the verification run.
        plan: of the study.
        frontier: points with `n`, `d` and `flops`, along which the laws are drawn.
        level: of the intervals.
    """
    rows = [store.get(run.run_id) for run in plan.runs()]
    checked = store.get(plan.verification.run_id)
    metrics: dict[str, Any] = {}
    verification: dict[str, Any] = {}
    for facts in outlook.task["metrics"]:
        name = facts["name"]
        points = [point for row in rows if (point := _point(row, name)) is not None]
        metrics[name] = {
            **{k: v for k, v in facts.items() if k != "name"},
            "untrained": outlook.task["untrained"].get(f"metric_{name}"),
            "points": points,
            **shape_of(points, higher_is_better=facts["higher_is_better"]),
        }
        verification[name] = _verified(outlook, store, name, checked)
    told = {k: outlook.task[k] for k in ("n_examples", "fingerprint", "notes", "options")}
    return {
        "name": outlook.task["name"],
        **told,
        "level": level,
        "main": outlook.task["metrics"][0]["name"],
        "metrics": metrics,
        "sentence": shapes_sentence(metrics),
        **{
            route: {
                name: {**laws[k].to_dict(), "curve": _curve(laws[k], frontier, level)}
                for name, laws in outlook.laws.items()
            }
            for k, route in enumerate(ROUTES)
        },
        "verification": verification,
        "checks": [dict(check) for check in outlook.checks],
    }


def _point(row: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """A run with its score; None where it has none."""
    value = row.get(f"metric_{name}")
    if value is None or not usable(row):
        return None
    return {
        "run_id": row["run_id"],
        "n": row["params_matmul"],
        "d": row["tokens"],
        "flops": row["flops"],
        "loss": row["loss"],
        "value": value,
        "low": row.get(f"metric_{name}_low"),
        "high": row.get(f"metric_{name}_high"),
    }


def _verified(
    outlook: ScoreOutlook, store: RunStore, name: str, row: Mapping[str, Any]
) -> dict[str, Any]:
    """Predicted and measured score of the verification run."""
    column = f"metric_{name}"
    measured = {
        "measured": row.get(column),
        "measured_low": row.get(f"{column}_low"),
        "measured_high": row.get(f"{column}_high"),
    }
    said = outlook.registered.get(name)
    if said is None:
        reason = next((law.reason for law in outlook.laws[name] if law.reason), "")
        return {"predicted": None, "low": None, "high": None, "reason": reason, **measured}
    outcome = settle_outcome(store, said, dict(row))
    value = outcome["measured"]
    routes = {
        route: {**told, "error": None if value is None else told["predicted"] - value}
        for route, told in said["routes"].items()
    }
    return {
        **{k: said[k] for k in ("route", "predicted", "low", "high", "level", "registered_at")},
        **measured,
        "error": None if value is None else said["predicted"] - value,
        "inside": outcome["inside"],
        "trained_at": outcome["trained_at"],
        "routes": routes,
        **({"reason": outcome["reason"]} if outcome["reason"] else {}),
    }


def _curve(law: ScoreLaw, frontier: list[dict[str, Any]], level: float) -> list[dict[str, Any]]:
    """The law along points of N, D and C."""
    if not law.identified:
        return []
    found: list[dict[str, Any]] = []
    for point in frontier:
        one: ScorePrediction = law.predict(
            level=level, N=point["n"], D=point["d"], C=point["flops"]
        )
        if math.isfinite(one.value):
            told = one.to_dict()
            found.append(
                {"flops": point["flops"], "value": told["predicted"]}
                | {k: told[k] for k in ("low", "high")}
            )
    return found
