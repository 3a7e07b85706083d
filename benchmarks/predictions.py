"""Are the predictions true? Register them on several corpora, train the runs, and score.

    python benchmarks/predictions.py --out /tmp/predictions --data ../shared/data/corpora

For every corpus one ladder is trained and the losses of three bigger runs are registered before
any of them is trained; then they are. The table at the end compares the predictions with a
plain one-dimensional L(C) fit of the same ladder. Resumable: run it again after an interruption.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from isoloss._files import write_json_atomic
from isoloss.architecture import config_for_width
from isoloss.ladders import LadderPlan, Trunk
from isoloss.runs import RunStore
from isoloss.studies import measurement
from isoloss.studies.folder import StudyFolder, claimed, settle_spec
from isoloss.studies.inference import infer
from isoloss.studies.registration import settle_outcome
from isoloss.studies.spec import load_spec
from isoloss.training import RunConfig
from isoloss.training.objectives.windows import AnyCorpus

CORPORA: dict[str, tuple[str, ...]] = {
    "stdlib": ("stdlib",),
    "eltec_eng": ("eltec_eng",),
    "openstax": ("openstax",),
    "zh_classical": ("zh_classical",),
    "stdlib+openstax": ("stdlib", "openstax"),
}
TUNED_ON = ("stdlib", "eltec_eng")
# Width and steps of the further targets of each size; the first is the plan's verification run.
FURTHER_TARGETS = {"short": ((64, 2000), (96, 1000)), "standard": ((80, 2000), (112, 1000))}
REPORTED = (
    "corpus", "seed", "d_model", "n", "d", "compute_ratio", "predicted", "low", "high",
    "measured", "error_percent", "inside", "baseline_error_percent",
)  # fmt: skip


def main() -> int:
    """Run every corpus, print the table and its summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--size", default="standard", choices=sorted(FURTHER_TARGETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpora", nargs="*", default=list(CORPORA), choices=list(CORPORA))
    chosen = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name in chosen.corpora:
        sources = [s if s == "stdlib" else str(chosen.data / s) for s in CORPORA[name]]
        began = time.monotonic()
        rows += predict_and_check(name, sources, chosen.out / name, chosen.size, chosen.seed)
        print(f"== {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        write_json_atomic(chosen.out / "predictions.json", {"size": chosen.size, "rows": rows})
    print(table(rows))
    print()
    print(summary(rows))
    return 0


def predict_and_check(
    name: str, sources: list[str], out: Path, size: str, seed: int
) -> list[dict[str, Any]]:
    """One ladder, its registered predictions, and their outcomes."""
    values = load_spec("laptop").model_dump()
    values["name"] = name
    values["corpus"]["sources"] = sources
    values["ladder"] |= {"size": size, "seed": seed}
    spec = type(load_spec("laptop")).model_validate(values)
    with claimed(out) as folder:
        settle_spec(folder, spec)
        corpus = measurement.prepare(folder, spec, say)
        plan, document = measurement.settle_plan(folder, spec, corpus, say)
        with RunStore.open(folder.store) as store:
            measurement.climb(folder, plan, corpus, store)
            targets = [plan, *further_targets(plan, corpus)]
            homes = [StudyFolder(out / "targets" / t.verification.run_id) for t in targets]
            registered = [
                infer(home, store, target, document, spec, corpus)[0]
                for home, target in zip(homes, targets, strict=True)
            ]
            train_side_by_side(folder, targets, corpus, store)
            largest = max(run.flops for run in plan.runs())
            rows = []
            for target, prediction in zip(targets, registered, strict=True):
                row = store.get(target.verification.run_id)
                outcome = settle_outcome(store, prediction, row)
                rows.append(score(name, seed, target.verification, prediction, outcome, largest))
                say(json.dumps(rows[-1]))
            return rows


def train_side_by_side(
    folder: StudyFolder, targets: list[LadderPlan], corpus: AnyCorpus, store: RunStore
) -> None:
    """Train the targets in the ladder's worker processes."""
    trunks = tuple(Trunk(runs=(target.verification,)) for target in targets)
    measurement.climb(folder, replace(targets[0], trunks=trunks), corpus, store)


def further_targets(plan: LadderPlan, corpus: AnyCorpus) -> list[LadderPlan]:
    """The same plan with other verification runs, where the text is long enough."""
    first = plan.verification
    runs: list[RunConfig] = []
    for width, steps in FURTHER_TARGETS[plan.size]:
        shape = config_for_width(
            width,
            vocab_size=first.architecture.vocab_size,
            context_length=first.architecture.context_length,
        )
        within = min(steps, corpus.train_tokens // first.recipe.batch_tokens)
        runs.append(replace(first, architecture=shape, steps=within))
    return [replace(plan, verification=run) for run in runs]


def score(
    name: str,
    seed: int,
    run: RunConfig,
    prediction: dict[str, Any],
    outcome: dict[str, Any],
    largest: float,
) -> dict[str, Any]:
    """One row of the table."""
    measured, baseline = outcome["measured"], prediction["baseline"]
    return {
        "corpus": name,
        "seed": seed,
        "d_model": run.architecture.d_model,
        "n": prediction["n"],
        "d": prediction["d"],
        "compute_ratio": prediction["flops"] / largest,
        "predicted": prediction["predicted"],
        "low": prediction["low"],
        "high": prediction["high"],
        "half_width_percent": 50
        * (prediction["high"] - prediction["low"])
        / prediction["predicted"],
        "measured": measured,
        "error_percent": outcome["error_percent"],
        "inside": outcome["inside"],
        "baseline_error_percent": None
        if baseline is None or measured is None
        else 100 * (baseline - measured) / measured,
        "registered_at": prediction["registered_at"],
        "trained_at": outcome["trained_at"],
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = ["| " + " | ".join(REPORTED) + " |", "|" + "---|" * len(REPORTED)]
    lines += ["| " + " | ".join(cell(row[name]) for name in REPORTED) + " |" for row in rows]
    return "\n".join(lines)


def cell(value: Any) -> str:
    """One cell of the table."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 10 else f"{value:.1f}"
    return str(value)


def summary(rows: list[dict[str, Any]]) -> str:
    """Errors of isoloss and of the baseline, coverage, and their ratio."""
    lines = []
    groups = [
        ("tuned on", [r for r in rows if r["corpus"] in TUNED_ON]),
        ("never seen", [r for r in rows if r["corpus"] not in TUNED_ON]),
        ("all", rows),
    ]
    for label, group in groups:
        scored = [r for r in group if r["error_percent"] is not None]
        if not scored:
            continue
        errors = [abs(r["error_percent"]) for r in scored]
        plain = [
            abs(r["baseline_error_percent"])
            for r in scored
            if r["baseline_error_percent"] is not None
        ]
        lines.append(
            f"{label}: {len(scored)} predictions, median |error| {statistics.median(errors):.2f}%,"
            f" largest {max(errors):.2f}%, inside {sum(r['inside'] for r in scored)}/{len(scored)},"
            f" median half-width {statistics.median(r['half_width_percent'] for r in scored):.2f}%"
        )
        if plain:
            ratio = statistics.median(plain) / statistics.median(errors)
            lines.append(
                f"  L(C) baseline: median {statistics.median(plain):.2f}%,"
                f" largest {max(plain):.2f}%; its median error is {ratio:.1f}x that of isoloss"
            )
    return "\n".join(lines)


def say(line: str) -> None:
    """To stderr."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
