"""From the ladder's runs to a registered prediction."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from isoloss.errors import DataError
from isoloss.runs import Runs, RunStore
from isoloss.studies.folder import StudyFolder
from isoloss.studies.registration import check_origin, register
from isoloss.studies.spec import StudySpec

if TYPE_CHECKING:
    from isoloss.fitting import Forecast
    from isoloss.ladders import LadderPlan
    from isoloss.training.objectives.windows import AnyCorpus

LEAST_RUNS = 8
"""Usable runs of a ladder, as `forecast` demands; a smaller plan is refused before training."""
LEAST_SHARE = 2 / 3
"""Of the ladder's runs: what is left of a ladder that mostly diverged is no fair sample."""


def infer(
    folder: StudyFolder,
    store: RunStore,
    plan: LadderPlan,
    document: dict[str, Any],
    spec: StudySpec,
    corpus: AnyCorpus,
) -> tuple[dict[str, Any], Forecast]:
    """Fit the ladder, forecast the verification run and register that, before it is trained.

    Returns:
        The registered prediction (the first one, if the study was interrupted after it) and the
        forecast it came from.

    Raises:
        DataError: too many runs of the ladder diverged; or the registered prediction was made
            from other runs or another plan.
    """
    from isoloss.architecture import count_parameters
    from isoloss.fitting import forecast
    from isoloss.training.run_config import counted_flops

    ladder = ladder_runs(store, plan)
    usable = len(ladder.used())
    if usable < max(LEAST_RUNS, len(ladder) * LEAST_SHARE):
        left_out = (str(row.get("reason") or "") for row in ladder.rows())
        reason = next((text for text in left_out if text), "")
        raise DataError(
            f"only {usable} of {len(ladder)} runs of the ladder are usable"
            + (f"; the first one left out: {reason}" if reason else ""),
            hint=f"Look at them with `isoloss runs show {shlex.quote(str(folder.root))}`; a lower"
            " learning rate ([recipe] in the spec, with another --out) may help.",
        )
    check_origin(store, plan.verification.run_id, ladder, document)
    run = plan.verification
    counts, seen = count_parameters(run.architecture), run.counted(corpus)
    flops = counted_flops(run.architecture, seen)
    target = {
        "run_id": run.run_id,
        "params_matmul": counts.matmul,
        "tokens": seen.tokens,
        "flops": flops,
        "flops_convention": "palm",
    }
    found = forecast(
        ladder,
        n=counts.matmul,
        d=seen.tokens,
        flops=flops,
        level=spec.prediction.level,
        seed=spec.ladder.seed,
    )
    found.fits[found.best].save(folder.fit)
    return register(folder, store, found, ladder, target, document, spec.name), found


def ladder_runs(store: RunStore, plan: LadderPlan) -> Runs:
    """The ladder's rows in the order of the plan, without the verification run.

    The order of the plan, not of arrival: two workers finish in another order every time.
    """
    return Runs.from_rows([store.get(run.run_id) for run in plan.runs()])
