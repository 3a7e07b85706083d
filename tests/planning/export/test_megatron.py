"""Megatron-LM: its own counts, its names, and refusals that name the option."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from isoloss.architecture import TransformerConfig, preset
from isoloss.errors import UsageError
from isoloss.planning import recipe_for
from isoloss.planning.export import job_of
from isoloss.planning.export.job import parameters_by_convention
from isoloss.planning.export.megatron import (
    megatron_arguments,
    megatron_script,
    parameters_of_arguments,
)

from .conftest import configs, layout, names_an_option, small_plan, tried

# What `sum(p.numel() for p in GPTModel.parameters())` gave for these very arguments in Megatron-LM
# core_v0.19.0, whose parser and `validate_args` took them; and what its
# `compute_weight_and_optimizer_memory` counts, which leaves out biases, learned positions and the
# norms of queries and keys.
GOLDEN: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "llama": ("llama", {}, 216_512, 216_512),
    "qwen3": ("qwen3", {"n_kv_head": 2, "head_width": 32}, 208_512, 208_320),
    "gpt2": ("gpt2", {}, 186_944, 181_120),
    "relu2": (
        "llama",
        {"activation": "relu2", "n_kv_head": 1, "tied_embeddings": True, "window": 16},
        162_240,
        162_240,
    ),
    "qwen2": ("llama", {"biases": "qkv", "n_kv_head": 2}, 204_608, 204_224),
    "experts": ("llama", {"n_expert": 4}, 521_408, 521_408),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_count_is_that_of_megatrons_own_model(name: str, make_job) -> None:
    family, options, model, formula = GOLDEN[name]
    job = make_job(family, **options)
    arguments = megatron_arguments(job)
    assert parameters_of_arguments(arguments)["params_total"] == model
    c = job.config
    left_out = c.n_layer * 2 * c.head_dim if c.qk_norm == "weighted" else 0
    left_out += c.context_length * c.d_model if c.positions == "learned" else 0
    per_layer = {"none": 0, "qkv": 0, "all": 2 * c.d_model + c.d_ff}[c.biases]
    if c.biases != "none":
        per_layer += (c.n_head + 2 * c.kv_heads) * c.head_dim
    assert model - left_out - c.n_layer * per_layer == formula


@settings(max_examples=200, deadline=None)
@given(configs())
def test_same_count_or_the_option_is_named(config: TransformerConfig) -> None:
    arguments = tried(lambda: megatron_arguments(job_of(small_plan(config, tokens=1e5))))
    if isinstance(arguments, UsageError):
        assert names_an_option(arguments), arguments.message
        assert "--family" in arguments.hint
        return
    assert parameters_of_arguments(arguments) == parameters_by_convention(config)


@pytest.mark.parametrize(
    ("family", "options", "named"),
    [
        ("isoloss", {}, ["norm_weights=False", "embedding_norm=True", "qk_norm='scaled'"]),
        ("llama", {"positions": "alibi"}, ["positions='alibi'"]),
        ("llama", {"activation": "geglu"}, ["activation='geglu'"]),
        ("llama", {"rotary_base": 0.5}, ["rotary_base=0.5 that is no whole number"]),
        ("gpt2", {"biases": "none"}, ["activation='gelu_tanh' with biases='none'"]),
        ("gpt2", {"norm_bias": False}, ["norm='layernorm' with norm_bias=False"]),
        ("bert", {}, ["kind='encoder'", "norm_position='post'", "head_transform=True"]),
    ],
)
def test_refusals_name_options(family: str, options: dict, named: list[str], make_job) -> None:
    with pytest.raises(UsageError) as caught:
        megatron_arguments(make_job(family, **options))
    assert all(words in caught.value.message for words in named), caught.value.message


def test_layout_becomes_degrees(make_job) -> None:
    hardware = layout(data=4, tensor=2, pipeline=3, context=2, zero=3, rows=2)
    arguments = megatron_arguments(make_job(hardware=hardware))
    assert arguments["--tensor-model-parallel-size"] == 2
    assert arguments["--pipeline-model-parallel-size"] == 3
    assert arguments["--context-parallel-size"] == 2
    assert arguments["--sequence-parallel"] is True
    assert arguments["--use-distributed-optimizer"] is True
    assert arguments["--micro-batch-size"] == 2
    assert arguments["--global-batch-size"] % (2 * 4) == 0


@pytest.mark.parametrize(
    ("degrees", "message"),
    [
        ({"tensor": 3}, "tensor parallelism in 3 parts does not divide n_head=4"),
        ({"pipeline": 2}, "pipeline parallelism in 2 parts does not divide n_layer=3"),
        ({"context": 64}, "does not divide context_length=64"),
    ],
)
def test_degrees_that_divide_nothing_are_refused(degrees: dict, message: str, make_job) -> None:
    with pytest.raises(UsageError, match=message):
        megatron_arguments(make_job(hardware=layout(**degrees)))


def test_the_window_counts_the_token_itself(make_job) -> None:
    assert megatron_arguments(make_job(window=16))["--window-size"] == "15,0"


def test_schedules(make_job) -> None:
    job = make_job()
    wsd = megatron_arguments(job)
    assert (wsd["--lr-decay-style"], wsd["--lr-wsd-decay-style"]) == ("WSD", "linear")
    assert wsd["--lr-wsd-decay-iters"] == job.recipe.decay_steps
    cosine = megatron_arguments(replace(job, recipe=recipe_for(job.config, 1e7, schedule="cosine")))
    assert cosine["--lr-decay-style"] == "cosine"
    assert cosine["--min-lr"] == pytest.approx(min(1e-5, job.recipe.learning_rate / 10), rel=1e-9)
    assert not any("wsd" in name for name in cosine)


def test_script_is_bash_and_holds_the_arguments(make_job, tmp_path: Path) -> None:
    job = make_job("gpt2")
    text = megatron_script(job)
    script = tmp_path / "train.sh"
    script.write_text(text, "utf-8")
    subprocess.run(["bash", "-n", str(script)], check=True)
    inside = shlex.split(text.split("ARGUMENTS=(\n")[1].split("\n)\n")[0])
    expected: list[str] = []
    for name, value in megatron_arguments(job).items():
        expected += [name] if value is True else [name, str(value)]
    assert inside == expected
    stopped = subprocess.run(
        ["bash", str(script)], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert stopped.returncode != 0
    assert "MEGATRON" in stopped.stderr


def test_a_source_cannot_end_the_comment_it_stands_in(make_plan) -> None:
    plan = replace(make_plan(), source="a\nrm -rf /\rrm -rf /\u2028rm -rf /")
    lines = megatron_script(job_of(plan)).splitlines()
    assert not any(line.startswith("rm") for line in lines)


def test_a_large_public_shape(make_plan) -> None:
    config = preset("llama-2-7b").config
    arguments = megatron_arguments(job_of(small_plan(config, tokens=2e12)))
    assert parameters_of_arguments(arguments)["params_total"] == 6_738_415_616
