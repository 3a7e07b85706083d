"""Decoding: what the cache, the batch, Hugging Face and brute force must agree on."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.errors import UsageError
from isoloss.models.huggingface import to_huggingface
from isoloss.tasks import GenerationSettings, OpenModel, generate
from isoloss.tasks.generation import decoding
from isoloss.tasks.generation.decoding import cut_at
from isoloss.tasks.generation.sampling import penalised, probabilities
from isoloss.tasks.hub_models import HubModel, HubShape
from isoloss.tasks.sessions import new_session, padded

Make = Callable[..., OpenModel]
PROMPTS = ["the quick brown fox", "a", "hello, world. ", "zz"]
FAMILIES = ["llama", "gpt2", "isoloss", "qwen3", "bart", "encoder-decoder"]
GREEDY = GenerationSettings(temperature=0.0, max_tokens=14)


def theirs_of(opened: OpenModel) -> Any:
    """The same model of transformers."""
    import transformers

    values, weights = to_huggingface(opened.model)  # pyright: ignore[reportArgumentType]
    kind = getattr(transformers, values["architectures"][0])
    special = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 2}
    if opened.kind == "encoder_decoder":
        special |= {"decoder_start_token_id": 1, "forced_eos_token_id": None}
    model = kind(kind.config_class.from_dict({**values, **special}))
    model.load_state_dict(weights, strict=False)
    model.tie_weights()
    for name, value in special.items():
        setattr(model.generation_config, name, value)
    return model.eval()


def their_tokens(opened: OpenModel, model: Any, prompts: list[str], **options: Any) -> list[Any]:
    left = opened.kind == "decoder"
    rows = [opened.encode(prompt) + ([] if left else [opened.end]) for prompt in prompts]
    tokens, segments = padded(rows, opened.pad, left=left)
    mask = torch.ones_like(tokens) if segments is None else segments
    made = model.generate(input_ids=tokens, attention_mask=mask, do_sample=False, **options)
    first = tokens.shape[1] if left else 1
    return [
        tuple(itertools.takewhile(lambda token: token != 0, row[first:])) for row in made.tolist()
    ]


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3", "isoloss", "bart"])
@pytest.mark.parametrize("beams", [1, 2, 4])
def test_the_tokens_are_those_of_transformers(opened_random: Make, family: str, beams: int) -> None:
    opened = opened_random(family, seed=beams)
    asked = replace(GREEDY, beams=beams)
    ours = [one.tokens for one in generate(opened, PROMPTS, asked)]
    theirs = their_tokens(opened, theirs_of(opened), PROMPTS, num_beams=beams, max_new_tokens=14)
    assert ours == theirs
    assert len(set(ours)) > 1


@pytest.mark.parametrize("penalty", [0.0, 0.6, 2.0])
def test_beams_with_a_length_penalty(opened_random: Make, penalty: float) -> None:
    lengths = set()
    for seed in range(3):
        opened = opened_random("llama", seed=seed, scale=0.15)
        with torch.no_grad():
            opened.model.head.weight[0] *= 3  # pyright: ignore  # ends come more often
        asked = replace(GREEDY, beams=3, length_penalty=penalty)
        ours = [one.tokens for one in generate(opened, PROMPTS, asked)]
        theirs = their_tokens(
            opened,
            theirs_of(opened),
            PROMPTS,
            num_beams=3,
            length_penalty=penalty,
            max_new_tokens=14,
        )
        assert ours == theirs
        lengths |= {len(tokens) for tokens in ours}
    assert len(lengths) > 1


def test_repetition_penalty_is_that_of_transformers(opened_random: Make) -> None:
    opened = opened_random("llama", seed=5)
    asked = replace(GREEDY, repetition_penalty=1.3)
    ours = [one.tokens for one in generate(opened, PROMPTS[:1], asked)]
    theirs = their_tokens(
        opened, theirs_of(opened), PROMPTS[:1], repetition_penalty=1.3, max_new_tokens=14
    )
    assert ours == theirs
    assert ours != [one.tokens for one in generate(opened, PROMPTS[:1], GREEDY)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("positions", [None, "alibi", "sinusoidal", "learned"])
def test_the_cache_changes_nothing(opened_random: Make, family: str, positions: str | None) -> None:
    options = {} if positions is None else {"positions": positions}
    opened = opened_random(family, **options)
    rows = [opened.encode(prompt) for prompt in PROMPTS]
    pairs = opened.kind == "encoder_decoder"
    sources = rows if pairs else None
    rows = [[1] for _ in rows] if pairs else rows
    with torch.inference_mode():
        session = new_session(opened, rows, capacity=40, sources=sources)
        logits = session.begin()
        for step in range(5):
            fresh = new_session(opened, session.rows, capacity=40, sources=sources)
            torch.testing.assert_close(logits, fresh.begin(), atol=1e-4, rtol=1e-4)
            logits = session.step([(7 * step + row) % 30 for row in range(len(rows))])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_does_not_depend_on_its_batch(opened_random: Make, family: str) -> None:
    opened = opened_random(family)
    asked = GenerationSettings(max_tokens=10, seed=3, top_p=0.9)
    together = generate(opened, PROMPTS, asked)
    by_two = generate(opened, PROMPTS, asked, batch_rows=2)
    assert [one.tokens for one in together] == [one.tokens for one in by_two]
    assert generate(opened, PROMPTS[:1], asked)[0].tokens == together[0].tokens
    assert [one.prompt for one in together] == PROMPTS


def test_equal_prompts_draw_different_texts(opened_random: Make) -> None:
    made = generate(opened_random("llama"), ["abc"] * 4, GenerationSettings(max_tokens=12))
    assert len({one.tokens for one in made}) == 4


def test_the_window_slides_in_a_batch(opened_random: Make) -> None:
    """Rows of different lengths, each seen as its own last tokens."""
    opened = opened_random("isoloss", context_length=16)
    made = generate(opened, PROMPTS, replace(GREEDY, max_tokens=30))
    for prompt, one in zip(PROMPTS, made, strict=True):
        ids = opened.encode(prompt)
        for token in one.tokens:
            window = torch.tensor([ids[-16:]])
            assert token == int(opened.logits(window)[0, -1].argmax())
            ids.append(token)


def test_log_probabilities_are_those_of_the_model(opened_random: Make) -> None:
    opened = opened_random("llama")
    for asked in (
        GenerationSettings(max_tokens=8, temperature=0.5, seed=1),
        replace(GREEDY, beams=2),
    ):
        (one,) = generate(opened, ["abc"], asked)
        ids = [*opened.encode("abc"), *one.tokens]
        shares = opened.logits(torch.tensor([ids[:-1]]))[0].detach().double().log_softmax(-1)
        wanted = [float(shares[at - 1, ids[at]]) for at in range(3, len(ids))]
        assert list(one.log_probs) == pytest.approx(wanted, abs=1e-5)
        assert one.log_prob == pytest.approx(sum(wanted), abs=1e-4)


def test_wide_beams_find_the_likeliest_text(opened_random: Make) -> None:
    """As many beams as there are beginnings: the search is exhaustive."""
    opened = opened_random("llama", seed=2)
    ids, size = opened.encode("ab"), opened.tokenizer.get_vocab_size()
    best: tuple[float, tuple[int, ...]] = (-float("inf"), ())
    for first in range(1, size):
        shares = (
            opened.logits(torch.tensor([[*ids, first]]))[0, 1:].detach().double().log_softmax(-1)
        )
        second = int(shares[1].argmax())
        tokens = (first,) if second == 0 else (first, second)
        best = max(best, (float(shares[0, first] + shares[1, second]), tokens))
    best = max(best, (float(shares[0, 0]), ()))
    asked = replace(GREEDY, beams=size, max_tokens=2, length_penalty=0.0)
    (one,) = generate(opened, ["ab"], asked)
    assert one.score == pytest.approx(best[0], abs=1e-5)
    assert one.tokens == best[1]


@settings(max_examples=60, deadline=None)
@given(
    tenths=st.lists(st.integers(-60, 60), min_size=2, max_size=12, unique=True),
    top_k=st.none() | st.integers(1, 12),
    top_p=st.none() | st.floats(0.05, 1.0),
    min_p=st.none() | st.floats(0.01, 1.0),
    temperature=st.floats(0.2, 3.0),
)
def test_what_may_be_drawn_is_what_transformers_lets(
    tenths: list[int],
    top_k: int | None,
    top_p: float | None,
    min_p: float | None,
    temperature: float,
) -> None:
    from transformers import (
        MinPLogitsWarper,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    logits = torch.tensor([tenths], dtype=torch.float64) / 10  # no ties, whatever the scale
    asked = GenerationSettings(top_k=top_k, top_p=top_p, min_p=min_p, temperature=temperature)
    ours = probabilities(logits, asked)
    none: Any = None
    theirs = TemperatureLogitsWarper(temperature)(none, logits)
    if top_k is not None:
        theirs = TopKLogitsWarper(top_k)(none, theirs)
    if top_p is not None and top_p < 1:
        theirs = TopPLogitsWarper(top_p)(none, theirs)
    if min_p is not None:
        theirs = MinPLogitsWarper(min_p)(none, theirs)
    torch.testing.assert_close(ours, theirs.softmax(-1), atol=1e-9, rtol=1e-9)


def test_presence_penalty_is_taken_once_from_new_tokens() -> None:
    scores = torch.zeros(1, 4)
    asked = GenerationSettings(presence_penalty=0.5)
    assert penalised(scores, asked, [[0, 1, 2, 2]], [[2, 2]]).tolist() == [[0, 0, -0.5, 0]]


def test_stop_texts_end_a_text_and_are_left_out(opened_random: Make) -> None:
    opened = opened_random("llama")
    (whole,) = generate(opened, ["abc"], replace(GREEDY, max_tokens=20))
    stop = whole.text[4:6]
    (cut,) = generate(opened, ["abc"], replace(GREEDY, max_tokens=20, stop=(stop,)))
    assert cut.text == whole.text[: whole.text.find(stop)]
    assert cut.ended == "stop"
    assert len(cut.tokens) < len(whole.tokens)


@pytest.mark.parametrize("stop", [(), ("q",), (" a", "th")])
def test_pieces_make_the_text(opened_random: Make, stop: tuple[str, ...]) -> None:
    opened = opened_random("gpt2")
    pieces: list[str] = []
    asked = GenerationSettings(max_tokens=25, stop=stop, seed=4)
    (one,) = generate(opened, ["abc"], asked, on_text=lambda _, piece: pieces.append(piece))
    assert "".join(pieces) == one.text
    assert len(pieces) > 3 or stop


def test_half_a_character_is_held_back(opened_random: Make) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = ["<|endoftext|>", "<|start|>", "<|pad|>", *letters]
    byte_level = Tokenizer(models.BPE(vocab={n: i for i, n in enumerate(names)}, merges=[]))
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte_level.decoder = decoders.ByteLevel()
    opened = opened_random("llama")
    wanted = byte_level.encode("中文é").ids
    script = iter([*wanted, 0])

    told: list[str] = []
    row = decoding._Row(index=0, prompt="", ids=[])
    opened = replace(opened, tokenizer=byte_level)
    for token in script:
        decoding._take(
            opened, row, token, 0.0, GREEDY, lambda _, piece: told.append(piece), last=False
        )
    assert told == ["中", "文", "é"]


def test_cut_at_takes_the_first_of_all() -> None:
    assert cut_at("a b c", ["c", "b"]) == ("a ", True)
    assert cut_at("a b c", ["x"]) == ("a b c", False)


@pytest.mark.parametrize("family", ["llama", "bart"])
def test_a_model_that_only_transformers_has(opened_random: Make, family: str) -> None:
    """The wrapper around a model of transformers gives the tokens of ours."""
    ours = opened_random(family)
    inner = theirs_of(ours)
    shape = HubShape(ours.tokenizer.get_vocab_size(), ours.context_length, ours.source_length)
    theirs = replace(ours, model=HubModel(inner, ours.kind, shape))
    for asked in (GREEDY, replace(GREEDY, beams=3), GenerationSettings(max_tokens=9, seed=2)):
        a, b = (generate(one, PROMPTS, asked) for one in (ours, theirs))
        assert [one.tokens for one in a] == [one.tokens for one in b]


def test_an_encoder_does_not_generate(opened_random: Make) -> None:
    with pytest.raises(UsageError, match="needs a model of kind decoder or encoder-decoder"):
        generate(opened_random("encoder"), ["a"])


def test_a_source_that_is_too_long(opened_random: Make) -> None:
    with pytest.raises(UsageError, match="a source of 42 tokens exceeds the 40"):
        generate(opened_random("bart"), ["a" * 41], GREEDY)


@pytest.mark.parametrize(
    "options",
    [
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"min_p": -1.0},
        {"repetition_penalty": 0.0},
        {"beams": 0},
        {"beams": 2, "top_k": 3},
        {"beams": 2, "temperature": 0.5},
        {"stop": ("",)},
        {"length_penalty": float("nan")},
    ],
)
def test_impossible_settings(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        GenerationSettings(**options)


def test_a_prompt_is_decoded_once(opened_random: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, told = opened_random("llama"), list[list[int]]()
    plain = OpenModel.plain

    def counted(self: OpenModel, ids: list[int]) -> str:
        told.append(list(ids))
        return plain(self, ids)

    monkeypatch.setattr(OpenModel, "plain", counted)
    made = generate(opened, PROMPTS, replace(GREEDY, stop=("~",)))
    assert sum(len(one.tokens) for one in made) > 2 * len(made)
    for prompt in PROMPTS:
        assert told.count(opened.encode(prompt)) == 1
