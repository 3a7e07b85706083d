"""A prepared corpus: whole, the same each time, and guarded by its fingerprint."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from isoloss.corpus import (
    END_OF_TEXT,
    Cleaning,
    Corpus,
    Document,
    prepare_corpus,
    split_documents,
)
from isoloss.errors import DataError, NotFoundError, UsageError


@pytest.fixture
def copy(tiny_corpus: Corpus, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_corpus.path, tmp_path / "copy"))


def decoded(corpus: Corpus, ids: np.ndarray) -> str:
    tokenizer = Tokenizer.from_file(str(corpus.path / "tokenizer.json"))
    return tokenizer.decode(ids.tolist(), skip_special_tokens=False)


def test_tokens_decode_to_the_text(tiny_corpus: Corpus, tiny_text: str) -> None:
    parts = decoded(tiny_corpus, np.asarray(tiny_corpus.train)).split(END_OF_TEXT)
    assert parts.pop() == ""
    assert len(parts) >= 8
    assert all(part in tiny_text for part in parts)
    starts = tiny_corpus.validation_starts
    for start, end in zip(starts, [*starts[1:], len(tiny_corpus.validation)], strict=True):
        block = decoded(tiny_corpus, np.asarray(tiny_corpus.validation[start:end]))
        assert block.count(END_OF_TEXT) == 1
        assert block.removesuffix(END_OF_TEXT) in tiny_text


def test_token_bytes_add_up_to_the_text(tiny_corpus: Corpus) -> None:
    text = decoded(tiny_corpus, np.asarray(tiny_corpus.train)).replace(END_OF_TEXT, "")
    assert tiny_corpus.token_bytes[tiny_corpus.train].sum() == len(text.encode("utf-8"))
    assert tiny_corpus.vocab_size == 300
    assert tiny_corpus.train_tokens == tiny_corpus.manifest["train_tokens"]


def test_the_same_text_gives_the_same_fingerprint(
    tiny_corpus: Corpus, tiny_text: str, tmp_path: Path
) -> None:
    (tmp_path / "other name.md").write_text(tiny_text, "utf-8")
    again = prepare_corpus([tmp_path / "other name.md"], tmp_path / "c", vocab_size=300)
    assert again.fingerprint == tiny_corpus.fingerprint


def test_chinese_text_and_a_spelt_out_end_of_text_survive(tmp_path: Path) -> None:
    line = f"子曰：「學而時習之，不亦說乎？」 {END_OF_TEXT} \r\n"
    (tmp_path / "a.txt").write_text("\ufeff" + line * 1_500, "utf-8", newline="")
    corpus = prepare_corpus(
        [tmp_path / "a.txt"],
        tmp_path / "c",
        vocab_size=280,
        cleaning=Cleaning(line_ends=False),
        near_duplicates=None,
    )
    end = int(np.flatnonzero(corpus.token_bytes == 0)[0])
    expected = split_documents([Document(name="a", text=line * 1_500)])
    assert (corpus.train == end).sum() == len(expected.train)
    assert (corpus.validation == end).sum() == len(corpus.validation_starts)
    text = decoded(corpus, np.asarray(corpus.validation[corpus.validation != end]))
    assert line in text
    assert corpus.token_bytes[corpus.validation].sum() == len(text.encode("utf-8"))


def test_a_finished_corpus_is_opened_and_another_one_refused(
    tiny_corpus: Corpus, tmp_path: Path
) -> None:
    sources = [Path(s) for s in tiny_corpus.manifest["sources"]]
    before = (tiny_corpus.path / "corpus.json").stat().st_mtime_ns
    assert prepare_corpus(sources, tiny_corpus.path, vocab_size=300).train_tokens > 0
    assert (tiny_corpus.path / "corpus.json").stat().st_mtime_ns == before
    with pytest.raises(UsageError, match=r"holds the corpus of .*text.txt, not of"):
        prepare_corpus([tmp_path / "other.txt"], tiny_corpus.path, vocab_size=300)
    with pytest.raises(UsageError, match="300 vocabulary entries, 301"):
        prepare_corpus(sources, tiny_corpus.path, vocab_size=301)


@pytest.mark.parametrize("vocab_size", [256, 1_048_577])
def test_impossible_vocabularies(tmp_path: Path, vocab_size: int) -> None:
    with pytest.raises(UsageError, match="257 to 1,048,576"):
        prepare_corpus(["stdlib"], tmp_path, vocab_size=vocab_size)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["train.bin", "validation.bin"])
@pytest.mark.parametrize("at", [0, 777, -1])
def test_a_changed_byte_is_noticed(copy: Path, name: str, at: int) -> None:
    Corpus.load(copy)
    flip(copy / name, at)
    with pytest.raises(DataError, match="not those that were prepared") as caught:
        Corpus.load(copy)
    assert "Delete the folder" in caught.value.hint


@pytest.mark.parametrize("name", ["train.bin", "validation.bin", "tokenizer.json"])
def test_missing_short_and_empty_files_are_noticed(copy: Path, name: str) -> None:
    whole = (copy / name).read_bytes()
    for data in (whole[:-2], whole[:-1], b""):
        (copy / name).write_bytes(data)
        with pytest.raises(DataError):
            Corpus.load(copy)
    (copy / name).unlink()
    with pytest.raises(DataError, match="damaged"):
        Corpus.load(copy)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "isoloss-corpus-1"},
        {"token_type": "<u4"},
        {"domains": [{"name": "a", "weight": 1, "train": [0, 9], "validation": [0, 9]}]},
        {"fingerprint": None},
        {"fingerprint": "0" * 64},
        {"validation_starts": [0, 5]},
        {"token_bytes": [1] * 300},
        {"token_bytes": "junk"},
    ],
)
def test_a_changed_manifest_is_noticed(copy: Path, change: dict[str, object]) -> None:
    path = copy / "corpus.json"
    values = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({k: v for k, v in {**values, **change}.items() if v is not None}))
    with pytest.raises(DataError):
        Corpus.load(copy)


def test_large_corpora_are_hashed_once_and_again_when_they_change(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from isoloss.corpus import shards, tokens

    monkeypatch.setattr(shards, "HASHED_ALWAYS", 0)
    monkeypatch.setattr(shards, "SETTLED_SECONDS", -1.0)
    Corpus.load(copy)
    assert (copy / "verified.json").is_file()
    # Nothing is hashed now: a fingerprint that cannot be computed is not missed.
    with monkeypatch.context() as patch:
        patch.delattr(tokens, "fingerprint")
        Corpus.load(copy)
        with pytest.raises(NameError):
            Corpus.load(copy, recheck=True)
    moved = Path(shutil.copytree(copy, tmp_path / "moved"))  # with times and all
    flip(moved / "train.bin", 100)
    stat = (copy / "train.bin").stat()
    os.utime(moved / "train.bin", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(DataError, match="not those that were prepared"):
        Corpus.load(moved)
    flip(copy / "train.bin", 100)
    os.utime(copy / "train.bin", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(DataError, match="not those that were prepared"):
        Corpus.load(copy)


def test_a_file_that_just_changed_is_not_trusted_later(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from isoloss.corpus import shards

    monkeypatch.setattr(shards, "HASHED_ALWAYS", 0)
    os.utime(copy / "train.bin")
    Corpus.load(copy)
    assert not (copy / "verified.json").exists()


def test_no_corpus(tmp_path: Path, copy: Path) -> None:
    with pytest.raises(NotFoundError, match="no prepared corpus"):
        Corpus.load(tmp_path)
    (copy / "corpus.json").write_text('["junk"')
    with pytest.raises(DataError, match="damaged"):
        Corpus.load(copy)
