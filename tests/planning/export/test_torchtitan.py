"""torchtitan: keys of its own config, the exact N, and the module that registers the model."""

from __future__ import annotations

import ast
import tomllib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.architecture import TransformerConfig
from isoloss.errors import UsageError
from isoloss.planning import recipe_for
from isoloss.planning.export import job_of
from isoloss.planning.export.document import toml_text
from isoloss.planning.export.job import parameters_by_convention
from isoloss.planning.export.torchtitan import (
    _ffn_width,
    ffn_settings,
    model_arguments,
    model_kind,
    parameters_of_model,
    torchtitan_job,
    torchtitan_module,
)

from .conftest import configs, layout, names_an_option, small_plan, tried


@settings(max_examples=150, deadline=None)
@given(configs())
def test_same_count_or_the_option_is_named(config: TransformerConfig) -> None:
    document = tried(lambda: torchtitan_job(job_of(small_plan(config, tokens=1e5))))
    if isinstance(document, UsageError):
        assert names_an_option(document), document.message
        return
    assert tomllib.loads(toml_text(document)) == document
    counted = parameters_of_model(model_kind(config), model_arguments(config))
    assert counted == parameters_by_convention(config)


@given(st.integers(1, 20_000), st.integers(1, 80_000))
def test_feed_forward_settings_give_the_width(dim: int, wanted: int) -> None:
    found = ffn_settings(dim, wanted)
    assert found is not None
    assert _ffn_width(dim, *found) == wanted


def test_llama_3_8b_of_torchtitan_itself() -> None:
    # Its own flavour: dim 4096, multiplier 1.3, multiple of 1024.
    assert _ffn_width(4096, 1024, 1.3) == 14_336


@pytest.mark.parametrize(
    ("family", "options", "kind"),
    [
        ("llama", {}, "llama3"),
        ("llama", {"tied_embeddings": True}, "qwen3"),
        ("llama", {"head_width": 32}, "qwen3"),
        ("qwen3", {}, "qwen3"),
    ],
)
def test_kinds(family: str, options: dict, kind: str, make_job) -> None:
    assert model_kind(make_job(family, **options).config) == kind


def test_module_is_python_with_the_very_numbers(make_job) -> None:
    job = make_job(n_kv_head=2)
    tree = ast.parse(torchtitan_module(job))
    (call,) = [n.value for n in tree.body if isinstance(n, ast.Assign)]
    assert isinstance(call, ast.Call)
    given = {k.arg: k.value for k in call.keywords}
    scaling = given.pop("rope_scaling_args")
    # Llama 3.1's stretching of positions is on there by default; a factor of 1 switches it off.
    assert ast.unparse(scaling) == "RoPEScalingArgs(scaling_factor=1.0)"
    assert {k: ast.literal_eval(v) for k, v in given.items()} == model_arguments(job.config)


def test_layout_becomes_degrees(make_job) -> None:
    job = make_job(hardware=layout(data=4, tensor=2, pipeline=3, context=2, zero=3, rows=2))
    document = torchtitan_job(job)
    assert document["parallelism"] == {
        "data_parallel_replicate_degree": 1,
        "data_parallel_shard_degree": 4,
        "tensor_parallel_degree": 2,
        "pipeline_parallel_degree": 3,
        "context_parallel_degree": 2,
    }
    assert document["training"]["local_batch_size"] == 2
    with pytest.raises(UsageError, match="no pipeline parallelism"):
        torchtitan_job(make_job("qwen3", hardware=layout(pipeline=3)))


def test_decay_is_exactly_that_of_the_recipe(make_job) -> None:
    job = make_job()
    scheduler = torchtitan_job(job)["lr_scheduler"]
    assert round(job.recipe.steps * scheduler["decay_ratio"]) == job.recipe.decay_steps
    cosine = replace(job, recipe=recipe_for(job.config, 1e7, schedule="cosine"))
    assert "decay_ratio" not in torchtitan_job(cosine)["lr_scheduler"]


def test_no_default_data_is_trained_on(make_job) -> None:
    assert torchtitan_job(make_job())["training"]["dataset_path"].startswith("TODO")
