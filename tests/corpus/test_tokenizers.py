"""Tokenisers lose nothing, are the same each time, and know the bytes of every entry."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from isoloss.corpus import END_OF_TEXT, MASK, PAD, Corpus, prepare_corpus, sentinel
from isoloss.corpus.tokenizers import (
    KINDS,
    byte_character,
    check_choice,
    make_tokenizer,
    token_lengths,
)
from isoloss.errors import DataError, NotFoundError, UsageError

SPELT = f"a {END_OF_TEXT} b {MASK} <0x41> \x00\r\n 學而時習之 é 🌍 "


@pytest.fixture(scope="module")
def made(tiny_text: str) -> dict[str, Tokenizer]:
    return {
        kind: make_tokenizer(
            kind, lambda: [tiny_text[:60_000], SPELT], vocab_size=400, special_tokens=[MASK, PAD]
        )
        for kind in KINDS
    }


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(st.characters(codec="utf-8"), max_size=60))
@settings(max_examples=40, deadline=None)
def test_every_text_decodes_to_itself_and_bytes_add_up(
    made: dict[str, Tokenizer], kind: str, text: str
) -> None:
    lengths = token_lengths(made[kind].to_str())
    for sample in (text, SPELT + text):
        ids = made[kind].encode(sample, add_special_tokens=False).ids
        assert made[kind].decode(ids, skip_special_tokens=False) == sample
        assert lengths[ids].sum() == len(sample.encode("utf-8"))
        assert made[kind].token_to_id(END_OF_TEXT) not in ids


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_come_after_the_ordinary_ones(
    made: dict[str, Tokenizer], kind: str, tiny_text: str
) -> None:
    plain = make_tokenizer(kind, lambda: [tiny_text[:60_000], SPELT], vocab_size=400)
    size = plain.get_vocab_size()
    assert size == {"bytes": 257, "characters": size}.get(kind, 400)
    assert 257 < size < 400 or kind != "characters"
    assert made[kind].token_to_id(END_OF_TEXT) == 0
    assert [made[kind].token_to_id(t) for t in (MASK, PAD)] == [size, size + 1]
    assert made[kind].encode(SPELT).ids == plain.encode(SPELT).ids  # made again, the same
    lengths = token_lengths(made[kind].to_str())
    assert [int(lengths[i]) for i in (0, size, size + 1)] == [0, 0, 0]


def test_unigram_is_the_same_each_time(tiny_text: str) -> None:
    texts = [
        make_tokenizer("unigram", lambda: [tiny_text[:30_000]], vocab_size=350).to_str()
        for _ in range(3)
    ]
    assert texts[0] == texts[1] == texts[2]


def test_byte_characters_are_those_of_the_library() -> None:
    assert {byte_character(b) for b in range(256)} == set(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = make_tokenizer("bytes", list, vocab_size=1024)
    assert tokenizer.encode("A\n學").ids == [1 + b for b in "A\n學".encode()]


def test_a_frequent_character_is_one_token_and_a_rare_one_its_bytes() -> None:
    tokenizer = make_tokenizer("characters", lambda: ["學學學習習b"], vocab_size=259)
    assert tokenizer.get_vocab_size() == 259
    assert tokenizer.encode("學習").ids == [257, 258]
    assert tokenizer.encode("b").ids == [1 + ord("b")]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_too_little_text(kind: str) -> None:
    with pytest.raises(DataError, match="the text is too small: it gives a vocabulary of"):
        make_tokenizer(kind, lambda: ["ab ab ab"], vocab_size=4_000)


def word_level(path: Path, *, lowercase: bool = False) -> Path:
    vocabulary = {"[UNK]": 0, "学": 1, "the": 2, "cat": 3}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=9)
    path.write_text(tokenizer.to_str(), "utf-8")
    return path


def test_any_tokenizer_json(tmp_path: Path) -> None:
    path = word_level(tmp_path / "tokenizer.json", lowercase=True)
    tokenizer = make_tokenizer(path, list, vocab_size=1024, special_tokens=[MASK])
    assert (tokenizer.token_to_id(END_OF_TEXT), tokenizer.token_to_id(MASK)) == (4, 5)
    assert tokenizer.encode("The cat " * 10).ids == [2, 3] * 10  # neither cut nor filled up
    assert token_lengths(tokenizer.to_str()).tolist() == [0, 3, 3, 3, 0, 0]


def test_bytes_of_other_kinds_of_entries() -> None:
    metaspace = Tokenizer(models.BPE({"▁a": 0, "<0x41>": 1, "é": 2}, [], byte_fallback=True))
    metaspace.decoder = decoders.Metaspace()
    assert token_lengths(metaspace.to_str()).tolist() == [2, 1, 2]
    pieces = Tokenizer(models.WordPiece({"[UNK]": 0, "ab": 1, "##c": 2}, unk_token="[UNK]"))
    assert token_lengths(pieces.to_str()).tolist() == [0, 2, 1]


def test_files_that_are_no_tokenisers(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    for text in ("{}", "junk", '{"model": 5}'):
        path.write_text(text)
        with pytest.raises(DataError, match="is not a tokeniser"):
            make_tokenizer(path, list, vocab_size=1024)
    with pytest.raises(NotFoundError, match="no such file"):
        check_choice(tmp_path / "nowhere.json", 1024, ())
    with pytest.raises(UsageError, match="no such tokeniser: 'bpee'"):
        check_choice("bpee", 1024, ())


@pytest.mark.parametrize("tokens", [[MASK, MASK], [END_OF_TEXT], [" "]])
def test_impossible_special_tokens(tokens: list[str]) -> None:
    with pytest.raises(UsageError, match="is empty, named twice, or there anyway"):
        check_choice("bpe", 1024, tokens)


def test_a_corpus_knows_its_special_tokens(tiny_text: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(tiny_text, "utf-8")
    plain = prepare_corpus([tmp_path / "a.txt"], tmp_path / "plain", vocab_size=300)
    corpus: Corpus = prepare_corpus(
        [tmp_path / "a.txt"], tmp_path / "c", vocab_size=300, special_tokens=[MASK, sentinel(0)]
    )
    assert (corpus.token_id(MASK), corpus.token_id("<|sentinel_0|>")) == (300, 301)
    assert (corpus.vocab_size, corpus.end_of_text) == (302, 0)
    assert (corpus.train == plain.train).all()
    assert corpus.fingerprint != plain.fingerprint
    with pytest.raises(UsageError, match=r"no special token '<\|pad\|>', only") as caught:
        corpus.token_id(PAD)
    assert "special_tokens=" in caught.value.hint
    with pytest.raises(UsageError, match="prepared with special_tokens = "):
        prepare_corpus([tmp_path / "a.txt"], tmp_path / "c", vocab_size=300)
