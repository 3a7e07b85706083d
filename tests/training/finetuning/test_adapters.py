"""Adapters: they alone change, they can be merged, and they start as nothing."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from isoloss.errors import EnvironmentProblem
from isoloss.models.span_head import SpanModel
from isoloss.tasks.translation import Translation
from isoloss.training import Recipe, load_model
from isoloss.training.checkpoints import read_checkpoint
from isoloss.training.finetuning import (
    LoRA,
    Tuning,
    add_adapters,
    finetune,
    merge_adapters,
    open_start,
)
from isoloss.training.finetuning.adapters import adapted_maps
from isoloss.training.finetuning.states import TunedStates

Make = Callable[..., Path]
FAMILIES = ["isoloss", "llama", "gpt2", "encoder-decoder", "bart"]


@pytest.fixture
def peft() -> Any:
    return pytest.importorskip("peft", reason="the extra [hf] is not installed")


def inputs(model: Any) -> list[torch.Tensor]:
    tokens = torch.arange(20).view(2, 10)
    return [tokens, tokens] if model.config.kind == "encoder_decoder" else [tokens]


@pytest.mark.parametrize("family", FAMILIES)
def test_merged_equals_adapted(family: str, model_folder: Make, peft: Any) -> None:
    model = load_model(model_folder(family) / "checkpoint.safetensors").eval()
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            torch.manual_seed(number)
            parameter.add_(torch.randn_like(parameter) * 0.1)  # no map is zero
    before = {name: value.clone() for name, value in model.state_dict().items()}
    adapted = copy.deepcopy(model)
    add_adapters(adapted, LoRA(rank=3), seed=0)
    assert torch.equal(adapted(*inputs(model)), model(*inputs(model)))
    trained = [p for p in adapted.parameters() if p.requires_grad]
    assert len(trained) == 2 * len(adapted_maps(model))
    for parameter in trained:
        torch.nn.init.normal_(parameter, std=0.2)
    wanted = adapted(*inputs(model))
    merge_adapters(adapted)
    torch.testing.assert_close(adapted(*inputs(model)), wanted, rtol=1e-4, atol=1e-5)
    assert (wanted - model(*inputs(model))).abs().max() > 0.01
    changed = {n for n, v in adapted.state_dict().items() if not torch.equal(v, before[n])}
    assert changed == {f"{name}.weight" for name in adapted_maps(model)}


def test_first_values_follow_the_seed_alone(model_folder: Make, peft: Any) -> None:
    model = load_model(model_folder("isoloss") / "checkpoint.safetensors")
    made: list[torch.Tensor] = []
    for state, seed in ((1, 0), (2, 0), (1, 3)):
        torch.manual_seed(state)
        adapted = copy.deepcopy(model)
        add_adapters(adapted, LoRA(rank=2), seed=seed)
        made.append(torch.cat([p.flatten() for p in adapted.parameters() if p.requires_grad]))
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_a_gate_and_experts_stay_as_they_are(model_folder: Make) -> None:
    gated = load_model(model_folder("llama", name="a", n_layer=1) / "checkpoint.safetensors")
    assert [n.rpartition(".")[2] for n in adapted_maps(gated)] == ["qkv", "out", "down"]
    experts = model_folder("isoloss", name="b", n_layer=1, n_expert=2)
    found = adapted_maps(load_model(experts / "checkpoint.safetensors"))
    assert [n.rpartition(".")[2] for n in found] == ["qkv", "out"]


def test_a_head_for_spans_is_trained_beside(model_folder: Make, peft: Any) -> None:
    encoder = load_model(model_folder("encoder", n_layer=1) / "checkpoint.safetensors")
    model = SpanModel(encoder)
    add_adapters(model, LoRA(rank=2), seed=0)
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    assert {n for n in trained if "lora_" not in n} == {"head.weight", "head.bias"}


def test_training_changes_the_adapters_alone(
    model_folder: Make, copies: list[dict[str, Any]], tmp_path: Path, peft: Any
) -> None:
    start = model_folder("gpt2")
    done = finetune(
        start,
        out=tmp_path / "out",
        task=Translation(max_tokens=8),
        train=copies[:40],
        dev=copies[40:44],
        lora=LoRA(rank=2),
        tuning=Tuning(steps=6, batch_rows=2),
    )
    old = load_model(start / "checkpoint.safetensors")
    new = load_model(tmp_path / "out" / "checkpoint.safetensors")
    other = {n for n, p in new.named_parameters() if not torch.equal(p, old.get_parameter(n))}
    assert other == {f"{name}.weight" for name in adapted_maps(old)}
    kept = read_checkpoint(tmp_path / "out" / "adapters.safetensors")[1]
    assert {name.split(".")[0] for name in kept} == {"trained", "exp_avg", "exp_avg_sq"}
    assert all("lora_" in name for name in kept)
    size = sum(t.numel() for n, t in kept.items() if n.startswith("trained"))
    assert done.row["meta_trained_params"] == size < done.row["params_total"] / 10
    for name in adapted_maps(old):
        change = new.get_parameter(f"{name}.weight") - old.get_parameter(f"{name}.weight")
        assert torch.linalg.matrix_rank(change.detach(), rtol=1e-3) <= 2


@pytest.mark.parametrize("family", ["isoloss", "encoder"])
@pytest.mark.parametrize("rank", [None, 2])
def test_no_step_leaves_every_weight(
    family: str, rank: int | None, model_folder: Make, tmp_path: Path, request: Any
) -> None:
    lora = None
    if rank is not None:
        request.getfixturevalue("peft")
        lora = LoRA(rank=rank)
    begin = open_start(model_folder(family))
    spans = family == "encoder"
    states = TunedStates(
        begin=begin, recipe=Recipe(optimizer="adamw"), seed=0, lora=lora, spans=spans
    )
    state = states.start("cpu")
    state.save(tmp_path / "checkpoint.safetensors")
    states.finish(state, tmp_path)
    left = load_model(tmp_path / "checkpoint.safetensors").state_dict()
    assert all(torch.equal(value, left[n]) for n, value in begin.model.state_dict().items())
    assert left.keys() == begin.model.state_dict().keys()


def test_without_peft(model_folder: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    model = load_model(model_folder("isoloss") / "checkpoint.safetensors")
    with pytest.raises(EnvironmentProblem, match="need peft, which is not installed") as caught:
        add_adapters(model, LoRA(rank=2), seed=0)
    assert caught.value.hint == "pip install 'isoloss[hf]'"
