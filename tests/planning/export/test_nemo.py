"""NeMo: fields of its own classes, the exact N, YAML that reads back as it was written."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings

from isoloss.architecture import TransformerConfig
from isoloss.errors import UsageError
from isoloss.planning.export import export_plan, job_of
from isoloss.planning.export.document import yaml_text
from isoloss.planning.export.job import parameters_by_convention
from isoloss.planning.export.nemo import nemo_recipe, parameters_of_fields

from .conftest import configs, layout, names_an_option, small_plan, tried


@settings(max_examples=150, deadline=None)
@given(configs())
def test_same_count_or_the_option_is_named(config: TransformerConfig) -> None:
    recipe = tried(lambda: nemo_recipe(job_of(small_plan(config, tokens=1e5))))
    if isinstance(recipe, UsageError):
        assert names_an_option(recipe), recipe.message
        return
    assert yaml.safe_load(yaml_text(recipe)) == recipe
    fields = {k: v for k, v in recipe["model"]["config"].items() if k != "_target_"}
    assert parameters_of_fields(fields) == parameters_by_convention(config)


def test_llama_is_llama_and_others_are_gpt(make_job) -> None:
    assert nemo_recipe(make_job())["model"]["_target_"].endswith("llama.LlamaModel")
    assert nemo_recipe(make_job("gpt2"))["model"]["_target_"].endswith("base.GPTModel")
    assert nemo_recipe(make_job("qwen3"))["model"]["config"]["qk_layernorm"] is True


def test_layout_and_batch(make_job) -> None:
    recipe = nemo_recipe(make_job(hardware=layout(data=8, tensor=4, zero=1)))
    strategy, trainer = recipe["trainer"]["strategy"], recipe["trainer"]
    assert strategy["tensor_model_parallel_size"] == 4
    assert strategy["sequence_parallel"] is True
    assert trainer["devices"] * trainer["num_nodes"] == 32
    assert recipe["data"]["global_batch_size"] % 8 == 0


def test_windows_are_refused_as_yaml_has_no_tuples(make_job) -> None:
    with pytest.raises(UsageError, match="window=16"):
        nemo_recipe(make_job(window=16))


def test_the_schedule_that_nemo_lacks_is_said(make_plan, tmp_path) -> None:
    done = export_plan(make_plan(), "nemo", tmp_path / "a")
    assert any("no warm-up, constant, decay schedule" in note for note in done.notes)
    read = yaml.safe_load((tmp_path / "a" / "recipe.yaml").read_text("utf-8"))
    assert read["optim"]["lr_scheduler"]["_target_"].endswith("CosineAnnealingScheduler")
    assert "megatron.sh" in done.files


def test_no_script_where_megatron_cannot_say_it(make_plan, tmp_path) -> None:
    done = export_plan(make_plan(activation="geglu"), "nemo", tmp_path / "a")
    assert "megatron.sh" not in done.files
    assert any("activation='geglu'" in note for note in done.notes)
