"""`train_one`: from texts to a model, with every mistake named before any work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from isoloss.corpus import Corpus, PairCorpus
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.training import Recipe, Stop, aims, single, train_one
from isoloss.training._progress import shown_progress


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes of a test instead of the sizes of the studies."""
    monkeypatch.setattr(single, "VOCAB_SIZE", 300)
    monkeypatch.setattr(single, "CONTEXT_LENGTH", 32)
    monkeypatch.setattr(single, "EVAL_TOKENS", 640)
    monkeypatch.setattr(single, "Recipe", lambda: Recipe(warmup_steps=2, batch_tokens=256))


@pytest.fixture
def text(tiny_corpus: Corpus) -> Path:
    return Path(tiny_corpus.manifest["sources"][0])


def train(text: Path, out: Path, **changes: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"d_model": 16, "tokens": 5_300, "seed": 0, "text_field": "text"}
    return train_one([text], out=out, **{**options, **changes})


@pytest.mark.usefixtures("quick")
def test_a_model_is_trained_once_and_kept(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = train(text, tmp_path)
    assert (row["tokens"], row["steps"], row["d_model"]) == (5_120, 20, 16)
    values = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert values["row"] == row
    assert (tmp_path / "corpus" / "corpus.json").exists()
    written = (tmp_path / "checkpoint.safetensors").stat().st_mtime_ns
    assert train(text, tmp_path, tokens=5_121) == row  # the same whole steps
    assert (tmp_path / "checkpoint.safetensors").stat().st_mtime_ns == written
    output = capsys.readouterr()
    assert output.out == ""
    assert "reading the text" in output.err


@pytest.mark.usefixtures("quick")
def test_a_folder_of_another_run_is_refused(text: Path, tmp_path: Path) -> None:
    train(text, tmp_path)
    changes: list[tuple[dict[str, Any], str]] = [
        ({"d_model": 32}, r"architecture\.d_model 16, not 32"),
        ({"seed": 1}, r" \(seed 0, not 1\)$"),
        ({"tokens": 6_000}, r" \(steps 20, not 23\)$"),
    ]
    for change, differs in changes:
        with pytest.raises(UsageError, match=f"holds another run: .*{differs}"):
            train(text, tmp_path, **change)
    with pytest.raises(UsageError, match="holds the corpus of"):
        train_one([], d_model=16, tokens=5_300, out=tmp_path, seed=0, text_field="text")


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        ({"d_model": 40}, "multiple of 16, the width of a head; found 40", "32 or 48"),
        ({"d_model": 5}, "multiple of 16", "--d-model 16."),
        ({"d_model": 0}, "multiple of 16", "--d-model 16."),
        ({"tokens": 500_000}, "500,000 tokens are 488 steps of 1,024", "--tokens 512000"),
        ({"tokens": 500_000}, "500,000 tokens are 488 steps", "steps: --batch-tokens 896."),
        ({"tokens": 50_000}, "50,000 tokens are 48 steps of 1,024", "--tokens 512000 or more."),
        ({"tokens": -1}, "are 0 steps", "--tokens 512000"),
        ({"seed": -1}, "must not be negative, found -1", ""),
    ],
)
def test_settings_are_checked_before_any_work(
    text: Path, tmp_path: Path, change: dict[str, int], message: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        train(text, tmp_path / "out", **{"tokens": 1_000_000, **change})
    assert hint in caught.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("quick")
def test_more_tokens_than_the_text_has(text: Path, tmp_path: Path, tiny_corpus: Corpus) -> None:
    unique = (tiny_corpus.train_tokens - 1) // 32 * 32
    asked = (unique // 256 + 1) * 256
    with pytest.raises(DataError, match=f"has {unique:,} training tokens, {asked:,} were asked"):
        train(text, tmp_path / "some", tokens=asked)
    size = text.stat().st_size
    with pytest.raises(DataError, match=r"has at most .* tokens, 10,240,000 were") as caught:
        train(text, tmp_path / "more", tokens=10_240_000)
    found = int(str(caught.value).split("at most ")[1].split(" ")[0].replace(",", ""))
    assert size < found < 1.01 * size
    assert not (tmp_path / "more").exists()  # known from the size of the file
    with pytest.raises(DataError, match="were asked for") as caught:
        train(text, tmp_path, tokens=10_240_000, recipe=Recipe())
    assert f"with --batch-tokens {found // 500 // 32 * 32} or less" in caught.value.hint
    with pytest.raises(NotFoundError, match="nowhere"):
        train(tmp_path / "nowhere", tmp_path / "out")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("options", "columns"),
    [
        ({"family": "llama"}, {"architecture": "decoder/llama", "objective": "causal"}),
        ({"objective": "masked"}, {"architecture": "encoder", "objective": "masked"}),
        ({"family": "bert"}, {"architecture": "encoder/bert", "objective": "masked"}),
        ({"objective": "prefix"}, {"architecture": "decoder", "objective": "prefix"}),
        ({"family": "encoder-decoder"}, {"objective": "span_corruption", "n_layer": 2}),
        ({"n_layer": 1, "context_length": 64}, {"n_layer": 1, "context_length": 64}),
        ({"device": "auto"}, {"status": "ok"}),
    ],
)
def test_every_kind_of_model(
    text: Path, tmp_path: Path, options: dict[str, Any], columns: dict[str, Any]
) -> None:
    row = train(text, tmp_path, **options)
    assert row["status"] == "ok"
    assert {name: row[name] for name in columns} == columns


@pytest.mark.usefixtures("quick")
def test_pairs(tmp_path: Path, reversed_pairs: PairCorpus) -> None:
    source = Path(reversed_pairs.manifest["sources"][0])
    row = train(source, tmp_path, fields=("a", "b"))
    assert (row["objective"], row["architecture"]) == ("sequence_to_sequence", "encoder_decoder")
    assert row["tokens"] == row["meta_tokens_encoder"] + row["meta_tokens_decoder"] < 5_300
    with pytest.raises(UsageError, match="takes no pairs of fields"):
        train(source, tmp_path / "b", fields=("a", "b"), objective="masked")
    with pytest.raises(UsageError, match="needs the names of two fields"):
        train(source, tmp_path / "b", objective="sequence_to_sequence")


@pytest.mark.usefixtures("quick")
def test_rules_to_stop(text: Path, tmp_path: Path, tiny_corpus: Corpus) -> None:
    two_epochs = train(text, tmp_path / "a", tokens=None, stop=Stop(epochs=2))
    assert two_epochs["tokens"] == 2 * tiny_corpus.train_tokens // 256 * 256
    assert two_epochs["unique_tokens"] == tiny_corpus.train_tokens
    flops = train(text, tmp_path / "b", stop=Stop(flops=two_epochs["flops"] / 10), tokens=None)
    assert flops["flops"] == pytest.approx(two_epochs["flops"] / 10, rel=0.02)
    with pytest.raises(UsageError, match=r"tokens=5,300 and stop\.tokens=10 are given"):
        train(text, tmp_path / "c", stop=Stop(tokens=10))
    with pytest.raises(UsageError, match="the run has 0 steps of 256"):
        train(text, tmp_path / "c", tokens=None, stop=Stop(flops=1e3))


@pytest.mark.usefixtures("quick")
def test_a_model_of_another_kind_is_refused_before_any_work(text: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="trains a model of kind 'encoder', found 'decoder'"):
        train(text, tmp_path / "out", family="llama", objective="masked")
    with pytest.raises(UsageError, match="no such family of models: 'lama'"):
        train(text, tmp_path / "out", family="lama")
    assert not (tmp_path / "out").exists()


def test_without_sources_it_is_the_standard_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Seen(Exception):
        pass

    def prepare(sources: list[str], *_: Any, **options: Any) -> Corpus:
        assert options["vocab_size"] == 1024
        raise Seen(sources)

    monkeypatch.setattr(aims, "prepare_corpus", prepare)
    with pytest.raises(Seen, match=r"\['stdlib'\]"):
        train_one([], d_model=64, tokens=1_000_000, out=tmp_path, seed=0, text_field="text")


def test_plain_progress_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = iter(range(10_000))
    monkeypatch.setattr("time.monotonic", lambda: next(seconds) / 5)
    with shown_progress(95, "width 16") as on_step:
        for step in range(1, 96):
            on_step(step, 3.25)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "width 16: 11% of 95 steps, training loss 3.250" or len(lines) in (9, 10)
    assert lines[-1] == "width 16: 100% of 95 steps, training loss 3.250"
    with shown_progress(95, "width 16") as on_step:  # a resumed run
        for step in range(60, 96):
            on_step(step, 3.25)
    assert 3 <= len(capsys.readouterr().err.splitlines()) <= 5


def test_a_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with shown_progress(3, "width 16") as on_step:
        for step in (1, 2, 3):
            on_step(step, 1.0)
    assert capsys.readouterr().out == ""
