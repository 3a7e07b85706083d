"""The border between training and validation holds against near-duplicates too."""

from __future__ import annotations

import random

import pytest

from isoloss.corpus import Document, split_documents
from isoloss.corpus.selection import Cleaner, Cleaning, Spool, select
from isoloss.corpus.selection.selecting import fill
from isoloss.errors import DataError


def document(seed: int, words: int = 150) -> str:
    rng = random.Random(seed)
    return " ".join(f"w{rng.randint(0, 3_000)}" for _ in range(words)) + "\n"


def documents(texts: list[str]) -> list[Document]:
    return [Document(name=str(i), text=text) for i, text in enumerate(texts)]


def test_near_copies_of_validation_texts_leave_the_training_text() -> None:
    texts = [document(i) for i in range(300)]
    clean = split_documents(documents(texts), near=0.8)
    assert (len(clean.train) + len(clean.validation), clean.by) == (300, "files")
    copies = [text + f"and a new end {i}" for i, text in enumerate(texts)]
    with Spool() as spool:
        fill(spool, documents(texts + copies), Cleaner(Cleaning()))
        (selection,), duplicates = select(spool, near=0.8)
        kept = {
            part: [spool.read(*r).decode() for r in getattr(selection.parts, part).tolist()]
            for part in ("train", "validation")
        }
    assert duplicates == 0
    removed = selection.removed
    assert removed.border + removed.train + removed.validation == 300
    assert removed.border > 5
    beginnings = {part: {text[:300] for text in kept[part]} for part in kept}
    assert not beginnings["train"] & beginnings["validation"]
    assert len(beginnings["train"]) == len(kept["train"])
    assert len(kept["train"]) + len(kept["validation"]) == 300


def test_which_texts_stay_does_not_depend_on_their_order() -> None:
    texts = [document(i) for i in range(150)]
    texts += [text + f"end {i}" for i, text in enumerate(texts[:60])]
    first, second = (split_documents(documents(t), near=0.8) for t in (texts, texts[::-1]))
    assert set(first.train) == set(second.train)
    assert set(first.validation) == set(second.validation)


def test_repeated_chapters_of_one_book() -> None:
    chapters = [document(i, 1_400) for i in range(160)]
    book = "".join(chapters)
    assert split_documents(documents([book]), near=0.8) == split_documents(documents([book]))
    # The whole book once more, with small changes: the validation blocks have near-copies.
    again = "".join(chapter.replace("w7", "w8") for chapter in chapters)
    with Spool() as spool:
        fill(spool, documents([book, again]), Cleaner(Cleaning()))
        (selection,), _ = select(spool, near=0.6)
    assert selection.removed.border >= 3
    assert selection.removed.train > 20


def test_only_one_text_again_and_again_leaves_nothing() -> None:
    with pytest.raises(DataError, match="nothing is left to train on"):
        split_documents(documents(["the very same sentence, again and again.\n" * 5_000]), near=0.8)


def test_domains_share_no_text_and_a_small_one_is_named() -> None:
    first, second = ([document(i) for i in range(a, a + 120)] for a in (0, 1_000))
    with Spool() as spool:
        fill(spool, documents(first), Cleaner(Cleaning()), 0)
        fill(
            spool,
            documents([*second, first[0], *(t + "end" for t in first)]),
            Cleaner(Cleaning()),
            1,
        )
        (one, two), duplicates = select(spool, names=("one", "two"), near=0.8)
    assert duplicates == 1
    removed = [s.removed for s in (one, two)]
    assert sum(r.border + r.train + r.validation for r in removed) == 120
    with Spool() as spool:
        fill(spool, documents(first), Cleaner(Cleaning()), 0)
        fill(spool, documents(["tiny"]), Cleaner(Cleaning()), 1)
        with pytest.raises(DataError, match="domain 'two': the text is too small"):
            select(spool, names=("one", "two"))


def test_a_part_of_the_text_is_a_part_of_every_domain() -> None:
    with Spool() as spool:
        fill(spool, documents([document(i) for i in range(400)]), Cleaner(Cleaning()), 0)
        fill(spool, documents([document(i) for i in range(400, 500)]), Cleaner(Cleaning()), 1)
        parts = [s.parts for s in select(spool, names=("one", "two"), max_bytes=120_000)[0]]
    assert sum(part.n_bytes for part in parts) == pytest.approx(120_000, rel=0.02)
    assert parts[0].n_bytes / parts[1].n_bytes == pytest.approx(4, rel=0.1)
