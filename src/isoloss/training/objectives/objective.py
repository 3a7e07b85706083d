"""What every objective is: a name, settings, and pure functions from a corpus to batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from isoloss.architecture import TransformerConfig
from isoloss.architecture.config import Kind
from isoloss.architecture.families import FAMILIES
from isoloss.errors import UsageError
from isoloss.models import LanguageModel
from isoloss.training.objectives.batch import Batch, batch_loss
from isoloss.training.objectives.evaluation_set import EvaluationSet
from isoloss.training.objectives.vocabulary import special_ids
from isoloss.training.objectives.windows import AnyCorpus, text_of

EVALUATION_SEED = 20_170_612
"""Decides what is hidden in held-out text: the same for every model and every run."""


@dataclass(frozen=True, kw_only=True)
class TokenCount:
    """How many tokens a row, a step or a run processes.

    Attributes:
        tokens: non-padding positions, encoder and decoder together (D).
        encoder_tokens: those of the encoder of an encoder-decoder.
        predicted: positions where the head is computed.
    """

    tokens: int
    encoder_tokens: int = 0
    predicted: int

    def __mul__(self, times: int) -> TokenCount:
        return TokenCount(
            tokens=self.tokens * times,
            encoder_tokens=self.encoder_tokens * times,
            predicted=self.predicted * times,
        )


class Objective(ABC):
    """What a model is trained to predict.

    Subclasses are frozen dataclasses whose fields are their settings. `batch` depends on its
    arguments alone, so the step number is the whole state of a run's data.
    """

    name: ClassVar[str]
    kind: ClassVar[Kind]
    """The kind of model that it trains."""

    @abstractmethod
    def batch(
        self, corpus: AnyCorpus, config: TransformerConfig, *, seed: int, step: int, rows: int
    ) -> Batch:
        """The batch of a step: `rows` rows of the model's full length.

        Raises:
            UsageError: a model of another kind, or pairs for text and text for pairs.
            DataError: the tokeniser lacks special tokens, or the text is too short.
        """

    @abstractmethod
    def evaluation(
        self, corpus: AnyCorpus, config: TransformerConfig, eval_tokens: int
    ) -> EvaluationSet:
        """What a model is judged on: at most about `eval_tokens` tokens of held-out text.

        The same for every model that reads windows of this length. Errors as `batch`.
        """

    @abstractmethod
    def row_tokens(self, config: TransformerConfig) -> TokenCount:
        """Tokens of one row; of an objective whose rows differ, of the longest."""

    def special_tokens(
        self, context_length: int, source_length: int | None = None
    ) -> tuple[str, ...]:
        """Special tokens that the tokeniser must have for a model of these lengths.

        `source_length` is `context_length` when None, as in `TransformerConfig`.
        """
        return ()

    def tokens_in(
        self,
        corpus: AnyCorpus,
        config: TransformerConfig,
        *,
        rows: int,
        seed: int,
        steps: int,
        first: int = 0,
    ) -> TokenCount:
        """Exact tokens of the steps from `first` to before `steps`, without running a model."""
        return self.row_tokens(config) * (rows * (steps - first))

    def loss(self, model: LanguageModel, batch: Batch) -> Tensor:
        """The training loss of a batch, a scalar."""
        return batch_loss(model, batch)

    def check(self, corpus: AnyCorpus, config: TransformerConfig) -> None:
        """Refuse, before any training, a model or a corpus that does not fit.

        Raises:
            UsageError: a model of another kind, or pairs for text and text for pairs.
            DataError: the tokeniser lacks special tokens of this objective.
        """
        self.check_kind(config)
        self.check_corpus(corpus)
        self.ids(corpus, config)

    def check_corpus(self, corpus: AnyCorpus) -> None:
        """Refuse pairs where text is read, and text where pairs are.

        Raises:
            UsageError: as said.
        """
        text_of(corpus)

    def check_kind(self, config: TransformerConfig) -> None:
        """Refuse a model of another kind.

        Raises:
            UsageError: with the families that would do.
        """
        if config.kind != self.kind:
            families = [n for n, o in FAMILIES.items() if o.get("kind", "decoder") == self.kind]
            raise UsageError(
                f"the objective {self.name!r} trains a model of kind"
                f" {self.kind.replace('_', '-')!r}, found {config.kind.replace('_', '-')!r}",
                hint=f"Take a family of that kind: {', '.join(families)}.",
            )

    def ids(self, corpus: AnyCorpus, config: TransformerConfig) -> list[int]:
        """Token ids of `special_tokens`, in their order.

        Raises:
            DataError: the tokeniser lacks some.
        """
        source = config.longest_source if config.kind == "encoder_decoder" else None
        return special_ids(corpus, self.special_tokens(config.context_length, source), self.name)

    def to_dict(self) -> dict[str, Any]:
        """The name, and the settings that are not the default: for JSON and for a run's id.

        Numbers are floats, so that equal objectives give equal ids.
        """
        changed: dict[str, Any] = {"name": self.name}
        for setting in fields(self):  # pyright: ignore[reportArgumentType]
            value = getattr(self, setting.name)
            if value != setting.default:
                changed[setting.name] = (
                    float(value) if isinstance(setting.default, float) else value
                )
        return changed


def generator(seed: int, step: int, tag: int) -> np.random.Generator:
    """The source of a step's random choices; `tag` keeps objectives apart, and them from the
    streams of `isoloss.corpus`, whose numbers are small.

    Only (seed, step, tag) decide, so a run that resumes at a step goes on as if uninterrupted.
    """
    return np.random.Generator(np.random.PCG64([seed, step, tag]))


def check_shares(**shares: float) -> None:
    """Refuse settings that are no share.

    Raises:
        UsageError: a value outside [0, 1].
    """
    for name, value in shares.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value <= 1:
            raise UsageError(f"{name} must be a number from 0 to 1, found {value!r}")
