"""BART: an encoder-decoder with learned positions and norms after.

BART's tables of positions begin with two rows that no position uses, an offset from the time
when padding had a position. One table length serves both sides: the shorter one of ours is
filled with zeros, and a text that long is longer than what the model was trained for.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from isoloss.architecture import TransformerConfig, family_options
from isoloss.architecture.hub_configs import BART_OFFSET, HUB_TABLES, bart_values
from isoloss.errors import UsageError
from isoloss.models.huggingface.classic import linear, norm
from isoloss.models.huggingface.family import (
    Family,
    Values,
    given,
    plain_activation,
    refuse,
    refuse_rest,
)
from isoloss.models.huggingface.pieces import Piece, State, inward, names_of, outward, without

_BIAS = "final_logits_bias"
_SHARED = "model.shared.weight"
_COPIES = ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight")
_SIDES = ("encoder", "decoder")


def pieces(config: TransformerConfig) -> list[Piece]:
    """Our weights and theirs; positions are here still without their offset."""
    found = [Piece("embedding.weight", (_SHARED,))]
    if not config.tied_embeddings:
        found.append(Piece("head.weight", ("lm_head.weight",)))
    for side in _SIDES:
        layers = config.n_encoder_layer if side == "encoder" else config.n_layer
        found += [
            Piece(f"{side}.positions", (_places(side),)),
            *norm(f"{side}.embedding_norm", f"model.{side}.layernorm_embedding", config.d_model),
        ]
        for index in range(layers):
            found += _block(config, side, index)
    return found


def _places(side: str) -> str:
    return f"model.{side}.embed_positions.weight"


def _block(config: TransformerConfig, side: str, index: int) -> list[Piece]:
    d, f = config.d_model, config.d_ff
    ours, theirs = f"{side}.blocks.{index}", f"model.{side}.layers.{index}"
    qkv = [f"{theirs}.self_attn.{name}_proj" for name in "qkv"]
    found = [
        *linear(f"{ours}.attention.qkv", *qkv, rows=(d, d, d)),
        *linear(f"{ours}.attention.out", f"{theirs}.self_attn.out_proj", rows=(d,)),
        *norm(f"{ours}.attention_norm", f"{theirs}.self_attn_layer_norm", d),
        *linear(f"{ours}.feed_forward.up", f"{theirs}.fc1", rows=(f,)),
        *linear(f"{ours}.feed_forward.down", f"{theirs}.fc2", rows=(d,)),
        *norm(f"{ours}.feed_forward_norm", f"{theirs}.final_layer_norm", d),
    ]
    if side == "decoder":
        crossed = f"{theirs}.encoder_attn"
        found += [
            *linear(f"{ours}.cross_attention.q", f"{crossed}.q_proj", rows=(d,)),
            *linear(
                f"{ours}.cross_attention.kv", f"{crossed}.k_proj", f"{crossed}.v_proj", rows=(d, d)
            ),
            *linear(f"{ours}.cross_attention.out", f"{crossed}.out_proj", rows=(d,)),
            *norm(f"{ours}.cross_norm", f"{theirs}.encoder_attn_layer_norm", d),
        ]
    return found


def to_theirs(config: TransformerConfig, ours: Mapping[str, Tensor]) -> tuple[Values, State]:
    """A config and weights of ours as theirs."""
    longest = max(config.context_length, config.longest_source)
    theirs = outward(pieces(config), ours)
    for side in _SIDES:
        table = theirs[_places(side)]
        padded = torch.zeros(longest + BART_OFFSET, config.d_model)
        padded[BART_OFFSET : BART_OFFSET + len(table)] = table
        theirs[_places(side)] = padded
    if not config.tied_embeddings:
        theirs |= {name: theirs[_SHARED].clone() for name in _COPIES}
    bias = ours.get("head.bias")
    blank = torch.zeros(config.vocab_size)
    theirs[_BIAS] = (blank if bias is None else bias.detach().clone())[None]
    return bart_values(config), theirs


def to_ours(values: Values, theirs: Mapping[str, Tensor]) -> tuple[TransformerConfig, State]:
    """A config and weights of theirs as ours.

    Raises:
        UsageError: an option has no counterpart.
        DataError: a weight is missing, or there is one too many.
    """
    theirs = dict(theirs)
    bias = theirs.get(_BIAS)
    biased = bias is not None and bool(bias.any())
    config = _config(values, head_bias=biased)
    _check_copies(theirs)
    table = pieces(config)
    ours = inward(table, theirs)
    refuse_rest(without(theirs, names_of(table), (_BIAS, "lm_head.weight", *_COPIES)))
    for side in _SIDES:
        ours[f"{side}.positions"] = ours[f"{side}.positions"][BART_OFFSET:].clone()
    if bias is not None and biased:
        ours["head.bias"] = bias[0].float()
    if config.tied_embeddings:
        ours["head.weight"] = ours["embedding.weight"]
    return config, ours


def _check_copies(theirs: State) -> None:
    """Find the shared embedding under any of its names; two different ones are refused."""
    found = [theirs[name] for name in (_SHARED, *_COPIES) if name in theirs]
    if found:
        theirs[_SHARED] = found[0]
    if any(not torch.equal(found[0], other) for other in found[1:]):
        raise UsageError(
            "embeddings of encoder and decoder differ; an isoloss model has one for both"
        )


def _config(values: Values, *, head_bias: bool) -> TransformerConfig:
    refuse(
        values,
        scale_embedding=False,
        decoder_attention_heads=given(values, "encoder_attention_heads"),
        decoder_ffn_dim=given(values, "encoder_ffn_dim"),
        normalize_before=False,
    )
    return TransformerConfig(
        **{
            **family_options("bart"),
            "vocab_size": given(values, "vocab_size"),
            "context_length": given(values, "max_position_embeddings"),
            "d_model": given(values, "d_model"),
            "n_layer": given(values, "decoder_layers"),
            "n_encoder_layer": given(values, "encoder_layers"),
            "n_head": given(values, "encoder_attention_heads"),
            "d_ff": given(values, "encoder_ffn_dim"),
            "activation": plain_activation(values.get("activation_function", "gelu")),
            "tied_embeddings": bool(values.get("tie_word_embeddings", True)),
            "dropout": float(values.get("dropout", 0.0)),
            "head_bias": head_bias,
        }
    )


BART = Family(hub=HUB_TABLES["bart"], model_types=("bart",), outward=to_theirs, inward=to_ours)
