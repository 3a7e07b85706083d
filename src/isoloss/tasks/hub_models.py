"""A model that only `transformers` can run, behind the words of our own models."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from isoloss.errors import DataError, EnvironmentProblem, UsageError
from isoloss.models.huggingface.reading import read_json

_LENGTHS = ("max_position_embeddings", "n_positions", "n_ctx", "max_target_positions")
UNLIMITED = 1 << 20
"""Context of a model whose config names none (T5, state spaces)."""


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


def open_hub_model(folder: Path) -> HubModel:
    """The model of a folder, run by `transformers`; no code of the folder is run.

    Raises:
        EnvironmentProblem: `transformers` is missing.
        DataError: the folder cannot be loaded, or holds pickles only.
        UsageError: a kind of model that neither generates nor fills in text.
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
        inner = getattr(transformers, auto).from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DataError(
            f"{folder}: transformers cannot load it ({str(error).splitlines()[0]})",
            hint="Give a folder that `save_pretrained` wrote, with safetensors.",
        ) from error
    shape = inner.config
    length = next(
        (int(found) for name in _LENGTHS if (found := getattr(shape, name, None))), UNLIMITED
    )
    rows = inner.get_input_embeddings().weight.shape[0]
    return HubModel(inner, kind, HubShape(int(rows), length, length))


def _auto_class(values: dict[str, Any]) -> tuple[str, str]:
    """Kind, and class of `transformers`, by what the config says of itself."""
    names = [str(name) for name in values.get("architectures") or []]
    if values.get("is_encoder_decoder"):
        return "encoder_decoder", "AutoModelForSeq2SeqLM"
    if any(name.endswith(("ForMaskedLM", "ForPreTraining")) for name in names):
        return "encoder", "AutoModelForMaskedLM"
    if not names or any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names):
        return "decoder", "AutoModelForCausalLM"
    raise UsageError(
        f"a model of class {', '.join(names)} neither generates nor fills in text",
        hint="Give a model for causal, masked or sequence-to-sequence language modelling.",
    )
