"""`isoloss corpus`: prepare a corpus of texts or of pairs, or say what is in one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, new_app, numbers, pairs, quantity
from isoloss.errors import UsageError

app = new_app(help="Prepare a corpus, or say what is in one. Each command takes --json.")


@app.command()
def prepare(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the corpus.")],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCES",
            help="Files, folders, hf://owner/name[/config][:split], or stdlib (the default).",
        ),
    ] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=SOURCE", help="A source of a named domain. Repeatable."),
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=SHARE", help="Share of a domain in training. Repeatable."),
    ] = None,
    vocab_size: Annotated[int, typer.Option(help="Ordinary entries of the tokeniser.")] = 1024,
    tokenizer: Annotated[
        str, typer.Option(help="bpe, unigram, characters, bytes, or a tokenizer.json.")
    ] = "bpe",
    special_token: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A further special token. Repeatable.")
    ] = None,
    text_field: Annotated[
        str | None,
        typer.Option(
            help="Field with the text in .jsonl, .csv, .tsv, .parquet and hf://; `text` when left"
            " out."
        ),
    ] = None,
    max_bytes: Annotated[
        Any, typer.Option(parser=quantity, metavar="B", help="Most text used; all when left out.")
    ] = None,
    near_duplicates: Annotated[
        str, typer.Option(metavar="S|off", help="Similarity from which on texts are the same.")
    ] = "0.8",
    repair: Annotated[bool, typer.Option("--repair", help="Mend wrongly decoded text.")] = False,
    nfc: Annotated[bool, typer.Option("--nfc", help="Normalise Unicode to form C.")] = False,
    filter_: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="NAME=LIMIT", help="E.g. min_characters=200. Repeatable."),
    ] = None,
    pair_fields: Annotated[
        str | None,
        typer.Option(metavar="SOURCE,TARGET", help="Prepare pairs of these fields or columns."),
    ] = None,
    attribution_field: Annotated[
        str | None, typer.Option(metavar="F", help="Field with the origin of each pair.")
    ] = None,
    attribution: Annotated[
        str | None, typer.Option(help="Whose the pairs are, for the record.")
    ] = None,
    as_json: Json = False,
) -> Answer:
    """Read, clean, deduplicate, split and tokenise texts; a finished corpus is only opened."""
    from isoloss.corpus import (
        STANDARD_LIBRARY,
        cleaning_from,
        prepare_corpus,
        prepare_pairs,
        threshold_from,
    )

    if domain and sources:
        raise UsageError("give sources or --domain, not both", hint="Name the domain of each.")
    of_texts = {"--domain": domain, "--weight": weight, "--text-field": text_field,
                "--max-bytes": max_bytes}  # fmt: skip
    of_pairs = {"--attribution-field": attribution_field, "--attribution": attribution}
    _refuse(of_pairs if pair_fields is None else of_texts, pairs=pair_fields is not None)
    shared: dict[str, Any] = {
        "vocab_size": vocab_size,
        "tokenizer": tokenizer,
        "special_tokens": special_token or (),
        "cleaning": cleaning_from(numbers(filter_, "--filter"), repair=repair, nfc=nfc),
        "near_duplicates": threshold_from(near_duplicates),
        "on_progress": lambda line: print(f"corpus: {line}", file=sys.stderr, flush=True),
    }
    if pair_fields is not None:
        corpus: Any = prepare_pairs(
            sources or [],
            out,
            fields=tuple(pair_fields.split(",")),  # type: ignore[arg-type] - counted there
            attribution_field=attribution_field,
            attribution=attribution or "",
            **shared,
        )
    else:
        corpus = prepare_corpus(
            pairs(domain, "--domain") or sources or [STANDARD_LIBRARY],
            out,
            text_field=text_field or "text",
            max_bytes=int(max_bytes) if max_bytes else None,
            weights=numbers(weight, "--weight") or None,
            **shared,
        )
    return _told(corpus, out)


def _refuse(given: Mapping[str, object], *, pairs: bool) -> None:
    """Refuse flags that belong to the other kind of corpus."""
    flags = [flag for flag, value in given.items() if value is not None]
    if flags:
        kind = "texts, not of pairs" if pairs else "pairs"
        raise UsageError(
            f"{', '.join(flags)}: only for a corpus of {kind}",
            hint=f"{'Leave out' if pairs else 'Give'} --pair-fields, or leave out {flags[0]}.",
        )


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a prepared corpus.")],
    recheck: Annotated[
        bool, typer.Option("--recheck", help="Hash every byte, changed or not.")
    ] = False,
    as_json: Json = False,
) -> Answer:
    """Say what a corpus holds, and what was left out of it and why."""
    from isoloss.corpus import open_corpus

    return _told(open_corpus(folder, recheck=recheck), folder)


def _told(corpus: Any, folder: Path) -> Answer:
    return Answer(
        document={"corpus": corpus.report(), "paths": {"corpus": str(folder)}},
        text=f"{corpus.summary()}\n\n{folder}",
    )
