"""A model in training: weights, optimiser and step, advanced, saved and restored exactly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor
from torch.nn import functional as F

from isoloss._files import write_bytes_atomic
from isoloss.architecture import TransformerConfig
from isoloss.errors import DataError, EnvironmentProblem, NotFoundError, UsageError
from isoloss.models import Decoder
from isoloss.training.optimizer import Optimizer
from isoloss.training.recipe import Recipe, Schedule

Batch = Callable[[int], Tensor]
"""Step → tokens (B, T + 1): a pure function, so the step is the sampler's whole state."""


class Diverged(Exception):
    """The loss became not-a-number, infinite or far worse than guessing."""

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(f"loss {loss} at step {step}")
        self.step = step
        self.loss = loss


@dataclass
class TrainingState:
    """Everything that the next step depends on besides the batch and the schedule."""

    model: Decoder
    optimizer: Optimizer
    recipe: Recipe
    step: int = 0

    @staticmethod
    def start(config: TransformerConfig, recipe: Recipe, *, seed: int) -> TrainingState:
        """A fresh model at step 0; `seed` decides its initial weights."""
        model = Decoder(config, seed=seed)
        return TrainingState(model=model, optimizer=Optimizer(model, recipe), recipe=recipe)

    def advance(
        self,
        until: int,
        schedule: Schedule,
        batch: Batch,
        on_step: Callable[[int, float], None] | None = None,
    ) -> None:
        """Train up to (not including) step `until`.

        Raises:
            Diverged: the loss is not finite, or more than twice that of a uniform guess.
        """
        config = self.model.config
        worst = 2 * float(torch.log(torch.tensor(float(config.vocab_size))))
        parameters = list(self.model.parameters())
        while self.step < until:
            tokens = batch(self.step)
            logits = self.model(tokens[:, :-1])
            loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
            value = loss.item()
            if not value < worst:  # also true for not-a-number
                raise Diverged(self.step, value)
            self.model.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, self.recipe.clip_norm)
            self.optimizer.step(schedule.factor(self.step))
            self.step += 1
            if on_step is not None:
                on_step(self.step, value)

    def save(self, path: str | Path) -> None:
        """Write one safetensors file, atomically: weights, moments, step, config, recipe."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= self.optimizer.tensors()
        contiguous = {name: value.detach().contiguous() for name, value in tensors.items()}
        metadata = {
            "format": "isoloss-checkpoint-1",
            "sha256": _digest(contiguous),
            "step": str(self.step),
            "config": json.dumps(self.model.config.to_dict()),
            "recipe": json.dumps(self.recipe.to_dict()),
        }
        write_bytes_atomic(path, save_tensors(contiguous, metadata))

    @staticmethod
    def load(path: str | Path) -> TrainingState:
        """Restore what `save` wrote; training goes on bit for bit.

        Raises:
            NotFoundError: no such file.
            DataError: the file is not a checkpoint of isoloss, or it is cut short.
        """
        path = Path(path)
        metadata, tensors = read_checkpoint(path)
        try:
            values = json.loads(metadata["recipe"])
            recipe = Recipe(**{**values, "betas": tuple(values["betas"])})
            model = _model(metadata, tensors)
            state = TrainingState(model=model, optimizer=Optimizer(model, recipe), recipe=recipe)
            state.step = int(metadata["step"])
            state.optimizer.restore(tensors, state.step)
        except (ValueError, KeyError, TypeError, RuntimeError, UsageError) as error:
            raise _damaged(path, error) from error
        return state


def load_model(path: str | Path) -> Decoder:
    """The model of a checkpoint, without its optimiser.

    Raises:
        NotFoundError: no such file.
        DataError: the file is not a checkpoint of isoloss, or it is damaged.
    """
    path = Path(path)
    metadata, tensors = read_checkpoint(path)
    try:
        return _model(metadata, tensors)
    except (ValueError, KeyError, TypeError, RuntimeError, UsageError) as error:
        raise _damaged(path, error) from error


def _model(metadata: dict[str, str], tensors: dict[str, Tensor]) -> Decoder:
    """The model that the parts of a checkpoint describe; errors are those of wrong parts."""
    model = Decoder(TransformerConfig(**json.loads(metadata["config"])))
    prefix = "model."
    model.load_state_dict({n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)})
    return model


def _digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names and values: a changed bit would be another run."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)}\n".encode())
        digest.update(tensors[name].numpy().data)
    return digest.hexdigest()


def _damaged(path: Path, error: Exception) -> DataError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(
        f"{path} is not an isoloss checkpoint, or it is damaged ({reason})",
        hint="Delete the file; the run is then trained again from what is left.",
    )


def read_checkpoint(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a checkpoint file.

    Raises:
        NotFoundError: no such file.
        DataError: the file is not a checkpoint of isoloss, or it is cut short.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(
            f"no checkpoint at {path}", hint="Give the folder of a trained model."
        ) from error
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot read {path}: {error.strerror or error}", hint="Check who may read the file."
        ) from error
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        metadata = header["__metadata__"]
        if metadata["format"] != "isoloss-checkpoint-1":
            raise DataError(f"{path}: unknown checkpoint format {metadata['format']!r}")
        tensors = load_tensors(data)
        if metadata.get("sha256", found := _digest(tensors)) != found:
            raise ValueError("its numbers are not those that were saved")
        return metadata, tensors
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error
