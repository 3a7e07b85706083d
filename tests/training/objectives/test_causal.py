"""Next tokens: the windows of the corpus as they are, and documents apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from isoloss.corpus import batch as corpus_batch
from isoloss.corpus import evaluation_windows
from isoloss.errors import UsageError
from isoloss.models import build_model
from isoloss.training import evaluate_loss
from isoloss.training.evaluation import evaluate
from isoloss.training.objectives import Causal, batch_loss
from isoloss.training.objectives.causal import document_segments


def test_the_batch_is_that_of_the_corpus_and_the_loss_that_of_a_plain_loop(tiny_corpus, config_of):
    config = config_of("isoloss", vocab_size=tiny_corpus.vocab_size)
    model = build_model(config, seed=0)
    for step in (0, 7):
        windows = torch.from_numpy(
            corpus_batch(tiny_corpus.train, seed=5, step=step, batch_size=8, context_length=32)
        )
        batch = Causal().batch(tiny_corpus, config, seed=5, step=step, rows=8)
        assert torch.equal(batch.inputs["tokens"], windows[:, :-1])
        assert torch.equal(batch.targets, windows[:, 1:].flatten())
        assert batch.places is None
        assert set(batch.inputs) == {"tokens"}
        assert (batch.tokens, batch.encoder_tokens, batch.predicted) == (256, 0, 256)
        plain = F.cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())
        assert batch_loss(model, batch).item() == plain.item()


def test_its_evaluation_is_that_of_the_windows_bit_for_bit(tiny_corpus, config_of):
    config = config_of("isoloss", vocab_size=tiny_corpus.vocab_size)
    model = build_model(config, seed=2)
    torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(0))
    windows, clusters, n_bytes = evaluation_windows(tiny_corpus, 32, 2_000)
    expected = evaluate_loss(model, windows, clusters, n_bytes)
    got = evaluate(model, Causal().evaluation(tiny_corpus, config, 2_000))
    assert got == expected
    assert got.tokens == windows[:, 1:].size > 32 * 32


def test_a_document_ends_with_its_end_of_text():
    rows = np.array([[0, 4, 5, 0, 6, 7], [4, 4, 4, 4, 4, 0]])
    assert document_segments(rows, 0).tolist() == [[1, 2, 2, 2, 3, 3], [1, 1, 1, 1, 1, 1]]


def test_documents_apart_see_nothing_of_each_other(special_corpus, config_of, restless):
    config = config_of("isoloss")
    model = restless(config)
    objective = Causal(documents=True)
    end = special_corpus.end_of_text
    for step in range(100):
        batch = objective.batch(special_corpus, config, seed=0, step=step, rows=4)
        tokens, segments = batch.inputs["tokens"], batch.inputs["segments"]
        if (segments.max() > 1) and segments[segments.max(dim=1).values.argmax(), -1] > 1:
            break
    row = int(segments.max(dim=1).values.argmax())
    border = int((segments[row] == 1).sum())
    assert tokens[row, border - 1] == end
    changed = tokens.clone()
    changed[row, 0] = (tokens[row, 0] + 1) % 256
    before = model.hidden(tokens, segments=segments)[row]
    after = model.hidden(changed, segments=segments)[row]
    torch.testing.assert_close(before[border:], after[border:], rtol=0, atol=0)
    assert not torch.equal(before[:border], after[:border])
    without = Causal().batch(special_corpus, config, seed=0, step=step, rows=4)
    assert torch.equal(without.targets, batch.targets)


def test_another_kind_of_model_is_refused_with_the_families_that_do(tiny_corpus, config_of):
    with pytest.raises(UsageError, match=r"kind 'decoder', found 'encoder'") as error:
        Causal().batch(tiny_corpus, config_of("bert"), seed=0, step=0, rows=1)
    assert "isoloss, llama, qwen3, gpt2" in error.value.hint
