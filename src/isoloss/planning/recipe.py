"""How to train a plan's model: batch, learning rate, steps, schedule, each with its basis.

Batch and learning rate are those of Step Law (arXiv:2503.04715): with N non-embedding parameters
and D tokens, rate 1.79 N^-0.713 D^0.307 and batch 0.58 D^0.571 tokens; or the rate is carried over
from the ladder, where its runs were trained so that a rate found at one width holds at another.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from isoloss.architecture import TransformerConfig, count_parameters
from isoloss.errors import UsageError
from isoloss.planning._ladder_recipe import carried_rate, recipe_of_runs

__all__ = ["PlanRecipe", "PlanSchedule", "rebatched", "recipe_for", "recipe_of_runs", "step_law"]

PlanSchedule = Literal["wsd", "cosine"]
WARMUP_STEPS = 2000
WARMUP_SHARE = 0.05
DECAY_SHARE = 0.2
FINAL_RATE = 1e-5
"""Where Step Law's runs ended their cosine, whatever the peak."""
STEP_LAW_N = (2.15e8, 1.07e9)
STEP_LAW_D = (4e9, 1e11)
"""Smallest and largest N (non-embedding) and D of the 1,911 dense runs that Step Law's authors
published (github.com/step-law/steplaw, data/dense_lr_bs_loss.csv)."""
HALVINGS = 5
"""How often the trunk is halved into checkpoints that are worth keeping."""
_FIGURES = {
    "learning_rate": "Learning rate",
    "batch_tokens": "Batch",
    "steps": "Steps",
    "context_length": "Context",
    "warmup_steps": "Warm-up",
    "schedule": "Schedule",
    "checkpoint_steps": "Checkpoints",
    "optimizer": "Optimiser",
    "clip_norm": "Clipping",
    "precision": "Precision",
}


@dataclass(frozen=True, kw_only=True)
class PlanRecipe:
    """How to train a model on so many tokens, and why so.

    Attributes:
        tokens: what the plan asks for.
        batch_tokens: tokens per step, whole sequences.
        context_length: tokens per sequence, of both sides where there are two.
        steps: of `batch_tokens` each; the last one makes the plan's tokens full.
        learning_rate: peak.
        final_fraction: share of the peak at the end.
        warmup_steps: linear, from 0.
        schedule: `wsd` (constant, then linear decay) or `cosine`.
        decay_steps: steps over which the rate falls, at the end.
        checkpoint_steps: steps whose checkpoints are worth keeping; all but the last are
            multiples of the first, so that saving at that interval has them.
        optimizer, betas, eps, weight_decay: AdamW's.
        clip_norm: largest global gradient norm.
        precision: of the matrix products; weights, moments and sums stay in float32.
        basis: for each figure, where it comes from.
        caveats: what to know before relying on it.
    """

    tokens: float
    batch_tokens: int
    context_length: int
    steps: int
    learning_rate: float
    final_fraction: float
    warmup_steps: int
    schedule: PlanSchedule
    decay_steps: int
    checkpoint_steps: tuple[int, ...]
    optimizer: str = "adamw"
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    weight_decay: float = 0.1
    clip_norm: float = 1.0
    precision: str = "bf16-mixed"
    basis: Mapping[str, str]
    caveats: tuple[str, ...] = ()

    @property
    def batch_sequences(self) -> int:
        """Sequences per step."""
        return self.batch_tokens // self.context_length

    @property
    def trained_tokens(self) -> int:
        """Tokens that the steps see: the plan's, up to one batch more."""
        return self.steps * self.batch_tokens

    @property
    def save_interval(self) -> int:
        """Steps between checkpoints such that all that are worth keeping are among them."""
        return self.checkpoint_steps[0]

    @property
    def final_learning_rate(self) -> float:
        """Rate at the last step."""
        return self.learning_rate * self.final_fraction

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        values = asdict(self)
        for name in ("betas", "checkpoint_steps", "caveats"):
            values[name] = list(values[name])
        return {**values, "basis": dict(self.basis)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> PlanRecipe:
        """The recipe that `to_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: it did not write this.
        """
        schedule = document["schedule"]
        if schedule not in get_args(PlanSchedule):
            raise ValueError(f"schedule {schedule!r}")
        first, second = document["betas"]
        counts = ("batch_tokens", "context_length", "steps", "warmup_steps", "decay_steps")
        rates = ("learning_rate", "final_fraction", "eps", "weight_decay", "clip_norm", "tokens")
        values: dict[str, Any] = {
            **{name: int(document[name]) for name in counts},
            **{name: float(document[name]) for name in rates},
            "schedule": schedule,
            "optimizer": str(document["optimizer"]),
            "precision": str(document["precision"]),
            "betas": (float(first), float(second)),
            "checkpoint_steps": tuple(int(step) for step in document["checkpoint_steps"]),
            "basis": {str(name): str(text) for name, text in document["basis"].items()},
            "caveats": tuple(str(caveat) for caveat in document["caveats"]),
        }
        if min(values["batch_tokens"], values["context_length"], values["steps"]) < 1:
            raise ValueError("batch, context and steps must be positive")
        if not all(0 <= values[name] < math.inf for name in rates):
            raise ValueError("rates must be finite and not negative")
        if not values["checkpoint_steps"] or set(_FIGURES) - set(values["basis"]):
            raise ValueError("no checkpoint steps, or no basis of a figure")
        return cls(**values)

    def rows(self) -> list[tuple[str, str, str]]:
        """Each figure: its title, its value and where it comes from, in words."""
        return [(title, self._said(name), self.basis[name]) for name, title in _FIGURES.items()]

    def summary(self) -> str:
        """The recipe in text, at most 80 columns wide."""
        lines = [f"Recipe for {self.tokens:.4g} tokens"]
        for title, said, why in self.rows():
            text = f"{said}: {why}"
            lines += textwrap.wrap(
                text, 80, initial_indent=f"  {title:<14}", subsequent_indent=" " * 16
            )
        if self.caveats:
            lines.append("Caveats")
        for caveat in self.caveats:
            lines += textwrap.wrap(caveat, 80, initial_indent="  - ", subsequent_indent="    ")
        return "\n".join(lines)

    def _said(self, name: str) -> str:
        if name == "batch_tokens":
            return f"{self.batch_tokens:,} tokens ({self.batch_sequences:,} sequences)"
        if name == "learning_rate":
            return f"{self.learning_rate:.3g}, ending at {self.final_learning_rate:.3g}"
        if name == "schedule":
            return f"{self.schedule}, {self.decay_steps:,} steps of decay"
        if name == "optimizer":
            betas = ", ".join(f"{beta:g}" for beta in self.betas)
            return f"{self.optimizer}, betas {betas}, weight decay {self.weight_decay:g}"
        if name == "checkpoint_steps":
            return ", ".join(f"{step:,}" for step in self.checkpoint_steps)
        value = getattr(self, name)
        return f"{value:,}" if isinstance(value, int) else str(value)

    def __repr__(self) -> str:
        return (
            f"PlanRecipe(learning_rate={self.learning_rate:.3g}, batch_tokens={self.batch_tokens},"
            f" steps={self.steps}, schedule={self.schedule!r})"
        )


def step_law(n_non_embedding: float, tokens: float) -> tuple[float, float]:
    """Learning rate and batch (in tokens) of Step Law (arXiv:2503.04715, Table 1).

    Args:
        n_non_embedding: N without embeddings and head.
        tokens: D.

    >>> rate, batch = step_law(1e9, 1e11)
    >>> f"{rate:.3g} {batch:.3g}"
    '0.00163 1.11e+06'
    """
    return 1.79 * n_non_embedding**-0.713 * tokens**0.307, 0.58 * tokens**0.571


def recipe_for(
    config: TransformerConfig,
    tokens: float,
    *,
    source_recipe: Mapping[str, Any] | None = None,
    schedule: PlanSchedule = "wsd",
    batch_tokens: int | None = None,
    learning_rate: float | None = None,
    sequences_multiple: int = 1,
) -> PlanRecipe:
    """How to train a shape on `tokens` tokens.

    Args:
        config: the shape; its context (of both sides where there are two) is a sequence.
        tokens: D.
        source_recipe: how the ladder's runs were trained, as `isoloss.training.Recipe.to_dict`
            or `recipe_of_runs` gives it. Its rate is carried over where it was AdamW's under µP
            or inverse width; otherwise Step Law's is taken, and the basis says why.
        schedule: `wsd`, whose trunk any shorter run can branch from, or `cosine`.
        batch_tokens, learning_rate: instead of the rule's.
        sequences_multiple: the batch is a multiple of so many sequences (data-parallel ranks).

    Raises:
        UsageError: a number is not positive, or the schedule is unknown.

    >>> from isoloss.architecture import preset
    >>> recipe_for(preset("llama-2-7b").config, 2e12)
    PlanRecipe(learning_rate=0.00108, batch_tokens=6127616, steps=326392, schedule='wsd')
    """
    _check(tokens, schedule, batch_tokens, learning_rate, sequences_multiple)
    n = count_parameters(config).non_embedding
    basis: dict[str, str] = {}
    rate = learning_rate or _learning_rate(config, tokens, source_recipe, basis)
    if learning_rate:
        basis["learning_rate"] = "given"
    row = config.context_length
    if config.kind == "encoder_decoder":
        row += config.longest_source
    per_step = row * _batch(row, tokens, batch_tokens, sequences_multiple, basis)
    steps, warmup, decay, kept = _steps(schedule, tokens, per_step)
    basis |= _plain_basis(schedule, warmup)
    return PlanRecipe(
        tokens=float(tokens),
        batch_tokens=per_step,
        context_length=row,
        steps=steps,
        learning_rate=rate,
        final_fraction=0.0 if schedule == "wsd" else min(0.1, FINAL_RATE / rate),
        warmup_steps=warmup,
        schedule=schedule,
        decay_steps=decay,
        checkpoint_steps=kept,
        basis=basis,
        caveats=_caveats(n, tokens, basis, steps, schedule),
    )


def rebatched(recipe: PlanRecipe, sequences: int, why: str) -> PlanRecipe:
    """The recipe with so many sequences a step, on as many tokens."""
    per_step = sequences * recipe.context_length
    steps, warmup, decay, kept = _steps(recipe.schedule, recipe.tokens, per_step)
    return replace(
        recipe,
        batch_tokens=per_step,
        steps=steps,
        warmup_steps=warmup,
        decay_steps=decay,
        checkpoint_steps=kept,
        basis={
            **recipe.basis,
            **_plain_basis(recipe.schedule, warmup),
            "batch_tokens": f"{recipe.basis['batch_tokens']}; then {why}",
        },
    )


def _steps(schedule: str, tokens: float, per_step: int) -> tuple[int, int, int, tuple[int, ...]]:
    """Steps, those of warm-up and of decay, and those whose checkpoints are worth keeping.

    Of a `wsd` run the last step at the full rate and its halves: from any of them a decay gives
    the model of a shorter run, so they are a ladder of lengths. Decay begins at a power of two
    times the first of them, so one interval has them all. Of a cosine, whose branches would be
    off their schedule, halves of the run.
    """
    steps = max(1, math.ceil(tokens / per_step))
    warmup = min(WARMUP_STEPS, max(1, round(WARMUP_SHARE * steps)), steps - 1)
    wanted = steps
    if schedule == "wsd":
        wanted = max(1, min(round(steps * (1 - DECAY_SHARE)), steps - 1))
    halvings = HALVINGS
    while halvings and wanted >> halvings <= warmup:
        halvings -= 1
    unit = wanted >> halvings
    kept = {unit << k for k in range(halvings + 1)} | {steps}
    decay = steps - (unit << halvings) if schedule == "wsd" else steps - warmup
    return steps, warmup, decay, tuple(sorted(kept))


def _check(
    tokens: float,
    schedule: str,
    batch_tokens: int | None,
    learning_rate: float | None,
    multiple: int,
) -> None:
    numbers = {
        "tokens": tokens,
        "batch_tokens": batch_tokens,
        "learning_rate": learning_rate,
        "sequences_multiple": multiple,
    }
    for name, value in numbers.items():
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"{name} must be positive and finite, found {value!r}")
    if schedule not in get_args(PlanSchedule):
        raise UsageError(
            f"schedule must be one of {', '.join(get_args(PlanSchedule))}; found {schedule!r}"
        )


def _learning_rate(
    config: TransformerConfig,
    tokens: float,
    source: Mapping[str, Any] | None,
    basis: dict[str, str],
) -> float:
    carried, why = carried_rate(config, source)
    if carried is not None:
        basis["learning_rate"] = why
        return carried
    n = count_parameters(config).non_embedding
    rate, _ = step_law(n, tokens)
    basis["learning_rate"] = (
        f"Step Law, 1.79 N^-0.713 D^0.307 with N = {n:.4g} non-embedding (arXiv:2503.04715); {why}"
    )
    return rate


def _batch(
    row: int,
    tokens: float,
    given: int | None,
    multiple: int,
    basis: dict[str, str],
) -> int:
    """Sequences per step: a multiple, at least one of it and at most the whole run."""
    wanted = given or step_law(1, tokens)[1]
    group = row * multiple
    groups = max(1, min(round(wanted / group), math.ceil(tokens / group)))
    rule = "given" if given else f"Step Law, 0.58 D^0.571 = {wanted:.4g} (arXiv:2503.04715)"
    unit = "whole sequences" if multiple == 1 else f"multiples of {multiple} sequences"
    basis["batch_tokens"] = f"{rule}, rounded to {unit}"
    return groups * multiple


def _plain_basis(schedule: str, warmup: int) -> dict[str, str]:
    shape = {
        "wsd": "constant, then linear to 0 over the last 20% (arXiv:2405.18392: as good as a"
        " cosine, and any shorter run can branch from its trunk)",
        "cosine": f"to {FINAL_RATE:g} (a tenth of the peak at most), as in Step Law's runs",
    }[schedule]
    kept = {
        "wsd": "the last step at the full rate and its halves, from which a decay gives the model"
        " of a shorter run; and the end",
        "cosine": "the end and its halves; branches from a cosine are off their schedule",
    }[schedule]
    long = f"{WARMUP_STEPS:,} steps as in Llama (arXiv:2302.13971)"
    short = f"{WARMUP_SHARE:.0%} of the steps, as {WARMUP_STEPS:,} would be more"
    return {
        "steps": "tokens over batch, rounded up",
        "context_length": "the plan's",
        "warmup_steps": long if warmup == WARMUP_STEPS else short,
        "schedule": shape,
        "checkpoint_steps": kept,
        "optimizer": "as GPT-3 and Llama (arXiv:2005.14165, App. B; arXiv:2302.13971)",
        "clip_norm": "global norm, as GPT-3 and Llama",
        "precision": "bfloat16 products, float32 weights, moments and sums",
    }


def _caveats(
    n: float, tokens: float, basis: Mapping[str, str], steps: int, schedule: str
) -> tuple[str, ...]:
    found: list[str] = []
    ruled = {
        name for name in ("learning_rate", "batch_tokens") if basis[name].startswith("Step Law")
    }
    for symbol, value, (low, high), moved in (
        ("N", n, STEP_LAW_N, {"learning_rate"}),
        ("D", tokens, STEP_LAW_D, {"learning_rate", "batch_tokens"}),
    ):
        if moved & ruled and not low <= value <= high:
            figures = " and ".join(
                _FIGURES[name].lower() for name in _FIGURES if name in moved & ruled
            )
            found.append(
                f"{symbol} = {value:.3g} lies outside the runs behind Step Law"
                f" ({low:.3g} to {high:.3g}), so the {figures} is extrapolated"
            )
    if "learning_rate" in ruled and schedule == "wsd":
        found.append(
            "Step Law's rates were found with a cosine; a constant rate mostly wants less:"
            " try half of it too"
        )
    if basis["learning_rate"].startswith("carried over"):
        found.append(
            "only the rate is carried over: first values and output scale of the ladder's"
            " parameterization are not in other trainers, and the rate was found on fewer tokens"
        )
    if steps < 100:
        found.append(f"{steps} steps are too few for these rules")
    return tuple(found)
