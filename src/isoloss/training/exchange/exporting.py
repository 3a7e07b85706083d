"""A trained model's folder as a folder that `transformers` loads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save as save_tensors

from isoloss._files import write_bytes_atomic, write_json_atomic, write_text_atomic
from isoloss.architecture import count_parameters
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.models.huggingface.conversion import family_for
from isoloss.models.huggingface.tokenizer_files import special_tokens, tokenizer_values
from isoloss.models.language_model import LanguageModel
from isoloss.training._folder import read_folder
from isoloss.training.exchange.card import model_card
from isoloss.training.state import load_model


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export wrote.

    Attributes:
        folder: where.
        family: of `HUB_FAMILIES`.
        architecture: class of `transformers`.
        auto_class: the class to load it with.
        parameters: of our model (tied weights once).
        numbers: in `model.safetensors`; more where the target has what we don't, or needs wider
            heads.
        files: names.
    """

    folder: str
    family: str
    architecture: str
    auto_class: str
    parameters: int
    numbers: int
    files: tuple[str, ...]


def export_model(folder: str | Path, out: str | Path) -> Exported:
    """Write `config.json`, `model.safetensors`, the tokeniser's files and a model card.

    Args:
        folder: of a trained model of isoloss.
        out: a folder that does not exist yet, or is empty.

    Raises:
        NotFoundError: there is no trained model.
        UsageError: `out` holds something, or the model has options that no family has.
        DataError: a part of the model's folder is damaged.
        EnvironmentProblem: `out` cannot be written.
    """
    folder, out = Path(folder), Path(out)
    require_empty(out)
    known, model = _trained(folder)
    family = family_for(model.config)
    text, tokenizer = _tokenizer(folder / "tokenizer.json", model)
    special = special_tokens(tokenizer, folder / "tokenizer.json")
    values, weights = family.outward(model.config, model.state_dict())
    ids = special.ids(model.config)
    numbers = sum(weight.numel() for weight in weights.values())
    architecture = values["architectures"][0]
    written: dict[str, Any] = {
        "tokenizer_config.json": tokenizer_values(special, model.config),
        "special_tokens_map.json": special.names(),
    }
    if model.config.kind != "encoder":
        written["generation_config.json"] = ids
    written["config.json"] = {**values, **ids, "dtype": "float32"}
    card = model_card(
        model.config,
        architecture=architecture,
        auto_class=family.auto_class,
        weights=numbers,
        known=known,
    )
    write_bytes_atomic(out / "model.safetensors", save_tensors(weights, {"format": "pt"}))
    write_text_atomic(out / "tokenizer.json", text)
    write_text_atomic(out / "README.md", card)
    for name, content in written.items():  # config.json last: with it the folder is whole
        write_json_atomic(out / name, content)
    return Exported(
        folder=str(out),
        family=family.name,
        architecture=architecture,
        auto_class=family.auto_class,
        parameters=count_parameters(model.config).total,
        numbers=numbers,
        files=tuple(sorted(path.name for path in out.iterdir())),
    )


def require_empty(out: Path) -> None:
    """Refuse a folder that holds something, or a path that is none.

    Raises:
        UsageError: it does.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"{out} exists and is not an empty folder", hint="Take another folder, or delete it."
        )


def _trained(folder: Path) -> tuple[dict[str, Any], LanguageModel]:
    known = read_folder(folder)
    checkpoint = folder / "checkpoint.safetensors"
    if known is None or not checkpoint.is_file():
        raise NotFoundError(
            f"{folder}: no trained model here",
            hint="Give a folder that `isoloss train --out` named, or `model` in a study's folder.",
        )
    return known, load_model(checkpoint).eval()


def _tokenizer(path: Path, model: LanguageModel) -> tuple[str, Any]:
    from isoloss.corpus.tokenizers import read_tokenizer

    tokenizer = read_tokenizer(path)
    entries, rows = tokenizer.get_vocab_size(), model.config.vocab_size
    if entries != rows:
        raise DataError(
            f"{path}: the tokeniser has {entries:,} entries, the model {rows:,}",
            hint="Copy tokenizer.json from the corpus that the model was trained on.",
        )
    return path.read_text("utf-8"), tokenizer
