"""BERT for masked language modelling.

BERT adds an embedding of the token's type to every position. Ours has no types: on the way in,
type 0 (the one of a single text) is added to the position embeddings; on the way out, both types
are zeros. Pooler and next-sentence head are left out on the way in.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from isoloss.architecture import TransformerConfig, family_options
from isoloss.architecture.hub_configs import HUB_TABLES, TOKEN_TYPES, bert_values
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

_WORDS = "bert.embeddings.word_embeddings.weight"
_PLACES = "bert.embeddings.position_embeddings.weight"
_TYPES = "bert.embeddings.token_type_embeddings.weight"
_DECODER = "cls.predictions.decoder"
_LEFT_OUT = (
    "position_ids",
    "pooler.dense.weight",
    "pooler.dense.bias",
    "seq_relationship.weight",
    "seq_relationship.bias",
    f"{_DECODER}.weight",
    f"{_DECODER}.bias",
    _TYPES,
)


def pieces(config: TransformerConfig) -> list[Piece]:
    """Our weights and theirs, token types apart."""
    d, f = config.d_model, config.d_ff
    found = [
        Piece("embedding.weight", (_WORDS,)),
        Piece("stack.positions", (_PLACES,)),
        *norm("stack.embedding_norm", "bert.embeddings.LayerNorm", d),
        *linear("head_transform", "cls.predictions.transform.dense", rows=(d,)),
        *norm("head_norm", "cls.predictions.transform.LayerNorm", d),
        Piece("head.bias", ("cls.predictions.bias",), (config.vocab_size,), 0.0),
    ]
    if not config.tied_embeddings:
        found.append(Piece("head.weight", (f"{_DECODER}.weight",)))
    for index in range(config.n_layer):
        ours, theirs = f"stack.blocks.{index}", f"bert.encoder.layer.{index}"
        qkv = [f"{theirs}.attention.self.{name}" for name in ("query", "key", "value")]
        found += [
            *linear(f"{ours}.attention.qkv", *qkv, rows=(d, d, d)),
            *linear(f"{ours}.attention.out", f"{theirs}.attention.output.dense", rows=(d,)),
            *norm(f"{ours}.attention_norm", f"{theirs}.attention.output.LayerNorm", d),
            *linear(f"{ours}.feed_forward.up", f"{theirs}.intermediate.dense", rows=(f,)),
            *linear(f"{ours}.feed_forward.down", f"{theirs}.output.dense", rows=(d,)),
            *norm(f"{ours}.feed_forward_norm", f"{theirs}.output.LayerNorm", d),
        ]
    return found


def to_theirs(config: TransformerConfig, ours: Mapping[str, Tensor]) -> tuple[Values, State]:
    """A config and weights of ours as theirs."""
    theirs = outward(pieces(config), ours)
    theirs[_TYPES] = torch.zeros(TOKEN_TYPES, config.d_model)
    # Where embeddings are not tied, transformers keeps a bias of the output map beside this one.
    theirs[f"{_DECODER}.bias"] = theirs["cls.predictions.bias"].clone()
    return bert_values(config), theirs


def to_ours(values: Values, theirs: Mapping[str, Tensor]) -> tuple[TransformerConfig, State]:
    """A config and weights of theirs as ours.

    Raises:
        UsageError: an option has no counterpart.
        DataError: a weight is missing, or there is one too many.
    """
    config = _config(values)
    theirs = {_modern(name): weight for name, weight in theirs.items()}
    bias = f"{_DECODER}.bias"
    if not config.tied_embeddings and bias in theirs:
        theirs["cls.predictions.bias"] = theirs[bias]
    table = pieces(config)
    ours = inward(table, theirs)
    refuse_rest(without(theirs, names_of(table), _LEFT_OUT))
    if _TYPES in theirs:
        ours["stack.positions"] = ours["stack.positions"] + theirs[_TYPES][0].float()
    if config.tied_embeddings:
        ours["head.weight"] = ours["embedding.weight"]
    return config, ours


def _modern(name: str) -> str:
    """The first BERT weights call scale and shift of a norm gamma and beta."""
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
        "LayerNorm.beta", "LayerNorm.bias"
    )


def _config(values: Values) -> TransformerConfig:
    refuse(values, is_decoder=False, position_embedding_type="absolute")
    return TransformerConfig(
        **{
            **family_options("bert"),
            "vocab_size": given(values, "vocab_size"),
            "context_length": given(values, "max_position_embeddings"),
            "d_model": given(values, "hidden_size"),
            "n_layer": given(values, "num_hidden_layers"),
            "n_head": given(values, "num_attention_heads"),
            "d_ff": given(values, "intermediate_size"),
            "norm_eps": float(values.get("layer_norm_eps", 1e-12)),
            "activation": plain_activation(values.get("hidden_act", "gelu")),
            "tied_embeddings": bool(values.get("tie_word_embeddings", True)),
            "dropout": float(values.get("hidden_dropout_prob", 0.0)),
        }
    )


BERT = Family(hub=HUB_TABLES["bert"], model_types=("bert",), outward=to_theirs, inward=to_ours)
