"""Selected texts → token files, tokeniser and manifest in a folder; the manifest last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isoloss._files import write_json_atomic, write_text_atomic
from isoloss.corpus.encoding import encode_texts
from isoloss.corpus.selection import Selection, Spool
from isoloss.corpus.selection.splitting import lengths
from isoloss.corpus.shards import TokenWriter, file_chunks, token_type
from isoloss.corpus.summary import length_histogram
from isoloss.corpus.tokenizers import END_OF_TEXT, token_lengths
from isoloss.corpus.tokens import FORMAT, MANIFEST, Span, fingerprint, special_ids

PARTS = ("train", "validation")
NEWS_BYTES = 100_000_000
"""A long stage says how far it is after so much text."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """Where the texts of one part lie in its file.

    Attributes:
        starts: first token of each text.
        ends: end of each domain.
    """

    starts: np.ndarray
    ends: tuple[int, ...]


def texts_of(
    spool: Spool, ranges: np.ndarray, say: Callable[[str], None] | None = None
) -> Iterator[str]:
    """The texts of ranges, (N, 2), one after the other; `say` is told how far it is."""
    total, done, told = int(lengths(ranges).sum()), 0, 0
    for start, end in ranges.tolist():
        yield spool.read(start, end).decode("utf-8")
        done += end - start
        if say is not None and done - told >= NEWS_BYTES:
            told = done
            say(f"encoding: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB")


def write_corpus(
    out: Path,
    spool: Spool,
    selections: list[Selection],
    tokenizer: Any,
    *,
    domains: dict[str, list[str]],
    weights: dict[str, float] | None,
    facts: dict[str, Any],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Encode and write; `facts` go into the manifest, which is returned; `say` gets news.

    Raises:
        EnvironmentProblem: the folder is not writable or the disk is full.
    """
    text = tokenizer.to_str()
    sizes = token_lengths(text)
    kind = token_type(len(sizes))
    counts = np.zeros(len(sizes), dtype=np.int64)
    train, validation = (
        _write_part(out / f"{part}.bin", part, spool, selections, tokenizer, counts, say)
        for part in PARTS
    )
    write_text_atomic(out / "tokenizer.json", text)
    spans = _spans(tuple(domains), train.ends, validation.ends, weights)
    in_texts = sum(
        int(lengths(getattr(selection.parts, part)).sum())
        for selection in selections
        for part in PARTS
    )
    in_tokens = int(counts @ sizes)
    manifest = {
        "format": FORMAT,
        "fingerprint": fingerprint(
            (train.ends[-1], file_chunks(out / "train.bin")),
            (validation.ends[-1], file_chunks(out / "validation.bin")),
            validation.starts,
            text,
            spans,
        ),
        "sources": [source for sources in domains.values() for source in sources],
        **facts,
        "train_tokens": train.ends[-1],
        "validation_tokens": validation.ends[-1],
        "vocab_size": len(sizes),
        "token_type": kind.str,
        "special_tokens": special_ids(text),
        "bytes_per_token": in_tokens / (train.ends[-1] + validation.ends[-1]),
        "bytes_kept": in_tokens / in_texts,
        "domains": [
            _domain_facts(span, sources, selection)
            for span, sources, selection in zip(spans, domains.values(), selections, strict=False)
        ],
        "lengths": length_histogram(
            np.concatenate([np.diff(np.append(p.starts, p.ends[-1])) for p in (train, validation)])
        ),
        "validation_starts": validation.starts.tolist(),
        "token_bytes": sizes.tolist(),
    }
    write_json_atomic(out / MANIFEST, manifest)
    return manifest


def _write_part(
    path: Path,
    part: str,
    spool: Spool,
    selections: list[Selection],
    tokenizer: Any,
    counts: np.ndarray,
    say: Callable[[str], None],
) -> Written:
    """One token file with the texts of all domains; `counts` (V,) are added up."""
    starts: list[np.ndarray] = []
    ends: list[int] = []
    with TokenWriter(path, token_type(len(counts))) as writer:
        for selection in selections:
            texts = texts_of(spool, getattr(selection.parts, part), say)
            end = tokenizer.token_to_id(END_OF_TEXT)
            starts.append(encode_texts(tokenizer, texts, writer, end_of_text=end, counts=counts))
            ends.append(writer.count)
    return Written(starts=np.concatenate(starts), ends=tuple(ends))


def _spans(
    names: tuple[str, ...],
    train: tuple[int, ...],
    validation: tuple[int, ...],
    weights: dict[str, float] | None,
) -> tuple[Span, ...]:
    """The domains of a mixture; none where there is one text without a name."""
    if names == ("",):
        return ()
    return tuple(
        Span(
            name=name,
            weight=weights[name] if weights else (end - first) / train[-1],
            train=(first, end),
            validation=(held_first, held_end),
        )
        for name, first, end, held_first, held_end in zip(
            names, (0, *train), train, (0, *validation), validation, strict=False
        )
    )


def _domain_facts(span: Span, sources: list[str], selection: Selection) -> dict[str, Any]:
    return {
        "name": span.name,
        "weight": span.weight,
        "sources": sources,
        "documents": selection.parts.documents,
        "bytes": selection.parts.n_bytes,
        "split": selection.parts.by,
        "train": list(span.train),
        "validation": list(span.validation),
    }
