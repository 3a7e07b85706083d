"""Models of ours as configs and weights of Hugging Face, and back."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from isoloss.architecture import TransformerConfig
from isoloss.architecture.hub_configs import hub_family
from isoloss.errors import DataError, UsageError
from isoloss.models.huggingface.bart import BART
from isoloss.models.huggingface.bert import BERT
from isoloss.models.huggingface.family import Family, Values
from isoloss.models.huggingface.gpt2 import GPT2
from isoloss.models.huggingface.llama import LLAMA, QWEN3
from isoloss.models.huggingface.nanochat import NANOCHAT
from isoloss.models.huggingface.pieces import State
from isoloss.models.huggingface.reading import read_hub_folder
from isoloss.models.language_model import LanguageModel, build_model

HUB_FAMILIES: dict[str, Family] = {
    family.name: family for family in (LLAMA, QWEN3, GPT2, NANOCHAT, BERT, BART)
}
"""Families that can be exported, by name."""


def family_for(config: TransformerConfig) -> Family:
    """The family of Hugging Face that a config of ours fits exactly.

    Raises:
        UsageError: there is none; the options in the way of the nearest one are named.
    """
    return HUB_FAMILIES[hub_family(config).name]


def to_huggingface(model: LanguageModel) -> tuple[Values, State]:
    """The content of `config.json` and the weights of a model, as `transformers` has them.

    What is computed is the same, dropout in training apart (Llama, Qwen and NanoChat have none
    of the residual stream). Positions count from the start of a row there and from the start of
    a segment here, which is the same with padding on the right.

    Args:
        model: of any kind.

    Returns:
        Config values and weights by name; every tensor is a copy.

    Raises:
        UsageError: the model has options that no family has; they are named.

    >>> from isoloss.architecture import config_for_width
    >>> config = config_for_width(32, vocab_size=64, context_length=8, family="llama")
    >>> to_huggingface(build_model(config))[0]["model_type"]
    'llama'
    """
    family = family_for(model.config)
    return family.outward(model.config, model.state_dict())


def from_huggingface(source: str | Path | Any) -> LanguageModel:
    """A model of Hugging Face as one of ours, in float32 and evaluation mode.

    Args:
        source: a folder with `config.json` and safetensors, `hf://owner/name[@revision]` for
            the hub (the only thing that uses the network), or a model of `transformers`.

    Raises:
        NotFoundError: no such folder.
        UsageError: the model has options that isoloss does not have.
        DataError: it is damaged, incomplete, or holds pickles only.
    """
    if isinstance(source, (str, Path)):
        values, weights = read_hub_folder(source)
    else:
        values, weights = source.config.to_dict(), source.state_dict()
    return model_from_parts(values, weights)


def model_from_parts(values: Values, weights: Mapping[str, Tensor]) -> LanguageModel:
    """A model of ours from the content of a `config.json` and the weights beside it.

    Raises:
        UsageError: it has options that isoloss does not have.
        DataError: weights are missing, of another shape, or too many.
    """
    family = family_of(values)
    config, state = family.inward(values, weights)
    model = build_model(config)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        lines = str(error).strip().splitlines()
        raise DataError(
            f"the weights do not fit the model's config: {lines[-1].strip()}",
            hint="config.json and the weights must be of one model.",
        ) from error
    return model.eval()


def family_of(values: Values) -> Family:
    """The family that reads a `config.json`.

    Raises:
        DataError: it names no model type.
        UsageError: it is of a family that cannot be imported.
    """
    kind = values.get("model_type")
    if not isinstance(kind, str):
        raise DataError(
            "config.json names no model_type", hint="Give a folder saved by transformers."
        )
    known = {name: family for family in HUB_FAMILIES.values() for name in family.model_types}
    if kind in known:
        return known[kind]
    close = difflib.get_close_matches(kind, known, n=1)
    raise UsageError(
        f"models of type {kind!r} cannot be imported",
        hint=(f"Nearest: {close[0]}. " if close else "") + f"Types: {', '.join(known)}.",
    )
