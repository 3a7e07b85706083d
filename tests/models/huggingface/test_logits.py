"""Equal logits there and back, on random weights, with padding."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from isoloss.models.huggingface import from_huggingface, to_huggingface

TOLERANCE = 1e-4

CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "llama": ("llama", {}, "llama"),
    "llama, tied": ("llama", {"tied_embeddings": True}, "llama"),
    "llama, shared heads of another width": ("llama", {"n_kv_head": 1, "head_width": 24}, "llama"),
    "llama, biases": ("llama", {"biases": "all", "rotary_base": 500.0}, "llama"),
    "llama, norms without weights": ("llama", {"norm_weights": False}, "llama"),
    "mistral": ("llama", {"window": 4, "n_kv_head": 1}, "mistral"),
    "qwen2": ("llama", {"biases": "qkv", "n_kv_head": 1, "norm_eps": None}, "qwen2"),
    "qwen2 with a window": ("llama", {"biases": "qkv", "window": 3}, "qwen2"),
    "qwen3": ("qwen3", {"n_kv_head": 1, "head_width": 8}, "qwen3"),
    "qwen3, untied": ("qwen3", {"tied_embeddings": False}, "qwen3"),
    "qwen3 with a window": ("qwen3", {"window": 5}, "qwen3"),
    "gpt2": ("gpt2", {}, "gpt2"),
    "gpt2, untied, another hidden width": (
        "gpt2",
        {"tied_embeddings": False, "d_ff": 40, "activation": "relu"},
        "gpt2",
    ),
    "gpt2 without biases": ("gpt2", {"biases": "none", "norm_bias": False}, "gpt2"),
    "bert": ("bert", {}, "bert"),
    "bert, untied": ("bert", {"tied_embeddings": False}, "bert"),
    "bert, bare": ("bert", {"head_bias": False, "biases": "qkv", "activation": "relu2"}, "bert"),
    "bart": ("bart", {}, "bart"),
    "bart, untied with a bias": ("bart", {"tied_embeddings": False, "head_bias": True}, "bart"),
    "bart, sides of their own": (
        "bart",
        {"n_layer": 1, "n_encoder_layer": 3, "source_length": 20},
        "bart",
    ),
    "isoloss": ("isoloss", {}, "nanochat"),
    "isoloss, tied, shared heads": (
        "isoloss",
        {"tied_embeddings": True, "n_kv_head": 1, "head_width": 8, "norm_eps": 1e-3},
        "nanochat",
    ),
    "isoloss with another activation": ("isoloss", {"activation": "gelu"}, "nanochat"),
}


@pytest.mark.parametrize(("family", "options", "kind"), CASES.values(), ids=CASES)
def test_there_and_back(family, options, kind, make_model, make_theirs, logits) -> None:
    ours = make_model(family, **options)
    values, weights = to_huggingface(ours)
    assert values["model_type"] == kind
    theirs = make_theirs(values, weights)
    a, b = logits(ours, theirs)
    assert a.abs().max() > 1  # else agreement would mean little
    torch.testing.assert_close(a, b, atol=TOLERANCE, rtol=0)
    again, c = logits(from_huggingface(theirs), theirs)
    torch.testing.assert_close(again, c, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("llama", {"n_kv_head": 1, "rotary_base": 500.0}),
        ("llama", {"window": 4}),
        ("llama", {"biases": "qkv", "window": 4}),
        ("qwen3", {"head_width": 8, "window": 5}),
        ("gpt2", {"activation": "relu"}),
        ("bert", {"activation": "silu"}),
        ("bart", {"n_layer": 1, "n_encoder_layer": 3, "head_bias": True}),
    ],
)
def test_the_config_comes_back_whole(family, options, make_model, make_theirs) -> None:
    ours = make_model(family, **options)
    back = from_huggingface(make_theirs(*to_huggingface(ours)))
    assert back.config == ours.config
    for name, weight in ours.state_dict().items():
        assert torch.equal(weight, back.state_dict()[name]), name


def test_a_model_of_transformers_with_its_own_weights(logits) -> None:
    """Its BERT has types of tokens and its LLaMA tables that ours never wrote."""
    import transformers

    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "vocab_size": 50,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    config = transformers.BertConfig(**sizes, intermediate_size=48, max_position_embeddings=16)
    bert = transformers.BertForMaskedLM(config).eval()
    with torch.no_grad():
        bert.bert.embeddings.token_type_embeddings.weight.mul_(20)
    a, b = logits(from_huggingface(bert), bert)
    torch.testing.assert_close(a, b, atol=TOLERANCE, rtol=0)


def test_exported_tensors_are_copies(make_model) -> None:
    ours = make_model("llama")
    _, weights = to_huggingface(ours)
    before = ours.embedding.weight.detach().clone()
    for weight in weights.values():
        weight.zero_()
    assert torch.equal(ours.embedding.weight, before)


def test_dropout_is_carried_where_there_is_a_place_for_it(make_model) -> None:
    values, _ = to_huggingface(make_model("bert", dropout=0.25))
    assert values["hidden_dropout_prob"] == values["attention_probs_dropout_prob"] == 0.25
