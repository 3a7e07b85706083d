"""Exact parameter and FLOP counts by component, under every convention.

Conventions are those of docs/design.md §3. A multiply-add is two FLOP; a training step costs
three forward passes (one forward, two backward). `palm` follows Appendix B of PaLM
(arXiv:2204.02311): matrix weights plus attention scores and values over the full square,
no halving for the causal mask or a window. Encoder and decoder tokens are counted apart, the
head only where a token is predicted, and of experts those that a token is routed to.
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
    """Weights by component; the properties are the conventions of N.

    Attributes:
        embedding: token embeddings.
        positions: learned positions, encoder and decoder.
        attention: matrices of self-attention.
        cross_attention: matrices of a decoder's attention to its encoder.
        feed_forward: matrices of the feed-forward parts, of all experts.
        router: matrices that choose the experts.
        norms: scales and shifts of norms, temperatures of QK norm.
        biases: biases of linear maps inside the blocks.
        head: the output head: matrix, and transform, norm and bias where it has them.
        head_matmul: those of `head` that multiply activations.
        idle_experts: weights of `feed_forward` that one token does not use.
        tied: whether the head's matrix is the embedding, so counted there.
    """

    embedding: int
    positions: int = 0
    attention: int
    cross_attention: int = 0
    feed_forward: int
    router: int = 0
    norms: int
    biases: int = 0
    head: int
    head_matmul: int
    idle_experts: int = 0
    tied: bool = False

    @property
    def total(self) -> int:
        """Everything that is trained, tied weights once (`params_total`)."""
        shared = self.embedding if self.tied else 0
        return self.embedding + self.positions + self.non_embedding + self.head - shared

    @property
    def non_embedding(self) -> int:
        """Without embeddings and output head (`params_non_embedding`)."""
        return self.block_matrices + self.norms + self.biases

    @property
    def block_matrices(self) -> int:
        """Matrices of the blocks."""
        return self.attention + self.cross_attention + self.feed_forward + self.router

    @property
    def matmul(self) -> int:
        """Weights that multiply activations, head included (`params_matmul`)."""
        return self.block_matrices + self.head_matmul

    @property
    def active(self) -> int:
        """Weights that one token uses, of `total` (`params_active`)."""
        return self.total - self.idle_experts

    @property
    def head_share(self) -> float:
        """Share of the output head in `matmul`."""
        return self.head_matmul / self.matmul


def attention_matrices(config: TransformerConfig) -> int:
    """Weights of one attention: queries, keys, values, output."""
    inner, shared = config.n_head * config.head_dim, config.kv_heads * config.head_dim
    return config.d_model * (2 * inner + 2 * shared)


def feed_forward_matrices(config: TransformerConfig) -> int:
    """Weights of one feed-forward part, or of one expert."""
    return (3 if config.gated else 2) * config.d_model * config.d_ff


def count_parameters(config: TransformerConfig) -> ParameterCounts:
    """Count the weights of the model that `isoloss.models.build_model` makes."""
    c, d, v = config, config.d_model, config.vocab_size
    blocks = c.n_layer + c.n_encoder_layer
    crossed = c.n_layer if c.kind == "encoder_decoder" else 0
    experts = max(1, c.n_expert)
    feed_forward = blocks * experts * feed_forward_matrices(c)
    idle = blocks * (c.n_expert - c.experts_per_token) if c.n_expert else 0
    learned = c.context_length + (c.longest_source if crossed else 0)
    transform = d * d if c.head_transform else 0
    head_vectors = (v if c.head_bias else 0) + (
        _norm(c) + (d if c.biases == "all" else 0) if c.head_transform else 0
    )
    return ParameterCounts(
        embedding=v * d,
        positions=learned * d if c.positions == "learned" else 0,
        attention=blocks * attention_matrices(c),
        cross_attention=crossed * attention_matrices(c),
        feed_forward=feed_forward,
        router=blocks * c.n_expert * d,
        norms=_norms(c, blocks, crossed),
        biases=_biases(c, blocks, crossed),
        head=v * d + transform + head_vectors,
        head_matmul=v * d + transform,
        idle_experts=idle * feed_forward_matrices(c),
        tied=c.tied_embeddings,
    )


def _norm(config: TransformerConfig) -> int:
    """Weights of one norm of the residual stream."""
    return config.d_model * (int(config.norm_weights) + int(config.norm_bias))


def _norms(c: TransformerConfig, blocks: int, crossed: int) -> int:
    stacks = 2 if crossed else 1
    outer = stacks * (int(c.embedding_norm) + int(c.norm_position == "pre"))
    heads = {"scaled": c.n_head, "weighted": 2 * c.head_dim, "none": 0}[c.qk_norm]
    return (2 * blocks + crossed + outer) * _norm(c) + (blocks + crossed) * heads


def _biases(c: TransformerConfig, blocks: int, crossed: int) -> int:
    if c.biases == "none":
        return 0
    qkv = (c.n_head + 2 * c.kv_heads) * c.head_dim
    if c.biases == "qkv":
        return (blocks + crossed) * qkv
    hidden = (2 if c.gated else 1) * c.d_ff
    return (blocks + crossed) * (qkv + c.d_model) + blocks * (hidden + c.d_model)


def forward_flops(
    config: TransformerConfig,
    *,
    length: int | None = None,
    source_length: int | None = None,
    predicted: float | None = None,
) -> dict[str, float]:
    """FLOP of one forward pass over one row, by component: what the matrix products cost.

    Args:
        config: the shape.
        length: positions of the row (of the target, in an encoder-decoder); a full context
            when None.
        source_length: positions of the source of an encoder-decoder; the longest when None.
        predicted: positions where the head is computed; all of `length` when None.

    >>> small = TransformerConfig(
    ...     vocab_size=64, context_length=8, d_model=16, n_layer=1, n_head=1, d_ff=64
    ... )
    >>> forward_flops(small)["head"] == 2 * 8 * 16 * 64
    True
    """
    t = config.context_length if length is None else length
    counts = count_parameters(config)
    heads = counts.head_matmul * 2 * (t if predicted is None else predicted)
    if config.kind == "encoder_decoder":
        s = config.longest_source if source_length is None else source_length
        return {**_two_stacks(config, t, s), "head": heads}
    return {**_stack(config, config.n_layer, t), "head": heads}


def _stack(c: TransformerConfig, blocks: int, t: int) -> dict[str, float]:
    """Blocks of self-attention and feed-forward over `t` positions."""
    active = c.experts_per_token if c.n_expert else 1
    square = 2 * t * t * c.n_head * c.head_dim
    return {
        "attention_weights": blocks * 2 * t * attention_matrices(c),
        "attention_scores": blocks * square,
        "attention_values": blocks * square,
        "feed_forward": blocks * 2 * t * active * feed_forward_matrices(c),
        "router": blocks * 2 * t * c.n_expert * c.d_model,
    }


def _two_stacks(c: TransformerConfig, t: int, s: int) -> dict[str, float]:
    encoder, decoder = _stack(c, c.n_encoder_layer, s), _stack(c, c.n_layer, t)
    # Queries and output are maps of decoder positions, keys and values of encoder positions.
    inner, shared = c.n_head * c.head_dim, c.kv_heads * c.head_dim
    weights = 2 * c.d_model * (t * 2 * inner + s * 2 * shared)
    scores = 2 * t * s * inner
    both = {name: encoder[name] + decoder[name] for name in encoder}
    return {**both, "cross_weights": c.n_layer * weights, "cross_scores": c.n_layer * 2 * scores}


def forward_flops_per_token(config: TransformerConfig) -> dict[str, float]:
    """FLOP of one forward pass per token of full rows, by component.

    A token of an encoder-decoder is one of either side.
    """
    rows = config.context_length
    if config.kind == "encoder_decoder":
        rows += config.longest_source
    return {name: flops / rows for name, flops in forward_flops(config).items()}


def training_flops(
    config: TransformerConfig,
    tokens: float,
    convention: FlopsConvention = "palm",
    *,
    encoder_tokens: float | None = None,
    predicted: float | None = None,
) -> float:
    """FLOP of training on `tokens` tokens (D) under a convention of C.

    Args:
        config: the shape.
        tokens: non-padding positions, of encoder and decoder together.
        convention: of C; `palm` counts attention over full rows.
        encoder_tokens: how many of them the encoder saw (encoder-decoder only); in the ratio
            of full rows when None.
        predicted: positions that the head was computed at; all (of the decoder) when None.

    Raises:
        UsageError: the convention is unknown.
    """
    counts = count_parameters(config)
    if convention == "6nd_total":
        return 6 * counts.active * tokens
    if convention == "6nd_non_embedding":
        return 6 * (counts.non_embedding - counts.idle_experts) * tokens
    if convention not in ("matmul", "palm"):
        raise UsageError(
            f"unknown FLOP convention {convention!r}",
            hint=f"Use one of {', '.join(FLOPS_CONVENTIONS)}.",
        )
    source = _encoder_share(config, tokens, encoder_tokens)
    heads = tokens - source if predicted is None else predicted
    attention = ("attention_scores", "attention_values", "cross_scores")
    per_side = _per_token(config)
    flops = heads * 2 * counts.head_matmul
    for name, (of_source, of_target) in per_side.items():
        if convention == "palm" or name not in attention:
            flops += source * of_source + (tokens - source) * of_target
    return _whole(3 * flops)


def _encoder_share(c: TransformerConfig, tokens: float, encoder_tokens: float | None) -> float:
    if c.kind != "encoder_decoder":
        return 0
    if encoder_tokens is not None:
        return encoder_tokens
    return tokens * c.longest_source / (c.longest_source + c.context_length)


def _per_token(c: TransformerConfig) -> dict[str, tuple[float, float]]:
    """Forward FLOP of full rows per encoder token and per (other) token, without the head."""
    t, s = c.context_length, c.longest_source
    target = {name: flops / t for name, flops in _stack(c, c.n_layer, t).items()}
    if c.kind != "encoder_decoder":
        return {name: (0.0, flops) for name, flops in target.items()}
    source = {name: flops / s for name, flops in _stack(c, c.n_encoder_layer, s).items()}
    inner, shared = c.n_head * c.head_dim, c.kv_heads * c.head_dim
    sides = {name: (source[name], target[name]) for name in target}
    sides["cross_weights"] = (
        c.n_layer * 4 * c.d_model * shared,
        c.n_layer * 4 * c.d_model * inner,
    )
    sides["cross_scores"] = (0.0, c.n_layer * 4 * s * inner)
    return sides


def _whole(flops: float) -> float:
    """An integer where the count is one, as counts of whole tokens are."""
    return int(flops) if float(flops).is_integer() else flops
