"""Text generation: deterministic, within its limits, and clear about what is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from isoloss.architecture import config_for_width
from isoloss.corpus import END_OF_TEXT, Corpus
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.models import Decoder
from isoloss.tasks import GenerationSettings, generate_text
from isoloss.tasks.generation.sampling import probabilities
from isoloss.training import Recipe, RunConfig, TrainingState, train_run


@pytest.fixture(scope="module")
def model(tiny_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    run = RunConfig(
        architecture=config_for_width(16, vocab_size=300, context_length=32),
        recipe=Recipe(warmup_steps=2, batch_tokens=256),
        steps=30,
        seed=0,
        corpus_fingerprint=tiny_corpus.fingerprint,
        eval_tokens=640,
    )
    train_run(run, tiny_corpus, folder)
    return folder


@pytest.fixture
def copy(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "moved"))


Edit = Callable[[Decoder], object]


def edit(folder: Path, change: Edit) -> Path:
    """Change the weights of a model in place."""
    state = TrainingState.load(folder / "checkpoint.safetensors")
    with torch.no_grad():
        change(state.model)
    state.save(folder / "checkpoint.safetensors")
    return folder


def test_the_seed_decides_the_text(model: Path) -> None:
    def sample(seed: int, **options: Any) -> str:
        return generate_text(model, "Ba", max_tokens=60, seed=seed, **options)

    first = sample(0)
    torch.manual_seed(99)
    assert sample(0) == first
    assert first.startswith("Ba")
    assert sample(1) != first
    assert sample(0, temperature=0) == sample(5, temperature=0) == sample(3, top_k=1)


def test_sampling_leaves_the_global_generator_alone(model: Path) -> None:
    before = torch.get_rng_state()
    generate_text(model, "", max_tokens=3)
    assert torch.equal(before, torch.get_rng_state())


def test_greedy_text_is_the_likeliest_token_of_the_sliding_window(model: Path) -> None:
    state = TrainingState.load(model / "checkpoint.safetensors")
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    prompt = "Some words that are longer than the context of thirty-two tokens, by far. " * 2
    ids = tokenizer.encode(prompt).ids
    assert len(ids) > 40
    for _ in range(12):
        ids.append(int(state.model(torch.tensor([ids[-32:]]))[0, -1].argmax()))
    got = generate_text(model, prompt, max_tokens=12, temperature=0)
    assert got == tokenizer.decode(ids)


def test_an_empty_prompt_starts_after_an_end_of_text(model: Path) -> None:
    state = TrainingState.load(model / "checkpoint.safetensors")
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    end = tokenizer.token_to_id(END_OF_TEXT)
    first = int(state.model(torch.tensor([[end]]))[0, -1].argmax())
    assert generate_text(model, "", max_tokens=1, temperature=0) == tokenizer.decode([first])


def test_it_stops_at_an_end_of_text(copy: Path) -> None:
    end = Tokenizer.from_file(str(copy / "tokenizer.json")).token_to_id(END_OF_TEXT)

    def always_end(model: Decoder) -> None:
        model.head.weight.zero_()
        hidden = model.hidden(torch.tensor([[5]]))[0, 0]
        model.head.weight[end] = 100 * hidden

    edit(copy, always_end)
    tokenizer = Tokenizer.from_file(str(copy / "tokenizer.json"))
    prompt = tokenizer.decode([5])
    assert generate_text(copy, prompt, max_tokens=50, temperature=0) == prompt


def test_top_k_keeps_exactly_k() -> None:
    logits = torch.tensor([1.0, 3.0, 3.0, 3.0, -1.0], dtype=torch.float64)
    kept = probabilities(logits[None], GenerationSettings(top_k=2))[0]
    assert sorted(kept.tolist()) == [0, 0, 0, 0.5, 0.5]
    everything = probabilities(logits[None], GenerationSettings(temperature=2.0, top_k=99))[0]
    torch.testing.assert_close(everything, (logits / 2).softmax(0))


@pytest.mark.parametrize("temperature", [1e-300, 1e300])
def test_extreme_temperatures(model: Path, temperature: float) -> None:
    text = generate_text(model, "Ba", max_tokens=8, temperature=temperature)
    greedy = generate_text(model, "Ba", max_tokens=8, temperature=0)
    assert (text == greedy) == (temperature < 1)


@pytest.mark.parametrize("prompt", ["學而時習之，不亦說乎？", "👩‍💻 é\r\n\x00", f"a{END_OF_TEXT}b"])
def test_any_prompt_comes_back_as_it_was(model: Path, prompt: str) -> None:
    assert generate_text(model, prompt, max_tokens=2).startswith(prompt)


@pytest.mark.parametrize(
    "options",
    [
        {"max_tokens": 0},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"top_k": 0},
        {"prompt": "\ud800"},
    ],
)
def test_impossible_settings(model: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        generate_text(model, **{"prompt": "", "max_tokens": 1, **options})


def test_no_model_there(tmp_path: Path, copy: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NotFoundError, match="no trained model here"):
            generate_text(folder)
    (copy / "checkpoint.safetensors").unlink()
    values = json.loads((copy / "run.json").read_text("utf-8"))
    values["row"] |= {"status": "diverged", "reason": "diverged: loss nan at step 3"}
    (copy / "run.json").write_text(json.dumps(values))
    with pytest.raises(NotFoundError, match="its run diverged: loss nan at step 3"):
        generate_text(copy)


@pytest.mark.parametrize("name", ["checkpoint.safetensors", "run.json", "tokenizer.json"])
@pytest.mark.parametrize("data", [b"", b"junk", b"\xff\xfe{}", b"[]"])
def test_damaged_parts(copy: Path, name: str, data: bytes) -> None:
    (copy / name).write_bytes(data)
    with pytest.raises(DataError) as caught:
        generate_text(copy, max_tokens=1)
    assert name in caught.value.message
    assert caught.value.hint


def test_parts_that_do_not_belong_together(copy: Path) -> None:
    path = copy / "tokenizer.json"
    values = json.loads(path.read_text("utf-8"))
    last = max(values["model"]["vocab"], key=values["model"]["vocab"].get)
    del values["model"]["vocab"][last]
    values["model"]["merges"].pop()
    path.write_text(json.dumps(values), "utf-8")
    with pytest.raises(DataError, match="the tokeniser has 299 entries, the model 300"):
        generate_text(copy)
    path.unlink()
    with pytest.raises(DataError, match=r"tokenizer\.json is missing"):
        generate_text(copy)


def test_weights_that_give_no_probabilities(copy: Path) -> None:
    edit(copy, lambda model: model.head.weight.fill_(float("nan")))
    with pytest.raises(DataError, match="no finite probabilities"):
        generate_text(copy)


def test_a_tokeniser_of_another_corpus(copy: Path) -> None:
    path = copy / "tokenizer.json"
    values = json.loads(path.read_text("utf-8"))
    entries = values["model"]["vocab"]
    first, second = list(entries)[-2:]
    entries[first], entries[second] = entries[second], entries[first]  # as many entries as before
    path.write_text(json.dumps(values), "utf-8")
    with pytest.raises(DataError, match="not the tokeniser that the model was trained with"):
        generate_text(copy)


def test_only_decoders_generate_text(copy: Path) -> None:
    shape = config_for_width(16, vocab_size=300, context_length=32, family="encoder")
    TrainingState.start(shape, Recipe(), seed=0).save(copy / "checkpoint.safetensors")
    with pytest.raises(
        UsageError,
        match="generation needs a model of kind decoder or encoder-decoder, found encoder",
    ):
        generate_text(copy)
