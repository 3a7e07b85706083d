"""A model that only `transformers` can run, behind the words of our own models."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isoloss.errors import DataError, EnvironmentProblem, UsageError
from isoloss.models.huggingface.reading import read_json

_LENGTHS = ("max_position_embeddings", "n_positions", "n_ctx")
_SOURCE_LENGTHS = ("max_encoder_position_embeddings", "max_source_positions", *_LENGTHS)
_TARGET_LENGTHS = ("max_decoder_position_embeddings", "max_target_positions", *_LENGTHS)
UNSTATED = 2048
"""Context of a model that names none, nor does its tokeniser: some relative positions, and state
spaces, can go on for ever. What is measured says the context in its signature."""
_NO_LIMIT = 1 << 24
"""Tokenisers of `transformers` without a limit write a huge number."""
_SPANS = "ForQuestionAnswering"


@dataclass(frozen=True)
class HubShape:
    """What is asked of a config."""

    vocab_size: int
    context_length: int
    longest_source: int


class HubModel(nn.Module):
    """A model of `transformers` as a module with our arguments: padding has segment 0.

    Attributes:
        inner: of `transformers`.
        kind: decoder, encoder or encoder_decoder.
        config: the sizes.
    """

    def __init__(self, inner: nn.Module, kind: str, config: HubShape) -> None:
        super().__init__()
        self.inner, self.kind, self.config = inner, kind, config
        self._placed = "position_ids" in inspect.signature(inner.forward).parameters

    def forward(self, tokens: Tensor, *, segments: Tensor | None = None) -> Tensor:
        """Logits (B, T, V) of a decoder or an encoder."""
        return self.run(tokens, segments=segments).logits

    def run(
        self,
        tokens: Tensor,
        *,
        segments: Tensor | None = None,
        past: Any = None,
        keep: bool = False,
    ) -> Any:
        """The output of `transformers`; `segments` covers the cached tokens too."""
        given: dict[str, Any] = {"input_ids": tokens}
        if segments is not None:
            mask = (segments > 0).long()
            given["attention_mask"] = mask
            if self.kind == "decoder" and self._placed:
                places = (mask.cumsum(1) - 1).clamp(min=0)
                given["position_ids"] = places[:, -tokens.shape[1] :]
        if past is not None:
            given["past_key_values"] = past
        if self.kind == "decoder":
            given["use_cache"] = keep
        return self.inner(**given)

    def told(self) -> dict[str, Any]:
        """Its `config.json`, with what its class says where the file does not."""
        config: Any = self.inner.config
        return config.to_dict()


class HubSpans(HubModel):
    """An encoder of `transformers` with its head for spans.

    A row is a question with a window of its text, as `isoloss.models.span_head.SpanModel` reads it.
    """

    def __init__(self, inner: nn.Module, kind: str, config: HubShape) -> None:
        super().__init__(inner, kind, config)
        typed = "token_type_ids" in inspect.signature(inner.forward).parameters
        self.typed = typed and getattr(inner.config, "type_vocab_size", 0) > 1

    def forward(
        self, tokens: Tensor, *, segments: Tensor | None = None, types: Tensor | None = None
    ) -> Tensor:
        """Scores of beginning and end at every position, (B, 2, T).

        Args:
            tokens: (B, T) token ids.
            segments: (B, T), 0 for padding.
            types: (B, T), 0 for the question and 1 for its text; only BERT and its kin read them.
        """
        given: dict[str, Any] = {"input_ids": tokens}
        if segments is not None:
            given["attention_mask"] = (segments > 0).long()
        if types is not None and self.typed:
            given["token_type_ids"] = types
        found = self.inner(**given)
        return torch.stack([found.start_logits, found.end_logits], dim=1)


def has_span_head(values: Mapping[str, Any]) -> bool:
    """Whether a `config.json` is that of a model with a head for spans."""
    return any(str(name).endswith(_SPANS) for name in values.get("architectures") or ())


def open_hub_model(folder: Path) -> HubModel:
    """The model of a folder, run by `transformers`; no code of the folder is run.

    Raises:
        EnvironmentProblem: `transformers` is missing.
        DataError: the folder cannot be loaded, lacks weights, or holds pickles only.
        UsageError: a kind of model that neither generates, fills in nor answers in text.
    """
    try:
        import transformers
    except ImportError as error:
        raise EnvironmentProblem(
            f"{folder}: this family of models needs transformers",
            hint="pip install 'isoloss[hf]'",
        ) from error
    values = read_json(folder / "config.json")
    kind, auto = _auto_class(values)
    try:
        inner, told = getattr(transformers, auto).from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DataError(
            f"{folder}: transformers cannot load it ({str(error).splitlines()[0]})",
            hint="Give a folder that `save_pretrained` wrote, with safetensors.",
        ) from error
    missing = sorted(told["missing_keys"])
    if missing:
        raise DataError(
            f"{folder}: no weight {missing[0]!r} in the model",
            hint="Give a folder that `save_pretrained` wrote, whole.",
        )
    rows = inner.get_input_embeddings().weight.shape[0]
    lengths = [_length(inner, folder, names) for names in (_TARGET_LENGTHS, _SOURCE_LENGTHS)]
    made = HubSpans if has_span_head(values) else HubModel
    return made(inner, kind, HubShape(int(rows), *lengths))


def _length(inner: Any, folder: Path, names: tuple[str, ...]) -> int:
    """Most tokens of a row: what the config says, else the tokeniser, else `UNSTATED`."""
    found = next((int(n) for name in names if (n := getattr(inner.config, name, None))), None)
    if found is not None:
        return found - _unused_positions(inner)
    path = folder / "tokenizer_config.json"
    stated = read_json(path).get("model_max_length") if path.is_file() else None
    if isinstance(stated, (int, float)) and 0 < stated < _NO_LIMIT:
        return int(stated)
    return UNSTATED


def _unused_positions(inner: nn.Module) -> int:
    """Rows of a table of positions before that of the first token, as RoBERTa has them."""
    for name, module in inner.named_modules():
        if name.endswith("embeddings.position_embeddings") and isinstance(module, nn.Embedding):
            return 0 if module.padding_idx is None else module.padding_idx + 1
    return 0


def _auto_class(values: dict[str, Any]) -> tuple[str, str]:
    """Kind, and class of `transformers`, by what the config says of itself."""
    names = [str(name) for name in values.get("architectures") or []]
    spans = has_span_head(values)
    if values.get("is_encoder_decoder") and not spans:
        return "encoder_decoder", "AutoModelForSeq2SeqLM"
    if spans and not values.get("is_encoder_decoder"):
        return "encoder", "AutoModelForQuestionAnswering"
    if any(name.endswith(("ForMaskedLM", "ForPreTraining")) for name in names):
        return "encoder", "AutoModelForMaskedLM"
    if not names or any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names):
        return "decoder", "AutoModelForCausalLM"
    raise UsageError(
        f"a model of class {', '.join(names)} neither generates, fills in nor answers in text",
        hint="Give a model for causal, masked or sequence-to-sequence language modelling, or for"
        " question answering.",
    )
