"""What has no counterpart, on either side, is named; nothing is dropped in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from isoloss.architecture import config_for_width
from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.models.huggingface import family_for, from_huggingface, to_huggingface
from isoloss.models.huggingface.conversion import model_from_parts


def _config(family: str, **options: Any):
    return config_for_width(32, family=family, vocab_size=50, context_length=12, **options)


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        ("llama", {"positions": "alibi"}, "llama, the nearest, does not have positions='alibi'"),
        ("llama", {"activation": "geglu"}, "llama, the nearest, does not have activation='geglu'"),
        ("isoloss", {"window": 4}, "nanochat, the nearest, does not have window=4"),
        ("isoloss", {"n_expert": 4}, "n_expert=4"),
        ("gpt2", {"window": 4}, "gpt2, the nearest, does not have window=4"),
        ("gpt2", {"n_kv_head": 1}, "n_kv_head=1"),
        ("bert", {"norm_position": "pre"}, "bert, the nearest, does not have norm_position='pre'"),
        ("bert", {"head_width": 8}, "head_width=8"),
        ("bart", {"norm_eps": 1e-3}, "norm_eps=0.001"),
        ("encoder", {}, "this encoder does"),
        ("encoder-decoder", {}, "this encoder-decoder does"),
        ("llama", {"biases": "all", "window": 4}, "window=4 with biases='all'"),
    ],
)
def test_options_in_the_way_are_named(family: str, options: dict, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        family_for(_config(family, **options))
    assert message in caught.value.message
    assert "llama, qwen3, gpt2, nanochat, bert, bart" in caught.value.hint


@pytest.mark.parametrize(
    ("family", "changed", "message"),
    [
        ("llama", {"model_type": "gemma2"}, "models of type 'gemma2'"),
        ("llama", {"hidden_act": "gelu"}, "hidden_act='gelu'"),
        ("llama", {"attention_bias": True}, "attention_bias=True with mlp_bias=False"),
        ("llama", {"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4}}, "'llama3'"),
        ("llama", {"rope_parameters": None, "rope_scaling": {"type": "yarn"}}, "type 'yarn'"),
        ("llama", {"partial_rotary_factor": 0.5}, "over 0.5 of each head"),
        ("qwen3", {"use_sliding_window": True, "max_window_layers": 1}, "max_window_layers=1"),
        ("bert", {"is_decoder": True}, "is_decoder=True"),
        ("bert", {"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ("bert", {"hidden_act": "mish"}, "activation 'mish'"),
        ("bart", {"scale_embedding": True}, "scale_embedding=True"),
        ("bart", {"decoder_attention_heads": 1}, "decoder_attention_heads=1"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
    ],
)
def test_their_options_that_we_lack_are_named(family, changed, message, make_model) -> None:
    values, weights = to_huggingface(make_model(family))
    with pytest.raises(UsageError, match=message):
        model_from_parts({**values, **changed}, weights)


def test_a_weight_too_many_is_refused(make_model) -> None:
    values, weights = to_huggingface(make_model("llama"))
    weights["model.layers.0.self_attn.sinks"] = torch.zeros(2)
    with pytest.raises(DataError, match=r"no place for: model\.layers\.0\.self_attn\.sinks"):
        model_from_parts(values, weights)


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert", "bart", "isoloss"])
def test_a_weight_too_few_is_refused(family: str, make_model) -> None:
    values, weights = to_huggingface(make_model(family))
    name = next(name for name in weights if ".0." in name and name.endswith("weight"))
    del weights[name]
    with pytest.raises(DataError, match=f"no weight '{name}'"):
        model_from_parts(values, weights)


def test_another_shape_is_refused(make_model) -> None:
    values, weights = to_huggingface(make_model("gpt2"))
    with pytest.raises(DataError, match="do not fit the model's config"):
        model_from_parts({**values, "n_positions": 99}, weights)


def test_embeddings_that_differ_are_refused(make_model) -> None:
    values, weights = to_huggingface(make_model("bart", tied_embeddings=False))
    weights["model.decoder.embed_tokens.weight"] += 1
    with pytest.raises(UsageError, match="encoder and decoder differ"):
        model_from_parts(values, weights)


def test_old_names_of_bert_are_read(make_model) -> None:
    ours = make_model("bert")
    values, weights = to_huggingface(ours)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): weight
        for name, weight in weights.items()
    }
    old |= {
        "bert.pooler.dense.weight": torch.ones(32, 32),
        "cls.seq_relationship.bias": torch.ones(2),
    }
    back = model_from_parts(values, old)
    assert torch.equal(back.state_dict()["head_norm.weight"], ours.state_dict()["head_norm.weight"])


@pytest.fixture
def hub(tmp_path, make_model):
    """A folder as the hub has it: its parts can then be spoilt."""
    values, weights = to_huggingface(make_model("llama"))
    (tmp_path / "config.json").write_text(json.dumps(values), "utf-8")
    save_file(weights, tmp_path / "model.safetensors")
    return tmp_path


def test_a_folder_is_read(hub) -> None:
    assert from_huggingface(hub).config.activation == "swiglu"


def test_weights_in_several_files_are_read(hub) -> None:
    whole = from_huggingface(hub).state_dict()
    from safetensors.torch import load_file

    weights = load_file(hub / "model.safetensors")
    (hub / "model.safetensors").unlink()
    names = list(weights)
    places = {}
    for number, part in enumerate((names[::2], names[1::2])):
        save_file({name: weights[name] for name in part}, hub / f"model-{number}.safetensors")
        places |= dict.fromkeys(part, f"model-{number}.safetensors")
    index = hub / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}), "utf-8")
    again = from_huggingface(hub).state_dict()
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    (hub / "model-1.safetensors").unlink()
    with pytest.raises(DataError, match=r"model-1\.safetensors, which the index names"):
        from_huggingface(hub)
    index.write_text(json.dumps({"weight_map": {"x": "../elsewhere.safetensors"}}), "utf-8")
    with pytest.raises(DataError, match="outside its folder"):
        from_huggingface(hub)


def test_a_pickle_is_never_opened(hub) -> None:
    (hub / "model.safetensors").unlink()
    (hub / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch /tmp/opened'\ntR.")
    with pytest.raises(DataError, match=r"a pickle \(pytorch_model\.bin\)") as caught:
        from_huggingface(hub)
    assert "save_pretrained" in caught.value.hint


def test_damage_is_named(hub) -> None:
    data = (hub / "model.safetensors").read_bytes()
    (hub / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="cut short"):
        from_huggingface(hub)
    (hub / "config.json").write_text("[]", "utf-8")
    with pytest.raises(DataError, match="expected a JSON object"):
        from_huggingface(hub)
    (hub / "config.json").write_text("{}", "utf-8")
    with pytest.raises(DataError, match="cut short"):
        from_huggingface(hub)
    (hub / "config.json").unlink()
    with pytest.raises(NotFoundError, match=r"no config\.json"):
        from_huggingface(hub)


def test_the_hub_wants_its_prefix(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFoundError) as caught:
        from_huggingface("Qwen/Qwen3-0.6B")
    assert "hf://Qwen/Qwen3-0.6B" in caught.value.hint
    with pytest.raises(UsageError, match="hf://owner/name"):
        from_huggingface("hf://Qwen3-0.6B")
