"""Hugging Face: transformers builds the model on the meta device and it is counted."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings

from isoloss.architecture import FAMILIES, TransformerConfig, config_for_width, count_parameters
from isoloss.errors import UsageError
from isoloss.planning.export import export_plan
from isoloss.planning.export.hub import hub_config, hub_parameters, hub_training_arguments
from isoloss.planning.export.job import parameters_by_convention

from .conftest import configs, names_an_option, tried

HEADS = ("lm_head", "cls.predictions.decoder")
PLACES = ("wpe", "position_embeddings", "embed_positions")
TABLES = ("embed_tokens", "wte", "word_embeddings", "token_type_embeddings", "shared")


def built(values: dict[str, Any]) -> Any:
    """The model of transformers, without numbers."""
    import transformers

    kind = getattr(transformers, values["architectures"][0])
    with torch.device("meta"):
        return kind(kind.config_class.from_dict(values))


def numbers(model: Any, *, without: tuple[str, ...] = ()) -> int:
    found = {id(p): p.numel() for n, p in model.named_parameters() if not _in(n, without)}
    return sum(found.values())


def _in(name: str, parts: tuple[str, ...]) -> bool:
    return any(part in name for part in parts)


def matrices(model: Any) -> int:
    """Weights that multiply activations: matrices that are no tables, and the head once."""
    head = model.get_output_embeddings().weight
    inside = {
        id(p): p.numel()
        for n, p in model.named_parameters()
        if p.ndim == 2 and not _in(n, (*PLACES, *TABLES, *HEADS)) and p is not head
    }
    return sum(inside.values()) + head.numel()


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt2", "isoloss"])
@pytest.mark.parametrize("options", [{}, {"tied_embeddings": False}, {"norm_eps": 1e-4}])
def test_every_convention_of_a_decoder(family: str, options: dict[str, Any]) -> None:
    config = config_for_width(64, family=family, vocab_size=320, context_length=32, **options)
    model, said = built(hub_config(config)), hub_parameters(config)
    assert numbers(model) == said["params_total"]
    assert numbers(model, without=(*PLACES, *TABLES, *HEADS)) == said["params_non_embedding"]
    assert matrices(model) == said["params_matmul"]


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt2"])
def test_families_with_a_counterpart_lose_nothing(family: str) -> None:
    config = config_for_width(64, family=family, vocab_size=320, context_length=32)
    assert hub_parameters(config) == parameters_by_convention(config)


@settings(max_examples=60, deadline=None)
@given(configs())
def test_the_stated_number_is_that_of_the_model_or_options_are_named(
    config: TransformerConfig,
) -> None:
    values = tried(lambda: hub_config(config))
    if isinstance(values, UsageError):
        assert names_an_option(values), values.message
        assert "--family" in values.hint
        return
    assert numbers(built(values)) == hub_parameters(config)["params_total"]


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt2", "isoloss", "bert", "bart"])
def test_the_folder_loads_as_its_readme_says(family: str, make_plan, tmp_path: Path) -> None:
    import transformers

    done = export_plan(make_plan(family), "hf", tmp_path / "out")
    readme = (tmp_path / "out" / "README.md").read_text("utf-8")
    auto = re.search(r"transformers\.(AutoModel\w+)\.from_config", readme)
    assert auto is not None
    config = transformers.AutoConfig.from_pretrained(tmp_path / "out")
    with torch.device("meta"):
        model = getattr(transformers, auto[1]).from_config(config)
    assert numbers(model) == done.parameters["params_total"]


def test_what_bert_and_bart_have_beyond_ours_is_stated(make_plan, tmp_path: Path) -> None:
    for family in ("bert", "bart"):
        plan = make_plan(family)
        done = export_plan(plan, "hf", tmp_path / family)
        model = built(json.loads((tmp_path / family / "config.json").read_text()))
        apart = numbers(model) - count_parameters(plan.architecture).total
        assert apart > 0
        assert any(f"{apart:+,}" in note for note in done.notes)


def test_heads_without_temperature_are_said(make_plan, tmp_path: Path) -> None:
    plan = make_plan("isoloss")
    done = export_plan(plan, "hf", tmp_path / "a")
    lost = plan.architecture.n_layer * plan.architecture.n_head
    assert done.plan_parameters["params_total"] - done.parameters["params_total"] == lost
    assert any("qk_norm='scaled' becomes 'none'" in note for note in done.notes)


@pytest.mark.parametrize("schedule", ["wsd", "cosine"])
def test_transformers_takes_the_training_arguments(
    schedule: str, make_job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    from isoloss.planning import recipe_for

    job = make_job()
    recipe = recipe_for(job.config, 1e7, schedule=schedule)  # type: ignore[arg-type]
    said = hub_training_arguments(type(job)(**{**vars(job), "recipe": recipe}))
    # Devices are set up with accelerate, and bfloat16 wants a GPU: neither is asked for here.
    kind = transformers.TrainingArguments
    monkeypatch.setattr(kind, "_setup_devices", torch.device("cpu"), raising=False)
    taken = transformers.TrainingArguments(
        **{**said, "output_dir": str(tmp_path), "use_cpu": True, "bf16": False}
    )
    rates = learning_rates(taken, recipe.steps)
    assert max(rates) == pytest.approx(recipe.learning_rate)
    assert rates[recipe.warmup_steps] == pytest.approx(recipe.learning_rate)
    last = recipe.steps - recipe.decay_steps
    if schedule == "wsd":
        assert rates[last - 1] == pytest.approx(recipe.learning_rate)
        assert rates[last + recipe.decay_steps // 2] == pytest.approx(
            recipe.learning_rate / 2, rel=2 / recipe.decay_steps
        )
    assert rates[-1] == pytest.approx(
        recipe.final_learning_rate, abs=2 * recipe.learning_rate / recipe.decay_steps
    )
    each = taken.per_device_train_batch_size * taken.gradient_accumulation_steps
    assert each * recipe.context_length == recipe.batch_tokens


def learning_rates(arguments: Any, steps: int) -> list[float]:
    """The rate of every step, as transformers makes the schedule."""
    from transformers.optimization import get_scheduler

    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], arguments.learning_rate)
    schedule = get_scheduler(
        arguments.lr_scheduler_type,
        optimizer,
        num_warmup_steps=int(arguments.warmup_steps),
        num_training_steps=steps,
        scheduler_specific_kwargs=arguments.lr_scheduler_kwargs,
    )
    rates = []
    for _ in range(steps):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return rates


def test_fields_of_training_arguments_are_there() -> None:
    import dataclasses

    import transformers

    from isoloss.planning.export.names import known_names

    fields = {field.name for field in dataclasses.fields(transformers.TrainingArguments)}
    assert known_names()["transformers"]["arguments"].keys() <= fields


def test_all_families_are_tried() -> None:
    assert {"llama", "qwen3", "gpt2", "isoloss", "bert", "bart"} <= FAMILIES.keys()
