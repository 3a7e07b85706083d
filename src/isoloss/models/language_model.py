"""Language models: decoder-only, encoder-only and encoder-decoder, over one stack of blocks.

tokens → embedding → blocks → norm → head → logits. `hidden` stops before the head, so that an
objective computes the head only where it predicts.

Shape suffixes: B batch, T positions, S positions of the source, D width, V vocabulary, N any.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from isoloss.architecture import TransformerConfig
from isoloss.errors import UsageError
from isoloss.models.cache import Cache
from isoloss.models.experts import Experts
from isoloss.models.feed_forward import ACTIVATIONS
from isoloss.models.initialisation import initialise
from isoloss.models.norms import Norm
from isoloss.models.stack import Stack


class LanguageModel(nn.Module, ABC):
    """What the three kinds share: embedding, head, and the stacks between them."""

    def __init__(self, config: TransformerConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):  # PyTorch's own start values come from there
            self.embedding = nn.Embedding(config.vocab_size, config.d_model)
            self._build(config)
            if config.head_transform:
                self.head_transform = nn.Linear(
                    config.d_model, config.d_model, bias=config.biases == "all"
                )
                self.head_norm = Norm(config)
            self.head = nn.Linear(config.d_model, config.vocab_size, bias=config.head_bias)
        if config.tied_embeddings:
            self.head.weight = self.embedding.weight
        initialise(self, seed)

    @abstractmethod
    def _build(self, config: TransformerConfig) -> None:
        """Make the stacks."""

    @abstractmethod
    def hidden(self, *args: Any, **inputs: Any) -> Tensor:
        """The residual stream before the head, (B, T, D); arguments differ by kind."""

    def stacks(self) -> list[Stack]:
        """The stacks of blocks: one, or encoder and decoder."""
        return [module for module in self.children() if isinstance(module, Stack)]

    def logits(self, hidden_ND: Tensor) -> Tensor:
        """The head: (…, D) → (…, V)."""
        if self.config.head_transform:
            act = ACTIVATIONS[self.config.activation]
            hidden_ND = self.head_norm(act(self.head_transform(hidden_ND)))
        return self.head(hidden_ND)

    def balance_loss(self) -> Tensor | None:
        """Weighted load-balancing loss of the last forward pass; None without experts."""
        found = [m.balance for m in self.modules() if isinstance(m, Experts)]
        terms = [term for term in found if term is not None]
        if not terms:
            return None
        return self.config.balance_weight * torch.stack(terms).sum()

    def checkpoint_activations(self, on: bool = True) -> None:
        """Keep activations between forward and backward, or compute them again."""
        for stack in self.stacks():
            stack.checkpointing = on


class Decoder(LanguageModel):
    """A causal language model.

    Args:
        config: the shape.
        seed: seeds the initial weights, independently of PyTorch's global state.

    >>> config = TransformerConfig(
    ...     vocab_size=64, context_length=8, d_model=16, n_layer=1, n_head=1, d_ff=32
    ... )
    >>> Decoder(config)(torch.zeros(2, 8, dtype=torch.long)).shape
    torch.Size([2, 8, 64])
    """

    stack: Stack

    def _build(self, config: TransformerConfig) -> None:
        self.stack = Stack(
            config, n_layer=config.n_layer, length=config.context_length, causal=True
        )

    def new_cache(self, capacity: int | None = None) -> Cache:
        """A cache for `capacity` positions; for a full context when None."""
        return Cache.empty(self.config.n_layer, capacity or self.config.context_length)

    def hidden(
        self,
        tokens: Tensor,
        *,
        segments: Tensor | None = None,
        prefix: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """The normalised residual stream after the last block, (B, T, D).

        Args:
            tokens: (B, T) token ids; with a cache, those that follow the cached ones.
            segments: (B, T) document of each token, 0 for padding.
            prefix: (B,) length of the part of each row that sees itself both ways (prefix LM).
            cache: see `new_cache`.

        Raises:
            UsageError: longer than the context.
        """
        x_BTD = self.embedding(tokens)
        return self.stack(x_BTD, segments=segments, prefix=prefix, cache=cache)

    def forward(
        self,
        tokens: Tensor,
        *,
        segments: Tensor | None = None,
        prefix: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """Logits (B, T, V); arguments as `hidden`."""
        return self.logits(self.hidden(tokens, segments=segments, prefix=prefix, cache=cache))


class Encoder(LanguageModel):
    """A masked language model: every position sees all of its row, or of its segment."""

    stack: Stack

    def _build(self, config: TransformerConfig) -> None:
        self.stack = Stack(
            config, n_layer=config.n_layer, length=config.context_length, causal=False
        )

    def hidden(self, tokens: Tensor, *, segments: Tensor | None = None) -> Tensor:
        """The residual stream after the last block, (B, T, D); padding has segment 0."""
        return self.stack(self.embedding(tokens), segments=segments)

    def forward(self, tokens: Tensor, *, segments: Tensor | None = None) -> Tensor:
        """Logits (B, T, V); arguments as `hidden`."""
        return self.logits(self.hidden(tokens, segments=segments))


class EncoderDecoder(LanguageModel):
    """A sequence-to-sequence model; both sides share one embedding."""

    encoder: Stack
    decoder: Stack

    def _build(self, config: TransformerConfig) -> None:
        self.encoder = Stack(
            config, n_layer=config.n_encoder_layer, length=config.longest_source, causal=False
        )
        self.decoder = Stack(
            config,
            n_layer=config.n_layer,
            length=config.context_length,
            causal=True,
            crossed=True,
        )

    def new_cache(self, capacity: int | None = None) -> Cache:
        """A cache for `capacity` positions of the target; for a full one when None."""
        return Cache.empty(self.config.n_layer, capacity or self.config.context_length)

    def encode(self, source: Tensor, *, source_segments: Tensor | None = None) -> Tensor:
        """The encoder's output, (B, S, D)."""
        return self.encoder(self.embedding(source), segments=source_segments)

    def hidden(
        self,
        source: Tensor | None,
        target: Tensor,
        *,
        source_segments: Tensor | None = None,
        target_segments: Tensor | None = None,
        memory: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """The decoder's residual stream after its last block, (B, T, D).

        Args:
            source: (B, S) source tokens; not needed where `memory` is given.
            target: (B, T) tokens that the decoder has seen so far.
            source_segments, target_segments: pair of each token, 0 for padding; a target sees
                the source of its own pair.
            memory: what `encode` returned.
            cache: of the target tokens before.
        """
        if memory is None:
            if source is None:
                raise UsageError("an encoder-decoder needs source tokens, or `memory`")
            memory = self.encode(source, source_segments=source_segments)
        return self.decoder(
            self.embedding(target),
            segments=target_segments,
            cache=cache,
            memory=memory,
            memory_segments=source_segments,
        )

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        *,
        source_segments: Tensor | None = None,
        target_segments: Tensor | None = None,
    ) -> Tensor:
        """Logits (B, T, V); arguments as `hidden`."""
        hidden_BTD = self.hidden(
            source,
            target,
            source_segments=source_segments,
            target_segments=target_segments,
        )
        return self.logits(hidden_BTD)


_KINDS: dict[str, type[LanguageModel]] = {
    "decoder": Decoder,
    "encoder": Encoder,
    "encoder_decoder": EncoderDecoder,
}


def build_model(config: TransformerConfig, *, seed: int = 0) -> LanguageModel:
    """The model of a config, with initial weights from `seed`."""
    return _KINDS[config.kind](config, seed=seed)
