"""NanoChat: the default family of isoloss, but for the temperature of each head.

NanoChat has rotary positions, unweighted RMSNorm (of the embeddings too), squared ReLU and a norm
of queries and keys, as our default decoder has; the logits' soft cap can be switched off. It has
no `q_scale`, and a scale in front of a norm is lost in it. Yet the mapping is exact: a head with
the scale s that is K wide becomes one that is W = mK wide, m at least 2 and s², with

    q' = (s · q, sqrt(W/K − s²) · q),    k' = (sqrt(W/K) · k, 0),    v' = (v, 0).

The mean square of q' over W is that of q over K, so the norm divides by the same number (its
epsilon included) and leaves s · q/rms(q) in the first part; k' is left sqrt(W/K) times as large,
which the softmax's 1/sqrt(W) turns into 1/sqrt(K). The price is W/K times the weights of
attention, most of them copies or zeros. Where every s is 1 nothing is widened.

There is one epsilon for all norms, while our norm of queries and keys always has PyTorch's own:
where they differ, queries and keys are multiplied by the root of their ratio, which a norm undoes.

Rotary positions turn pair i of a head by base^(−2i/W), so our pair j, turned by base^(−2j/K),
becomes pair mj; what lies between meets zeros. NanoChat turns the other way round than we do,
which swapping the halves of a head makes up for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from isoloss.architecture import TransformerConfig
from isoloss.architecture.hub_configs import HUB_TABLES, RMSNORM_EPS, nanochat_values
from isoloss.models.huggingface.family import (
    Family,
    Values,
    given,
    head_width,
    norm_eps,
    plain_activation,
    refuse,
    refuse_rest,
    rotary_base,
    shared_heads,
)
from isoloss.models.huggingface.pieces import Piece, State, inward, names_of, outward, without

SOFT_CAP = 15.0
"""What transformers caps logits at where a `config.json` says nothing."""
_BUFFERS = ("rotary_emb.inv_freq", "lm_head.weight")


def pieces(config: TransformerConfig) -> list[Piece]:
    """Our weights and theirs, heads as they are."""
    width = config.head_dim
    heights = (config.n_head * width, config.kv_heads * width, config.kv_heads * width)
    found = [Piece("embedding.weight", ("model.embed_tokens.weight",))]
    if not config.tied_embeddings:
        found.append(Piece("head.weight", ("lm_head.weight",)))
    for index in range(config.n_layer):
        ours, theirs = f"stack.blocks.{index}", f"model.layers.{index}"
        qkv = tuple(f"{theirs}.self_attn.{name}_proj.weight" for name in "qkv")
        found += [
            Piece(f"{ours}.attention.qkv.weight", qkv, heights),
            Piece(f"{ours}.attention.out.weight", (f"{theirs}.self_attn.o_proj.weight",)),
            Piece(f"{ours}.feed_forward.up.weight", (f"{theirs}.mlp.fc1.weight",)),
            Piece(f"{ours}.feed_forward.down.weight", (f"{theirs}.mlp.fc2.weight",)),
        ]
    return found


def to_theirs(config: TransformerConfig, ours: Mapping[str, Tensor]) -> tuple[Values, State]:
    """A config and weights of ours as theirs; heads are widened where their scales ask for it."""
    blocks = range(config.n_layer)
    scales = [ours[f"stack.blocks.{i}.attention.q_scale"].detach().double() for i in blocks]
    width = widened(config.head_dim, torch.cat(scales))
    theirs = outward(pieces(config), ours)
    grown = _eps_ratio(config) ** 0.5
    for index, scale_H in enumerate(scales):
        name = f"model.layers.{index}.self_attn"
        q, k, v, o = (f"{name}.{part}_proj.weight" for part in "qkvo")
        theirs[q] = wide_queries(theirs[q] * grown, scale_H, config.head_dim, width)
        theirs[k] = wide_keys(theirs[k] * grown, config.head_dim, width)
        theirs[v] = _heads(theirs[v], config.head_dim, width)
        theirs[o] = _heads(theirs[o].T, config.head_dim, width).T.contiguous()
    return nanochat_values(config, width), theirs


def _eps_ratio(config: TransformerConfig) -> float:
    """Epsilon of the norms of the residual stream, over that of our queries and keys."""
    return 1.0 if config.norm_eps is None else config.norm_eps / RMSNORM_EPS


def widened(width: int, scales: Tensor) -> int:
    """The width that heads need so that all their scales can be told apart from a norm.

    >>> widened(16, torch.ones(4)), widened(16, torch.tensor([0.5, -1.7]))
    (16, 48)
    """
    if bool((scales == 1).all()):
        return width
    return width * max(2, math.ceil(float(scales.abs().max()) ** 2))


def wide_queries(weight: Tensor, scale_H: Tensor, width: int, wide: int) -> Tensor:
    """Query rows (H · K, D) of heads with a scale each as rows (H · W, D) without."""
    x_HKD = weight.unflatten(0, (-1, width)).double()
    scale = scale_H[:, None, None]
    out = _turned((x_HKD * scale).float(), wide)
    if wide == width:
        return out
    rest = x_HKD * (wide / width - scale.square()).clamp(min=0).sqrt()
    # Beside the pairs of the first part: any place will do that meets zeros of the keys.
    return out + _turned(rest.float(), wide, beside=1)


def wide_keys(weight: Tensor, width: int, wide: int) -> Tensor:
    """Key rows (H · K, D) as rows (H · W, D)."""
    grown = (weight.double() * (wide / width) ** 0.5).float()
    return _turned(grown.unflatten(0, (-1, width)), wide)


def _turned(x_HKD: Tensor, wide: int, beside: int = 0) -> Tensor:
    """Both halves of heads, swapped, spread over those of heads `wide` wide: (H · W, D)."""
    heads, width, d = x_HKD.shape
    half, step = width // 2, wide // width
    places = step * torch.arange(half) + beside
    out_HWD = x_HKD.new_zeros(heads, wide, d)
    out_HWD[:, places] = x_HKD[:, half:]
    out_HWD[:, wide // 2 + places] = x_HKD[:, :half]
    return out_HWD.flatten(0, 1)


def _heads(weight: Tensor, width: int, wide: int) -> Tensor:
    """Rows of heads (H · K, D) with zeros behind each head: (H · W, D)."""
    x_HKD = weight.unflatten(0, (-1, width))
    out_HWD = x_HKD.new_zeros(x_HKD.shape[0], wide, x_HKD.shape[2])
    out_HWD[:, :width] = x_HKD
    return out_HWD.flatten(0, 1)


def to_ours(values: Values, theirs: Mapping[str, Tensor]) -> tuple[TransformerConfig, State]:
    """A config and weights of theirs as ours, with scales of 1 and heads as wide as theirs.

    Raises:
        UsageError: an option has no counterpart, such as a soft cap on the logits.
        DataError: a weight is missing, or there is one too many.
    """
    values = {"final_logit_softcapping": SOFT_CAP, **values}
    refuse(values, attention_bias=False, final_logit_softcapping=None)
    d, n = given(values, "hidden_size"), given(values, "num_attention_heads")
    config = TransformerConfig(
        vocab_size=given(values, "vocab_size"),
        context_length=given(values, "max_position_embeddings"),
        d_model=d,
        n_layer=given(values, "num_hidden_layers"),
        n_head=n,
        n_kv_head=shared_heads(values, n),
        head_width=head_width(values, d, n),
        d_ff=given(values, "intermediate_size"),
        activation=plain_activation(values.get("hidden_act", "relu2")),  # type: ignore[arg-type]
        norm_eps=norm_eps(values.get("rms_norm_eps", 1e-6), RMSNORM_EPS),
        rotary_base=rotary_base(values),
        tied_embeddings=bool(values.get("tie_word_embeddings", False)),
    )
    table = pieces(config)
    ours = inward(table, theirs)
    refuse_rest(without(theirs, names_of(table), _BUFFERS))
    turning, width = config.n_head + config.kv_heads, config.head_dim
    for index in range(config.n_layer):
        name = f"stack.blocks.{index}.attention"
        rows = ours[f"{name}.qkv.weight"].unflatten(0, (-1, width))
        qk = _turned(rows[:turning], width) / _eps_ratio(config) ** 0.5
        ours[f"{name}.qkv.weight"] = torch.cat((qk, rows[turning:].flatten(0, 1)))
        ours[f"{name}.q_scale"] = torch.ones(n)
    if config.tied_embeddings:
        ours["head.weight"] = ours["embedding.weight"]
    return config, ours


NANOCHAT = Family(
    hub=HUB_TABLES["nanochat"], model_types=("nanochat",), outward=to_theirs, inward=to_ours
)
