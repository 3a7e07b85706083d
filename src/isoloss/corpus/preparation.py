"""Texts → a prepared corpus: read, clean, deduplicate, split, train a tokeniser, encode.

Texts are read once and wait on disk; every later stage reads them from there. Memory holds one
document, one batch, and about two hundred bytes a document, however much text there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from isoloss.corpus._settings import Settings, Sources, as_domains, opened, shares_of
from isoloss.corpus._writing import NEWS_BYTES, texts_of, write_corpus
from isoloss.corpus.reading import Document, read_documents
from isoloss.corpus.selection import Cleaner, Cleaning, Selection, Spool, select
from isoloss.corpus.selection.near_duplicates import THRESHOLD
from isoloss.corpus.selection.selecting import fill
from isoloss.corpus.selection.splitting import lengths
from isoloss.corpus.summary import selection_facts
from isoloss.corpus.tokenizers import check_choice, chunks, make_tokenizer
from isoloss.corpus.tokens import MANIFEST, Corpus
from isoloss.errors import EnvironmentProblem

DEFAULT_MAX_BYTES = 64_000_000
TOKENIZER_BYTES = 64_000_000
"""A tokeniser is trained on at most this much text, spread evenly over the training part."""

Say = Callable[[str], None]


def prepare_corpus(
    sources: Sequence[str | Path] | Mapping[str, Sources],
    out: str | Path,
    *,
    vocab_size: int = 1024,
    text_field: str = "text",
    max_bytes: int | None = DEFAULT_MAX_BYTES,
    tokenizer: str | Path = "bpe",
    special_tokens: Sequence[str] = (),
    cleaning: Cleaning | None = None,
    near_duplicates: float | None = THRESHOLD,
    weights: Mapping[str, float] | None = None,
    on_progress: Say | None = None,
) -> Corpus:
    """Read, clean, deduplicate, split, tokenise and write a corpus; a finished one is only opened.

    Args:
        sources: files, folders, data sets or `"stdlib"` (see `read_documents`); or a mapping from
            the names of domains to such, for a mixture.
        out: folder of the corpus.
        vocab_size: ordinary entries of the tokeniser, 257 to 1,048,576. "characters" may have
            fewer; "bytes" has 257 and a `tokenizer.json` what it has, whatever is said here.
        text_field: the field of rows that holds the text.
        max_bytes: most text that is used; of more, a random part of the documents of each domain.
            None: all.
        tokenizer: "bpe" (byte-level), "unigram" (byte-level), "characters" (with bytes for rare
            ones), "bytes", or the path of a `tokenizer.json`.
        special_tokens: further entries with ids from `vocab_size` on (`MASK`, `PAD`, …); the
            corpus's `vocab_size` counts them. Text that spells them is text.
        cleaning: repair and filters; None is `Cleaning()`, which leaves clean text as it is.
        near_duplicates: similarity (0.5 to 1) from which on a text counts as the near-duplicate of
            another: training texts like a validation text go, and copies within each part. None
            keeps them. See `near_duplicates`.
        weights: domain → share of the training tokens drawn from it, in any unit; without, each
            domain weighs as many tokens as it has.
        on_progress: called with one line at each stage.

    Raises:
        NotFoundError, DataError: as `read_documents`; also a text too small for the vocabulary.
        UsageError: a setting that cannot be, or the folder holds another corpus.
        EnvironmentProblem: no room on the disk, or a missing extra.
    """
    out = Path(out)
    domains = as_domains(sources)
    settings = Settings(
        vocab_size=vocab_size,
        text_field=text_field,
        max_bytes=max_bytes,
        tokenizer=str(tokenizer),
        special_tokens=tuple(special_tokens),
        cleaning=cleaning or Cleaning(),
        near_duplicates=near_duplicates,
        weights=shares_of(weights, domains),
    )
    if (out / MANIFEST).exists():
        return opened(out, domains, settings)
    settings.check()
    check_choice(tokenizer, vocab_size, special_tokens)
    say = on_progress or (lambda _: None)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {out}: {error.strerror or error}") from error
    with Spool(out.parent) as spool:
        return _prepare(spool, domains, settings, out, say)


def _prepare(
    spool: Spool, domains: dict[str, list[str]], settings: Settings, out: Path, say: Say
) -> Corpus:
    """The stages, one after the other."""
    say("reading the text")
    cleaner = Cleaner(settings.cleaning)
    for number, sources in enumerate(domains.values()):
        documents = read_documents(sources, text_field=settings.text_field)
        fill(spool, _counted(documents, spool, say), cleaner, number)
    say(f"selecting from {len(spool):,} documents, {spool.n_bytes / 1e6:.1f} MB")
    selections, duplicates = select(
        spool,
        names=tuple(domains),
        max_bytes=settings.max_bytes,
        near=settings.near_duplicates,
        folder=out.parent,
    )
    n_bytes = sum(s.parts.n_bytes for s in selections)
    say(f"training a tokeniser of {settings.vocab_size:,} entries on {n_bytes / 1e6:.1f} MB")
    tokenizer = make_tokenizer(
        settings.tokenizer,
        lambda: _training_texts(spool, selections),
        vocab_size=settings.vocab_size,
        special_tokens=settings.special_tokens,
    )
    say("encoding")
    facts = {
        "settings": settings.to_dict(),
        **selection_facts(spool, selections, duplicates, cleaner),
    }
    manifest = write_corpus(
        out,
        spool,
        selections,
        tokenizer,
        domains=domains,
        weights=settings.weights,
        facts=facts,
        say=say,
    )
    if manifest["bytes_kept"] != 1:
        say(f"the tokeniser keeps {manifest['bytes_kept']:.2%} of the text's bytes")
    return Corpus.load(out)


def _counted(documents: Iterator[Document], spool: Spool, say: Say) -> Iterator[Document]:
    """The documents; a line each time that another part of them is in the spool."""
    told = 0
    for document in documents:
        yield document
        if spool.n_bytes - told >= NEWS_BYTES:
            told = spool.n_bytes
            say(f"reading the text: {told / 1e6:,.0f} MB")


def _training_texts(spool: Spool, selections: list[Selection]) -> Iterator[str]:
    """Training texts, or chunks spread evenly over them where there are too many."""
    total = sum(int(lengths(s.parts.train).sum()) for s in selections)
    texts = (text for s in selections for text in texts_of(spool, s.parts.train))
    if total <= TOKENIZER_BYTES:
        yield from texts
        return
    share = TOKENIZER_BYTES / total
    seen = taken = 0
    for part in (part for text in texts for part in chunks(text)):
        seen += len(part)
        if taken + len(part) <= share * seen:
            taken += len(part)
            yield part
