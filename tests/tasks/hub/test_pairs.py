"""Encoder-decoders of Hugging Face: the texts and likelihoods that `transformers` has."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from isoloss.errors import DataError
from isoloss.models import EncoderDecoder
from isoloss.tasks import GenerationSettings, OpenModel, generate, open_model
from isoloss.tasks.conventions import Conventions, own_conventions
from isoloss.tasks.hub_models import UNSTATED, HubModel
from isoloss.tasks.likelihood import continuations
from isoloss.tasks.sessions import new_session

PROMPTS = ["the quick fox", "in 1889", "it was the old town, every year"]
NAMES = ["bart", "t5", "m2m", "marian"]
Make = Callable[..., Path]


def their(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    return AutoModelForSeq2SeqLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(
        folder
    )


def their_texts(folder: Path, prompts: list[str], **options: Any) -> list[str]:
    """As a user of `transformers` has them."""
    model, tokenizer = their(folder)
    read = tokenizer(prompts, padding=True, return_tensors="pt")
    made = model.generate(**read, do_sample=False, **options)
    return tokenizer.batch_decode(made, skip_special_tokens=True)


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_texts_are_those_of_transformers(make_hub: Make, name: str, beams: int) -> None:
    texts: list[str] = []
    for seed in range(2):
        folder = make_hub(name, seed=seed)
        opened = open_model(folder)
        assert isinstance(opened.model, EncoderDecoder if name == "bart" else HubModel)
        asked = GenerationSettings(
            temperature=0.0 if beams == 1 else 1.0, beams=beams, max_tokens=9
        )
        ours = [one.text for one in generate(opened, PROMPTS, asked)]
        assert ours == their_texts(folder, PROMPTS, num_beams=beams, max_new_tokens=9)
        texts += ours
    assert len(set(texts)) > 2


def test_a_forced_first_entry_is_in_the_tokens_and_not_in_the_text(make_hub: Make) -> None:
    opened = open_model(make_hub("m2m"))
    language = opened.tokenizer.token_to_id("__fr__")
    assert opened.source([7]) == [opened.tokenizer.token_to_id("__en__"), 7, opened.end]
    for one in generate(opened, PROMPTS, GenerationSettings(max_tokens=5)):
        assert one.tokens[0] == language
        assert "__fr__" not in one.text


@pytest.mark.parametrize("beams", [1, 2])
def test_what_config_and_generation_config_force(make_hub: Make, beams: int) -> None:
    """`generation_config.json` goes first; without it `config.json` says what is forced."""
    folder = make_hub("bart", seed=4)
    asked = GenerationSettings(temperature=0.0 if beams == 1 else 1.0, beams=beams, max_tokens=6)
    found: list[list[str]] = []
    for forced in ({"forced_bos_token_id": 0}, {"forced_bos_token_id": 70}, {}):
        path = folder / "generation_config.json"
        ids = {"eos_token_id": 2, "pad_token_id": 1, "bos_token_id": 0, "decoder_start_token_id": 2}
        path.write_text(json.dumps({**ids, **forced}), "utf-8")
        found.append([one.text for one in generate(open_model(folder), PROMPTS, asked)])
        assert found[-1] == their_texts(folder, PROMPTS, num_beams=beams, max_new_tokens=6)
    assert found[0] != found[1] != found[2]
    (folder / "generation_config.json").unlink()
    opened = open_model(folder)
    assert opened.conventions.last == (2,)
    made = generate(opened, PROMPTS, asked)
    assert all(len(one.tokens) == 5 and one.ended == "length" for one in made)


def test_likelihood_of_a_target(make_hub: Make) -> None:
    """Of its text: begun as the model begins targets, given the source as its tokeniser has it."""
    for name, begun in (("bart", [2, 0]), ("t5", [0]), ("m2m", [2, 5]), ("marian", [2])):
        folder = make_hub(name)
        pairs = [("the quick fox", "jumps over"), ("in Paris", "the old town, every year")]
        model, tokenizer = their(folder)
        for pair, one in zip(pairs, continuations(open_model(folder), pairs), strict=True):
            wanted = tokenizer(pair[1], add_special_tokens=False)["input_ids"]
            target = torch.tensor([[*begun, *wanted[:-1]]])
            with torch.inference_mode():
                out = model(**tokenizer(pair[0], return_tensors="pt"), decoder_input_ids=target)
            shares = out.logits[0, len(begun) - 1 :].double().log_softmax(-1)
            picked = [float(shares[at, token]) for at, token in enumerate(wanted)]
            assert list(one.log_probs) == pytest.approx(picked, abs=1e-4)


@pytest.mark.parametrize("name", ["t5", "m2m", "marian"])
def test_the_cache_changes_nothing(make_hub: Make, name: str) -> None:
    opened = open_model(make_hub(name, seed=2))
    sources = [opened.source(opened.encode(prompt)) for prompt in PROMPTS]
    fed: list[int] = []
    with torch.inference_mode():
        session = new_session(opened, [[opened.start]] * 3, capacity=20, sources=sources)
        decoder = opened.model.inner.get_decoder()  # pyright: ignore
        decoder.register_forward_pre_hook(
            lambda _, __, given: fed.append(given["input_ids"].shape[1]), with_kwargs=True
        )
        logits = session.begin()
        for step in range(5):
            kept = list(fed)
            fresh = new_session(opened, session.rows, capacity=20, sources=sources)
            torch.testing.assert_close(logits, fresh.begin(), atol=1e-4, rtol=1e-4)
            fed[:] = kept
            if step == 2:
                session.keep([2, 0, 2])
                sources = [sources[row] for row in (2, 0, 2)]
            logits = session.step([7 + (7 * step + row) % 30 for row in range(3)])
    assert fed == [1] * 6  # each token once


def test_what_is_never_written(make_hub: Make) -> None:
    opened = open_model(make_hub("marian"))
    assert opened.conventions.never == (2,)
    asked = GenerationSettings(max_tokens=20, temperature=5.0)
    assert all(2 not in one.tokens for one in generate(opened, PROMPTS * 5, asked))
    free = replace(opened, conventions=replace(opened.conventions, never=()))
    assert any(2 in one.tokens for one in generate(free, PROMPTS * 5, asked))


@pytest.mark.parametrize("name", ["config.json", "generation_config.json"])
@pytest.mark.parametrize("beams", [1, 3])
def test_any_of_several_ends_ends_a_text(make_hub: Make, name: str, beams: int) -> None:
    folder = make_hub("t5", seed=3)
    asked = GenerationSettings(temperature=0.0 if beams == 1 else 1.0, beams=beams, max_tokens=9)
    before = generate(open_model(folder), PROMPTS, asked)
    ends = [1, *sorted({one.tokens[-1] for one in before})]  # what it does write
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), "eos_token_id": ends}), "utf-8")
    if name == "config.json":
        (folder / "generation_config.json").unlink()
    opened = open_model(folder)
    assert opened.end == 1
    assert opened.ends == tuple(ends)
    made = generate(opened, PROMPTS, asked)
    texts = their_texts(folder, PROMPTS, num_beams=beams, max_new_tokens=9)
    for one, theirs in zip(made, texts, strict=True):
        assert not set(one.tokens) & set(ends)
        assert theirs.startswith(one.text)  # the end itself is an ordinary piece, and stays there
    assert any(one.ended == "end" and len(one.tokens) < 9 for one in made)


def test_a_source_has_room_for_what_is_put_around_it(make_hub: Make) -> None:
    opened = open_model(make_hub("bart"))
    assert (opened.source_length, opened.source_room) == (48, 46)
    asked = GenerationSettings(max_tokens=2)
    generate(opened, [[5] * 46], asked)
    (cut,) = continuations(opened, [("x" * 200, "a")])
    assert cut.cut > 100


def test_the_context_of_a_model_that_states_none(make_hub: Make) -> None:
    folder = make_hub("t5")
    assert open_model(folder).source_length == UNSTATED
    path = folder / "tokenizer_config.json"
    values = json.loads(path.read_text("utf-8"))
    assert values["model_max_length"] > 1e20
    path.write_text(json.dumps({**values, "model_max_length": 77}), "utf-8")
    opened = open_model(folder)
    assert (opened.source_length, opened.context_length) == (77, 77)


def test_entries_that_are_none(make_hub: Make) -> None:
    folder = make_hub("m2m")
    path = folder / "generation_config.json"
    values = json.loads(path.read_text("utf-8"))
    for wrong in (5000, -1, "fr", True):
        path.write_text(json.dumps({**values, "forced_bos_token_id": wrong}), "utf-8")
        with pytest.raises(DataError, match=r"forced_bos_token_id is .*expected an entry"):
            open_model(folder)


def test_a_folder_that_lacks_weights(make_hub: Make) -> None:
    from safetensors.torch import load_file, save_file

    folder = make_hub("t5")
    path = folder / "model.safetensors"
    weights = load_file(path)
    del weights["decoder.final_layer_norm.weight"]
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(DataError, match=r"no weight 'decoder.final_layer_norm.weight'"):
        open_model(folder)


def test_truncation_and_padding_of_a_tokeniser_are_left_out(make_hub: Make) -> None:
    folder = make_hub("t5")
    opened: OpenModel = open_model(folder)
    wanted = opened.encode(PROMPTS[2])
    opened.tokenizer.enable_truncation(3)
    opened.tokenizer.enable_padding(length=40)
    (folder / "tokenizer.json").write_text(opened.tokenizer.to_str(), "utf-8")
    assert open_model(folder).encode(PROMPTS[2]) == wanted
    assert len(wanted) > 3


def test_tuning_goes_on_with_the_layout_of_the_model(make_hub: Make, tmp_path: Path) -> None:
    """Sources and targets as BART's own makers have them, in training and in the tuned model."""
    from isoloss.tasks.translation import Translation
    from isoloss.training.finetuning import Tuning, finetune, open_start
    from isoloss.training.finetuning.examples import task_pairs

    folder = make_hub("bart")
    rows = [
        {"place": "x", "source": "the quick fox", "target": "in Paris"},
        {"place": "y", "source": "in 1889", "target": "every year"},
    ]
    task = Translation(max_tokens=4)
    (tmp_path / "corpus").mkdir()
    found = task_pairs(task, open_start(folder), rows[:1], rows[1:], tmp_path / "corpus")
    opened = open_model(folder)
    plain = [opened.encode(rows[0][side]) for side in ("source", "target")]
    pairs = found.corpus.train
    assert pairs.source.tolist() == their(folder)[1](rows[0]["source"])["input_ids"]
    assert pairs.source.tolist() == [0, *plain[0], 2]
    assert pairs.target.tolist() == [0, *plain[1], 2]
    tuning = Tuning(steps=1, batch_rows=1)
    finetune(folder, task=task, train=rows[:1], dev=rows[1:], out=tmp_path / "t", tuning=tuning)
    tuned = open_model(tmp_path / "t")
    assert tuned.source(plain[0]) == [0, *plain[0], 2]
    assert tuned.conventions.target_before == (0,)


def test_a_tokeniser_that_an_own_model_was_given_adds_nothing() -> None:
    """Pairs of isoloss end with the end of text alone, whatever their tokeniser could add."""
    from tokenizers import Tokenizer, models, processors

    names = {"<s>": 0, "</s>": 1, "<|endoftext|>": 2, "a": 3}
    tokenizer = Tokenizer(models.WordLevel(names, unk_token="a"))
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    assert own_conventions(tokenizer, 2) == Conventions()
    assert own_conventions(tokenizer, 1).source_before == (0,)
