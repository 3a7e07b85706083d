"""The resolved plan of a ladder: every run, decided and saved before the first one starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isoloss.architecture import count_parameters
from isoloss.errors import DataError, UsageError
from isoloss.ladders.sizes import (
    NOISE_WIDTHS,
    LadderSize,
)
from isoloss.training.aims import Aim, resolve_aim
from isoloss.training.recipe import Recipe
from isoloss.training.run import RunConfig
from isoloss.training.schedules import trunk_steps

HEAD_SHARE_WARNING = 0.3


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """Runs that share one constant-rate trunk: one config, rising step counts.

    Where the schedule needs the length of a run (cosine, linear) they share nothing but the
    config, and each is trained by itself.

    Raises:
        UsageError: the runs differ in more than their steps: a branch would not be the run that
            it stands for.
    """

    runs: tuple[RunConfig, ...]

    def __post_init__(self) -> None:
        ids = {run.trunk_id for run in self.runs}
        if len(ids) > 1:
            raise UsageError(
                f"{len(self.runs)} runs of one trunk differ in more than their steps",
                hint="Learning rate, batch and warm-up must not depend on the length of a run.",
            )

    @property
    def trunk_id(self) -> str:
        """The parent id of its runs."""
        return self.runs[0].trunk_id

    @property
    def label(self) -> str:
        """Short name for progress lines."""
        return f"width {self.runs[0].architecture.d_model} seed {self.runs[0].seed}"

    def own_steps(self) -> int:
        """Steps trained in all: the trunk once, each decay branch once."""
        starts = [trunk_steps(run.recipe, run.steps) for run in self.runs]
        branches = sum(run.steps - start for run, start in zip(self.runs, starts, strict=True))
        return max(starts) + branches


@dataclass(frozen=True, kw_only=True)
class LadderPlan:
    """All runs of a study: the ladder's trunks and the verification run."""

    size: str
    trunks: tuple[Trunk, ...]
    verification: RunConfig
    workers: int

    def runs(self) -> list[RunConfig]:
        """The ladder's runs, without the verification run."""
        return [run for trunk in self.trunks for run in trunk.runs]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary: the file a resumed study follows."""
        return {
            "size": self.size,
            "workers": self.workers,
            "trunks": [[run.identity() for run in trunk.runs] for trunk in self.trunks],
            "verification": self.verification.identity(),
        }

    @staticmethod
    def from_dict(values: dict[str, Any]) -> LadderPlan:
        """The inverse of `to_dict`."""
        return LadderPlan(
            size=values["size"],
            workers=values["workers"],
            trunks=tuple(
                Trunk(runs=tuple(run_from_identity(run) for run in runs))
                for runs in values["trunks"]
            ),
            verification=run_from_identity(values["verification"]),
        )


def run_from_identity(values: dict[str, Any]) -> RunConfig:
    """The inverse of `RunConfig.identity`."""
    return RunConfig.from_identity(values)


def resolve_plan(
    size: LadderSize,
    *,
    recipe: Recipe,
    vocab_size: int,
    context_length: int,
    unique_tokens: int,
    corpus_fingerprint: str,
    eval_tokens: int,
    aim: Aim | None = None,
    max_epochs: float = 1.0,
    seed: int = 0,
    noise_seeds: int = 3,
    workers: int = 2,
    verify_threads: int = 1,
    device: str = "cpu",
) -> LadderPlan:
    """Turn a size into runs; token counts stay within `max_epochs` of the corpus's tokens.

    `aim` is what is trained for, causal language modelling when None; `device` is `cpu` or
    `cuda`, and part of every run's id.

    Raises:
        DataError: the corpus is too small for the ladder or for its verification run.
    """
    aim = aim or resolve_aim()
    allowed = math.floor(unique_tokens * max_epochs)

    def run(width: int, steps: int, run_seed: int, threads: int = 1) -> RunConfig:
        shape = aim.shape(width, vocab_size=vocab_size, context_length=context_length)
        return RunConfig(
            architecture=shape,
            objective=aim.objective,
            recipe=recipe,
            steps=steps,
            seed=run_seed,
            corpus_fingerprint=corpus_fingerprint,
            eval_tokens=eval_tokens,
            threads=threads,
            device=device,
        )

    def trunk(width: int, run_seed: int, cap: float) -> Trunk:
        runs = [run(width, steps, run_seed) for steps in dict.fromkeys(size.step_counts())]
        return Trunk(runs=tuple(r for r in runs if _belongs(r, size, cap, allowed)))

    verification = run(size.verify_width, size.verify_steps(), seed, verify_threads)
    needed = verification.tokens
    if needed > allowed:
        raise DataError(
            f"the corpus has {unique_tokens:,} training tokens; the verification run of the"
            f" {size.name!r} ladder needs {needed:,}",
            hint="Give more text (--corpus may be repeated) or fewer --minutes; ladder.max_epochs"
            " in a spec lets runs see their text more than once.",
        )
    trunks = [trunk(width, seed, size.cap_flops) for width in size.widths]
    trunks += [
        trunk(width, seed + extra, size.noise_cap_flops)
        for width in size.widths[:NOISE_WIDTHS]
        for extra in range(1, noise_seeds)
    ]
    kept = tuple(t for t in trunks if t.runs)
    if not kept:
        raise DataError(
            f"no run of the {size.name!r} ladder fits a corpus of {allowed:,} training"
            f" tokens and {size.low_ratio:g} to {size.high_ratio:g} tokens"
            " a parameter",
            hint="Give more text, or other widths and steps.",
        )
    return LadderPlan(size=size.name, trunks=kept, verification=verification, workers=workers)


def _belongs(run: RunConfig, size: LadderSize, cap_flops: float, tokens: int) -> bool:
    """Whether a point of the grid is inside the cut corner."""
    ratio = run.tokens / count_parameters(run.architecture).matmul
    return (
        run.flops <= cap_flops
        and run.tokens <= tokens
        and size.low_ratio <= ratio <= size.high_ratio
    )


def rung_table(plan: LadderPlan, seconds: Sequence[float | None]) -> list[dict[str, Any]]:
    """One row a trunk and one for the verification run, as shown before training.

    Args:
        plan: the plan.
        seconds: expected seconds of each trunk, then of the verification run; None if unknown.
    """
    rows: list[dict[str, Any]] = []
    groups = [trunk.runs for trunk in plan.trunks] + [(plan.verification,)]
    for runs, expected in zip(groups, seconds, strict=True):
        shape = runs[0].architecture
        counts = count_parameters(shape)
        rows.append(
            {
                "role": "verification" if runs[0] is plan.verification else "ladder",
                "d_model": shape.d_model,
                "n_layer": shape.n_layer,
                "seed": runs[0].seed,
                "params_total": counts.total,
                "params_non_embedding": counts.non_embedding,
                "params_matmul": counts.matmul,
                "head_share": counts.head_share,
                "runs": len(runs),
                "tokens_low": runs[0].tokens,
                "tokens_high": runs[-1].tokens,
                "flops_high": runs[-1].flops,
                "seconds": expected,
            }
        )
    return rows
