"""Where fine-tuning starts: the weights, shape and tokeniser of a trained model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoloss._files import canonical_json, sha256_text
from isoloss.corpus import END_OF_TEXT, PAD, START
from isoloss.errors import DataError, NotFoundError
from isoloss.models import LanguageModel
from isoloss.models.huggingface.conversion import model_from_parts
from isoloss.models.huggingface.reading import HUB, hub_folder, read_hub_folder
from isoloss.models.huggingface.tokenizer_files import end_of_text, fitted
from isoloss.tasks.conventions import Conventions, own_conventions
from isoloss.tasks.opening import OpenModel
from isoloss.training._folder import CHECKPOINT, TOKENIZER, check_tokenizer, read_folder
from isoloss.training.checkpoints import digest
from isoloss.training.finetuning._entries import own_names
from isoloss.training.state import load_model


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """A model that is trained on.

    Attributes:
        source: where it was read.
        run_id: of the run that trained it; of a model of Hugging Face made from its weights, as
            `isoloss model import` does.
        model: it.
        tokenizer_json: its tokeniser; special entries go by isoloss's names.
        weights: SHA-256 of its weights.
    """

    source: str
    run_id: str
    model: LanguageModel
    tokenizer_json: str
    weights: str

    @property
    def kind(self) -> str:
        """decoder, encoder or encoder_decoder."""
        return self.model.config.kind

    def opened(self) -> OpenModel:
        """The model ready to be used."""
        return opened_with(self.model, self.tokenizer_json, Path(self.source), self.run_id)

    def to_dict(self) -> dict[str, Any]:
        """For a run's id: which weights, whoever trained them."""
        return {"weights": self.weights}


def open_start(source: str | Path) -> Start:
    """The model in a folder.

    Args:
        source: a folder of isoloss, one of Hugging Face, or `hf://owner/name[@revision]`.

    Raises:
        NotFoundError: there is no model.
        UsageError: a model of Hugging Face with options that isoloss does not have.
        DataError: a part is damaged, or the parts do not belong together.
    """
    hub = str(source).startswith(HUB)
    folder = hub_folder(source) if hub else Path(source)
    if hub or ((folder / "config.json").is_file() and not (folder / CHECKPOINT).is_file()):
        return _of_hub(folder, str(source))
    return _of_isoloss(folder)


def opened_with(model: Any, tokenizer_json: str, folder: Path, run_id: str = "") -> OpenModel:
    """A model (of any kind, or with a head for spans) with a tokeniser of isoloss.

    Raises:
        DataError: the tokeniser has no end of text.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.encode_special_tokens = True  # as a corpus is encoded
    config = model.config
    end = tokenizer.token_to_id(END_OF_TEXT)
    if end is None:
        raise DataError(f"{folder}: the tokeniser has no {END_OF_TEXT}")
    start, pad = tokenizer.token_to_id(START), tokenizer.token_to_id(PAD)
    pairs = config.kind == "encoder_decoder"
    return OpenModel(
        folder=folder,
        model=model,
        tokenizer=tokenizer,
        kind=config.kind,
        context_length=config.context_length,
        source_length=config.longest_source if pairs else 0,
        end=end,
        start=end if start is None else start,
        pad=end if pad is None else pad,
        run_id=run_id,
        conventions=own_conventions(tokenizer, end) if pairs else Conventions(),
    )


def _of_isoloss(folder: Path) -> Start:
    known = read_folder(folder)
    checkpoint = folder / CHECKPOINT
    if known is None or not checkpoint.is_file():
        raise NotFoundError(
            f"{folder}: no trained model here",
            hint="Give a folder that `isoloss train --out` named, or a folder of Hugging Face.",
        )
    model = load_model(checkpoint)
    path = folder / TOKENIZER
    check_tokenizer(folder, known)
    end = known.get("end_of_text")
    return _start(folder, model, _named(path, _text(path), end=end), str(known["run_id"]))


def _of_hub(folder: Path, source: str) -> Start:
    values, weights = read_hub_folder(folder)
    model = model_from_parts(values, weights)
    path = folder / TOKENIZER
    text = _text(path)
    named = _named(
        path,
        fitted(text, model.config.vocab_size, path),
        end=end_of_text(values, text),
        start=_id(values.get("decoder_start_token_id")),
        pad=_id(values.get("pad_token_id")),
    )
    return _start(source, model, named, None)


def _start(source: Path | str, model: LanguageModel, text: str, run_id: str | None) -> Start:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(text)
    entries, rows = tokenizer.get_vocab_size(), model.config.vocab_size
    if entries != rows:
        raise DataError(
            f"{source}: the tokeniser has {entries:,} entries, the model {rows:,}",
            hint="Copy tokenizer.json from the corpus that the model was trained on.",
        )
    state = model.state_dict()
    if model.config.tied_embeddings:
        del state["head.weight"]  # as checkpoints have it
    found = digest({f"model.{name}": weight for name, weight in state.items()})
    identity = {"architecture": model.config.to_dict(), "weights": found}
    return Start(
        source=str(source),
        run_id=run_id or sha256_text(canonical_json(identity))[:16],
        model=model,
        tokenizer_json=text,
        weights=found,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: missing, or not a tokeniser",
            hint="Save the tokeniser as a fast one: AutoTokenizer….save_pretrained(folder).",
        ) from error


def _named(path: Path, text: str, **entries: Any) -> str:
    known: dict[str, Any] = {"end": None, "start": None, "pad": None, **entries}
    try:
        return own_names(text, **known)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: not a tokeniser, or nothing in it ends a text ({error})",
            hint="Set eos_token_id in config.json to the entry that ends a text.",
        ) from error


def _id(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
