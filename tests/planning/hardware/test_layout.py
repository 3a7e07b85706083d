"""Parallel layouts: what fits, what is fast, and published ones beside them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.architecture import (
    TransformerConfig,
    config_for_width,
    count_parameters,
    preset,
    training_flops,
)
from isoloss.errors import UsageError
from isoloss.planning import (
    Degrees,
    Layout,
    TrainingSettings,
    hardware_choice,
    layout_for,
    layout_of,
    training_memory,
)
from isoloss.planning.hardware.degrees import stage_layers, stages

LLAMA_405B = replace(preset("llama-3.1-405b").config, context_length=8192)
SELECTIVE = TrainingSettings(fused_attention=False, checkpointing="selective")


def gpt(layers: int, width: int, heads: int) -> TransformerConfig:
    return config_for_width(
        width, vocab_size=51_200, context_length=2048, n_layer=layers, family="gpt2",
        n_head=heads, dropout=0.1,
    )  # fmt: skip


# arXiv:2205.05198, Tables 3 and 5: layers, width, heads, stages, chunks, rows, batch, MFU.
MEGATRON = {
    "175B": (96, 12288, 96, 8, 3, 1, 64, 0.514),
    "530B": (105, 20480, 128, 35, 3, 1, 280, 0.560),
    "1T": (128, 25600, 160, 64, 1, 1, 512, 0.563),
}


@pytest.mark.parametrize("name", MEGATRON)
def test_megatrons_layouts_on_a100(name: str) -> None:
    """They fit, and the estimated utilisation is within a tenth of the published one."""
    layers, width, heads, pipeline, chunks, rows, batch, published = MEGATRON[name]
    choice = hardware_choice("a100-80gb", 8 * pipeline)
    layout = layout_of(
        gpt(layers, width, heads),
        choice,
        batch * 2048,
        Degrees(tensor=8, pipeline=pipeline),
        rows=rows,
        chunks=chunks,
        settings=SELECTIVE,
    )
    assert layout.fits
    assert layout.utilisation == pytest.approx(published, rel=0.1)
    assert layout.micro_batches == batch // rows


@pytest.mark.parametrize(("count", "data", "published"), [(8192, 64, 0.43), (16384, 128, 0.41)])
def test_llama_405b_on_h100(count: int, data: int, published: float) -> None:
    """arXiv:2407.21783, Table 4: the estimate is at most 15% above what was measured."""
    layout = layout_of(
        LLAMA_405B,
        hardware_choice("h100", count),
        16 * 2**20,
        Degrees(data=data, tensor=8, pipeline=16, zero=2),
        chunks=8,
    )
    assert layout.micro_batches == 2048 // data
    assert published <= layout.utilisation < 1.15 * published
    assert layout.bubble_share == pytest.approx(15 / (8 * 2048 / data), rel=0.3)


def test_the_layout_for_llama_405b_is_plausible() -> None:
    """Parts of a matrix within a node, a pipeline, and no device left over."""
    layout = layout_for(LLAMA_405B, hardware_choice("h100", 16384), 16 * 2**20)
    assert layout.fits
    assert layout.degrees.tensor in (4, 8)
    assert layout.degrees.pipeline > 1
    assert layout.degrees.devices == 16384
    assert layout.memory.total <= layout.memory_bytes == 0.95 * 80e9
    assert 0.35 < layout.utilisation < 0.55
    assert layout.communication_share + layout.bubble_share < 0.35


def test_a_small_model_needs_data_parallelism_alone() -> None:
    layout = layout_for(preset("gpt2-124m").config, hardware_choice("h100", 8), 2**19)
    assert layout.fits
    assert (layout.degrees.data, layout.degrees.tensor, layout.degrees.pipeline) == (8, 1, 1)
    assert layout.settings.checkpointing == "none"


def test_long_rows_are_cut() -> None:
    long = preset("llama-3.1-405b").config
    assert long.context_length == 131_072
    layout = layout_for(long, hardware_choice("h100", 8192), 16 * 2**20)
    assert layout.fits
    assert layout.degrees.context > 1


def test_what_does_not_fit_says_what_is_missing() -> None:
    layout = layout_for(preset("llama-3-70b").config, hardware_choice("h100", 8), 2**22)
    assert not layout.fits
    assert layout.memory.total > layout.memory_bytes
    assert layout.memory.largest in layout.reasons[0]
    assert "more or larger devices" in layout.reasons[-1]
    assert "does not fit" in layout.summary().splitlines()[0]


def test_a_fixed_recipe_is_kept() -> None:
    mine = TrainingSettings(optimizer="muon", precision="autocast", checkpointing="full")
    layout = layout_for(
        preset("gpt2-355m").config, hardware_choice("l40s", 4), 2**18, settings=mine
    )
    assert layout.settings == mine


def test_a_processor_computes_in_float32() -> None:
    config = config_for_width(128, vocab_size=1024, context_length=128)
    layout = layout_for(config, hardware_choice("laptop-cpu"), 4096)
    assert layout.settings.precision == "float32"
    assert layout.degrees.devices == 1
    assert layout.reasons[0] == "One device: nothing is cut."
    assert len(layout.reasons) == 2


def test_there_is_a_sentence_for_each_degree() -> None:
    layout = layout_for(preset("llama-3-70b").config, hardware_choice("h100", 512), 2**22)
    starts = [reason.split()[0] for reason in layout.reasons]
    assert starts == ["Tensor", "Pipeline", "Context", "Data", "Checkpointing"]
    assert all(reason.endswith(".") for reason in layout.reasons)
    assert str(layout.degrees.tensor) in layout.reasons[0]


def test_layouts_survive_json_and_fit_the_terminal() -> None:
    for count in (8, 512):
        layout = layout_for(preset("llama-3-70b").config, hardware_choice("h100", count), 2**22)
        document = json.loads(json.dumps(layout.to_dict(), allow_nan=False))
        assert Layout.from_dict(document) == layout
        assert max(map(len, layout.summary().splitlines())) <= 80
        assert "\n" not in repr(layout)


def test_stages_hold_every_layer_once() -> None:
    for name in ("llama-3.1-405b", "gpt3-175b", "mt-nlg-530b"):
        config = preset(name).config
        for pipeline in range(1, 65):
            counts = stage_layers(config, pipeline)
            if counts is not None:
                assert sum(counts) == config.n_layer
                assert max(counts) - min(counts) <= 1
                assert len(stages(config, pipeline)) == pipeline
    assert stage_layers(preset("t5-3b").config, 2) is None


@pytest.mark.parametrize(
    ("degrees", "batch"),
    [(Degrees(tensor=16), 2**20), (Degrees(tensor=3), 2**20), (Degrees(), 100)],
)
def test_impossible_layouts_are_refused(degrees: Degrees, batch: float) -> None:
    with pytest.raises(UsageError):
        layout_of(preset("llama-3-8b").config, hardware_choice("h100", 8), batch, degrees)


def test_a_batch_below_one_row_is_refused() -> None:
    with pytest.raises(UsageError, match="smaller than one row"):
        layout_for(preset("llama-3-8b").config, hardware_choice("h100"), 1000)


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(["gpt2-1.5b", "llama-3-8b", "mixtral-8x7b", "t5-3b", "bert-large"]),
    device=st.sampled_from(["a100-40gb", "h100-sxm", "tpu-v6e", "rtx-4090", "gb200"]),
    count=st.integers(1, 600),
    rows=st.integers(1, 2000),
)
def test_every_layout_keeps_the_rules(name: str, device: str, count: int, rows: int) -> None:
    config: Any = preset(name).config
    choice = hardware_choice(device, count)
    row = config.context_length
    row += config.longest_source if config.kind == "encoder_decoder" else 0
    layout = layout_for(config, choice, rows * row)
    d = layout.degrees
    assert d.devices <= count
    assert d.tensor <= choice.device.node_size
    assert config.n_head % d.tensor == 0
    assert d.data * layout.rows * layout.micro_batches >= rows
    assert (layout.memory.total <= layout.memory_bytes) == layout.fits
    assert 0 < layout.utilisation < 0.621
    again = training_memory(
        config, rows=layout.rows, settings=layout.settings, degrees=d,
        micro_batches=layout.micro_batches, chunks=layout.chunks,
    )  # fmt: skip
    assert again == layout.memory


def test_exchange_between_replicas_by_hand() -> None:
    """Two nodes of 8: gradients in float32 and weights in 16 bits over 8 shared links of 50e9."""
    config = replace(preset("gpt2-1.5b").config, context_length=64)
    choice = hardware_choice("h100", 16)
    layout = layout_of(config, choice, 16 * 64, Degrees(data=16, zero=1))
    compute = training_flops(config, 64) / (0.62 * 989.4e12)
    moved = (4 + 2) * count_parameters(config).total * 15 / 16
    exposed = moved / (0.8 * 8 * 50e9) - 0.8 * compute
    assert exposed > 0
    assert layout.step_seconds == pytest.approx(compute + exposed)
    within = layout_of(config, hardware_choice("h100", 8), 8 * 64, Degrees(data=8, zero=1))
    exposed = moved / (15 / 16) * 7 / 8 / (0.8 * 450e9) - 0.8 * compute
    assert within.step_seconds == pytest.approx(compute + exposed)


def test_exchange_between_tensor_parts_by_hand() -> None:
    """Eight times the residual stream a layer, on a ring of 8 over 450e9 bytes/s."""
    config = preset("llama-3-8b").config
    layout = layout_of(config, hardware_choice("h100", 8), 8192, Degrees(tensor=8))
    compute = training_flops(config, 8192) / 8 / (0.62 * 989.4e12)
    exchange = 8 * 32 * (8192 * 4096 * 2) * 7 / 8 / (0.8 * 450e9)
    assert layout.step_seconds == pytest.approx(compute + exchange)
    assert layout.communication_share == pytest.approx(exchange / (compute + exchange))
    assert layout.bubble_share == 0


def test_a_pipeline_waits_for_its_first_micro_batch() -> None:
    """1F1B: (stages - 1) / (micro-batches + stages - 1) of the step; a quarter with 4 chunks."""
    config, choice = preset("llama-3-8b").config, hardware_choice("gb200", 4)
    whole, cut = (
        layout_of(config, choice, 8 * 8192, Degrees(pipeline=4), chunks=chunks) for chunks in (1, 4)
    )
    assert whole.bubble_share == pytest.approx(3 / 11, rel=0.01)
    assert cut.bubble_share == pytest.approx((3 / 4) / (8 + 3 / 4), rel=0.02)
