"""Task files of lm-evaluation-harness with their data, and a tiny model in both formats."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

WORDS = ["the", "old", "man", "and", "sea", "went", "up", "a", "hill", "to", "fetch", "water"]
LETTERS = "abcdefghijklmnopqrstuvwxyz A:?,.\n"
CONTEXT = 64

CHOICE = """
task: tiny_choice
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/choice.jsonl}}, cache_dir: {cache}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}\\nAnswer:"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: answer
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: acc_norm, aggregation: mean, higher_is_better: true}}
metadata: {{version: 1.5}}
"""
TEXTS = """
task: tiny_texts
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/texts.jsonl}}, cache_dir: {cache}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{prompt}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs:
  {{until: ["lz", "\\n\\n", "k"], max_gen_toks: 12, do_sample: false, temperature: 0.0}}
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true}}
metadata: {{version: 2.0}}
"""
ROLLING = """
task: tiny_rolling
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/rolling.jsonl}}, cache_dir: {cache}}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{{{page}}}}"
metric_list:
  - metric: word_perplexity
  - metric: byte_perplexity
  - metric: bits_per_byte
metadata: {{version: 0.0}}
"""
GROUP = """
group: tiny_group
task: [tiny_choice, tiny_texts]
"""


def sentences(count: int, longest: int) -> list[str]:
    rng = random.Random(count)
    return [" ".join(rng.choices(WORDS, k=rng.randint(1, longest))) for _ in range(count)]


def examples() -> dict[str, list[dict[str, Any]]]:
    """Some contexts are longer than the model's, two are empty, one ends in spaces."""
    rng = random.Random(0)
    long = sentences(3, 40)
    asked = ["", "what is it?  ", *sentences(5, 6), *long]
    return {
        "choice": [
            {"question": text, "choices": sentences(3 + i % 2, 3), "answer": rng.randrange(3)}
            for i, text in enumerate(asked)
        ],
        "texts": [{"prompt": text or "x", "answer": "y"} for text in asked],
        "rolling": [{"page": text} for text in [*sentences(3, 4), *sentences(4, 60)]],
    }


@pytest.fixture
def task_folder(tmp_path: Path) -> Path:
    """Three tasks and a group."""
    pytest.importorskip("lm_eval", reason="lm-eval (extra [hf]) is not installed")
    folder = tmp_path / "tasks"
    folder.mkdir()
    for name, rows in examples().items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, "utf-8")
    for name, text in {"choice": CHOICE, "texts": TEXTS, "rolling": ROLLING}.items():
        filled = text.format(folder=folder, cache=tmp_path / "cache")
        (folder / f"{name}.yaml").write_text(filled, "utf-8")
    (folder / "group.yaml").write_text(GROUP, "utf-8")
    return folder


@pytest.fixture
def only_given(task_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave lm-eval's own tasks out: reading their list takes seconds."""
    import lm_eval.tasks

    plain = lm_eval.tasks.TaskManager

    def small(include_path: Any = None, include_defaults: bool = True) -> Any:
        return plain(include_path=include_path, include_defaults=False)

    monkeypatch.setattr(lm_eval.tasks, "TaskManager", small)


@pytest.fixture
def exported(tmp_path: Path) -> Any:
    """Makes a model of a family with random weights, as a folder of Hugging Face.

    `gpt_neox` is a family that isoloss lacks, so that `transformers` runs it.
    Its texts begin with their `end`, or with a start that its tokeniser only names (`named`), or
    also puts before every text (`added`).
    """

    def make(family: str, *, start: str = "end") -> Path:
        from isoloss._files import write_json_atomic
        from isoloss.architecture import config_for_width
        from isoloss.corpus.tokenizers import START
        from isoloss.models import build_model
        from isoloss.training.exchange import export_model
        from isoloss.training.finetuning.states import write_plain

        folder, out = tmp_path / "trained", tmp_path / "exported"
        folder.mkdir()
        tokenizer = letters()
        tokenizer.save(str(folder / "tokenizer.json"))
        config = config_for_width(
            32,
            family="llama" if family == "gpt_neox" else family,
            vocab_size=tokenizer.get_vocab_size(),
            context_length=CONTEXT,
        )
        model = build_model(config, seed=0)
        disturb(model)
        write_plain(model, folder / "checkpoint.safetensors")
        row = {"objective": "causal", "tokens": 1_000_000, "loss": 2.5, "status": "ok"}
        write_json_atomic(folder / "run.json", {"run_id": "0123456789abcdef", "row": row})
        export_model(folder, out)
        if family == "gpt_neox":
            save_neox(out)
        if start != "end":
            name_start(out, START, added=start == "added")
        return out

    return make


def save_neox(folder: Path) -> None:
    """Put a model of another family in the place of the one in a folder."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.GPTNeoXConfig(
        vocab_size=letters().get_vocab_size(), hidden_size=32, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=64, max_position_embeddings=CONTEXT,
        initializer_range=0.3, bos_token_id=0, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    transformers.GPTNeoXForCausalLM(config).save_pretrained(folder)


def name_start(folder: Path, name: str, *, added: bool) -> None:
    """Say in a tokeniser's files how a text begins, and put that before every text."""
    from tokenizers import Tokenizer, processors

    settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    settings["bos_token"] = name
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    others = folder / "special_tokens_map.json"
    others.write_text(json.dumps(json.loads(others.read_text("utf-8")) | {"bos_token": name}))
    if added:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        entry = (name, tokenizer.token_to_id(name))
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{name} $A", special_tokens=[entry]
        )
        tokenizer.save(str(folder / "tokenizer.json"))


def letters() -> Any:
    """A tokeniser with one entry a letter, and the special ones."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    from isoloss.corpus.tokenizers import END_OF_TEXT, START

    special = [END_OF_TEXT, START]
    entries = {name: number for number, name in enumerate([*special, *LETTERS])}
    tokenizer = Tokenizer(models.BPE(vocab=entries, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(special)
    return tokenizer


def disturb(model: Any) -> None:
    """Weights so large that the model has opinions, and texts that end."""
    import torch

    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator) * 0.25
            if parameter.ndim < 2:
                parameter.add_(noise)
            else:
                parameter.copy_(noise)
