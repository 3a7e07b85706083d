"""Where fine-tuning starts: folders of isoloss and of Hugging Face."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from isoloss.architecture import config_for_width
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.models import LanguageModel, build_model
from isoloss.models.huggingface import to_huggingface
from isoloss.tasks import open_model
from isoloss.tasks.extractive import Extractive
from isoloss.tasks.translation import Translation
from isoloss.training.exchange import export_model, import_model
from isoloss.training.finetuning import Tuning, finetune, open_start

BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "go", "##ing", "to", "sleep", "."]
BART = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "go", "to", "sleep", "."]


def hub_folder(folder: Path, family: str, names: list[str], **values: Any) -> LanguageModel:
    """A folder as transformers saves it, with a tokeniser of these entries."""
    config = config_for_width(16, vocab_size=len(names), context_length=16, family=family)
    model = build_model(config, seed=3)
    written, weights = to_huggingface(model)
    folder.mkdir()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps({**written, **values}), "utf-8")
    entries = {name: number for number, name in enumerate(names)}
    special = [name for name in names if name[0] in "[<"]
    unknown = next(name for name in special if "unk" in name.lower())
    tokenizer = Tokenizer(models.WordPiece(entries, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(special)
    end = "[SEP]" if "[SEP]" in names else "</s>"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", special_tokens=[(end, entries[end])]
    )
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), "utf-8")
    return model.eval()


def test_bert_names_no_end_of_text_and_can_be_tuned(tmp_path: Path) -> None:
    model = hub_folder(tmp_path / "bert", "bert", BERT, pad_token_id=0)
    start = open_start(tmp_path / "bert")
    opened = start.opened()
    assert (opened.kind, opened.end, opened.pad, opened.bos) == ("encoder", 3, 0, None)
    assert opened.tokenizer.token_to_id("<|mask|>") == 4
    assert opened.encode("going to sleep.") == [5, 6, 7, 8, 9]
    tokens = torch.tensor([[2, 5, 6, 3]])
    torch.testing.assert_close(start.model(tokens), model(tokens))


def test_bart_begins_targets_with_its_end(tmp_path: Path) -> None:
    ids = {"eos_token_id": 2, "decoder_start_token_id": 2, "pad_token_id": 1}
    hub_folder(tmp_path / "bart", "bart", BART, **ids)
    start = open_start(tmp_path / "bart")
    opened = start.opened()
    assert (opened.end, opened.start, opened.pad) == (2, 2, 1)
    assert start.run_id == import_model(tmp_path / "bart", tmp_path / "imported").run_id
    again = open_start(tmp_path / "imported")
    assert (again.weights, again.run_id) == (start.weights, start.run_id)
    assert again.opened().end == 2


def test_a_folder_of_isoloss(model_folder: Callable[..., Path]) -> None:
    folder = model_folder("isoloss")
    start = open_start(folder)
    assert start.run_id == "start-0123"
    assert start.tokenizer_json == (folder / "tokenizer.json").read_text("utf-8")


def test_mistakes(tmp_path: Path, model_folder: Callable[..., Path]) -> None:
    with pytest.raises(NotFoundError, match="no trained model here"):
        open_start(tmp_path / "nothing")
    folder = model_folder("isoloss")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens(["more"])
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), "utf-8")
    with pytest.raises(DataError, match="the tokeniser has 59 entries, the model 58"):
        open_start(folder)
    (folder / "tokenizer.json").write_text('{"model": {"vocab": {"a": 0}}, "added_tokens": []}')
    with pytest.raises(DataError, match="nothing in it ends a text"):
        open_start(folder)
    hub_folder(tmp_path / "t5", "bert", BERT, model_type="t5")
    with pytest.raises(UsageError, match="type 't5' cannot be imported"):
        open_start(tmp_path / "t5")


def test_what_was_tuned_is_a_model_of_isoloss(tmp_path: Path) -> None:
    """Opened, scored and exported without a word of where it came from."""
    ids = {"eos_token_id": 2, "decoder_start_token_id": 2, "pad_token_id": 1}
    hub_folder(tmp_path / "bart", "bart", BART, **ids)
    hub_folder(tmp_path / "bert", "bert", BERT, pad_token_id=0)
    row: dict[str, Any] = {"place": "x", "source": "go to", "target": "sleep."}
    asked = {
        "place": "x",
        "question": "sleep",
        "context": "go to sleep.",
        "answers": [{"text": "sleep", "answer_start": 6}],
    }
    other = {**asked, "context": "to sleep.", "answers": [{"text": "sleep", "answer_start": 3}]}
    tuning = Tuning(steps=2, batch_rows=1)
    ways: dict[str, dict[str, Any]] = {
        "bart": {
            "task": Translation(max_tokens=4),
            "train": [row],
            "dev": [{**row, "source": "to"}],
        },
        "bert": {"task": Extractive(), "train": [asked], "dev": [other]},
    }
    for name, given in ways.items():
        done = finetune(tmp_path / name, out=tmp_path / f"{name}-tuned", tuning=tuning, **given)
        assert done.score is not None
        opened = open_model(tmp_path / f"{name}-tuned")
        assert opened.run_id == done.row["run_id"]
        again = given["task"].evaluate(opened, given["dev"])
        assert again.outputs == done.score.outputs
        told = export_model(tmp_path / f"{name}-tuned", tmp_path / f"{name}-out")
        assert told.family == name
        assert open_start(tmp_path / f"{name}-out").weights == open_start(opened.folder).weights
