"""One run from a resolved config to a row of the run table, resumable at any moment."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from isoloss._files import canonical_json, sha256_text
from isoloss.architecture import TransformerConfig, count_parameters, training_flops
from isoloss.corpus import Corpus, batch, evaluation_windows
from isoloss.errors import DataError, UsageError
from isoloss.training._folder import CHECKPOINT, close_folder, open_folder
from isoloss.training.evaluation import Evaluation, evaluate_loss
from isoloss.training.recipe import Recipe, branch_schedule
from isoloss.training.state import Batch, Diverged, TrainingState

PRECISION = "float32"


class Progress(Protocol):
    """Called after each step with the steps done and the training loss."""

    def __call__(self, step: int, loss: float, /) -> None: ...


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides the numbers of one run; its hash is the run's id.

    Raises:
        UsageError: no steps or no seed, or a step does not hold whole windows of text.
    """

    architecture: TransformerConfig
    recipe: Recipe
    steps: int
    seed: int
    corpus_fingerprint: str
    eval_tokens: int
    threads: int = 1

    def __post_init__(self) -> None:
        if self.steps < 1 or self.threads < 1 or self.eval_tokens < 1 or self.seed < 0:
            raise UsageError(
                "steps, threads and eval_tokens must be positive and the seed not negative, found"
                f" {self.steps}, {self.threads}, {self.eval_tokens} and {self.seed}"
            )
        if self.recipe.batch_tokens % self.architecture.context_length:
            raise UsageError(
                f"a step of {self.recipe.batch_tokens:,} tokens does not hold whole windows of"
                f" {self.architecture.context_length:,}",
                hint="Take batch_tokens a multiple of the context length.",
            )

    @property
    def tokens(self) -> int:
        """D: tokens seen in training."""
        return self.steps * self.recipe.batch_tokens

    @property
    def flops(self) -> int:
        """C under the `palm` convention."""
        return training_flops(self.architecture, self.tokens)

    def identity(self) -> dict[str, Any]:
        """What the id covers."""
        return {
            "architecture": self.architecture.to_dict(),
            "recipe": self.recipe.to_dict(),
            "steps": self.steps,
            "seed": self.seed,
            "corpus": self.corpus_fingerprint,
            "eval_tokens": self.eval_tokens,
            "precision": PRECISION,
            "threads": self.threads,
        }

    @property
    def run_id(self) -> str:
        """Sixteen hexadecimal digits: equal configs never train twice."""
        return sha256_text(canonical_json(self.identity()))[:16]

    @property
    def trunk_id(self) -> str:
        """Id of the constant-rate trunk that this run branches from (steps left out)."""
        return sha256_text(canonical_json({**self.identity(), "steps": None}))[:16]


def check_corpus(config: RunConfig, corpus: Corpus) -> None:
    """Refuse, before any training, a corpus that the run's id does not speak of.

    Raises:
        DataError: another corpus or vocabulary, or nothing long enough to evaluate on.
    """
    if corpus.fingerprint != config.corpus_fingerprint:
        raise DataError(
            f"{corpus.path}: this is corpus {corpus.fingerprint[:12]}, the run was planned for"
            f" {config.corpus_fingerprint[:12]}",
            hint="Give the corpus of the plan, or start in a new folder.",
        )
    if corpus.vocab_size != config.architecture.vocab_size:
        raise DataError(
            f"{corpus.path}: {corpus.vocab_size:,} vocabulary entries, the model has"
            f" {config.architecture.vocab_size:,}",
            hint="Plan the model with the vocabulary of the corpus.",
        )
    evaluation_windows(corpus, config.architecture.context_length, config.eval_tokens)


def corpus_batches(corpus: Corpus, config: RunConfig) -> Batch:
    """Step → batch of the training tokens; depends on the run's seed and the step alone."""
    context = config.architecture.context_length
    size = config.recipe.batch_tokens // context

    def tokens_at(step: int) -> torch.Tensor:
        return torch.from_numpy(
            batch(
                corpus.train, seed=config.seed, step=step, batch_size=size, context_length=context
            )
        )

    return tokens_at


def evaluate_on(corpus: Corpus, state: TrainingState, eval_tokens: int) -> Evaluation:
    """Held-out loss of a training state on the corpus's fixed evaluation windows."""
    windows, clusters, n_bytes = evaluation_windows(
        corpus, state.model.config.context_length, eval_tokens
    )
    return evaluate_loss(state.model, np.asarray(windows), clusters, n_bytes)


def finish_branch(
    state: TrainingState,
    config: RunConfig,
    corpus: Corpus,
    *,
    own_steps: int,
    started: float,
    until: Callable[[], None],
) -> dict[str, Any]:
    """Run `until()` (which trains to the end), evaluate, and return the row of the run table.

    A run that diverges gets `status="diverged"`, an empty loss and the reason. What is not
    known is None.
    """
    try:
        until()
        evaluation = evaluate_on(corpus, state, config.eval_tokens)
        outcome: dict[str, Any] = {
            "loss": evaluation.loss,
            "loss_se": evaluation.loss_se,
            "bits_per_byte": evaluation.bits_per_byte,
            "meta_eval_tokens": evaluation.tokens,
            "status": "ok",
            "reason": "",
        }
        if not math.isfinite(evaluation.loss):
            raise Diverged(config.steps, evaluation.loss)
    except Diverged as error:
        outcome = diverged(error)
    return {
        **describe(config, corpus),
        **{key: None if value != value else value for key, value in outcome.items()},
        **costs(config, own_steps=own_steps, started=started),
    }


def diverged(error: Diverged) -> dict[str, Any]:
    """The outcome of a run whose loss became useless: kept, with the reason."""
    return {"loss": None, "status": "diverged", "reason": f"diverged: {error}"}


def costs(config: RunConfig, *, own_steps: int, started: float) -> dict[str, Any]:
    """What a run took: FLOP without its shared trunk (`palm`), end and seconds."""
    own_tokens = own_steps * config.recipe.batch_tokens
    return {
        "own_flops": training_flops(config.architecture, own_tokens, "palm"),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "meta_seconds": round(time.monotonic() - started, 3),
    }


def describe(config: RunConfig, corpus: Corpus) -> dict[str, Any]:
    """The columns of a row that are known before the run starts."""
    shape, recipe = config.architecture, config.recipe
    counts = count_parameters(shape)
    return {
        "run_id": config.run_id,
        "name": f"d{shape.d_model}-{config.steps}-s{config.seed}",
        "group": "",
        "parent_id": config.trunk_id,
        "seed": config.seed,
        "params_total": counts.total,
        "params_non_embedding": counts.non_embedding,
        "params_matmul": counts.matmul,
        "n_layer": shape.n_layer,
        "d_model": shape.d_model,
        "n_head": shape.n_head,
        "d_ff": shape.d_ff,
        "vocab_size": shape.vocab_size,
        "context_length": shape.context_length,
        "tokens": config.tokens,
        "unique_tokens": min(config.tokens, corpus.train_tokens),
        "steps": config.steps,
        "batch_tokens": recipe.batch_tokens,
        "learning_rate": recipe.learning_rate(shape.d_model),
        "schedule": f"wsd:{recipe.warmup_steps}:{recipe.decay_fraction:g}",
        "optimizer": "muon+adamw",
        "flops": config.flops,
        "flops_convention": "palm",
        "loss_unit": "nats_per_token",
        "dataset": corpus.fingerprint,
        "tokenizer": f"bpe-{corpus.vocab_size}",
        "architecture": "decoder",
        "objective": "causal",
        "source": "isoloss",
        "meta_threads": config.threads,
        "meta_precision": PRECISION,
        "meta_recipe_version": recipe.version,
    }


def train_run(
    config: RunConfig,
    corpus: Corpus,
    folder: Path,
    *,
    checkpoint_every: int = 250,
    on_step: Progress | None = None,
) -> dict[str, Any]:
    """Train one run from the start (or from its last checkpoint in `folder`) and keep the model.

    `folder` receives `run.json` (config, and the row at the end), `tokenizer.json` and
    `checkpoint.safetensors` (weights, moments, step): all that `isoloss generate` reads, so the
    folder can be moved. A finished run is not trained again.

    Returns:
        The row of the run table.

    Raises:
        UsageError: the folder holds another run.
        DataError: `corpus` is not the run's, or the checkpoint is damaged.
    """
    started = time.monotonic()
    check_corpus(config, corpus)
    finished = open_folder(folder, config, corpus)
    if finished is not None:
        return finished
    checkpoint = folder / CHECKPOINT
    if checkpoint.exists():
        state = TrainingState.load(checkpoint)
    else:
        state = TrainingState.start(config.architecture, config.recipe, seed=config.seed)
    schedule = branch_schedule(config.recipe, config.steps)
    batches = corpus_batches(corpus, config)

    def to_the_end() -> None:
        while state.step < config.steps:
            target = min(config.steps, (state.step // checkpoint_every + 1) * checkpoint_every)
            state.advance(target, schedule, batches, on_step)
            state.save(checkpoint)

    with _threads(config.threads):
        row = finish_branch(
            state, config, corpus, own_steps=config.steps, started=started, until=to_the_end
        )
    close_folder(folder, config, corpus, row)
    return row


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """PyTorch's threads while a run trains: the run's id names their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
