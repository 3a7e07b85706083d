"""How a tuned run begins, is kept and ends: all of a model, adapters alone, or a span head too."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from isoloss.architecture import TransformerConfig
from isoloss.errors import DataError, UsageError
from isoloss.models.span_head import SpanModel
from isoloss.training._folder import CHECKPOINT
from isoloss.training.checkpoints import damaged, read_checkpoint, write_checkpoint
from isoloss.training.finetuning.adapters import LoRA, add_adapters, merge_adapters
from isoloss.training.finetuning.starting import Start
from isoloss.training.guards import Guard
from isoloss.training.optimizer import Optimizer
from isoloss.training.recipe import Recipe
from isoloss.training.state import TrainingState

ADAPTERS = "adapters.safetensors"
TRAINING = "training.safetensors"
_TRAINED = "trained."


class _Trained:
    """What an optimiser sees of a model: the parameters that have gradients."""

    def __init__(self, model: Any) -> None:
        self.model, self.config = model, model.config

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Name and parameter of each."""
        return (pair for pair in self.model.named_parameters() if pair[1].requires_grad)


class PartState(TrainingState):
    """A model in training whose checkpoint holds the trained parameters alone.

    What is not trained comes from the start, which must still be there when a run goes on.
    """

    def save(self, path: str | Path) -> None:
        """Write one safetensors file, atomically: trained weights, moments, step, recipe."""
        trained = _Trained(self.model).named_parameters()
        tensors = {f"{_TRAINED}{name}": parameter.detach() for name, parameter in trained}
        metadata = {
            "step": str(self.step),
            "seed": str(self.seed),
            "guard": json.dumps(asdict(self.guard)),
            "recipe": json.dumps(self.recipe.to_dict()),
        }
        write_checkpoint(path, metadata, tensors | self.optimizer.tensors())

    def take(self, path: Path) -> None:
        """Take over what `save` wrote; training goes on bit for bit.

        Raises:
            DataError: the file is damaged, or belongs to another model.
        """
        metadata, tensors = read_checkpoint(path)
        try:
            with torch.no_grad():
                for name, parameter in _Trained(self.model).named_parameters():
                    parameter.copy_(tensors[f"{_TRAINED}{name}"])
            self.step = int(metadata["step"])
            self.guard = Guard(**json.loads(metadata["guard"]))
            self.optimizer.restore(tensors, self.step - self.guard.skipped)
        except (ValueError, KeyError, TypeError, RuntimeError, UsageError) as error:
            raise damaged(path, error) from error


@dataclass(frozen=True, kw_only=True)
class TunedStates:
    """The states of a run that starts from a trained model.

    Attributes:
        begin: the model.
        recipe, seed: of the run.
        lora: adapters; None trains every weight.
        spans: whether the encoder gets a head for spans.
    """

    begin: Start
    recipe: Recipe
    seed: int
    lora: LoRA | None = None
    spans: bool = False

    @property
    def file(self) -> str:
        """Where a run that is not finished is kept."""
        if self.lora is not None:
            return ADAPTERS
        return TRAINING if self.spans else CHECKPOINT

    def start(self, device: str) -> TrainingState:
        """The start's weights at step 0, with what is put beside them."""
        model: Any = copy.deepcopy(self.begin.model)
        if self.spans:
            model = SpanModel(model, seed=self.seed)
        if self.lora is not None:
            add_adapters(model, self.lora, seed=self.seed)
        model = model.to(device)
        kind = PartState if self._parts else TrainingState
        seen: Any = _Trained(model)
        return kind(
            model=model,
            optimizer=Optimizer(seen, self.recipe),
            recipe=self.recipe,
            seed=self.seed,
        )

    def load(self, path: Path, device: str) -> TrainingState:
        """What a state's `save` wrote.

        Raises:
            DataError: the file is damaged, or belongs to another run.
        """
        if not self._parts:
            return TrainingState.load(path, device=device)
        state = self.start(device)
        assert isinstance(state, PartState)
        state.take(path)
        return state

    def finish(self, state: TrainingState, folder: Path) -> dict[str, Any]:
        """Write the plain checkpoint that everything reads; columns that the row has besides.

        Adapters are merged; a head for spans lies beside the encoder's weights.
        """
        told: dict[str, Any] = {
            "meta_finetuned_from": self.begin.source,
            "meta_trained_params": sum(
                p.numel() for _, p in _Trained(state.model).named_parameters()
            ),
        }
        if self.spans:
            told["loss_unit"] = "nats_per_boundary"
        if self.lora is not None:
            told["meta_lora_rank"] = self.lora.rank
            merge_adapters(state.model)
        if self._parts:
            write_plain(state.model, folder / CHECKPOINT)
        return told

    @property
    def _parts(self) -> bool:
        return self.spans or self.lora is not None


def write_plain(model: Any, path: Path) -> None:
    """A checkpoint of weights alone, with the head for spans where there is one."""
    encoder = model.encoder if isinstance(model, SpanModel) else model
    config: TransformerConfig = encoder.config
    weights = encoder.state_dict()
    if config.tied_embeddings:
        del weights["head.weight"]  # it is the embedding, and is saved once
    tensors = {f"model.{name}": value for name, value in weights.items()}
    if isinstance(model, SpanModel):
        tensors |= model.head_tensors()
    write_checkpoint(path, {"step": "0", "config": json.dumps(config.to_dict())}, tensors)


def check_not_own(folder: Path, start: Start) -> None:
    """Refuse to write over the start.

    Raises:
        DataError: the folder is the start's own.
    """
    if Path(start.source).exists() and folder.exists() and folder.samefile(start.source):
        raise DataError(f"{folder}: is where the model starts from", hint="Take another --out.")
