"""The plan of a ladder as jobs for another trainer, in JSON, with the row that each gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from isoloss.runs.schema import RUN_TABLE_VERSION
from isoloss.training.rows import describe

if TYPE_CHECKING:
    from isoloss.ladders import LadderPlan
    from isoloss.training.objectives.windows import AnyCorpus
    from isoloss.training.run_config import RunConfig

JOBS_VERSION = 1

_REPORT = {
    "loss": "held-out loss at the end of the decay, in nats per token",
    "loss_se": "its standard error, where known",
    "bits_per_byte": "the loss in bits per byte of text, where it applies",
    "status": "ok, or what became of the run: diverged, failed",
    "reason": "why, where it is not ok",
}


def jobs_document(plan: LadderPlan, corpus: AnyCorpus, *, study: str) -> dict[str, Any]:
    """Every run of a plan as a job, the verification run last.

    A job's `row` is its row of the run table without what only training can tell. Recorded with
    that (`il.record(store, {**job["row"], "loss": 3.21, "status": "ok"})`) into the store of the
    study, the run counts as trained: `isoloss study` goes on from there.
    """
    roles = [(run, "ladder") for run in plan.runs()] + [(plan.verification, "verification")]
    return {
        "jobs_version": JOBS_VERSION,
        "run_table_version": RUN_TABLE_VERSION,
        "study": study,
        "corpus": {
            "path": str(corpus.path),
            "fingerprint": corpus.fingerprint,
            "vocab_size": corpus.vocab_size,
            "train_tokens": corpus.train_tokens,
        },
        "report": _REPORT,
        "jobs": [_job(run, role, corpus) for run, role in roles],
    }


def _job(run: RunConfig, role: str, corpus: AnyCorpus) -> dict[str, Any]:
    """One run: what to build, how to train it, on how much, and the row to give back."""
    row = {key: value for key, value in describe(run, corpus).items() if value not in (None, "")}
    return {
        "job_id": run.run_id,
        "role": role,
        "architecture": run.architecture.to_dict(),
        "objective": run.objective.to_dict(),
        "tokens": row["tokens"],
        "steps": run.steps,
        "batch_tokens": run.recipe.batch_tokens,
        "learning_rate": row["learning_rate"],
        "schedule": {
            "shape": run.recipe.schedule,
            "warmup_steps": run.recipe.warmup_steps,
            "decay_fraction": run.recipe.decay_fraction,
            "final_fraction": run.recipe.final_fraction,
        },
        "recipe": run.recipe.to_dict(),
        "seed": run.seed,
        "eval_tokens": run.eval_tokens,
        "row": {**row, "source": "another trainer"},
    }
