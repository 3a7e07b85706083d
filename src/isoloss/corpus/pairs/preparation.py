"""Rows with a source and a target → a prepared corpus of pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isoloss._files import write_json_atomic, write_text_atomic
from isoloss.corpus.pairs.selecting import PairSelection, select_pairs
from isoloss.corpus.pairs.tokens import FORMAT, LENGTHS_TYPE, MANIFEST, PairCorpus, fingerprint
from isoloss.corpus.reading import read_rows
from isoloss.corpus.selection import Cleaning, Spool
from isoloss.corpus.selection.near_duplicates import THRESHOLD, check_threshold
from isoloss.corpus.shards import TokenWriter, token_type
from isoloss.corpus.tokenizers import (
    END_OF_TEXT,
    PAD,
    START,
    check_choice,
    make_tokenizer,
    token_lengths,
)
from isoloss.corpus.tokens import special_ids
from isoloss.errors import DataError, EnvironmentProblem, UsageError

BATCH_PAIRS = 4096
Say = Callable[[str], None]


def prepare_pairs(
    sources: Sequence[str | Path],
    out: str | Path,
    *,
    fields: tuple[str, str],
    attribution_field: str | None = None,
    attribution: str = "",
    vocab_size: int = 4096,
    tokenizer: str | Path = "bpe",
    special_tokens: Sequence[str] = (),
    cleaning: Cleaning | None = None,
    near_duplicates: float | None = THRESHOLD,
    max_source_tokens: int = 128,
    max_target_tokens: int = 128,
    on_progress: Say | None = None,
) -> PairCorpus:
    """Read, clean, deduplicate, split, tokenise and write pairs; finished ones are only opened.

    Args:
        sources: tables (`.jsonl .csv .tsv .parquet`), folders of them, or data sets of the hub.
        out: folder of the pairs.
        fields: names of the source and the target field, nested ones with dots, as
            `translation.en`; in `.csv` and `.tsv` without a line of names their column numbers, as
            `("1", "2")`. A source that is a list of texts is joined by spaces. Of a list of
            targets the first is taken; `several_targets` of the manifest counts those rows.
        attribution_field: a field that names the origin of each pair; the notes of all kept pairs
            go, line by line, to `PART.attribution.txt`.
        attribution: one note for the whole, kept in the manifest.
        vocab_size, tokenizer: as for `prepare_corpus`; one tokeniser for both sides.
        special_tokens: further ones; `PAD` and `START` come first in any case.
        cleaning: as for `prepare_corpus`; a filter that drops one side drops the pair.
        near_duplicates: similarity from which on the source or target of a training pair counts
            as that of a validation pair; runs of two words are compared. None: only equal ones.
        max_source_tokens, max_target_tokens: longer pairs (with their end of text) are dropped.
        on_progress: called with one line at each stage.

    Raises:
        NotFoundError, DataError: as `read_documents`; also a missing field, or too few pairs.
        UsageError: a setting that cannot be, or the folder holds other pairs.
    """
    out, sources = Path(out), [str(source) for source in sources]
    cleaning = cleaning or Cleaning()
    special = (PAD, START, *[t for t in special_tokens if t not in (PAD, START)])
    settings = {
        "fields": list(fields),
        "attribution_field": attribution_field,
        "vocab_size": vocab_size,
        "tokenizer": str(tokenizer),
        "special_tokens": list(special),
        "cleaning": cleaning.to_dict(),
        "near_duplicates": near_duplicates,
        "max_source_tokens": max_source_tokens,
        "max_target_tokens": max_target_tokens,
    }
    if (out / MANIFEST).exists():
        return _opened(out, sources, settings)
    check_choice(tokenizer, vocab_size, special)
    if near_duplicates is not None:
        check_threshold(near_duplicates)
    if len(fields) != 2:
        raise UsageError(f"fields names the source and the target, found {len(fields)}")
    if min(max_source_tokens, max_target_tokens) < 2:
        raise UsageError("a pair needs room for a token and an end of text: 2 or more")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {out}: {error.strerror or error}") from error
    facts = {"sources": sources, "settings": settings, "attribution": attribution}
    with Spool(out.parent) as spool, Spool(out.parent) as notes:
        _prepare(spool, notes, cleaning, facts, out, on_progress or (lambda _: None))
    return PairCorpus.load(out)


def _prepare(
    spool: Spool, notes: Spool, cleaning: Cleaning, facts: dict[str, Any], out: Path, say: Say
) -> None:
    """The stages, one after the other."""
    settings = facts["settings"]
    say("reading the pairs")
    note = settings["attribution_field"]
    wanted = [*settings["fields"], *([note] if note else [])]
    several = {settings["fields"][1]: 0}
    dropped = _fill(spool, notes, facts["sources"], wanted, cleaning, several)
    if any(several.values()):
        say(f"{sum(several.values()):,} rows have several targets; the first of each is taken")
    say(f"selecting from {len(spool) // 2:,} pairs, {spool.n_bytes / 1e6:.1f} MB")
    chosen = select_pairs(spool, near=settings["near_duplicates"], folder=out.parent)
    say(f"training a tokeniser of {settings['vocab_size']:,} entries")
    tokenizer = make_tokenizer(
        settings["tokenizer"],
        lambda: (text for number in chosen.train for text in _pair(spool, number)),
        vocab_size=settings["vocab_size"],
        special_tokens=settings["special_tokens"],
    )
    say("encoding")
    facts = {
        **facts,
        "pairs_read": len(spool) // 2 + sum(dropped.values()),
        "dropped": dict(sorted(dropped.items())),
        "several_targets": sum(several.values()),
        "duplicates": chosen.duplicates,
        "border_exact": chosen.border_exact,
        "border_near": chosen.border_near,
    }
    limits = (settings["max_source_tokens"], settings["max_target_tokens"])
    _write(out, spool, notes, chosen, tokenizer, limits, facts)


def _opened(out: Path, sources: list[str], settings: dict[str, Any]) -> PairCorpus:
    corpus = PairCorpus.load(out)
    known: dict[str, Any] = {"sources": corpus.manifest["sources"], **corpus.manifest["settings"]}
    for name, value in {"sources": sources, **settings}.items():
        if known.get(name) != value:
            raise UsageError(
                f"{out} holds pairs prepared with {name} = {known.get(name)},"
                f" {value} was asked for",
                hint="Take another folder.",
            )
    return corpus


def _fill(
    spool: Spool,
    notes: Spool,
    sources: list[str],
    fields: list[str],
    cleaning: Cleaning,
    several: dict[str, int],
) -> Counter[str]:
    """Clean both sides of each row into the spool; reasons of what was dropped."""
    dropped: Counter[str] = Counter()
    for _, texts in read_rows(sources, fields, several):
        source, target = (cleaning.clean(text).strip() for text in texts[:2])
        reason = "blank" if not (source and target) else None
        reason = reason or cleaning.objection(source) or cleaning.objection(target)
        if reason is not None:
            dropped[reason] += 1
            continue
        spool.add(source)
        spool.add(target)
        if len(texts) > 2:
            notes.add(" ".join(texts[2].split()))
    spool.finish()
    notes.finish()
    return dropped


def _pair(spool: Spool, index: int) -> tuple[str, str]:
    ranges = spool.ranges_of(2 * index, 2 * index + 2)
    source, target = (spool.read(start, end).decode("utf-8") for start, end in ranges)
    return source, target


@dataclass
class _Written:
    """Counts while one part is written."""

    pairs: int = 0
    too_long: int = 0


def _write(
    out: Path,
    spool: Spool,
    notes: Spool,
    chosen: PairSelection,
    tokenizer: Any,
    limits: tuple[int, int],
    facts: dict[str, Any],
) -> None:
    """Data first, the manifest last."""
    text = tokenizer.to_str()
    sizes = token_lengths(text)
    counts = np.zeros((2, len(sizes)), dtype=np.int64)
    written = {
        part: _write_part(out, part, spool, notes, getattr(chosen, part), tokenizer, limits, counts)
        for part in ("train", "validation")
    }
    if not all(part.pairs for part in written.values()):
        raise DataError(
            "no pair is short enough",
            hint="Raise max_source_tokens and max_target_tokens, or take a larger vocabulary.",
        )
    write_text_atomic(out / "tokenizer.json", text)
    n_tokens = counts.sum(axis=1)
    manifest = {
        "format": FORMAT,
        "fingerprint": fingerprint(out, text),
        **facts,
        "train_pairs": written["train"].pairs,
        "validation_pairs": written["validation"].pairs,
        "too_long": sum(part.too_long for part in written.values()),
        "source_tokens": int(n_tokens[0]),
        "target_tokens": int(n_tokens[1]),
        "bytes_per_token": [float(c @ sizes) / int(c.sum()) for c in counts],
        "vocab_size": len(sizes),
        "token_type": token_type(len(sizes)).str,
        "special_tokens": special_ids(text),
        "token_bytes": sizes.tolist(),
    }
    write_json_atomic(out / MANIFEST, manifest)


def _write_part(
    out: Path,
    part: str,
    spool: Spool,
    notes: Spool,
    numbers: np.ndarray,
    tokenizer: Any,
    limits: tuple[int, int],
    counts: np.ndarray,
) -> _Written:
    """The three files of a part and its attribution; `counts` (2, V) are added up."""
    done = _Written()
    kind = token_type(counts.shape[1])
    end = tokenizer.token_to_id(END_OF_TEXT)
    credits: list[str] = []
    with (
        TokenWriter(out / f"{part}.source.bin", kind) as source,
        TokenWriter(out / f"{part}.target.bin", kind) as target,
        TokenWriter(out / f"{part}.lengths.bin", LENGTHS_TYPE) as lengths,
    ):
        for number, pair in _encoded(spool, numbers, tokenizer, end):
            if any(len(ids) > limit for ids, limit in zip(pair, limits, strict=True)):
                done.too_long += 1
                continue
            done.pairs += 1
            for side, (ids, writer) in enumerate(zip(pair, (source, target), strict=True)):
                writer.append(ids)
                np.add.at(counts[side], ids, 1)
            lengths.append(np.array([len(ids) for ids in pair]))
            if len(notes):
                (note,) = notes.ranges_of(number, number + 1)
                credits.append(notes.read(*note).decode("utf-8"))
    if credits:
        write_text_atomic(out / f"{part}.attribution.txt", "\n".join(credits) + "\n")
    return done


def _encoded(
    spool: Spool, numbers: np.ndarray, tokenizer: Any, end: int
) -> Iterator[tuple[int, tuple[np.ndarray, np.ndarray]]]:
    """Each pair's number and the ids of both sides with their end of text."""
    for first in range(0, len(numbers), BATCH_PAIRS):
        chosen = numbers[first : first + BATCH_PAIRS].tolist()
        texts = [text for number in chosen for text in _pair(spool, number)]
        encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ids = [np.asarray([*encoding.ids, end], dtype=np.int64) for encoding in encodings]
        yield from zip(chosen, zip(ids[::2], ids[1::2], strict=True), strict=True)
