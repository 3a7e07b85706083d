"""Bytes of training and serving, against papers and against isoloss's own models."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from isoloss.architecture import (
    TransformerConfig,
    config_for_width,
    count_parameters,
    preset,
)
from isoloss.errors import UsageError
from isoloss.planning import (
    Degrees,
    TrainingMemory,
    TrainingSettings,
    cache_bytes_per_token,
    training_memory,
    weight_bytes,
)

GPT = config_for_width(
    512, vocab_size=1000, context_length=256, n_layer=4, family="gpt2", dropout=0.1, n_head=8
)
SHAPES: dict[str, dict[str, Any]] = {
    "isoloss": {},
    "llama": {},
    "qwen3": {},
    "gpt2": {},
    "encoder": {},
    "bert": {},
    "bart": {},
    "encoder-decoder": {},
    "llama, grouped": {"n_kv_head": 2},
    "isoloss, experts": {"n_expert": 4},
    "encoder-decoder, experts": {"n_expert": 4},
}


def shape(name: str) -> TransformerConfig:
    family = name.split(",")[0]
    return config_for_width(
        128, vocab_size=512, context_length=128, n_layer=4, family=family, **SHAPES[name]
    )


def test_a_gpt_keeps_what_the_paper_counts() -> None:
    """Korthikanti et al., equations 1 and 2: s b h (34 + 5 a s / h) bytes a layer."""
    s, b, h, a = 256, 3, 512, 8
    whole = TrainingSettings(fused_attention=False)
    without = TrainingSettings(fused_attention=False, checkpointing="selective")
    for layers in (4, 8):
        config = replace(GPT, n_layer=layers)
        one, other = (
            training_memory(config, rows=b, settings=settings).activations
            for settings in (whole, without)
        )
        assert one - other == pytest.approx(layers * s * b * h * 5 * a * s / h)
    more = training_memory(replace(GPT, n_layer=8), rows=b, settings=without).activations
    less = training_memory(GPT, rows=b, settings=without).activations
    assert more - less == pytest.approx(4 * s * b * h * 34)


def test_tensor_and_sequence_parallelism_divide_activations() -> None:
    """The same paper, equation 4."""
    whole = training_memory(GPT, rows=2)
    cut = training_memory(GPT, rows=2, degrees=Degrees(tensor=8))
    assert cut.activations == pytest.approx(whole.activations / 8)
    assert cut.logits == pytest.approx(whole.logits / 8)


def test_full_checkpointing_keeps_each_layers_input() -> None:
    """2 s b h bytes a layer (the same paper, §5), and one layer that is computed again."""
    full = TrainingSettings(checkpointing="full")
    more = training_memory(replace(GPT, n_layer=8), settings=full).activations
    less = training_memory(GPT, settings=full).activations
    assert more - less == pytest.approx(4 * 2 * 256 * 512)
    assert less < training_memory(GPT).activations / 2


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_zero_cuts_what_its_paper_says(stage: int) -> None:
    """ZeRO (arXiv:1910.02054), Figure 1: 7.5e9 weights on 64 devices, 120, 31.4, 16.6, 1.9 GB."""
    config = preset("llama-2-7b").config
    n = count_parameters(config).total
    k, shards = 12, 64
    memory = training_memory(
        config,
        settings=TrainingSettings(gradient_bytes=2),
        degrees=Degrees(data=shards, zero=stage),
    )
    states = memory.parameters + memory.gradients + memory.optimizer + memory.master
    published = {
        0: (4 + k) * n,
        1: (4 + k / shards) * n,
        2: (2 + (2 + k) / shards) * n,
        3: (4 + k) / shards * n,
    }
    layer = 2 * count_parameters(config).block_matrices / 32
    at_work = {0: 0.0, 1: 0.0, 2: layer, 3: 3 * layer}[stage]
    assert states == pytest.approx(published[stage] + at_work, rel=1e-12)


def test_pipeline_stages_hold_their_layers_and_their_micro_batches() -> None:
    """1F1B: the first of 4 stages holds a quarter of the layers for 4 micro-batches."""
    config = replace(preset("gpt3-6.7b").config)
    whole, cut = (
        training_memory(config, settings=TrainingSettings(fused_loss=True), degrees=degrees)
        for degrees in (Degrees(), Degrees(pipeline=4))
    )
    assert cut.activations == pytest.approx(whole.activations, rel=0.01)
    assert cut.parameters < whole.parameters / 3
    few = training_memory(config, degrees=Degrees(pipeline=4), micro_batches=1)
    assert few.activations == pytest.approx(whole.activations / 4, rel=0.02)


def test_llama_405b_fits_as_its_authors_trained_it() -> None:
    """arXiv:2407.21783, Table 4 and §3.3.2: TP 8, PP 16, DP 128 on 80 GB, no checkpointing.

    16 micro-batches of one row of 8,192, interleaved by single layers, gradients and moments cut.
    """
    config = replace(preset("llama-3.1-405b").config, context_length=8192)
    memory = training_memory(
        config,
        degrees=Degrees(data=128, tensor=8, pipeline=16, zero=2),
        micro_batches=16,
        chunks=8,
    )
    assert 60e9 < memory.total < 80e9
    assert memory.largest == "activations"
    uncut = training_memory(config, degrees=Degrees(data=128, tensor=8, zero=2))
    assert uncut.total > 2 * 80e9


def test_megatron_runs_fit_their_devices() -> None:
    """arXiv:2205.05198, Table 3: 22B to 1T on A100s of 80 GB with selective recomputation."""
    settings = TrainingSettings(fused_attention=False, checkpointing="selective")
    table = [(48, 6144, 64, 1, 1, 4), (96, 12288, 96, 8, 3, 1), (105, 20480, 128, 35, 3, 1)]
    table.append((128, 25600, 160, 64, 1, 1))
    for layers, width, heads, stages, chunks, rows in table:
        config = config_for_width(
            width, vocab_size=51_200, context_length=2048, n_layer=layers, family="gpt2",
            n_head=heads, dropout=0.1,
        )  # fmt: skip
        memory = training_memory(
            config,
            rows=rows,
            settings=settings,
            degrees=Degrees(tensor=8, pipeline=stages),
            chunks=chunks,
        )
        assert 50e9 < memory.total < 80e9, config


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_weights_gradients_and_moments_are_those_of_a_real_step(name: str, optimizer: Any) -> None:
    """To the byte: a model, its gradients and its optimiser after one step."""
    torch = pytest.importorskip("torch", reason="counting a real model needs PyTorch")
    from isoloss.models import build_model
    from isoloss.training import Recipe
    from isoloss.training.optimizer import Optimizer

    config = shape(name)
    model = build_model(config)
    updates = Optimizer(model, Recipe(optimizer=optimizer))
    gradients = {weight: torch.zeros_like(weight) for weight in model.parameters()}
    for weight, gradient in gradients.items():
        weight.grad = gradient
    updates.step(1.0)
    memory = training_memory(
        config, settings=TrainingSettings(precision="float32", optimizer=optimizer)
    )
    assert memory.parameters == sum(weight.nbytes for weight in model.parameters())
    assert memory.gradients == sum(gradient.nbytes for gradient in gradients.values())
    assert memory.optimizer == sum(tensor.nbytes for tensor in updates.tensors().values())
    assert memory.master == 0


def kept_bytes(config: TransformerConfig, rows: int, *, autocast: bool = False) -> float:
    """Bytes of different storages that a forward pass and its loss keep, weights left out."""
    import torch
    from torch.nn import functional as F

    from isoloss.models import build_model

    model = build_model(config)
    own = {x.untyped_storage().data_ptr() for x in (*model.parameters(), *model.buffers())}
    found: dict[int, int] = {}
    alive: list[Any] = []

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    tokens = torch.randint(0, config.vocab_size, (rows, config.context_length))
    given = (tokens, tokens) if config.kind == "encoder_decoder" else (tokens,)
    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast),
    ):
        logits = model(*given)
        F.cross_entropy(logits.flatten(0, -2), tokens.flatten())
    return float(sum(found.values()))


@pytest.mark.parametrize("name", SHAPES)
def test_activations_are_those_that_pytorch_keeps(name: str) -> None:
    """Within 5%, and never more than is kept: small vectors of statistics are not counted."""
    pytest.importorskip("torch", reason="counting a real model needs PyTorch")
    config, rows = shape(name), 4
    settings = TrainingSettings(precision="float32", fused_kernels=False)
    memory = training_memory(config, rows=rows, settings=settings)
    counted = memory.activations + 4 * rows * config.context_length * config.vocab_size
    measured = kept_bytes(config, rows)
    assert 0.95 * measured < counted < measured


@pytest.mark.parametrize("name", ["isoloss", "llama", "gpt2", "encoder-decoder"])
def test_under_autocast_the_count_is_rougher(name: str) -> None:
    """Within 25%: norms and rotations of queries and keys stay in float32 there."""
    pytest.importorskip("torch", reason="counting a real model needs PyTorch")
    config, rows = shape(name), 4
    settings = TrainingSettings(precision="autocast", fused_kernels=False)
    memory = training_memory(config, rows=rows, settings=settings)
    casts = memory.parameters - 4 * count_parameters(config).total
    logits = 4 * rows * config.context_length * config.vocab_size
    counted = memory.activations + logits + casts
    assert 0.75 * kept_bytes(config, rows, autocast=True) < counted
    assert counted < kept_bytes(config, rows, autocast=True)


def test_keys_and_values_are_those_of_a_real_cache() -> None:
    torch = pytest.importorskip("torch", reason="counting a real model needs PyTorch")
    from isoloss.models import build_model

    for name in ("isoloss", "llama, grouped"):
        config = shape(name)
        model: Any = build_model(config).eval()
        cache = model.new_cache(100)
        with torch.no_grad():
            model(torch.zeros(2, 100, dtype=torch.long), cache=cache)
        kept = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
        assert kept == 2 * 100 * cache_bytes_per_token(config, bits=32)


def test_weights_of_fewer_bits() -> None:
    """Llama 3 70B: public AWQ files of 4 bits are about 39.8 GB, those of 16 bits 141 GB."""
    config = preset("llama-3-70b").config
    assert weight_bytes(config) == 2 * preset("llama-3-70b").counted
    assert weight_bytes(config, 4) == pytest.approx(39.8e9, rel=0.02)
    assert weight_bytes(config, 8) < 0.55 * weight_bytes(config)
    with pytest.raises(UsageError, match="16, 8 or 4"):
        weight_bytes(config, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rows": 0}, {"rows": 1.5}, {"degrees": Degrees(tensor=3)}, {"degrees": Degrees(context=7)},
        {"degrees": Degrees(pipeline=5)},
    ],
)  # fmt: skip
def test_cuts_that_do_not_divide_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        training_memory(GPT, **wrong)


@pytest.mark.parametrize(
    "wrong", [{"optimizer": "sgd"}, {"precision": "fp8"}, {"gradient_bytes": 3}]
)
def test_unknown_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="must be one of"):
        TrainingSettings(**wrong)


@pytest.mark.parametrize("wrong", [{"data": 0}, {"zero": 4}, {"tensor": 1.5}])
def test_degrees_are_positive_integers(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Degrees(**wrong)


def test_an_encoder_keeps_no_cache() -> None:
    with pytest.raises(UsageError, match="generates no text"):
        cache_bytes_per_token(preset("bert-base").config)


def test_memory_survives_json() -> None:
    memory = training_memory(GPT, degrees=Degrees(pipeline=2))
    document = json.loads(json.dumps(memory.to_dict()))
    assert TrainingMemory.from_dict(document) == memory
    assert document["total"] == memory.total
    assert "\n" not in repr(memory)
