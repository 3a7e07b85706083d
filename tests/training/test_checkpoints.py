"""Files that are no checkpoint of ours: each is named for what it is, and none is opened."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from isoloss.architecture import config_for_width
from isoloss.errors import DataError, EnvironmentProblem, UsageError
from isoloss.training import Recipe, TrainingState, load_model, resolve_device
from isoloss.training.checkpoints import write_checkpoint
from isoloss.training.devices import out_of_memory


class Trap:
    """What a pickle could do."""

    def __reduce__(self):
        return (print, ("opened!",))


@pytest.mark.parametrize("kind", ["torch", "bare"])
def test_a_pickle_is_named_and_not_opened(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    if kind == "torch":
        torch.save({"weight": torch.zeros(2), "trap": Trap()}, path)
    else:
        path.write_bytes(pickle.dumps(Trap()))
    for load in (TrainingState.load, load_model):
        with pytest.raises(DataError, match="is a pickle"):
            load(path)
    assert "opened!" not in capsys.readouterr().out


def test_safetensors_of_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for metadata in (None, {"format": "pt"}):
        save_file({"weight": torch.zeros(2)}, path, metadata)
        with pytest.raises(DataError, match="safetensors of another program"):
            load_model(path)


@pytest.mark.parametrize(
    ("version", "hint"), [("1", "train the model again"), ("9", "Use the version of isoloss")]
)
def test_other_formats_of_ours_are_named(version: str, hint: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_file({"w": torch.zeros(2)}, path, {"format": f"isoloss-checkpoint-{version}"})
    with pytest.raises(DataError, match=f"'isoloss-checkpoint-{version}', this") as caught:
        load_model(path)
    assert hint in caught.value.hint


def test_weights_alone_can_be_used_and_not_trained_on(tmp_path: Path) -> None:
    shape = config_for_width(16, vocab_size=40, context_length=8, n_layer=1)
    state = TrainingState.start(shape, Recipe(), seed=0)
    weights = {f"model.{name}": value for name, value in state.model.state_dict().items()}
    path = tmp_path / "checkpoint.safetensors"
    write_checkpoint(path, {"step": "0", "config": json.dumps(shape.to_dict())}, weights)
    assert torch.equal(load_model(path).head.weight, state.model.head.weight)
    with pytest.raises(DataError, match="holds weights alone"):
        TrainingState.load(path)


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="cannot read"):
        load_model(tmp_path)


def test_devices() -> None:
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") in ("cpu", "cuda")
    with pytest.raises(UsageError, match="must be cpu, cuda or auto; found 'gpu'"):
        resolve_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(EnvironmentProblem, match="no CUDA device"):
            resolve_device("cuda")


def test_out_of_memory_says_what_to_lower() -> None:
    recipe = Recipe(batch_tokens=512)
    with pytest.raises(EnvironmentProblem, match="out of memory") as caught, out_of_memory(recipe):
        torch.empty(2**60)  # an exbibyte
    for word in ("micro_batch_tokens below 512", "checkpoint_activations", "context"):
        assert word in caught.value.hint
    with pytest.raises(RuntimeError, match="shape"), out_of_memory(Recipe()):
        torch.zeros(3, 5).view(7)
