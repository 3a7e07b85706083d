"""What decides the numbers of one run, and the data that it sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from isoloss._files import canonical_json, sha256_text
from isoloss.architecture import TransformerConfig, training_flops
from isoloss.errors import DataError, UsageError
from isoloss.training.objectives import (
    Batch,
    Causal,
    EvaluationSet,
    Objective,
    TokenCount,
    objective_from,
)
from isoloss.training.objectives.windows import AnyCorpus
from isoloss.training.recipe import Recipe
from isoloss.training.schedules import NEEDS_TOTAL
from isoloss.training.state import Batches
from isoloss.training.stopping import Stop


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides the numbers of one run; its hash is the run's id.

    Args:
        architecture: the model.
        recipe: how it is trained.
        steps: the length that its schedule follows.
        seed: of first weights, order of the text, what is hidden, and dropout.
        corpus_fingerprint: of the tokens.
        eval_tokens: held-out tokens that it is judged on.
        threads: PyTorch's, on a CPU: sums differ in their last bits with it.
        objective: what is predicted.
        stop: rules that may end it before its steps are done (`Stop.early`).
        device: `cpu` or `cuda`; see `resolve_device`.

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
    objective: Objective = field(default_factory=Causal)
    stop: Stop | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.steps < 1 or self.threads < 1 or self.eval_tokens < 1 or self.seed < 0:
            raise UsageError(
                "steps, threads and eval_tokens must be positive and the seed not negative, found"
                f" {self.steps}, {self.threads}, {self.eval_tokens} and {self.seed}"
            )
        self.objective.check_kind(self.architecture)
        _check_rows(self)

    @property
    def rows(self) -> int:
        """Rows of a step: as many of the longest as fit into `batch_tokens`."""
        longest = self.objective.row_tokens(self.architecture).tokens
        return self.recipe.batch_tokens // longest

    @property
    def most(self) -> TokenCount:
        """Tokens of the run, were all its rows full."""
        return self.objective.row_tokens(self.architecture) * (self.rows * self.steps)

    @property
    def tokens(self) -> int:
        """D: tokens seen in training; of objectives whose rows differ, the most."""
        return self.most.tokens

    @property
    def flops(self) -> float:
        """C of `tokens` under the `palm` convention."""
        return counted_flops(self.architecture, self.most)

    def counted(self, corpus: AnyCorpus, *, steps: int | None = None, first: int = 0) -> TokenCount:
        """Tokens really processed in steps `first` to before `steps` (all of them when None)."""
        return self.objective.tokens_in(
            corpus,
            self.architecture,
            rows=self.rows,
            seed=self.seed,
            steps=self.steps if steps is None else steps,
            first=first,
        )

    def identity(self) -> dict[str, Any]:
        """What the id covers; a setting that came later is left out where it has its default."""
        values = {
            "architecture": self.architecture.to_dict(),
            "recipe": self.recipe.to_dict(),
            "steps": self.steps,
            "seed": self.seed,
            "corpus": self.corpus_fingerprint,
            "eval_tokens": self.eval_tokens,
            "precision": self.recipe.precision,
            "threads": self.threads,
        }
        if self.objective != Causal():
            values["objective"] = self.objective.to_dict()
        if self.stop is not None and self.stop.early is not None:
            values["stop"] = self.stop.early.to_dict()
        if self.device != "cpu":
            values["device"] = self.device
        return values

    @staticmethod
    def from_identity(values: dict[str, Any]) -> RunConfig:
        """The inverse of `identity`."""
        return RunConfig(
            architecture=TransformerConfig(**values["architecture"]),
            recipe=Recipe.from_dict(values["recipe"]),
            steps=values["steps"],
            seed=values["seed"],
            corpus_fingerprint=values["corpus"],
            eval_tokens=values["eval_tokens"],
            threads=values["threads"],
            objective=objective_from(values.get("objective", "causal")),
            stop=Stop(**values["stop"]) if "stop" in values else None,
            device=values.get("device", "cpu"),
        )

    @property
    def run_id(self) -> str:
        """Sixteen hexadecimal digits: equal configs never train twice."""
        return sha256_text(canonical_json(self.identity()))[:16]

    @property
    def trunk_id(self) -> str:
        """Id of what runs that differ in their steps alone have in common."""
        return sha256_text(canonical_json({**self.identity(), "steps": None}))[:16]

    @property
    def parent_id(self) -> str | None:
        """Id of the trunk that the run branches from; None where its schedule allows no trunk."""
        return None if self.recipe.schedule in NEEDS_TOTAL else self.trunk_id


def counted_flops(architecture: TransformerConfig, count: TokenCount) -> float:
    """FLOP (`palm`) of training on counted tokens."""
    return training_flops(
        architecture,
        count.tokens,
        encoder_tokens=count.encoder_tokens,
        predicted=count.predicted,
    )


def _check_rows(config: RunConfig) -> None:
    """A step holds whole rows; of objectives whose rows differ, at least one."""
    row = config.objective.row_tokens(config.architecture).tokens
    exact = config.architecture.kind != "encoder_decoder"
    if config.rows < 1 or (exact and config.recipe.batch_tokens % row):
        raise UsageError(
            f"a step of {config.recipe.batch_tokens:,} tokens does not hold whole windows of"
            f" {row:,}",
            hint=f"Take batch_tokens a multiple of {row:,}, or a context length that divides it.",
        )


def check_corpus(config: RunConfig, corpus: AnyCorpus) -> None:
    """Refuse, before any training, a corpus that the run's id does not speak of.

    Raises:
        DataError: another corpus or vocabulary, a tokeniser without the special tokens that the
            objective needs, or nothing long enough to evaluate on.
        UsageError: the objective trains another kind of model.
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
    config.objective.check(corpus, config.architecture)
    held_out(config, corpus)


def held_out(config: RunConfig, corpus: AnyCorpus) -> EvaluationSet:
    """What the run is judged on."""
    return config.objective.evaluation(corpus, config.architecture, config.eval_tokens)


def corpus_batches(corpus: AnyCorpus, config: RunConfig) -> Batches:
    """Step → batch of the training tokens; depends on the run's seed and the step alone."""

    def batch_at(step: int) -> Batch:
        return config.objective.batch(
            corpus,
            config.architecture,
            seed=config.seed,
            step=step,
            rows=config.rows,
        )

    return batch_at
