"""Texts → a prepared corpus: split, train a byte-level BPE on the training part, encode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isoloss._files import write_bytes_atomic, write_json_atomic, write_text_atomic
from isoloss.corpus.documents import read_documents
from isoloss.corpus.splitting import Split, split_documents
from isoloss.corpus.tokens import FORMAT, MANIFEST, TOKEN_TYPE, Corpus, fingerprint
from isoloss.errors import DataError, UsageError

END_OF_TEXT = "<|endoftext|>"
SMALLEST_VOCABULARY = 257
"""All bytes and the end of text."""
CHUNK_CHARACTERS = 1 << 16
DEFAULT_MAX_BYTES = 64_000_000


def prepare_corpus(
    sources: Sequence[str | Path],
    out: str | Path,
    *,
    vocab_size: int = 1024,
    text_field: str = "text",
    max_bytes: int = DEFAULT_MAX_BYTES,
    on_progress: Callable[[str], None] | None = None,
) -> Corpus:
    """Read, deduplicate, split, tokenise and write a corpus; a finished one is only opened.

    Args:
        sources: files, folders or `"stdlib"`.
        out: folder of the corpus.
        vocab_size: entries of the byte-level BPE, 257 to 65,536.
        text_field: the field of `.jsonl` and `.parquet` rows that holds the text.
        max_bytes: most text that is used; of more, a random part of the documents.
        on_progress: called with one line at each stage.

    Raises:
        NotFoundError, DataError: as `read_documents`; also a text too small for the vocabulary.
        UsageError: the folder holds a corpus of other sources or of another vocabulary.
    """
    out = Path(out)
    if (out / MANIFEST).exists():
        return _opened(out, sources, vocab_size)
    if not SMALLEST_VOCABULARY <= vocab_size <= 65_536:
        raise UsageError(f"vocab_size must lie in 257 to 65,536, found {vocab_size}")
    say = on_progress or (lambda _: None)
    say("reading the text")
    split = split_documents(read_documents(sources, text_field=text_field), max_bytes=max_bytes)
    say(f"training a tokeniser of {vocab_size:,} entries on {split.n_bytes / 1e6:.1f} MB")
    tokenizer = _train_tokenizer(split.train, vocab_size)
    say("encoding")
    tokenizer.encode_special_tokens = True  # a text that spells "<|endoftext|>" does not end there
    end_of_text = tokenizer.token_to_id(END_OF_TEXT)
    train, _ = _encode(tokenizer, split.train, end_of_text)
    validation, starts = _encode(tokenizer, split.validation, end_of_text)
    return _write(out, tokenizer, train, validation, starts, split, [str(s) for s in sources])


def _opened(out: Path, sources: Sequence[str | Path], vocab_size: int) -> Corpus:
    """The finished corpus in a folder, which must be the one that is asked for."""
    corpus = Corpus.load(out)
    found = [str(source) for source in corpus.manifest.get("sources", [])]
    asked = [str(source) for source in sources]
    if found != asked and [Path(s).resolve() for s in found] != [Path(s).resolve() for s in asked]:
        raise UsageError(
            f"{out} holds the corpus of {', '.join(found)}, not of {', '.join(asked)}",
            hint="Take another folder.",
        )
    if corpus.vocab_size != vocab_size:
        raise UsageError(
            f"{out} holds a corpus of {corpus.vocab_size:,} vocabulary entries,"
            f" {vocab_size:,} were asked for",
            hint="Take another folder.",
        )
    return corpus


def _write(
    out: Path,
    tokenizer: Any,
    train: np.ndarray,
    validation: np.ndarray,
    starts: np.ndarray,
    split: Split,
    sources: list[str],
) -> Corpus:
    """Data first, the manifest last."""
    text = tokenizer.to_str()
    write_bytes_atomic(out / "train.bin", train.tobytes())
    write_bytes_atomic(out / "validation.bin", validation.tobytes())
    write_text_atomic(out / "tokenizer.json", text)
    lengths = token_lengths(tokenizer)
    encoded_bytes = int(lengths[train].sum() + lengths[validation].sum())
    write_json_atomic(
        out / MANIFEST,
        {
            "format": FORMAT,
            "fingerprint": fingerprint(train, validation, starts, text),
            "sources": sources,
            "documents": split.documents,
            "duplicates": split.duplicates,
            "bytes": split.n_bytes,
            "split": split.by,
            "train_tokens": len(train),
            "validation_tokens": len(validation),
            "vocab_size": len(lengths),
            "bytes_per_token": encoded_bytes / (len(train) + len(validation)),
            "validation_starts": starts.tolist(),
            "token_bytes": lengths.tolist(),
        },
    )
    return Corpus.load(out)


def _train_tokenizer(texts: Sequence[str], vocab_size: int) -> Any:
    """Byte-level BPE (GPT-2's pre-tokeniser); deterministic for the same texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((part for text in texts for part in _chunks(text)), trainer)
    if tokenizer.get_vocab_size() < vocab_size:
        raise DataError(
            f"the text is too small: it gives a vocabulary of {tokenizer.get_vocab_size():,}"
            f" entries, {vocab_size:,} were asked for",
            hint="Give more text.",
        )
    return tokenizer


def _chunks(text: str) -> Iterable[str]:
    """A long text in parts, so that one huge file does not hold everything up."""
    for start in range(0, len(text), CHUNK_CHARACTERS):
        yield text[start : start + CHUNK_CHARACTERS]


def _encode(
    tokenizer: Any, texts: Sequence[str], end_of_text: int
) -> tuple[np.ndarray, np.ndarray]:
    """Token ids with an end of text after each text, and where each text starts."""
    parts = [part for text in texts for part in _chunks(text)]
    owners = [index for index, text in enumerate(texts) for _ in _chunks(text)]
    ids: list[np.ndarray] = []
    starts: list[int] = []
    position, current = 0, -1
    for first in range(0, len(parts), 256):
        encodings = tokenizer.encode_batch(parts[first : first + 256], add_special_tokens=False)
        for offset, encoding in enumerate(encodings):
            owner = owners[first + offset]
            if owner != current:
                if current >= 0:
                    ids.append(np.asarray([end_of_text], dtype=TOKEN_TYPE))
                    position += 1
                current = owner
                starts.append(position)
            ids.append(np.asarray(encoding.ids, dtype=TOKEN_TYPE))
            position += len(encoding.ids)
    ids.append(np.asarray([end_of_text], dtype=TOKEN_TYPE))
    return np.concatenate(ids), np.asarray(starts, dtype=np.int64)


def token_lengths(tokenizer: Any) -> np.ndarray:
    """UTF-8 bytes of each entry, (V,); the end of text stands for none.

    Byte-level BPE writes every byte as one printable character, so characters are bytes.
    """
    size = tokenizer.get_vocab_size()
    lengths = [len(tokenizer.id_to_token(index)) for index in range(size)]
    lengths[tokenizer.token_to_id(END_OF_TEXT)] = 0
    return np.asarray(lengths, dtype=np.int64)
