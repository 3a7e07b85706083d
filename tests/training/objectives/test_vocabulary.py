"""Where words begin, for the tokenisers of isoloss and those from elsewhere."""

from __future__ import annotations

import json

import numpy as np
import pytest

from isoloss.corpus.tokenizers import make_tokenizer
from isoloss.training.objectives.vocabulary import read_vocabulary

TEXT = "The cat (ein Kätzchen)\nsat: 3.14, don't 你好 мир!\tEnd"


def words(tokenizer, text: str) -> list[str]:
    encoding = tokenizer.encode(text, add_special_tokens=False)
    vocabulary = read_vocabulary(tokenizer.to_str())
    starts = vocabulary.word_starts(np.asarray([encoding.ids]))[0]
    groups = np.split(np.asarray(encoding.ids), np.flatnonzero(starts)[1:])
    return [tokenizer.decode(group.tolist()) for group in groups]


def test_bytes_one_by_one() -> None:
    tokenizer = make_tokenizer("bytes", list, vocab_size=257)
    # A byte knows no more than itself: a space is a word, and so is what follows it.
    expected = "The| |cat| |(|ein| |Kätzchen|)|\n|sat|:| |3|.|14|,| |don|'|t| |你|好| |мир|!|\t|End"
    assert "|".join(words(tokenizer, TEXT)) == expected


def test_merged_bytes() -> None:
    tokenizer = make_tokenizer("bpe", lambda: [TEXT * 50], vocab_size=290)
    found = words(tokenizer, TEXT)
    assert "".join(found) == TEXT
    assert found[:5] == ["The", " cat", " (", "ein", " Kätzchen"]
    assert {" don", "'t", "sat", " мир"} <= set(found)


def test_characters_with_bytes_for_rare_ones() -> None:
    tokenizer = make_tokenizer("characters", lambda: ["abc é"], vocab_size=262)
    found = words(tokenizer, "abé ça")
    assert found == ["abé", " ", "ça"]


def test_unigram_with_metaspace_and_wordpiece() -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    pieces = [("<unk>", 0.0), ("▁the", -1.0), ("▁w", -2.0), ("ord", -2.0), (".", -3.0)]
    unigram = Tokenizer(models.Unigram(pieces, unk_id=0))
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.decoder = decoders.Metaspace()
    ids = unigram.encode("the word.", add_special_tokens=False).ids
    assert ids == [1, 2, 3, 4]
    starts = read_vocabulary(unigram.to_str()).word_starts(np.asarray([ids]))
    assert starts[0].tolist() == [True, True, False, True]

    piece = Tokenizer(
        models.WordPiece({"[UNK]": 0, "play": 1, "##ing": 2, "now": 3}, unk_token="[UNK]")
    )
    piece.pre_tokenizer = pre_tokenizers.Whitespace()
    ids = piece.encode("playing now", add_special_tokens=False).ids
    starts = read_vocabulary(piece.to_str()).word_starts(np.asarray([ids]))
    assert starts[0].tolist() == [True, False, True]


def test_special_tokens_are_words_and_no_ordinary_entries() -> None:
    tokenizer = make_tokenizer("bytes", list, vocab_size=257, special_tokens=["<|mask|>"])
    vocabulary = read_vocabulary(tokenizer.to_str())
    assert vocabulary.ordinary.tolist() == list(range(1, 257))
    a = tokenizer.token_to_id("a")
    starts = vocabulary.word_starts(np.asarray([[a, a, 257, a, 0, a]]))
    assert starts[0].tolist() == [True, False, True, True, True, True]


def test_what_is_no_tokeniser() -> None:
    with pytest.raises(KeyError):
        read_vocabulary(json.dumps({"added_tokens": []}))
