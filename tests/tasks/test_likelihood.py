"""Log-probabilities of continuations and documents, against the plain forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from isoloss.errors import DataError, UsageError
from isoloss.tasks import OpenModel
from isoloss.tasks.likelihood import continuations, rolling_log_probs
from isoloss.tasks.perplexity import Perplexity

Make = Callable[..., OpenModel]
TEXT = "it was the best of times, it was the worst of times, it was the age of wisdom. "


def plain_shares(opened: OpenModel, ids: list[int]) -> torch.Tensor:
    """Log-probabilities (T, V) after each token."""
    with torch.inference_mode():
        return opened.logits(torch.tensor([ids]))[0].double().log_softmax(-1)


@pytest.mark.parametrize("family", ["llama", "gpt2", "isoloss"])
def test_continuations_of_a_batch_are_those_of_one_row(opened_random: Make, family: str) -> None:
    opened = opened_random(family)
    pairs = [("the cat", " sat"), ("a", "bc def"), ("", "xyz"), ("one two three four", ".")]
    found = continuations(opened, pairs)
    for (context, text), one in zip(pairs, found, strict=True):
        before = opened.encode(context) or [opened.end]
        after = opened.encode(text)
        shares = plain_shares(opened, [*before, *after])
        wanted = [float(shares[len(before) - 1 + i, token]) for i, token in enumerate(after)]
        assert list(one.log_probs) == pytest.approx(wanted, abs=1e-4)
        assert one.cut == 0


def test_an_encoder_decoder_scores_a_target_given_its_source(opened_random: Make) -> None:
    opened = opened_random("bart")
    pairs = [("the cat", "sat"), ("a much longer source", "x yz"), ("b", "q")]
    together = continuations(opened, pairs)
    for pair, one in zip(pairs, together, strict=True):
        (alone,) = continuations(opened, [pair])
        assert one.log_probs == pytest.approx(alone.log_probs, abs=1e-4)
        source = torch.tensor([[*opened.encode(pair[0]), opened.end]])
        after = opened.encode(pair[1])
        with torch.inference_mode():
            logits: Any = opened.model(source, torch.tensor([[opened.start, *after[:-1]]]))
        shares = logits[0].double().log_softmax(-1)
        wanted = [float(shares[i, token]) for i, token in enumerate(after)]
        assert list(one.log_probs) == pytest.approx(wanted, abs=1e-4)


def test_a_long_context_loses_its_beginning(opened_random: Make) -> None:
    opened = opened_random("isoloss", context_length=16)
    (one,) = continuations(opened, [(TEXT.strip(), " end")])
    ids = opened.encode(TEXT.strip() + " end")
    shares = plain_shares(opened, ids[-17:-1])
    assert one.cut == len(ids) - 1 - 16
    assert one.log_probs[-1] == pytest.approx(float(shares[-1, ids[-1]]), abs=1e-4)


@pytest.mark.parametrize("stride", [None, 1, 5, 16])
@pytest.mark.parametrize("length", [1, 15, 16, 17, 70])
def test_every_token_is_scored_once(opened_random: Make, stride: int | None, length: int) -> None:
    opened = opened_random("llama", context_length=16)
    ids = opened.encode(TEXT * 2)[:length]
    found = rolling_log_probs(opened, ids, stride=stride, batch_rows=3)
    assert len(found) == length
    whole = [opened.end, *ids]
    step = stride or 8
    for at in {0, length // 2, length - 1}:
        # The window that scores a token ends with its stride, and is a whole context long.
        end = 16 if at < 16 else 16 + math.ceil((at + 1 - 16) / step) * step
        end = min(end, length)
        window = whole[max(0, end - 16) : end]
        shares = plain_shares(opened, window)
        assert found[at] == pytest.approx(float(shares[at - end, ids[at]]), abs=1e-4)


def test_perplexity_per_token_word_and_byte(opened_random: Make) -> None:
    opened = opened_random("llama")
    texts = ["one two three", "a longer text, of five words"]
    examples = [{"text": text, "place": "here"} for text in texts]
    found = Perplexity().evaluate(opened, examples).metrics
    nats = -sum(math.fsum(rolling_log_probs(opened, opened.encode(text))) for text in texts)
    tokens = sum(len(opened.encode(text)) for text in texts)
    assert found["loss"].value == pytest.approx(nats / tokens)
    assert found["token_perplexity"].value == pytest.approx(math.exp(nats / tokens))
    assert found["word_perplexity"].value == pytest.approx(math.exp(nats / 9))
    size = sum(len(text.encode()) for text in texts)
    assert found["bits_per_byte"].value == pytest.approx(nats / size / math.log(2))
    assert found["byte_perplexity"].value == pytest.approx(2 ** found["bits_per_byte"].value)


def test_an_encoder_has_no_perplexity(opened_random: Make) -> None:
    with pytest.raises(UsageError, match="perplexity needs a model of kind decoder"):
        Perplexity().evaluate(opened_random("encoder"), [{"text": "a", "place": "x"}])


def test_a_number_is_no_document(opened_random: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isoloss.tasks.perplexity.rolling_log_probs", None)  # not asked for
    rows = [{"text": "a b", "place": "row 1"}, {"text": 5, "place": "row 2"}]
    with pytest.raises(DataError, match="row 2: expected a text, found 5"):
        Perplexity().evaluate(opened_random(), rows)
