"""GPT-2: a decoder with learned positions and norms before. Its matrices are (in, out)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from isoloss.architecture import TransformerConfig, family_options
from isoloss.architecture.hub_configs import HUB_TABLES, LAYERNORM_EPS, gpt2_values
from isoloss.models.huggingface.classic import linear, norm
from isoloss.models.huggingface.family import (
    Family,
    Values,
    given,
    norm_eps,
    plain_activation,
    refuse,
    refuse_rest,
)
from isoloss.models.huggingface.pieces import Piece, State, inward, names_of, outward, without

_BUFFERS = (".attn.bias", ".attn.masked_bias", "lm_head.weight")


def pieces(config: TransformerConfig) -> list[Piece]:
    """Our weights and theirs."""
    d, f = config.d_model, config.d_ff
    found = [
        Piece("embedding.weight", ("transformer.wte.weight",)),
        Piece("stack.positions", ("transformer.wpe.weight",)),
        *norm("stack.norm", "transformer.ln_f", d),
    ]
    if not config.tied_embeddings:
        found.append(Piece("head.weight", ("lm_head.weight",)))
    for index in range(config.n_layer):
        ours, theirs = f"stack.blocks.{index}", f"transformer.h.{index}"
        maps = (
            ("attention.qkv", "attn.c_attn", 3 * d),
            ("attention.out", "attn.c_proj", d),
            ("feed_forward.up", "mlp.c_fc", f),
            ("feed_forward.down", "mlp.c_proj", d),
        )
        for our, their, height in maps:
            name = f"{theirs}.{their}"
            found += linear(f"{ours}.{our}", name, rows=(height,), transposed=True)
        found += norm(f"{ours}.attention_norm", f"{theirs}.ln_1", d)
        found += norm(f"{ours}.feed_forward_norm", f"{theirs}.ln_2", d)
    return found


def to_theirs(config: TransformerConfig, ours: Mapping[str, Tensor]) -> tuple[Values, State]:
    """A config and weights of ours as theirs."""
    return gpt2_values(config), outward(pieces(config), ours)


def to_ours(values: Values, theirs: Mapping[str, Tensor]) -> tuple[TransformerConfig, State]:
    """A config and weights of theirs as ours.

    Raises:
        UsageError: an option has no counterpart.
        DataError: a weight is missing, or there is one too many.
    """
    # The first public weights lack the prefix.
    theirs = {
        name if name.startswith(("transformer.", "lm_head.")) else f"transformer.{name}": weight
        for name, weight in theirs.items()
    }
    config = _config(values)
    table = pieces(config)
    ours = inward(table, theirs)
    rest = [n for n in without(theirs, names_of(table), ("lm_head.weight",)) if not _buffer(n)]
    refuse_rest(rest)
    if config.tied_embeddings:
        ours["head.weight"] = ours["embedding.weight"]
    return config, ours


def _buffer(name: str) -> bool:
    return name.endswith(_BUFFERS) and not name.endswith("c_attn.bias")


def _config(values: Values) -> TransformerConfig:
    refuse(
        values,
        scale_attn_weights=True,
        scale_attn_by_inverse_layer_idx=False,
        add_cross_attention=False,
    )
    d = given(values, "n_embd")
    return TransformerConfig(
        **{
            **family_options("gpt2"),
            "vocab_size": given(values, "vocab_size"),
            "context_length": given(values, "n_positions"),
            "d_model": d,
            "n_layer": given(values, "n_layer"),
            "n_head": given(values, "n_head"),
            "d_ff": values.get("n_inner") or 4 * d,
            "norm_eps": norm_eps(values.get("layer_norm_epsilon", LAYERNORM_EPS), LAYERNORM_EPS),
            "activation": plain_activation(values.get("activation_function", "gelu_new")),
            "tied_embeddings": bool(values.get("tie_word_embeddings", True)),
            "dropout": float(values.get("resid_pdrop", 0.0)),
        }
    )


GPT2 = Family(hub=HUB_TABLES["gpt2"], model_types=("gpt2",), outward=to_theirs, inward=to_ours)
