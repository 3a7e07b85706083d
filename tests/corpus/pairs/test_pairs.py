"""Pairs from a table to packed rows; the border holds for sources and for targets."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isoloss.corpus import (
    MASK,
    Cleaning,
    PairBatch,
    PairCorpus,
    evaluation_pairs,
    open_corpus,
    pack_pairs,
    packed_rows,
    pair_batch,
    prepare_pairs,
)
from isoloss.errors import DataError, NotFoundError, UsageError

LENGTHS = {"source_length": 40, "target_length": 48}


def sentence(rng: random.Random, letter: str) -> str:
    return " ".join(f"{letter}{rng.randint(0, 300)}" for _ in range(rng.randint(3, 9)))


def table(path: Path, rows: list[tuple[str, str]]) -> Path:
    lines = [f"{source}\t{target}\tnote {i}" for i, (source, target) in enumerate(rows)]
    path.write_text("\n".join(lines), "utf-8")
    return path


@pytest.fixture(scope="module")
def rows() -> list[tuple[str, str]]:
    rng = random.Random(0)
    return [(sentence(rng, "s"), sentence(rng, "學")) for _ in range(600)]


@pytest.fixture(scope="module")
def corpus(rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> PairCorpus:
    folder = tmp_path_factory.mktemp("pairs")
    return prepare_pairs(
        [table(folder / "a.tsv", rows)],
        folder / "pairs",
        fields=("1", "2"),
        attribution_field="3",
        attribution="made up",
        vocab_size=300,
        special_tokens=[MASK],
    )


def texts(corpus: PairCorpus, part: str) -> list[tuple[str, str]]:
    tokenizer, pairs = corpus.tokenizer(), getattr(corpus, part)
    found = []
    for index in range(len(pairs)):
        source, target = pairs.pair(index)
        assert source[-1] == target[-1] == corpus.end_of_text
        found.append((tokenizer.decode(source[:-1]), tokenizer.decode(target[:-1])))
    return found


def test_pairs_decode_to_their_texts(corpus: PairCorpus, rows: list[tuple[str, str]]) -> None:
    train, validation = texts(corpus, "train"), texts(corpus, "validation")
    assert train + validation != []
    assert set(train) | set(validation) <= set(rows)
    assert corpus.manifest["train_pairs"] == len(train)
    left_out = corpus.manifest["border_exact"] + corpus.manifest["border_near"]
    assert len(train) + len(validation) + left_out == 600
    assert 30 <= len(validation) < 40
    assert train == [row for row in rows if row in set(train)]
    assert [corpus.pad, corpus.start, corpus.token_id(MASK)] == [300, 301, 302]


def test_attribution_follows_its_pair(corpus: PairCorpus, rows: list[tuple[str, str]]) -> None:
    for part in ("train", "validation"):
        notes = (corpus.path / f"{part}.attribution.txt").read_text("utf-8").splitlines()
        assert [rows[int(note.split()[1])] for note in notes] == texts(corpus, part)
    assert corpus.manifest["attribution"] == "made up"
    assert "made up" in corpus.summary()
    assert max(map(len, corpus.summary().splitlines())) <= 80


def test_no_validation_sentence_is_trained_on_not_even_nearly(
    rows: list[tuple[str, str]], tmp_path: Path
) -> None:
    rng = random.Random(1)
    more = [
        *rows,
        *[(source, sentence(rng, "新")) for source, _ in rows],  # another translation
        *[(sentence(rng, "n"), target) for _, target in rows],  # another source
        *[(source.upper() + "!", sentence(rng, "真")) for source, _ in rows],  # nearly the same
        rows[5],
    ]
    corpus = prepare_pairs([table(tmp_path / "a.tsv", more)], tmp_path / "c", fields=("1", "2"),
                           vocab_size=400)  # fmt: skip
    assert corpus.manifest["duplicates"] == 1
    assert corpus.manifest["border_exact"] > 10
    assert corpus.manifest["border_near"] > 10
    train, validation = texts(corpus, "train"), texts(corpus, "validation")
    folded = [{pair[0].lower().strip("!") for pair in part} for part in (train, validation)]
    assert not folded[0] & folded[1]
    assert not {t for _, t in train} & {t for _, t in validation}
    counts = Counter(source for source, _ in train)
    assert counts.most_common(1)[0][1] == 2  # translations of one sentence stay together


def unpacked(batch: PairBatch, corpus: PairCorpus) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The pairs of packed rows, with every promise about them checked."""
    found = []
    for row in range(len(batch.source)):
        count = batch.source_segments[row].max()
        assert count == batch.target_segments[row].max()
        for segment in range(1, count + 1):
            reads = np.flatnonzero(batch.source_segments[row] == segment)
            says = np.flatnonzero(batch.target_segments[row] == segment)
            assert (np.diff(reads) == 1).all()
            assert (np.diff(says) == 1).all()
            target = batch.target_out[row, says]
            assert batch.target_in[row, says].tolist() == [corpus.start, *target[:-1].tolist()]
            found.append((tuple(batch.source[row, reads].tolist()), tuple(target.tolist())))
        for ids, segments in (
            (batch.source, batch.source_segments),
            (batch.target_in, batch.target_segments),
            (batch.target_out, batch.target_segments),
        ):
            assert (ids[row][segments[row] == 0] == corpus.pad).all()
    return found


def pairs_of(corpus: PairCorpus, part: str) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    pairs = getattr(corpus, part)
    return [tuple(tuple(ids.tolist()) for ids in pairs.pair(i)) for i in range(len(pairs))]  # type: ignore[misc]


def test_packing_holds_every_pair_once_and_wastes_little(corpus: PairCorpus) -> None:
    packing = pack_pairs(corpus.train, 80, 96, seed=1)
    batch = packed_rows(corpus.train, packing, np.arange(len(packing)), source_length=80,
                        target_length=96, start=corpus.start, pad=corpus.pad)  # fmt: skip
    assert Counter(unpacked(batch, corpus)) == Counter(pairs_of(corpus, "train"))
    room = max(
        batch.encoder_tokens / batch.source.size, batch.decoder_tokens / batch.target_in.size
    )
    assert room > 0.85
    assert batch.encoder_tokens == len(corpus.train.source)


def test_batches_are_pure_and_see_each_pair_once_an_epoch(corpus: PairCorpus) -> None:
    rows = len(pack_pairs(corpus.train, *LENGTHS.values(), seed=2))
    seen: Counter[Any] = Counter()
    for step in range(2 * rows):
        batch = pair_batch(corpus, seed=2, step=step, batch_size=1, **LENGTHS)
        seen.update(unpacked(batch, corpus))
        if step == rows - 1:
            assert seen == Counter(pairs_of(corpus, "train"))
    assert seen == Counter(2 * pairs_of(corpus, "train"))
    one, two = (pair_batch(corpus, seed=2, step=3, batch_size=4, **LENGTHS) for _ in range(2))
    for name in ("source", "target_in", "target_out", "source_segments", "target_segments"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
        assert getattr(one, name).dtype == np.int64
    other = pair_batch(corpus, seed=3, step=3, batch_size=4, **LENGTHS)
    assert not np.array_equal(one.source, other.source)


def test_held_out_pairs_with_their_clusters(corpus: PairCorpus) -> None:
    rows, clusters, n_bytes = evaluation_pairs(corpus, *LENGTHS.values(), 10**9)
    held_out = pairs_of(corpus, "validation")
    assert Counter(unpacked(rows, corpus)) == Counter(held_out)
    assert ((clusters >= 0) == (rows.target_segments > 0)).all()
    for index, (_, target) in enumerate(held_out):
        assert tuple(rows.target_out[clusters == index].tolist()) == target
    assert n_bytes == sum(len(t.encode("utf-8")) for _, t in texts(corpus, "validation"))
    few, _, _ = evaluation_pairs(corpus, *LENGTHS.values(), 100)
    assert 50 < few.decoder_tokens < 160


def test_long_pairs_are_dropped_with_a_count(rows: list[tuple[str, str]], tmp_path: Path) -> None:
    corpus = prepare_pairs([table(tmp_path / "a.tsv", rows)], tmp_path / "c", fields=("1", "2"),
                           vocab_size=300, max_source_tokens=15, max_target_tokens=20)  # fmt: skip
    assert 0 < corpus.manifest["too_long"] < 600
    assert corpus.train.lengths.max(axis=0).tolist() <= [15, 20]
    with pytest.raises(UsageError, match=r"source and .* target tokens; a row has 10 and 48"):
        pair_batch(corpus, seed=0, step=0, batch_size=1, source_length=10, target_length=48)
    with pytest.raises(DataError, match="no pair is short enough"):
        prepare_pairs([tmp_path / "a.tsv"], tmp_path / "d", fields=("1", "2"), vocab_size=300,
                      max_source_tokens=2)  # fmt: skip


def test_a_pair_with_a_blank_or_filtered_side_goes_as_a_whole(
    rows: list[tuple[str, str]], tmp_path: Path
) -> None:
    more = [*rows[:100], ("", ""), (" ", "left"), ("right", " "), ("1 2 3", "4 5 6")]
    corpus = prepare_pairs(
        [table(tmp_path / "a.tsv", more)], tmp_path / "c", fields=("1", "2"), vocab_size=280,
        cleaning=Cleaning(max_digits=0.9),
    )  # fmt: skip
    assert corpus.manifest["dropped"] == {"blank": 3, "max_digits": 1}
    assert corpus.manifest["pairs_read"] == 104
    kept = texts(corpus, "train") + texts(corpus, "validation")
    assert set(kept) <= set(rows)


def test_damage_and_other_folders(corpus: PairCorpus, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(corpus.path, tmp_path / "copy"))
    assert isinstance(open_corpus(copy), PairCorpus)
    for name in ("train.source.bin", "validation.target.bin", "train.lengths.bin"):
        data = (copy / name).read_bytes()
        for changed in (bytes([data[0] ^ 1]) + data[1:], data[:-4], b""):
            (copy / name).write_bytes(changed)
            with pytest.raises(DataError):
                PairCorpus.load(copy)
        (copy / name).write_bytes(data)
    PairCorpus.load(copy)
    manifest = json.loads((copy / "pairs.json").read_text("utf-8"))
    (copy / "pairs.json").write_text(json.dumps({**manifest, "format": "isoloss-pairs-9"}))
    with pytest.raises(DataError, match="is unknown"):
        PairCorpus.load(copy)
    with pytest.raises(NotFoundError, match="no prepared pairs"):
        PairCorpus.load(tmp_path)
    with pytest.raises(UsageError, match=r"fields = \['1', '2'\]"):
        prepare_pairs(corpus.manifest["sources"], corpus.path, fields=("2", "1"))


def test_too_few_pairs_and_missing_fields(rows: list[tuple[str, str]], tmp_path: Path) -> None:
    few = table(tmp_path / "few.tsv", rows[:10])
    with pytest.raises(DataError, match="10 different pairs are too few"):
        prepare_pairs([few], tmp_path / "c", fields=("1", "2"))
    with pytest.raises(DataError, match="column 7 was asked for"):
        prepare_pairs([few], tmp_path / "c", fields=("1", "7"))
    with pytest.raises(UsageError, match="found 1"):
        prepare_pairs([few], tmp_path / "c", fields=("1",))  # type: ignore[arg-type]
    assert not (tmp_path / "c").exists()


def test_a_source_of_sentences_and_several_targets(
    tmp_path: Path, rows: list[tuple[str, str]]
) -> None:
    """Sentences become one text; of several targets the first is taken, and that is said."""
    told = [
        {"text": source.split(" ", 1), "by": {"summary": [target, *["another"] * (n % 3 == 0)]}}
        for n, (source, target) in enumerate(rows)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, told)), "utf-8")
    said: list[str] = []
    corpus = prepare_pairs(
        [path],
        tmp_path / "pairs",
        fields=("text", "by.summary"),
        vocab_size=400,
        on_progress=said.append,
    )
    decode = corpus.tokenizer().decode
    pairs = [tuple(map(decode, corpus.train.pair(n))) for n in range(len(corpus.train))]
    assert set(pairs) <= set(rows)
    assert corpus.manifest["several_targets"] == 200
    assert "200 rows have several targets; the first of each is taken" in said
    assert "further targets of 200 rows" in corpus.summary()


def test_tatoeba(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "corpora" / "mt_tatoeba_enzh"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    corpus = prepare_pairs([folder], tmp_path / "c", fields=("1", "2"), attribution_field="3",
                           vocab_size=2048)  # fmt: skip
    facts = corpus.report()
    assert facts["pairs_read"] == 26_286
    assert facts["train_pairs"] + facts["validation_pairs"] > 25_000
    assert "CC-BY" in (corpus.path / "train.attribution.txt").read_text("utf-8")
    assert ("I can speak English.", "我会说英语。") in texts(corpus, "train") or len(
        corpus.train
    ) > 0
