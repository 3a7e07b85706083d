"""What one step sees, whatever the objective, and the loss on it.

Shape suffixes: B rows, T positions, D width, N predicted tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from isoloss.models import LanguageModel

_TOKENS = {"tokens": "segments", "source": "source_segments", "target": "target_segments"}
"""Inputs that are token ids, and the input that names their segments."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Inputs of a model and what it must predict.

    Attributes:
        inputs: the arguments of `LanguageModel.hidden` by name.
        targets: the tokens to predict, (N,) int64.
        places: where in the flattened (B · T) positions they are predicted, (N,) int64 in
            ascending order; every position in its order when None.
        tokens: non-padding positions processed, encoder and decoder together (D).
        encoder_tokens: those of the encoder of an encoder-decoder.
    """

    inputs: Mapping[str, Tensor]
    targets: Tensor
    places: Tensor | None = None
    tokens: int
    encoder_tokens: int = 0

    @property
    def predicted(self) -> int:
        """Number of predicted tokens."""
        return self.targets.numel()

    @property
    def rows(self) -> int:
        """Number of rows (B)."""
        return len(self._predicting)

    @property
    def width(self) -> int:
        """Positions of a row that could predict (T)."""
        return self._predicting.shape[1]

    @property
    def _predicting(self) -> Tensor:
        return self.inputs["target"] if "target" in self.inputs else self.inputs["tokens"]

    def rows_of_targets(self) -> Tensor:
        """The row that each predicted token lies in, (N,) int64, ascending."""
        if self.places is not None:
            return self.places // self.width
        return torch.arange(self.predicted, device=self.targets.device) // self.width

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on a device; itself where it lies there already."""
        if self.targets.device == torch.device(device):
            return self
        return replace(
            self,
            inputs={name: value.to(device) for name, value in self.inputs.items()},
            targets=self.targets.to(device),
            places=None if self.places is None else self.places.to(device),
        )

    def split(self, rows: int) -> list[Batch]:
        """Parts of at most `rows` rows, in their order.

        The mean loss of the whole is the mean of the parts' losses weighted by `predicted`. A
        part may predict nothing: its mean loss is not a number, so leave it out.

        >>> whole = Batch(
        ...     inputs={"tokens": torch.zeros(3, 2, dtype=torch.long)},
        ...     targets=torch.zeros(6, dtype=torch.long),
        ...     tokens=6,
        ... )
        >>> [part.tokens for part in whole.split(2)]
        [4, 2]
        """
        row_of_target = self.rows_of_targets()
        parts: list[Batch] = []
        for first in range(0, self.rows, rows):
            chosen = (row_of_target >= first) & (row_of_target < first + rows)
            inputs = {name: value[first : first + rows] for name, value in self.inputs.items()}
            places = None if self.places is None else self.places[chosen] - first * self.width
            counts = count_positions(inputs)
            parts.append(
                Batch(
                    inputs=inputs,
                    targets=self.targets[chosen],
                    places=places,
                    tokens=sum(counts.values()),
                    encoder_tokens=counts.get("source", 0),
                )
            )
        return parts


def count_positions(inputs: Mapping[str, Tensor]) -> dict[str, int]:
    """Non-padding positions of each token input; padding is segment 0."""
    counts: dict[str, int] = {}
    for name, segments in _TOKENS.items():
        if name in inputs:
            known = inputs.get(segments)
            counts[name] = inputs[name].numel() if known is None else int((known > 0).sum())
    return counts


def predicted_logits(model: LanguageModel, batch: Batch) -> Tensor:
    """Logits at the predicted positions alone, (N, V)."""
    hidden_ND = model.hidden(**batch.inputs).flatten(0, 1)
    return model.logits(hidden_ND if batch.places is None else hidden_ND[batch.places])


def batch_loss(model: LanguageModel, batch: Batch, *, label_smoothing: float = 0.0) -> Tensor:
    """Mean negative log likelihood in nats per predicted token, a scalar.

    With smoothing the target keeps 1 - ε of its weight and all entries share ε
    (arXiv:1512.00567, §7): for training only, never for a loss that is reported.
    """
    logits_NV = predicted_logits(model, batch)
    return F.cross_entropy(logits_NV, batch.targets, label_smoothing=label_smoothing)
