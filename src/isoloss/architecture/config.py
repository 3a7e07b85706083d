"""The shape of a Transformer language model, as data.

Sizes are required; every option has a default, and the defaults together are the family that
isoloss's own ladders train. `families.py` names the options of other families.
"""

from __future__ import annotations

import math
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal, get_args

from isoloss.errors import UsageError

HEAD_DIM = 16
"""Width of an attention head at the sizes a laptop trains."""

Kind = Literal["decoder", "encoder", "encoder_decoder"]
Norm = Literal["rmsnorm", "layernorm"]
NormPosition = Literal["pre", "post"]
Positions = Literal["rotary", "sinusoidal", "learned", "alibi", "none"]
Activation = Literal["relu2", "relu", "gelu", "gelu_tanh", "silu", "swiglu", "geglu"]
QKNorm = Literal["scaled", "weighted", "none"]
Biases = Literal["none", "qkv", "all"]
Initialisation = Literal["zero_residual", "fan_in", "normal", "gpt2", "xavier"]

_CHOICES: dict[str, Any] = {
    "kind": Kind,
    "norm": Norm,
    "norm_position": NormPosition,
    "positions": Positions,
    "activation": Activation,
    "qk_norm": QKNorm,
    "biases": Biases,
    "initialisation": Initialisation,
}
GATED = ("swiglu", "geglu")


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """A Transformer language model: decoder-only, encoder-only or encoder-decoder.

    Args:
        vocab_size: entries of the vocabulary.
        context_length: tokens that a position can look back on, itself included; of an
            encoder-decoder those of the target.
        d_model: width of the residual stream.
        n_layer: number of blocks; of an encoder-decoder those of the decoder.
        n_head: attention heads for queries.
        d_ff: hidden width of the feed-forward part (of each expert, where there are experts).
        kind: `decoder` (causal), `encoder` (sees both ways) or `encoder_decoder`.
        n_encoder_layer: blocks of the encoder of an encoder-decoder.
        source_length: longest source of an encoder-decoder; `context_length` when None.
        n_kv_head: heads for keys and values (grouped-query attention, arXiv:2305.13245); must
            divide `n_head`; `n_head` when None.
        head_width: width of a head; `d_model / n_head` when None.
        norm: RMSNorm (arXiv:1910.07467) or LayerNorm (arXiv:1607.06450).
        norm_position: before each sublayer, with one more norm at the end, or after each
            residual sum as in arXiv:1706.03762.
        norm_weights, norm_bias: whether norms learn a scale, and a shift.
        norm_eps: added to the mean square; None takes PyTorch's default for the dtype
            (RMSNorm) or 1e-5 (LayerNorm).
        embedding_norm: whether the embeddings are normalised before the first block.
        positions: rotary (arXiv:2104.09864), sinusoidal (arXiv:1706.03762), learned, ALiBi
            (arXiv:2108.12409) or none.
        rotary_base: wavelength base of rotary positions.
        activation: `relu2` is the squared ReLU of Primer (arXiv:2109.08668); `swiglu` and
            `geglu` are gated (arXiv:2002.05202) and have a third matrix.
        qk_norm: queries and keys normalised per head (arXiv:2010.04245): `scaled` learns one
            temperature a head, `weighted` one scale for each channel of a head, shared by heads.
        window: largest distance that attention sees back (and forward in an encoder), itself
            included; None sees all.
        biases: on no linear map, on queries, keys and values, or on all.
        tied_embeddings: the output head is the embedding matrix.
        head_bias: a bias on the logits.
        head_transform: a linear map, activation and norm before the head, as in BERT.
        initialisation: scheme of the first weights (`isoloss.models.initialisation`).
        dropout: of embeddings, attention weights and every sublayer's output.
        n_expert: feed-forward experts in each block (0: one plain feed-forward part).
        experts_per_token: experts that each token is routed to.
        balance_weight: weight of the load-balancing loss (arXiv:2101.03961, eq. 4).

    Raises:
        UsageError: a size is not positive, sizes do not divide, or options exclude each other.

    >>> TransformerConfig(
    ...     vocab_size=1024, context_length=128, d_model=64, n_layer=3, n_head=4, d_ff=256
    ... ).head_dim
    16
    """

    vocab_size: int
    context_length: int
    d_model: int
    n_layer: int
    n_head: int
    d_ff: int
    kind: Kind = "decoder"
    n_encoder_layer: int = 0
    source_length: int | None = None
    n_kv_head: int | None = None
    head_width: int | None = None
    norm: Norm = "rmsnorm"
    norm_position: NormPosition = "pre"
    norm_weights: bool = False
    norm_bias: bool = False
    norm_eps: float | None = None
    embedding_norm: bool = True
    positions: Positions = "rotary"
    rotary_base: float = 10_000.0
    activation: Activation = "relu2"
    qk_norm: QKNorm = "scaled"
    window: int | None = None
    biases: Biases = "none"
    tied_embeddings: bool = False
    head_bias: bool = False
    head_transform: bool = False
    initialisation: Initialisation = "zero_residual"
    dropout: float = 0.0
    n_expert: int = 0
    experts_per_token: int = 2
    balance_weight: float = 0.01

    def __post_init__(self) -> None:
        _check_choices(self)
        _check_sizes(self)
        _check_heads(self)
        _check_parts(self)

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.head_width or self.d_model // self.n_head

    @property
    def kv_heads(self) -> int:
        """Heads for keys and values."""
        return self.n_kv_head or self.n_head

    @property
    def gated(self) -> bool:
        """Whether the feed-forward part has a gate, so three matrices."""
        return self.activation in GATED

    @property
    def longest_source(self) -> int:
        """Positions that the encoder of an encoder-decoder can take."""
        return self.source_length or self.context_length

    def to_dict(self) -> dict[str, Any]:
        """Sizes, and the options that are not the default: for JSON and for a run's id.

        Leaving out defaults keeps the id of a run when an option is added later; so the default
        of an option must never change.
        """
        default = {f.name: f.default for f in fields(self)}
        return {
            name: value
            for name, value in asdict(self).items()
            if default[name] is MISSING or value != default[name]
        }


def _check_choices(config: TransformerConfig) -> None:
    for name, choices in _CHOICES.items():
        value = getattr(config, name)
        if value not in get_args(choices):
            raise UsageError(
                f"{name} must be one of {', '.join(get_args(choices))}; found {value!r}"
            )


def _check_sizes(config: TransformerConfig) -> None:
    required = ("vocab_size", "context_length", "d_model", "n_layer", "n_head", "d_ff")
    optional = ("source_length", "n_kv_head", "head_width", "window")
    for name in required + optional:
        value = getattr(config, name)
        if value is None and name in optional:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UsageError(f"{name} must be a positive integer, found {value!r}")
    if config.n_encoder_layer < 0 or config.n_expert < 0:
        raise UsageError(
            "n_encoder_layer and n_expert must not be negative, found"
            f" {config.n_encoder_layer} and {config.n_expert}"
        )
    if not 0 <= config.dropout < 1:
        raise UsageError(f"dropout must lie in [0, 1), found {config.dropout}")
    for name in ("rotary_base", "norm_eps"):
        value = getattr(config, name)
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"{name} must be positive and finite, found {value!r}")


def _check_heads(config: TransformerConfig) -> None:
    d, n = config.d_model, config.n_head
    if config.head_width is None and d % n:
        raise UsageError(
            f"n_head={n} does not divide d_model={d}",
            hint="Take d_model a multiple of n_head, or give head_width.",
        )
    if config.positions == "rotary" and config.head_dim % 2:
        raise UsageError(
            f"n_head={n} does not divide d_model={d} into an even width (a head is"
            f" {config.head_dim} wide)",
            hint="Rotary positions turn pairs: take d_model a multiple of 2 * n_head.",
        )
    if n % config.kv_heads:
        raise UsageError(
            f"n_kv_head={config.kv_heads} does not divide n_head={n}",
            hint="Each key and value head serves the same number of query heads.",
        )


def _check_parts(config: TransformerConfig) -> None:
    if (config.kind == "encoder_decoder") != (config.n_encoder_layer > 0):
        raise UsageError(
            f"kind={config.kind!r} with n_encoder_layer={config.n_encoder_layer}",
            hint="An encoder-decoder, and nothing else, has encoder layers of its own.",
        )
    if config.source_length is not None and config.kind != "encoder_decoder":
        raise UsageError(f"source_length belongs to an encoder-decoder, not to {config.kind!r}")
    if config.norm_bias and not config.norm_weights:
        raise UsageError("norm_bias needs norm_weights")
    if config.norm_bias and config.norm == "rmsnorm":
        raise UsageError("RMSNorm has no bias: take norm='layernorm'")
    if config.n_expert:
        if not 1 <= config.experts_per_token <= config.n_expert:
            raise UsageError(
                f"experts_per_token={config.experts_per_token} must lie in 1 to"
                f" n_expert={config.n_expert}"
            )
        if config.biases == "all":
            raise UsageError("experts have no biases: take biases='none' or 'qkv'")
