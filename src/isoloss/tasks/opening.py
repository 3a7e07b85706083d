"""A folder → a model with its tokeniser, ready to be used: isoloss's own, or of Hugging Face."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isoloss.corpus import END_OF_TEXT, PAD, START
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.models import Decoder, Encoder, EncoderDecoder, LanguageModel
from isoloss.models.huggingface.conversion import HUB_FAMILIES, model_from_parts
from isoloss.models.huggingface.reading import hub_folder, read_hub_folder, read_json
from isoloss.models.huggingface.tokenizer_files import fitted
from isoloss.tasks.conventions import (
    Conventions,
    added_entries,
    generation_values,
    hub_conventions,
    known_entries,
    own_conventions,
)
from isoloss.tasks.hub_models import HubModel, has_span_head, open_hub_model
from isoloss.training import check_tokenizer, load_model, read_folder
from isoloss.training.devices import resolve_device

CHECKPOINT = "checkpoint.safetensors"
RENEW = "Copy tokenizer.json from the corpus that the model was trained on."
AnyModel = LanguageModel | HubModel


@dataclass(frozen=True, eq=False)
class OpenModel:
    """A model with its tokeniser.

    Attributes:
        folder: where it was read.
        model: of isoloss (also where a folder of Hugging Face could be converted), or a
            `HubModel` around one of `transformers`; in evaluation mode.
        tokenizer: of the `tokenizers` package.
        kind: decoder, encoder or encoder_decoder.
        context_length: most tokens of a row (of the target of an encoder-decoder).
        source_length: most source tokens of an encoder-decoder, else 0.
        end: ends a text; what it is trained on ends with it.
        start: begins the target of an encoder-decoder (the end of text where it has no own).
        pad: fills rows up; never seen by other tokens.
        bos: begins a text of a decoder, where its makers say so.
        run_id: of the run that trained it, or empty.
        other_ends: more entries that end a text.
        conventions: what else its makers put around texts, force and forbid.
    """

    folder: Path
    model: AnyModel
    tokenizer: Any
    kind: str
    context_length: int
    source_length: int
    end: int
    start: int
    pad: int
    bos: int | None = None
    run_id: str = ""
    other_ends: tuple[int, ...] = ()
    conventions: Conventions = field(default_factory=Conventions)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.model.parameters()).device

    @property
    def before(self) -> list[int]:
        """What begins every text of a decoder."""
        return [] if self.bos is None else [self.bos]

    @property
    def ends(self) -> tuple[int, ...]:
        """Every entry that ends a text."""
        return (self.end, *self.other_ends)

    @property
    def source_room(self) -> int:
        """Most tokens of the text of a source, what is put around it left out."""
        return max(1, self.source_length - len(self.source([])))

    def source(self, ids: list[int]) -> list[int]:
        """The source of an encoder-decoder, with what belongs before and after its text."""
        after = self.conventions.source_after
        return [*self.conventions.source_before, *ids, *((self.end,) if after is None else after)]

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, nothing added.

        Raises:
            UsageError: the text is not UTF-8 (a lone surrogate).
        """
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise UsageError(
                "the prompt is not UTF-8 text", hint="Check the terminal's encoding."
            ) from error
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: list[int]) -> str:
        """The text of token ids, special ones by name."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=False))

    def plain(self, ids: list[int]) -> str:
        """The text of token ids, special ones left out."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def logits(self, tokens_BT: Tensor, segments_BT: Tensor | None = None) -> Tensor:
        """Logits (B, T, V) of a decoder or encoder; segment 0 is padding.

        Raises:
            UsageError: an encoder-decoder has no logits without a source.
        """
        if self.kind == "encoder_decoder":
            raise UsageError("an encoder-decoder needs a source")
        return self.model(tokens_BT, segments=segments_BT)

    def require(self, *kinds: str, what: str) -> None:
        """Refuse a model of another kind.

        Raises:
            UsageError: its kind is not among `kinds`.
        """
        if self.kind not in kinds:
            words = " or ".join(kind.replace("_", "-") for kind in kinds)
            raise UsageError(
                f"{self.folder}: {what} needs a model of kind {words}, found"
                f" {self.kind.replace('_', '-')}",
                hint="See `isoloss train --help` for how each kind is trained.",
            )


def open_model(source: str | Path, *, device: str = "cpu") -> OpenModel:
    """The model in a folder.

    Args:
        source: a folder that `train_run` wrote (`isoloss train`, or `model` in a study), a
            folder of Hugging Face (`config.json`, safetensors, `tokenizer.json`), or
            `hf://owner/name`. One of a family that isoloss has is converted (in memory); any
            other is run by `transformers`.
        device: `cpu`, `cuda` or `auto`.

    Raises:
        NotFoundError: there is no model.
        DataError: a part is damaged, or the parts do not belong together.
        EnvironmentProblem: no such device, or `transformers` is needed and missing.
    """
    place = resolve_device(device)
    hub = str(source).startswith("hf://")
    folder = hub_folder(source) if hub else Path(source)
    if hub or ((folder / "config.json").is_file() and not (folder / CHECKPOINT).is_file()):
        opened = _of_hub(folder)
    else:
        opened = _of_isoloss(folder)
    opened.model.eval().to(place)
    return opened


def _of_isoloss(folder: Path) -> OpenModel:
    known = read_folder(folder)
    checkpoint = folder / CHECKPOINT
    if known is None or not checkpoint.is_file():
        row = (known or {}).get("row")
        reason = f"; its run {row['reason']}" if isinstance(row, dict) and row.get("reason") else ""
        raise NotFoundError(
            f"{folder}: no trained model here{reason}",
            hint="Give a folder that `isoloss train --out` named, `model` in a study's folder, or"
            " a folder of Hugging Face.",
        )
    model = load_model(checkpoint)
    name = str(known.get("end_of_text") or END_OF_TEXT)
    tokenizer = _read_tokenizer(folder / "tokenizer.json")
    end = tokenizer.token_to_id(name)
    if end is None:
        raise DataError(
            f"{folder / 'tokenizer.json'} has no {name}, with which the model's texts end",
            hint=RENEW,
        )
    if tokenizer.get_vocab_size() != model.config.vocab_size:
        raise DataError(
            f"{folder}: the tokeniser has {tokenizer.get_vocab_size():,} entries, the model"
            f" {model.config.vocab_size:,}",
            hint=RENEW,
        )
    check_tokenizer(folder, known)
    tokenizer.encode_special_tokens = True  # as the corpus was encoded
    opened = _opened(folder, model, tokenizer, ends=(end,), run_id=str(known.get("run_id") or ""))
    if opened.kind != "encoder_decoder":
        return opened
    return replace(opened, conventions=own_conventions(tokenizer, end))


def _of_hub(folder: Path) -> OpenModel:
    values = read_json(folder / "config.json")
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise DataError(
            f"{folder}: no tokenizer.json",
            hint="Save the tokeniser as a fast one: AutoTokenizer….save_pretrained(folder).",
        )
    model = _hub_model(folder, values)
    if isinstance(model, HubModel):
        values = model.told()
    text = path.read_text("utf-8")
    tokenizer = _tokenizer_of(fitted(text, model.config.vocab_size, path), path)
    kind = _kind(model)
    given = generation_values(folder, values)
    before, after = added_entries(tokenizer)
    ends = known_entries(given, "eos_token_id", tokenizer)
    if not ends and kind == "encoder":
        ends = after[-1:]
    if not ends:
        raise DataError(
            f"{folder / 'config.json'} names no end of text (eos_token_id) that the tokeniser has",
            hint="Set eos_token_id to the entry that ends a text.",
        )
    return _opened(
        folder,
        model,
        tokenizer,
        ends=ends,
        start=_first(
            known_entries(given, "decoder_start_token_id", tokenizer)
            or known_entries(given, "bos_token_id", tokenizer)
        ),
        pad=_first(known_entries(given, "pad_token_id", tokenizer)),
        bos=before[0] if kind == "decoder" and len(before) == 1 else None,
        conventions=hub_conventions(tokenizer, given, folder, kind=kind),
    )


def _hub_model(folder: Path, values: dict[str, Any]) -> AnyModel:
    """Converted where isoloss has the family and its options, else run by `transformers`."""
    ours = {name for family in HUB_FAMILIES.values() for name in family.model_types}
    if values.get("model_type") in ours and not has_span_head(values):
        try:
            return model_from_parts(*read_hub_folder(folder))
        except UsageError:  # an option that isoloss lacks: transformers has it
            pass
    return open_hub_model(folder)


def _opened(
    folder: Path,
    model: AnyModel,
    tokenizer: Any,
    *,
    ends: tuple[int, ...],
    start: int | None = None,
    pad: int | None = None,
    bos: int | None = None,
    run_id: str = "",
    conventions: Conventions | None = None,
) -> OpenModel:
    kind, end = _kind(model), ends[0]
    if start is None:
        start = tokenizer.token_to_id(START)
    if pad is None:
        pad = tokenizer.token_to_id(PAD)
    longest = model.config.longest_source if kind == "encoder_decoder" else 0
    return OpenModel(
        folder=folder,
        model=model,
        tokenizer=tokenizer,
        kind=kind,
        context_length=model.config.context_length,
        source_length=longest,
        end=end,
        start=end if start is None else start,
        pad=end if pad is None else pad,
        bos=bos,
        run_id=run_id,
        other_ends=ends[1:],
        conventions=conventions or Conventions(),
    )


def _kind(model: AnyModel) -> str:
    if isinstance(model, HubModel):
        return model.kind
    return {Decoder: "decoder", Encoder: "encoder", EncoderDecoder: "encoder_decoder"}[type(model)]


def _first(entries: tuple[int, ...]) -> int | None:
    return entries[0] if entries else None


def _read_tokenizer(path: Path) -> Any:
    try:
        return _tokenizer_of(path.read_text("utf-8"), path)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing", hint=RENEW) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a tokeniser, or it is damaged", hint=RENEW) from error


def _tokenizer_of(text: str, path: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library raises plain Exception for what it cannot read
        raise DataError(
            f"{path} is not a tokeniser, or it is damaged ({error})", hint=RENEW
        ) from error
    tokenizer.no_truncation()  # a file may ask for either, and texts are encoded whole
    tokenizer.no_padding()
    return tokenizer
