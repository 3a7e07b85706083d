"""An encoder with a head for spans: where an answer begins and where it ends in a text.

The head of BERT for SQuAD (arXiv:1810.04805, §4.2): one vector for the beginning and one for the
end, whose products with the hidden states are scores over the positions of a row.

Shape suffixes: B rows, T positions, D width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from isoloss.errors import UsageError
from isoloss.models.language_model import Encoder, LanguageModel
from isoloss.models.stack import Stack

HEAD_STD = 0.02


class SpanModel(nn.Module):
    """Encoder and a linear map of width 2: scores of beginning and end.

    It has what a trainer asks of a `LanguageModel`; its "vocabulary" are the positions of a row,
    so that the mean loss over the two boundaries is the cross entropy of `logits`.

    Args:
        encoder: its own head is not used, and not trained.
        seed: of the head's first values.

    Raises:
        UsageError: not an encoder.

    >>> from isoloss.architecture import config_for_width
    >>> from isoloss.models import build_model
    >>> config = config_for_width(16, vocab_size=64, context_length=8, family="encoder")
    >>> model = SpanModel(build_model(config))
    >>> model.hidden(torch.zeros(3, 8, dtype=torch.long)).shape
    torch.Size([3, 2, 8])
    """

    def __init__(self, encoder: LanguageModel, *, seed: int = 0) -> None:
        super().__init__()
        if not isinstance(encoder, Encoder):
            raise UsageError(
                "spans are read from an encoder, found a model of kind"
                f" {encoder.config.kind.replace('_', '-')}",
                hint="Train one with: isoloss train --family encoder",
            )
        self.config = encoder.config
        self.encoder = encoder
        with torch.random.fork_rng(devices=[]):  # PyTorch's own start values come from there
            self.head = nn.Linear(self.config.d_model, 2)
        generator = torch.Generator(device="cpu").manual_seed(seed)
        with torch.no_grad():
            self.head.weight.normal_(0.0, HEAD_STD, generator=generator)
            self.head.bias.zero_()
        for name, parameter in encoder.named_parameters():
            if name.startswith("head"):  # a tied head goes by the embedding's name
                parameter.requires_grad_(False)

    @property
    def embedding(self) -> nn.Embedding:
        """The encoder's."""
        return self.encoder.embedding

    def stacks(self) -> list[Stack]:
        """The encoder's stack."""
        return self.encoder.stacks()

    def balance_loss(self) -> Tensor | None:
        """The encoder's load-balancing loss; None without experts."""
        return self.encoder.balance_loss()

    def checkpoint_activations(self, on: bool = True) -> None:
        """Keep activations between forward and backward, or compute them again."""
        self.encoder.checkpoint_activations(on)

    def hidden(
        self, tokens: Tensor, *, segments: Tensor | None = None, allowed: Tensor | None = None
    ) -> Tensor:
        """Scores of beginning and end at every position, (B, 2, T).

        Args:
            tokens: (B, T) token ids.
            segments: (B, T), 0 for padding.
            allowed: (B, T) boolean, where a boundary may be; -inf elsewhere.
        """
        scores_B2T = self.head(self.encoder.hidden(tokens, segments=segments)).mT
        if allowed is None:
            return scores_B2T
        return scores_B2T.masked_fill(~allowed[:, None], -math.inf)

    def logits(self, scores: Tensor) -> Tensor:
        """The scores as they are."""
        return scores

    def forward(
        self, tokens: Tensor, *, segments: Tensor | None = None, allowed: Tensor | None = None
    ) -> Tensor:
        """Scores (B, 2, T); arguments as `hidden`."""
        return self.hidden(tokens, segments=segments, allowed=allowed)

    def head_tensors(self) -> dict[str, Tensor]:
        """The head by the names that a checkpoint has it under."""
        return {"span.weight": self.head.weight, "span.bias": self.head.bias}

    def take_head(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the head of a checkpoint.

        Raises:
            KeyError: it has none; RuntimeError: it is of another width.
        """
        own = {name: tensors[f"span.{name}"] for name in ("weight", "bias")}
        self.head.load_state_dict(own)
