"""Text from a trained model, one token at a time.

The context slides: the model sees the last `context_length` tokens. Rotary positions are
relative, so what matters is how far back a token is, not where the window starts.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isoloss.corpus import END_OF_TEXT
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.models import Decoder
from isoloss.training import check_tokenizer, load_model, read_folder


def generate_text(
    model_dir: str | Path,
    prompt: str = "",
    *,
    max_tokens: int = 200,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
) -> str:
    """The prompt and what the model makes of it, up to its end of text.

    Args:
        model_dir: a folder that `train_run` wrote (`isoloss train`, or `model` in a study).
        prompt: what the text begins with; an empty one starts after an end of text.
        max_tokens: most tokens to add.
        temperature: divides the logits; 0 takes the likeliest token every time.
        top_k: sample among the k likeliest tokens; among all when None.
        seed: the same seed gives the same text.

    Raises:
        UsageError: a setting is out of range, or the prompt is no text.
        NotFoundError: there is no trained model.
        DataError: its checkpoint or tokeniser is damaged.
    """
    _check_settings(prompt, max_tokens, temperature, top_k)
    model, tokenizer, end = load_folder(Path(model_dir))
    first: list[int] = tokenizer.encode(prompt, add_special_tokens=False).ids
    generator = torch.Generator().manual_seed(seed)
    ids = first or [end]
    for _ in range(max_tokens):
        chosen = _next_token(model, ids, temperature, top_k, generator)
        if chosen == end:
            break
        ids = [*ids, chosen]
    return tokenizer.decode(ids if first else ids[1:], skip_special_tokens=False)


def load_folder(folder: Path) -> tuple[Decoder, Any, int]:
    """Model, tokeniser and end of text of a model's folder, which may have been moved.

    Raises:
        NotFoundError: there is no trained model.
        UsageError: the model is not a decoder.
        DataError: a part is damaged, or the parts do not belong together.
    """
    known = read_folder(folder)
    checkpoint = folder / "checkpoint.safetensors"
    if known is None or not checkpoint.is_file():
        row = (known or {}).get("row")
        reason = f"; its run {row['reason']}" if isinstance(row, dict) and row.get("reason") else ""
        raise NotFoundError(
            f"{folder}: no trained model here{reason}",
            hint="Give a folder that `isoloss train --out` named, or `model` in a study's folder.",
        )
    model = load_model(checkpoint)
    if not isinstance(model, Decoder):
        raise UsageError(
            f"{folder}: a model of kind {model.config.kind!r} does not generate text",
            hint="Give a folder with a decoder, as `isoloss train` makes without --family.",
        )
    end_of_text = str(known.get("end_of_text") or END_OF_TEXT)
    tokenizer = _tokenizer(folder / "tokenizer.json", end_of_text)
    if tokenizer.get_vocab_size() != model.config.vocab_size:
        raise DataError(
            f"{folder}: the tokeniser has {tokenizer.get_vocab_size():,} entries, the model"
            f" {model.config.vocab_size:,}",
            hint="Copy tokenizer.json from the corpus that the model was trained on.",
        )
    check_tokenizer(folder, known)
    return model.eval(), tokenizer, tokenizer.token_to_id(end_of_text)


def _tokenizer(path: Path, end_of_text: str) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{path} is missing", hint="Copy it from the corpus that the model was trained on."
        ) from error
    except Exception as error:  # the library raises plain Exception for what it cannot read
        raise DataError(
            f"{path} is not a tokeniser, or it is damaged ({error})",
            hint="Copy it from the corpus that the model was trained on.",
        ) from error
    if tokenizer.token_to_id(end_of_text) is None:
        raise DataError(
            f"{path} has no {end_of_text}, with which the model's texts end",
            hint="Copy tokenizer.json from the corpus that the model was trained on.",
        )
    tokenizer.encode_special_tokens = True  # as the corpus was encoded
    return tokenizer


@torch.inference_mode()
def _next_token(
    model: Decoder,
    ids: list[int],
    temperature: float,
    top_k: int | None,
    generator: torch.Generator,
) -> int:
    """Sample the token after `ids`; probabilities in float64."""
    window = torch.tensor([ids[-model.config.context_length :]])
    logits_V = model.logits(model.hidden(window)[0, -1]).double()
    if not bool(logits_V.isfinite().all()):
        raise DataError(
            "the model gives no finite probabilities: its weights are damaged",
            hint="Train it again.",
        )
    if temperature == 0:
        return int(logits_V.argmax())
    chosen = torch.multinomial(_probabilities(logits_V, temperature, top_k), 1, generator=generator)
    return int(chosen)


def _probabilities(logits_V: Tensor, temperature: float, top_k: int | None) -> Tensor:
    """Softmax at a temperature over the `top_k` largest logits, (V,); exactly k are kept."""
    scaled_V = (logits_V - logits_V.max()) / temperature
    if top_k is not None and top_k < len(scaled_V):
        kept = scaled_V.topk(top_k).indices
        mask = torch.full_like(scaled_V, -math.inf)
        mask[kept] = 0.0
        scaled_V = scaled_V + mask
    return scaled_V.softmax(dim=0)


def _check_settings(prompt: str, max_tokens: int, temperature: float, top_k: int | None) -> None:
    if max_tokens < 1:
        raise UsageError(f"max_tokens must be positive, found {max_tokens}")
    if not (math.isfinite(temperature) and temperature >= 0):
        raise UsageError(f"temperature must be 0 or a positive number, found {temperature}")
    if top_k is not None and top_k < 1:
        raise UsageError(f"top_k must be positive, found {top_k}", hint="Leave it out for all.")
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            "the prompt is not UTF-8 text", hint="Check the terminal's encoding."
        ) from (error)
