"""A model in training: weights, optimiser and step, advanced, saved and restored exactly."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from isoloss.architecture import TransformerConfig
from isoloss.errors import DataError, UsageError
from isoloss.models import LanguageModel, build_model
from isoloss.training.checkpoints import damaged, read_checkpoint, write_checkpoint
from isoloss.training.compilation import compiled
from isoloss.training.devices import out_of_memory
from isoloss.training.gradients import Loss, accumulate
from isoloss.training.guards import MOST_SKIPPED, Diverged, Guard, check_worst
from isoloss.training.objectives.batch import Batch, batch_loss
from isoloss.training.optimizer import Optimizer
from isoloss.training.recipe import Recipe, Schedule

__all__ = [
    "Batches",
    "Diverged",
    "Step",
    "TrainingState",
    "load_model",
    "read_checkpoint",
]

Batches = Callable[[int], Batch]
"""Step → batch: a pure function, so the step is the sampler's whole state."""
_WRONG_PARTS = (ValueError, KeyError, TypeError, RuntimeError, UsageError)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step as it came out.

    Attributes:
        step: steps done, this one included.
        loss: of the batch, nats per predicted token (smoothed where the objective smooths).
        gradient_norm: before clipping.
        factor: share of the peak learning rate.
        skipped: whether the weights were left as they were.
        tokens, predicted: of its batch.
    """

    step: int
    loss: float
    gradient_norm: float
    factor: float
    skipped: bool
    tokens: int
    predicted: int


@dataclass
class TrainingState:
    """Everything that the next step depends on besides the batch and the schedule."""

    model: LanguageModel
    optimizer: Optimizer
    recipe: Recipe
    seed: int = 0
    step: int = 0
    guard: Guard = field(default_factory=Guard)

    @staticmethod
    def start(
        config: TransformerConfig, recipe: Recipe, *, seed: int, device: str = "cpu"
    ) -> TrainingState:
        """A fresh model at step 0; `seed` decides its initial weights and its dropout."""
        model = build_model(config, seed=seed).to(device)
        return TrainingState(
            model=model, optimizer=Optimizer(model, recipe), recipe=recipe, seed=seed
        )

    def advance(
        self,
        until: int,
        schedule: Schedule,
        batches: Batches,
        on_step: Callable[[int, float], None] | None = None,
        *,
        loss: Loss = batch_loss,
        on_outcome: Callable[[Step], None] | None = None,
    ) -> None:
        """Train up to (not including) step `until`.

        Args:
            until: steps done afterwards.
            schedule: the factor on the learning rates at each step.
            batches: what each step sees.
            on_step: told the steps done and the loss, after each step.
            loss: the training loss of a batch.
            on_outcome: told everything about each step.

        Raises:
            Diverged: see `isoloss.training.guards`.
            EnvironmentProblem: out of memory.
        """
        self.model.train()
        self.model.checkpoint_activations(self.recipe.checkpoint_activations)
        loss = compiled(loss) if self.recipe.compile else loss
        device = self.model.embedding.weight.device
        parameters = list(self.model.parameters())
        while self.step < until:
            with out_of_memory(self.recipe):
                outcome = self._take_step(schedule, batches(self.step).to(device), loss, parameters)
            if on_outcome is not None:
                on_outcome(outcome)
            if on_step is not None:
                on_step(self.step, outcome.loss)
            if self.guard.in_a_row >= MOST_SKIPPED:
                raise Diverged(self.step - 1, outcome.loss)

    def _take_step(
        self, schedule: Schedule, batch: Batch, loss: Loss, parameters: list[torch.nn.Parameter]
    ) -> Step:
        recipe, factor = self.recipe, schedule.factor(self.step)
        self.model.zero_grad(set_to_none=True)
        mean = accumulate(self.model, batch, loss, recipe, seed=self.seed, step=self.step)
        norm = torch.nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
        value, gradient_norm = torch.stack((mean, norm)).tolist()  # one wait for the device
        check_worst(value, self.step, self.model.config.vocab_size)
        refused = self.guard.refuses(value, gradient_norm, recipe.spike_nats)
        if not refused:
            self.optimizer.step(factor)
        self.guard = self.guard.after(value, refused=refused)
        self.step += 1
        return Step(
            step=self.step,
            loss=value,
            gradient_norm=gradient_norm,
            factor=factor,
            skipped=refused,
            tokens=batch.tokens,
            predicted=batch.predicted,
        )

    def save(self, path: str | Path) -> None:
        """Write one safetensors file, atomically: weights, moments, step, config, recipe."""
        weights = self.model.state_dict()
        if self.model.config.tied_embeddings:
            del weights["head.weight"]  # it is the embedding, and is saved once
        tensors = {f"model.{name}": value for name, value in weights.items()}
        metadata = {
            "step": str(self.step),
            "seed": str(self.seed),
            "guard": json.dumps(asdict(self.guard)),
            "config": json.dumps(self.model.config.to_dict()),
            "recipe": json.dumps(self.recipe.to_dict()),
        }
        write_checkpoint(path, metadata, tensors | self.optimizer.tensors())

    @staticmethod
    def load(path: str | Path, *, device: str = "cpu") -> TrainingState:
        """Restore what `save` wrote; training goes on bit for bit.

        Raises:
            NotFoundError: no such file.
            DataError: the file is not a checkpoint of isoloss, or it is cut short.
        """
        path = Path(path)
        metadata, tensors = read_checkpoint(path)
        if "recipe" not in metadata:
            raise DataError(
                f"{path} holds weights alone: it can be used, not trained on",
                hint="Train on from a checkpoint that isoloss wrote while it trained.",
            )
        try:
            recipe = Recipe.from_dict(json.loads(metadata["recipe"]))
            model = _model(metadata, tensors).to(device)
            state = TrainingState(
                model=model,
                optimizer=Optimizer(model, recipe),
                recipe=recipe,
                seed=int(metadata["seed"]),
                step=int(metadata["step"]),
                guard=Guard(**json.loads(metadata["guard"])),
            )
            state.optimizer.restore(tensors, state.step - state.guard.skipped)
        except _WRONG_PARTS as error:
            raise damaged(path, error) from error
        return state


def load_model(path: str | Path) -> LanguageModel:
    """The model of a checkpoint, without its optimiser, on the CPU.

    Raises:
        NotFoundError: no such file.
        DataError: the file is not a checkpoint of isoloss, or it is damaged.
    """
    path = Path(path)
    metadata, tensors = read_checkpoint(path)
    try:
        return _model(metadata, tensors)
    except _WRONG_PARTS as error:
        raise damaged(path, error) from error


def _model(metadata: dict[str, str], tensors: dict[str, Tensor]) -> LanguageModel:
    """The model that the parts of a checkpoint describe; errors are those of wrong parts."""
    model = build_model(TransformerConfig(**json.loads(metadata["config"])))
    prefix = "model."
    named = {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}
    if model.config.tied_embeddings:
        named.setdefault("head.weight", named["embedding.weight"])
    model.load_state_dict(named)
    return model
