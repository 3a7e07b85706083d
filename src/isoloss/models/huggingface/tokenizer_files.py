"""The tokeniser's files as `AutoTokenizer` wants them: which entries are special, and what for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoloss.architecture import TransformerConfig
from isoloss.errors import DataError
from isoloss.models.huggingface.family import Values


@dataclass(frozen=True, kw_only=True)
class SpecialTokens:
    """Entries with a purpose: name → id, of those that the tokeniser has.

    Attributes:
        end: ends a text.
        start: begins the target of an encoder-decoder; the end of text where it has none.
        pad: fills rows up; the end of text where it has none (attention masks hide it).
        mask: stands for a token to guess.
    """

    end: tuple[str, int]
    start: tuple[str, int]
    pad: tuple[str, int]
    mask: tuple[str, int] | None

    def names(self) -> dict[str, str]:
        """As in `special_tokens_map.json`."""
        found = {"bos_token": self.end[0], "eos_token": self.end[0], "pad_token": self.pad[0]}
        return found | ({"mask_token": self.mask[0]} if self.mask else {})

    def ids(self, config: TransformerConfig) -> dict[str, int]:
        """As in `config.json` and `generation_config.json`."""
        found = {
            "bos_token_id": self.end[1],
            "eos_token_id": self.end[1],
            "pad_token_id": self.pad[1],
        }
        if config.kind == "encoder_decoder":
            found["decoder_start_token_id"] = self.start[1]
        return found


def special_tokens(tokenizer: Any, path: Path) -> SpecialTokens:
    """The special entries of a tokeniser of isoloss.

    Raises:
        DataError: it has no end of text.
    """
    from isoloss.corpus.tokenizers import END_OF_TEXT, MASK, PAD, START

    def entry(name: str) -> tuple[str, int] | None:
        found = tokenizer.token_to_id(name)
        return None if found is None else (name, int(found))

    end = entry(END_OF_TEXT)
    if end is None:
        raise DataError(
            f"{path} has no {END_OF_TEXT}", hint="Copy tokenizer.json from the model's corpus."
        )
    return SpecialTokens(
        end=end, start=entry(START) or end, pad=entry(PAD) or end, mask=entry(MASK)
    )


def tokenizer_values(special: SpecialTokens, config: TransformerConfig) -> Values:
    """The content of `tokenizer_config.json`: a plain fast tokeniser, nothing added to a text."""
    longest = config.longest_source if config.kind == "encoder_decoder" else config.context_length
    inputs = ["input_ids", "attention_mask"]  # the families here know no token types
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": longest,
        "model_input_names": inputs,
        "clean_up_tokenization_spaces": False,
        **special.names(),
    }


def fitted(text: str, vocab_size: int, path: Path) -> str:
    """A `tokenizer.json` with as many entries as its model, filled up with unused ones.

    Public models often round the vocabulary up; isoloss wants a name for each entry.

    Raises:
        DataError: it is no tokeniser, or has more entries than the model.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library raises plain Exception for what it cannot read
        raise DataError(f"{path} is not a tokeniser ({error})") from error
    entries = tokenizer.get_vocab_size()
    if entries < vocab_size:
        names = [f"<|unused_{number}|>" for number in range(entries, vocab_size)]
        tokenizer.add_special_tokens(names)
    if tokenizer.get_vocab_size() != vocab_size:
        raise DataError(
            f"{path}: {entries:,} entries do not fit the model's {vocab_size:,}",
            hint="Give the tokenizer.json of the same model.",
        )
    return text if entries == vocab_size else tokenizer.to_str()


def end_of_text(values: Values, text: str) -> str | None:
    """The name of the entry that a `config.json` calls the end of a sequence."""
    found = values.get("eos_token_id")
    number = found[0] if isinstance(found, list) and found else found
    document = json.loads(text)
    for added in document.get("added_tokens", []):
        if added.get("id") == number:
            return str(added["content"])
    vocabulary = document.get("model", {}).get("vocab", {})
    if isinstance(vocabulary, dict):
        return next((name for name, entry in vocabulary.items() if entry == number), None)
    return None
