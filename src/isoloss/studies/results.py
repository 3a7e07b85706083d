"""Everything that a finished study knows, as one plain dictionary: `study.json`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from isoloss._clock import now
from isoloss.runs import RunStore, usable
from isoloss.studies.folder import StudyFolder
from isoloss.studies.inference import ladder_runs
from isoloss.studies.registration import settle_outcome
from isoloss.studies.spec import StudySpec

if TYPE_CHECKING:
    from isoloss.fitting import Fit, Forecast
    from isoloss.ladders import LadderPlan
    from isoloss.runs import Runs
    from isoloss.studies.task_study import ScoreOutlook
    from isoloss.training.objectives.windows import AnyCorpus

SCHEMA_VERSION = 1
BUDGETS = (1, 10, 100)
"""Budgets of the plans, as multiples of the verification run's compute."""
FRONTIER_POINTS = 24
GRID = 32

DEFINITIONS = {
    "N": "params_matmul: weights that multiply activations, output head counted once, without"
    " norms and token embedding.",
    "C": "palm: training FLOP, forward plus backward; every matrix weight and the full square of"
    " attention scores and values, no halving for the causal mask.",
    "D": "Training tokens seen; every one of them once.",
    "L": "Mean negative log likelihood of held-out tokens in nats per token, the same tokens for"
    " every run; its standard error is clustered by document or block.",
    "bits_per_byte": "Loss times evaluated tokens over ln 2 times the UTF-8 bytes that these"
    " tokens stand for.",
}


_PREDICTED = {
    "masked": "the hidden ones of held-out tokens, the same ones hidden for every run",
    "span_corruption": "held-out spans and the marks between them, the same for every run",
    "prefix": "held-out tokens after a prefix that sees both ways, the same for every run",
    "sequence_to_sequence": "held-out target tokens given their source, without smoothing",
}
"""What the loss of an objective is the mean over, where it is not plain next tokens."""
_BOTH_SIDES = ("span_corruption", "sequence_to_sequence")


def _definitions(objective: str, max_epochs: float) -> dict[str, str]:
    """The definitions, as they are for an objective."""
    told = dict(DEFINITIONS)
    if objective in _PREDICTED:
        told["L"] = (
            f"Mean negative log likelihood of {_PREDICTED[objective]}, in nats per token; its"
            " standard error is clustered by document, block or pair."
        )
        told["C"] += " The head is counted where it predicts."
    if objective in _BOTH_SIDES:
        told["D"] = "Training tokens seen by encoder and decoder together, without padding."
    if max_epochs > 1:
        told["D"] = told["D"].partition(";")[0].rstrip(".") + ", some of them more than once."
    return told


def assemble(
    folder: StudyFolder,
    store: RunStore,
    plan: LadderPlan,
    spec: StudySpec,
    corpus: AnyCorpus,
    prediction: dict[str, Any],
    forecast: Forecast,
    document: dict[str, Any],
    scores: ScoreOutlook | None = None,
    *,
    seconds: float,
    provenance: dict[str, Any],
) -> dict[str, Any]:
    """Settle the outcome and gather what the page and scripts need."""
    row = store.get(plan.verification.run_id)
    outcome = settle_outcome(store, prediction, row)
    best = forecast.fits[forecast.best]
    runs = _rows(store, plan)
    used = [str(run_id) for run_id in ladder_runs(store, plan).used().to_frame()["run_id"]]
    inferred = _inferred(forecast, used, plan.verification.flops)
    return {
        "schema_version": SCHEMA_VERSION,
        "study": {
            "name": spec.name,
            "size": plan.size,
            "minutes": spec.minutes,
            "objective": plan.verification.objective.name,
            "architecture": runs[-1]["architecture"],
            "started_at": document.get("settled_at") or min(r["created_at"] for r in runs),
            "finished_at": now(),
            "seconds": round(seconds, 1),
            "spec": spec.model_dump(),
        },
        "corpus": corpus_facts(corpus),
        "runs": runs,
        **inferred,
        "verification": _verification(prediction, outcome, forecast),
        "definitions": _definitions(plan.verification.objective.name, spec.ladder.max_epochs),
        **({"design": document["design"]} if "design" in document else {}),
        **_task(scores, store, plan, inferred["curves"]["frontier"], forecast),
        "provenance": provenance,
        "warnings": _warnings(document, runs, best),
        "paths": folder.paths(),
    }  # fmt: skip


def _task(
    scores: ScoreOutlook | None,
    store: RunStore,
    plan: LadderPlan,
    frontier: list[dict[str, Any]],
    forecast: Forecast,
) -> dict[str, Any]:
    """How the task scales, where the study has one; the laws are drawn near the runs."""
    if scores is None:
        return {}
    from isoloss.studies.task_study import score_results

    return {"task": score_results(scores, store, plan, frontier, forecast.level)}


def results_of_table(runs: Runs, name: str) -> dict[str, Any]:
    """What a run table alone tells, in the shape of a study's results: laws, backtest, plans.

    The laws are weighed for a run of twice the parameters and twice the tokens of the table's
    most expensive one. There is no corpus and no registered prediction.

    Raises:
        DataError: fewer than eight usable runs, or no column for N, D or C.
    """
    from isoloss.fitting import forecast

    used = runs.used()
    n, d, c = (used.vector(variable) for variable in "NDC")
    top = int(np.argmax(c))
    found = forecast(runs, n=2 * n[top], d=2 * d[top], flops=4 * c[top])
    best = found.fits[found.best]
    ids = [str(run_id) for run_id in used.to_frame()["run_id"]]
    rows = [{**row, "role": "ladder"} for row in runs.rows()]
    definitions = {
        "N": f"{best.n_convention}: how the table counts parameters.",
        "C": f"{best.flops_convention or 'as given'}: how the table counts training FLOP.",
        "D": DEFINITIONS["D"].partition(";")[0] + ".",
        "L": f"As given, in {used.constant('loss_unit') or 'nats per token'}.",
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "study": {"name": name},
        "runs": rows,
        **_inferred(found, ids, found.flops),
        "definitions": definitions,
        "provenance": {"run table": name, "hash": runs.hash()},
        "warnings": [] if best.trusted else [f"the fit is not to be trusted: {best.status}"],
    }


def _inferred(forecast: Forecast, used: list[str], flops: float) -> dict[str, Any]:
    """The laws and what follows from them; plans are for multiples of `flops`.

    `used`: run ids of the ladder's used rows, in the order of the forecast's columns.
    """
    best = forecast.fits[forecast.best]
    return {
        "fit": best.to_dict(),
        "forms": _forms(forecast),
        "backtest": [
            {"run_id": used[row.pop("index")], **row} for row in forecast.backtest_table()
        ],
        "backtest_reason": forecast.backtest_reason,
        "noise": forecast.noise.to_dict(),
        "uncertainty": dict(forecast.uncertainty),
        "curves": _curves(best, forecast),
        "residuals": _residuals(best, forecast, used),
        "plans": _plans(best, flops),
    }


def corpus_facts(corpus: AnyCorpus) -> dict[str, Any]:
    """What is told of a corpus; of pairs both sides together."""
    known = corpus.manifest
    facts = {key: known[key] for key in ("sources", "duplicates", "vocab_size", "fingerprint")}
    if "train_pairs" not in known:
        keys = ("documents", "bytes", "validation_tokens", "bytes_per_token", "split")
        return {**facts, **{key: known[key] for key in keys}, "train_tokens": corpus.train_tokens}
    sides = list(
        zip((known["source_tokens"], known["target_tokens"]), known["bytes_per_token"], strict=True)
    )
    tokens, n_bytes = sum(n for n, _ in sides), sum(n * each for n, each in sides)
    return {
        **facts,
        "documents": known["train_pairs"] + known["validation_pairs"],
        "bytes": round(n_bytes),
        "bytes_per_token": n_bytes / tokens,
        "train_tokens": corpus.train_tokens,
        "validation_tokens": tokens - corpus.train_tokens,
        "split": "pairs",
    }


def _rows(store: RunStore, plan: LadderPlan) -> list[dict[str, Any]]:
    """The run table in the order of the plan, with each run's role."""
    base = plan.trunks[0].runs[0].seed
    rows = [
        {**store.get(run.run_id), "role": "ladder" if run.seed == base else "noise"}
        for run in plan.runs()
    ]
    rows.append({**store.get(plan.verification.run_id), "role": "verification"})
    return [{k: v for k, v in row.items() if v is not None} for row in rows]


def _forms(forecast: Forecast) -> list[dict[str, Any]]:
    forms: list[dict[str, Any]] = []
    for law, weight in forecast.weights.items():
        errors = [row.log_errors[law] for row in forecast.tested]
        rms = 100 * math.sqrt(float(np.mean(np.square(errors)))) if errors else None
        forms.append(
            {
                "law": law,
                "formula": forecast.fits[law].law.formula,
                "weight": weight,
                "status": forecast.fits[law].status,
                "predicted": forecast.predictions[law],
                "backtest_rms_percent": rms,
            }
        )
    return sorted(forms, key=lambda form: -form["weight"])


def _verification(
    prediction: dict[str, Any], outcome: dict[str, Any], forecast: Forecast
) -> dict[str, Any]:
    measured, baseline = outcome["measured"], prediction["baseline"]
    error = None
    if measured is not None and baseline is not None:
        error = 100 * (baseline - measured) / measured
    keys = ("run_id", "n", "d", "flops", "predicted", "low", "high", "level", "registered_at")
    return {
        **{key: prediction[key] for key in keys},
        "measured": measured,
        "error_percent": outcome["error_percent"],
        "inside": outcome["inside"],
        "trained_at": outcome["trained_at"],
        "reason": outcome["reason"],
        "compute_ratio": prediction["flops"] / float(forecast.ladder.c.max()),
        "baseline": {"predicted": baseline, "error_percent": error},
    }


def _curves(best: Fit, forecast: Forecast) -> dict[str, Any]:
    """The law drawn: the compute-optimal frontier, lines along D, and a grid for contours."""
    from isoloss.planning import plan as make_plan

    ladder = forecast.ladder
    budgets = np.geomspace(float(ladder.c.min()), 4 * forecast.flops, FRONTIER_POINTS)
    frontier: list[dict[str, Any]] = []
    for budget in budgets:
        found = make_plan(best, flops=float(budget)).to_dict()
        frontier.append(
            {
                "flops": float(budget),
                "loss": found["loss"]["value"],
                "low": found["loss"]["low"],
                "high": found["loss"]["high"],
                "n": found["n"]["value"],
                "d": found["d"]["value"],
            }
        )
    n = np.geomspace(float(ladder.n.min()), 2 * forecast.n, GRID)
    d = np.geomspace(float(ladder.d.min()), 2 * max(forecast.d, float(ladder.d.max())), GRID)

    def loss(n_values: np.ndarray, d_values: np.ndarray) -> list[float]:
        data = {"N": np.asarray(n_values, float), "D": np.asarray(d_values, float)}
        return [float(x) for x in best.law.value(best.theta, data)]

    sizes = [*sorted(set(ladder.n.tolist())), float(forecast.n)]
    return {
        "frontier": frontier,
        "by_width": [
            {"n": size, "d": float(tokens), "loss": value}
            for size in sizes
            for tokens, value in zip(d, loss(np.full(GRID, size), d), strict=True)
        ],
        "contours": {
            "n": n.tolist(),
            "d": d.tolist(),
            "loss": [loss(n, np.full(GRID, tokens)) for tokens in d],
        },
    }


def _residuals(best: Fit, forecast: Forecast, used: list[str]) -> list[dict[str, Any]]:
    ladder = forecast.ladder
    predicted = best.law.value(best.theta, {"N": ladder.n, "D": ladder.d})
    percent = 100 * (predicted / ladder.loss - 1)
    return [
        {
            "run_id": run_id,
            "n": float(n),
            "d": float(d),
            "flops": float(c),
            "residual_percent": float(r),
        }
        for run_id, n, d, c, r in zip(
            used, ladder.n, ladder.d, ladder.c, percent, strict=True
        )
    ]  # fmt: skip


def _plans(best: Fit, flops: float) -> list[dict[str, Any]]:
    from isoloss.planning import plan as make_plan

    plans: list[dict[str, Any]] = []
    for multiple in BUDGETS:
        found = make_plan(best, flops=round_budget(flops * multiple)).to_dict()
        plans.append({**found, "caveat": " ".join(found.get("caveats", []))})
    return plans


def round_budget(flops: float) -> float:
    """A budget with one significant digit.

    >>> round_budget(4.37e12)
    4000000000000.0
    """
    return float(f"{flops:.0e}")


def _warnings(document: dict[str, Any], runs: list[dict[str, Any]], best: Fit) -> list[str]:
    warnings = list(document["warnings"])
    failed = [row for row in runs if not usable(row)]
    warnings += [f"run {row['name']} left out: {row.get('reason')}" for row in failed]
    if not best.trusted:
        warnings.append(f"the fit is not to be trusted: {best.status}")
    return warnings
