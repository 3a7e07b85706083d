"""Exact parameter and FLOP counts by component, under every convention.

Conventions are those of docs/design.md §3. A multiply-add is two FLOP; a training step costs
three forward passes (one forward, two backward). `palm` follows Appendix B of PaLM
(arXiv:2204.02311): matrix weights plus attention scores and values over the full square,
no halving for the causal mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from isoloss.architecture.config import TransformerConfig
from isoloss.errors import UsageError

FlopsConvention = Literal["6nd_total", "6nd_non_embedding", "matmul", "palm"]
FLOPS_CONVENTIONS: tuple[FlopsConvention, ...] = (
    "6nd_total",
    "6nd_non_embedding",
    "matmul",
    "palm",
)


@dataclass(frozen=True, kw_only=True)
class ParameterCounts:
    """Weights by component; the properties are the conventions of N."""

    embedding: int
    attention: int
    feed_forward: int
    norms: int
    head: int

    @property
    def total(self) -> int:
        """Everything that is trained (`params_total`)."""
        return self.embedding + self.attention + self.feed_forward + self.norms + self.head

    @property
    def non_embedding(self) -> int:
        """Without token embedding and output head (`params_non_embedding`)."""
        return self.attention + self.feed_forward + self.norms

    @property
    def matmul(self) -> int:
        """Weights that multiply activations, head included (`params_matmul`)."""
        return self.attention + self.feed_forward + self.head

    @property
    def head_share(self) -> float:
        """Share of the output head in `matmul`."""
        return self.head / self.matmul


def count_parameters(config: TransformerConfig) -> ParameterCounts:
    """Count the weights of the decoder of `isoloss.models`.

    Norms have no weights but one learned scale per head for the queries of each layer
    (the temperature of QK norm).
    """
    d, f, n = config.d_model, config.d_ff, config.n_layer
    return ParameterCounts(
        embedding=config.vocab_size * d,
        attention=n * 4 * d * d,
        feed_forward=n * 2 * d * f,
        norms=n * config.n_head,
        head=config.vocab_size * d,
    )


def forward_flops_per_token(config: TransformerConfig) -> dict[str, int]:
    """FLOP of one forward pass per token of a full context, by component."""
    d, n, t = config.d_model, config.n_layer, config.context_length
    counts = count_parameters(config)
    return {
        "attention_weights": 2 * counts.attention,
        "attention_scores": n * 2 * t * d,
        "attention_values": n * 2 * t * d,
        "feed_forward": 2 * counts.feed_forward,
        "head": 2 * counts.head,
    }


def training_flops(
    config: TransformerConfig, tokens: int, convention: FlopsConvention = "palm"
) -> int:
    """FLOP of training on `tokens` tokens (D) under a convention of C.

    Raises:
        UsageError: the convention is unknown.
    """
    counts = count_parameters(config)
    if convention == "6nd_total":
        return 6 * counts.total * tokens
    if convention == "6nd_non_embedding":
        return 6 * counts.non_embedding * tokens
    if convention == "matmul":
        return 6 * counts.matmul * tokens
    if convention == "palm":
        return 3 * sum(forward_flops_per_token(config).values()) * tokens
    raise UsageError(
        f"unknown FLOP convention {convention!r}",
        hint=f"Use one of {', '.join(FLOPS_CONVENTIONS)}.",
    )
