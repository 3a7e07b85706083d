"""Tokenisers: byte-level BPE, unigram, characters, bytes, or any `tokenizer.json`.

The four that isoloss makes lose nothing: every text decodes to itself, and `token_bytes` add up
to the text's UTF-8 bytes. The end of text is entry 0 of them. Further special tokens come after
all ordinary entries, beyond `vocab_size`: the ordinary tokens of a text are the same with and
without them, and so are losses.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isoloss.errors import DataError, EnvironmentProblem, NotFoundError, UsageError

END_OF_TEXT = "<|endoftext|>"
START = "<|start|>"
MASK = "<|mask|>"
PAD = "<|pad|>"
KINDS = ("bpe", "unigram", "characters", "bytes")
SMALLEST_VOCABULARY = 257
"""All bytes and the end of text."""
LARGEST_VOCABULARY = 1 << 20
CHUNK_CHARACTERS = 1 << 16
_BYTE_ENTRY = re.compile(r"<0x([0-9A-F]{2})>")
_SCORE_DIGITS = 4


def sentinel(number: int) -> str:
    """Name of a special token that stands for a span left out (T5).

    >>> sentinel(0)
    '<|sentinel_0|>'
    """
    return f"<|sentinel_{number}|>"


def check_choice(tokenizer: str | Path, vocab_size: int, special_tokens: Sequence[str]) -> None:
    """Raise for a tokeniser that cannot be, before any text is read.

    Raises:
        UsageError: no such kind, an impossible size, or special tokens named twice.
        NotFoundError: no such file.
    """
    if str(tokenizer) in KINDS:
        if not SMALLEST_VOCABULARY <= vocab_size <= LARGEST_VOCABULARY:
            raise UsageError(
                f"vocab_size must lie in {SMALLEST_VOCABULARY} to {LARGEST_VOCABULARY:,},"
                f" found {vocab_size}"
            )
    elif not Path(tokenizer).is_file():
        if Path(tokenizer).suffix == ".json":
            raise NotFoundError(f"{tokenizer}: no such file", hint="Give a tokenizer.json.")
        raise UsageError(
            f"no such tokeniser: {str(tokenizer)!r}",
            hint=f"Take {', '.join(KINDS)}, or the path of a tokenizer.json.",
        )
    wrong = [t for t, count in Counter(special_tokens).items() if count > 1 or not t.strip()]
    if wrong or END_OF_TEXT in special_tokens:
        raise UsageError(
            f"special token {(wrong or [END_OF_TEXT])[0]!r} is empty, named twice, or there anyway",
            hint="Give each extra special token once.",
        )


def make_tokenizer(
    kind: str | Path,
    texts: Callable[[], Iterable[str]],
    *,
    vocab_size: int,
    special_tokens: Sequence[str] = (),
) -> Any:
    """A tokeniser for texts.

    Args:
        kind: "bpe", "unigram", "characters", "bytes", or the path of a `tokenizer.json`.
        texts: called for the training texts; not called for "bytes" and a file.
        vocab_size: ordinary entries with the end of text; the most there may be for "characters";
            "bytes" always has 257, a file what it has.
        special_tokens: further entries, after the ordinary ones. A file without an end of text
            gets that first.

    Raises:
        DataError: too little text for the vocabulary, or a file that is no tokeniser.
    """
    makers = {"bpe": _bpe, "unigram": _unigram, "characters": _characters, "bytes": _bytes}
    if str(kind) in makers:
        tokenizer = makers[str(kind)](texts, vocab_size)
    else:
        tokenizer = read_tokenizer(Path(kind))
    wanted = [END_OF_TEXT, *special_tokens]
    tokenizer.add_special_tokens([t for t in wanted if tokenizer.token_to_id(t) is None])
    return as_encoder(tokenizer)


def read_tokenizer(path: Path) -> Any:
    """A `tokenizer.json` from anywhere; it is data, nothing in it is run.

    Raises:
        NotFoundError, DataError: no such file, or not a tokeniser.
    """
    from tokenizers import Tokenizer

    try:
        return as_encoder(Tokenizer.from_str(path.read_text("utf-8")))
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such file", hint="Give a tokenizer.json.") from error
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # the library raises plain Exception for what it cannot read
        raise DataError(
            f"{path} is not a tokeniser ({error})",
            hint="Give the tokenizer.json of a fast tokeniser of Hugging Face.",
        ) from error


def as_encoder(tokenizer: Any) -> Any:
    """A tokeniser as texts of a corpus are encoded: no truncation, no padding, no magic words."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # a text that spells "<|endoftext|>" does not end there
    return tokenizer


def chunks(text: str) -> Iterator[str]:
    """A long text in parts, so that one huge file does not hold everything up."""
    for start in range(0, len(text), CHUNK_CHARACTERS):
        yield text[start : start + CHUNK_CHARACTERS]


def _bpe(texts: Callable[[], Iterable[str]], vocab_size: int) -> Any:
    """Byte-level BPE (GPT-2's pre-tokeniser); deterministic for the same texts."""
    from tokenizers import models, pre_tokenizers, trainers

    tokenizer = _byte_level(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((part for text in texts() for part in chunks(text)), trainer)
    return _of_size(tokenizer, vocab_size)


def _unigram(texts: Callable[[], Iterable[str]], vocab_size: int) -> Any:
    """Unigram over bytes (Kudo 2018, arXiv:1804.10959), made the same each time.

    The library numbers and scores entries in an order that differs from call to call; here they
    are sorted and their scores rounded, and bytes that training left out share one score.
    """
    from tokenizers import models, pre_tokenizers, trainers

    tokenizer = _byte_level(models.Unigram())
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.UnigramTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    try:
        tokenizer.train_from_iterator((part for text in texts() for part in chunks(text)), trainer)
    except Exception as error:  # a plain Exception where the text has too few pieces
        raise _too_small(tokenizer.get_vocab_size(), vocab_size) from error
    found = dict(json.loads(tokenizer.to_str())["model"]["vocab"])
    found.pop(END_OF_TEXT)
    lowest = min(found.values())
    filled_in = lowest + 1e-4 * len(alphabet)  # the library adds what is missing in such steps
    scores = {
        piece: round(lowest if len(piece) == 1 and score <= filled_in else score, _SCORE_DIGITS)
        for piece, score in found.items()
    }
    pieces = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    return _of_size(_byte_level(models.Unigram([(END_OF_TEXT, 0.0), *pieces])), vocab_size)


def _characters(texts: Callable[[], Iterable[str]], vocab_size: int) -> Any:
    """The most frequent characters, and the bytes for all others."""
    from tokenizers import Tokenizer, decoders, models

    counts: Counter[str] = Counter()
    for text in texts():
        counts.update(text)
    frequent = sorted(counts, key=lambda character: (-counts[character], character))
    entries = [END_OF_TEXT, *(f"<0x{byte:02X}>" for byte in range(256))]
    entries += frequent[: vocab_size - len(entries)]
    vocabulary = {entry: index for index, entry in enumerate(entries)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return _with_end(tokenizer)


def _bytes(texts: Callable[[], Iterable[str]], vocab_size: int) -> Any:
    """One entry a byte, in the order of the bytes, after the end of text."""
    from tokenizers import models

    entries = [END_OF_TEXT, *(byte_character(byte) for byte in range(256))]
    vocabulary = {entry: index for index, entry in enumerate(entries)}
    return _with_end(_byte_level(models.BPE(vocab=vocabulary, merges=[])))


def byte_character(byte: int) -> str:
    """How byte-level tokenisers write a byte (the table of GPT-2).

    >>> byte_character(65), byte_character(32)
    ('A', 'Ġ')
    """
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    if byte in shown:
        return chr(byte)
    return chr(256 + [b for b in range(256) if b not in shown].index(byte))


def _byte_level(model: Any) -> Any:
    from tokenizers import Tokenizer, decoders, pre_tokenizers

    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _with_end(tokenizer: Any) -> Any:
    tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer


def _of_size(tokenizer: Any, vocab_size: int) -> Any:
    tokenizer = _with_end(tokenizer)
    if tokenizer.get_vocab_size() < vocab_size:
        raise _too_small(tokenizer.get_vocab_size(), vocab_size)
    return tokenizer


def _too_small(found: int, asked: int) -> DataError:
    return DataError(
        f"the text is too small: it gives a vocabulary of {found:,} entries,"
        f" {asked:,} were asked for",
        hint="Give more text.",
    )


def token_lengths(tokenizer_json: str) -> np.ndarray:
    """UTF-8 bytes that each entry of a tokeniser stands for, (V,); special tokens stand for none.

    Byte-level entries write every byte as one character; `<0x41>` of a byte fallback is one byte;
    `▁` of a metaspace tokeniser is one space; `##` of WordPiece is nothing. An unknown token
    counts as a special one. Tokenisers that drop characters (lower case, accents, spaces) do not
    give the text's bytes: the corpus says how far the sum is from the truth.

    Raises:
        ValueError, KeyError, TypeError: not the JSON of a tokeniser.
    """
    whole = json.loads(tokenizer_json)
    model = whole["model"]
    vocabulary = model["vocab"]
    entries = (
        {entry: index for index, (entry, _) in enumerate(vocabulary)}
        if isinstance(vocabulary, list)
        else dict(vocabulary)
    )
    added = {entry["id"]: entry for entry in whole["added_tokens"]}
    size = max([*entries.values(), *added], default=-1) + 1
    lengths = np.zeros(size, dtype=np.int64)
    length = _entry_length(whole)
    for entry, index in entries.items():
        lengths[index] = length(entry)
    unknown = model.get("unk_token")
    if unknown in entries:
        lengths[entries[unknown]] = 0
    if isinstance(model.get("unk_id"), int):
        lengths[model["unk_id"]] = 0
    for index, entry in added.items():
        lengths[index] = 0 if entry["special"] else len(entry["content"].encode("utf-8"))
    return lengths


def _entry_length(whole: dict[str, Any]) -> Callable[[str], int]:
    """How many bytes an entry's text stands for, by the parts that a tokeniser has."""
    parts = json.dumps([whole.get("pre_tokenizer"), whole.get("decoder")])
    if '"ByteLevel"' in parts:
        return len
    fallback = bool(whole["model"].get("byte_fallback"))
    space = (
        "▁"
        if '"Metaspace"' in parts or "▁" in json.dumps(whole.get("normalizer"), ensure_ascii=False)
        else None
    )
    prefix = whole["model"].get("continuing_subword_prefix") or ""

    def length(entry: str) -> int:
        if fallback and _BYTE_ENTRY.fullmatch(entry):
            return 1
        if space:
            entry = entry.replace(space, " ")
        return len((entry.removeprefix(prefix) if prefix else entry).encode("utf-8"))

    return length
