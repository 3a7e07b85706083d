"""Presets against `numel` of the models that transformers builds from the public configs."""

from __future__ import annotations

import pytest
import torch

from isoloss.architecture.preset_catalogue import preset

# Values of the public config.json files, as transformers names them.
CONFIGS = {
    "gpt2-355m": ("GPT2LMHeadModel", {"n_embd": 1024, "n_layer": 24, "n_head": 16}),
    "bert-base": ("BertForMaskedLM", {}),
    "bert-large": (
        "BertForMaskedLM",
        {
            "hidden_size": 1024,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "intermediate_size": 4096,
        },
    ),
    "t5-small": ("T5ForConditionalGeneration", {}),
    "t5-3b": (
        "T5ForConditionalGeneration",
        {"d_model": 1024, "d_kv": 128, "d_ff": 16384, "num_layers": 24, "num_heads": 32},
    ),
    "llama-2-7b": ("LlamaForCausalLM", {"max_position_embeddings": 4096}),
    "qwen2.5-0.5b": (
        "Qwen2ForCausalLM",
        {
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
            "num_key_value_heads": 2,
            "tie_word_embeddings": True,
        },
    ),
    "qwen3-0.6b": (
        "Qwen3ForCausalLM",
        {
            "hidden_size": 1024,
            "intermediate_size": 3072,
            "num_hidden_layers": 28,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "tie_word_embeddings": True,
        },
    ),
    "mixtral-8x7b": ("MixtralForCausalLM", {}),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_numel(name: str) -> None:
    import transformers

    kind, values = CONFIGS[name]
    built = getattr(transformers, kind)
    with torch.device("meta"):
        model = built(built.config_class(**values))
    known = preset(name)
    numbers = sum({id(p): p.numel() for p in model.parameters()}.values())
    assert known.counted + known.missing == numbers
