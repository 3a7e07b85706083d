"""From texts to tokens: every setting does what it says, in bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isoloss.corpus import Cleaning, Corpus, preparation, prepare_corpus
from isoloss.corpus.shards import TokenWriter, token_type
from isoloss.errors import DataError, EnvironmentProblem, UsageError


def text_file(path: Path, seed: int, documents: int, words: int = 120) -> Path:
    rng = np.random.default_rng(seed)
    lines = [
        json.dumps({"text": " ".join(f"w{n}" for n in rng.integers(0, 2_000, words))})
        for _ in range(documents)
    ]
    path.write_text("\n".join(lines), "utf-8")
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return text_file(tmp_path / "a.jsonl", 0, 200)


def decoded(corpus: Corpus, ids: np.ndarray) -> list[str]:
    return corpus.tokenizer().decode(ids.tolist(), skip_special_tokens=False).split("<|endoftext|>")


def test_every_tokeniser_gives_the_same_text(source: Path, tmp_path: Path) -> None:
    found = {}
    for kind in ("bpe", "unigram", "characters", "bytes"):
        corpus = prepare_corpus([source], tmp_path / kind, vocab_size=320, tokenizer=kind)
        assert corpus.manifest["bytes_kept"] == 1
        found[kind] = (decoded(corpus, corpus.train), decoded(corpus, corpus.validation))
        n_bytes = corpus.token_bytes[corpus.validation].sum()
        assert n_bytes == sum(len(t.encode()) for t in found[kind][1])
    assert found["bpe"] == found["unigram"] == found["characters"] == found["bytes"]


def test_a_tokeniser_that_loses_text_is_told_of(source: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "w1": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_str())
    lines: list[str] = []
    corpus = prepare_corpus(
        [source], tmp_path / "c", tokenizer=tmp_path / "tokenizer.json", on_progress=lines.append
    )
    assert 0 < corpus.manifest["bytes_kept"] < 0.01
    assert lines[-1].startswith("the tokeniser keeps 0.")
    assert "the tokens stand for 0." in corpus.summary()


def test_large_vocabularies_are_kept_in_four_bytes(tmp_path: Path) -> None:
    assert (token_type(65_536).str, token_type(65_537).str) == ("<u2", "<u4")
    words = [
        f"{a}{b}{c}"
        for a in "學而時習之不亦說乎有"
        for b in "朋自遠方來人知慍君子"
        for c in "abcdefgh"
    ]
    from tokenizers import Tokenizer, models, pre_tokenizers

    entries = {"[UNK]": 0} | {f"filler{i}": i for i in range(1, 70_000)}
    entries |= {word: 70_000 + i for i, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(entries, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_str(), "utf-8")
    rng = np.random.default_rng(0)
    (tmp_path / "a.txt").write_text("\n".join(rng.choice(words, 20_000)), "utf-8")
    corpus = prepare_corpus(
        [tmp_path / "a.txt"], tmp_path / "c", tokenizer=tmp_path / "tokenizer.json"
    )
    assert corpus.train.dtype == np.dtype("<u4")
    assert corpus.train.max() > 65_536
    assert (tmp_path / "c" / "train.bin").stat().st_size == 4 * corpus.train_tokens
    chosen = decoded(corpus, corpus.validation[:50])[0].split()
    assert set(chosen) <= set(words)


def test_what_was_left_out_is_counted(tmp_path: Path) -> None:
    path = text_file(tmp_path / "a.jsonl", 0, 200)
    rows = [json.loads(line)["text"] for line in path.read_text("utf-8").split("\n")]
    rows += [
        rows[0],
        rows[1] + " end",
        rows[2] + " end",
        " ",
        "1 2 3 4 5 6",
        "bell\x07 " + "w " * 60,
    ]
    path.write_text("\n".join(json.dumps({"text": row}) for row in rows), "utf-8")
    corpus = prepare_corpus(
        [path], tmp_path / "c", vocab_size=300, cleaning=Cleaning(max_digits=0.9)
    )
    facts = corpus.report()
    near = facts["near_duplicates"]
    assert facts["documents_read"] == 206
    assert (facts["blank"], facts["dropped"], facts["duplicates"]) == (1, {"max_digits": 1}, 1)
    assert (facts["documents"], facts["cleaned"]) == (203, 1)
    assert near["border"] + near["train"] + near["validation"] == 2
    assert sum(c["texts"] for c in facts["lengths"]) == 201
    shown = corpus.summary()
    assert "203 of 206 read" in shown
    assert "1 by the filter max_digits" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert json.loads(json.dumps(facts)) == facts


def test_a_part_of_the_text_and_all_of_it(source: Path, tmp_path: Path) -> None:
    part = prepare_corpus([source], tmp_path / "part", vocab_size=300, max_bytes=60_000)
    whole = prepare_corpus([source], tmp_path / "whole", vocab_size=300, max_bytes=None)
    assert 60_000 <= part.manifest["bytes"] < 61_000
    assert part.manifest["beyond_max_bytes"] == 200 - part.manifest["documents"] > 50
    assert whole.manifest["beyond_max_bytes"] == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"near_duplicates": None}, "near_duplicates = 0.8, None was asked for"),
        ({"tokenizer": "bytes"}, "tokenizer = bpe, bytes was asked for"),
        ({"cleaning": Cleaning(nfc=True)}, "cleaning = "),
        ({"max_bytes": 1}, "max_bytes = 64000000, 1 was asked for"),
    ],
)
def test_a_folder_of_other_settings_is_refused(
    tiny_corpus: Corpus, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        prepare_corpus(tiny_corpus.manifest["sources"], tiny_corpus.path, vocab_size=300, **changed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"near_duplicates": 0.1}, "must lie in"),
        ({"max_bytes": 0}, "max_bytes must be positive"),
        ({"weights": {"a": 1}}, "a weight for 'a', which is no domain"),
        ({"tokenizer": "wordpiece"}, "no such tokeniser"),
    ],
)
def test_impossible_settings(
    source: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        prepare_corpus([source], tmp_path / "c", **options)
    assert not (tmp_path / "c").exists()


def test_a_tokeniser_is_trained_on_an_even_sample(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real = preparation.make_tokenizer

    def watched(kind: str, texts: Any, **options: Any) -> Any:
        seen.extend(texts())
        return real(kind, texts, **options)

    monkeypatch.setattr(preparation, "make_tokenizer", watched)
    monkeypatch.setattr(preparation, "TOKENIZER_BYTES", 20_000)
    prepare_corpus([source], tmp_path / "c", vocab_size=270)
    rows = [json.loads(line)["text"] for line in source.read_text("utf-8").split("\n")]
    places = [rows.index(text) for text in seen]
    assert 18_000 <= sum(map(len, seen)) <= 20_000
    assert places == sorted(places)
    assert max(np.diff(places)) < 20
    assert places[-1] > 180


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with (  # noqa: PT012 - the error comes from leaving the inner block
        pytest.raises(EnvironmentProblem, match="No space left on device"),
        TokenWriter(path, np.dtype("<u2")) as writer,
    ):
        writer.append(np.arange(10))
        writer._file.close()
        writer._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
        writer.append(np.arange(10))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path, source: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        prepare_corpus([source], tmp_path / "file" / "below" / "c", vocab_size=300)


def test_memory_does_not_grow_with_the_text(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {"[UNK]": 0} | {f"w{n}": n for n in range(1, 3_000)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))  # quick; one token a word
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_str())
    code = """
import json, resource, sys
from pathlib import Path
import numpy as np
from isoloss.corpus import prepare_corpus

folder, documents = Path(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(0)
folder.mkdir()
with (folder / "a.jsonl").open("w") as file:
    for _ in range(documents):
        words = rng.integers(1, 3000, 1500)
        file.write(json.dumps({"text": " ".join(f"w{n}" for n in words)}) + chr(10))
prepare_corpus([folder / "a.jsonl"], folder / "c", tokenizer=sys.argv[3], max_bytes=None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""

    def peak(name: str, documents: int) -> int:
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / name), str(documents),
             str(tmp_path / "tokenizer.json")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return int(done.stdout)

    small, large = peak("small", 1_500), peak("large", 6_000)  # 11 MB and 45 MB of text
    assert large - small < 15_000_000


def test_a_corpus_that_is_only_repetition(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The very same line, again and again.\n" * 5_000)
    with pytest.raises(DataError, match="nothing is left to train on"):
        prepare_corpus([tmp_path / "a.txt"], tmp_path / "c", vocab_size=270)
