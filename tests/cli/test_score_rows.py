"""`isoloss evaluate --store`: scores in the row of the run, and what is refused first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isoloss.cli import main
from isoloss.runs import RunStore

RUN = {"params_total": 1e6, "tokens": 2e7, "loss": 3.5, "name": "small", "status": "ok"}
COLUMNS = ("metric_word_perplexity", "metric_word_perplexity_low", "metric_word_perplexity_high")


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """A model that nothing trained, with the row of a run beside it, on four texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    from isoloss.architecture import config_for_width
    from isoloss.models import build_model
    from isoloss.training.finetuning.states import write_plain

    entries = ["<|endoftext|>", *"abcdefghijklmnopqrstuvwxyz "]
    letters = Tokenizer(models.BPE(vocab={e: i for i, e in enumerate(entries)}, merges=[]))
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    letters.decoder = decoders.Fuse()
    letters.add_special_tokens(entries[:1])
    config = config_for_width(16, vocab_size=len(entries), context_length=32, n_layer=1)
    folder = tmp_path / "small"
    folder.mkdir()
    write_plain(build_model(config, seed=0), folder / "checkpoint.safetensors")
    letters.save(str(folder / "tokenizer.json"))
    run = {"run_id": "r1", "run": {}, "row": RUN}
    (folder / "run.json").write_text(json.dumps(run), "utf-8")
    data = tmp_path / "texts.jsonl"
    data.write_text("".join(f'{{"text": "{"a" * n} man"}}\n' for n in (1, 2, 3, 4)), "utf-8")
    return ["evaluate", str(folder), "--task", "perplexity", "--data", str(data)]


def test_the_run_and_its_scores_are_written_once(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "new" / "s.sqlite"
    assert main([*words, "--store", str(store), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["paths"] == {"store": str(store)}
    assert (document["recorded"]["run_id"], document["recorded"]["how"]) == ("r1", "added")
    assert set(COLUMNS) <= set(document["recorded"]["columns"])
    with RunStore.open(store) as opened:
        (row,) = opened.runs().used().rows()
    assert (row["run_id"], row["name"], row["loss"]) == ("r1", "small", 3.5)
    score = document["metrics"]["word_perplexity"]
    assert [row[name] for name in COLUMNS] == [score[end] for end in ("value", "low", "high")]
    assert main([*words, "--store", str(store)]) == 0
    assert "the row of run r1 has these scores already" in capsys.readouterr().out


def test_other_scores_amend_the_row(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, result = tmp_path / "s.sqlite", tmp_path / "r.json"
    with RunStore.open(store) as opened:
        opened.add_run(RUN | {"run_id": "r1", "metric_bits_per_byte": 9.0})
    assert main([*words, "-o", str(result), "--store", str(store)]) == 0
    out = capsys.readouterr().out
    assert f"Added to the row of run r1, which {store} has: metric_" in " ".join(out.split())
    assert result.exists()
    with RunStore.open(store) as opened:
        first, *events = opened.history("r1")
        (row,) = opened.rows()
    assert first["row"]["metric_bits_per_byte"] == 9.0
    assert [event["payload"]["why"] for event in events] == ["scored on perplexity"]
    assert row["metric_bits_per_byte"] < 9.0


def test_what_is_refused_before_the_model_answers(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    not_one = tmp_path / "s.sqlite"
    not_one.write_text("no database", "utf-8")
    assert main([*words, "--store", str(not_one)]) == 3
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main([*words, "--store", str(empty)]) == 5
    texts = ["evaluate", "--task", "translation", "--data", "x", "--predictions", "y"]
    assert main([*texts, "--store", str(tmp_path / "t.sqlite")]) == 2
    captured = capsys.readouterr()
    assert "--store is for the scores of a model" in captured.err
    assert captured.out == ""
    assert not (tmp_path / "t.sqlite").exists()
