"""When a step must not move the weights, and when a run is over.

The rule, the same on every machine: a step whose loss or gradient norm is not finite, or (where
`Recipe.spike_nats` is set) whose loss lies that far above the mean of the steps before, leaves
weights and moments as they are and is counted; the next step sees the next batch at its own
learning rate. After `MOST_SKIPPED` such steps in a row, or at a finite loss that is worse than
twice a uniform guess, the run has diverged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

MOST_SKIPPED = 5
MEMORY = 0.98
"""Weight of the past in the running mean of the loss: about fifty steps."""
WORST = 2.0
"""Times ln V, the loss of a uniform guess."""


class Diverged(Exception):
    """The loss became not-a-number, infinite or far worse than guessing."""

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(f"loss {loss} at step {step}")
        self.step = step
        self.loss = loss


@dataclass(frozen=True, kw_only=True)
class Guard:
    """What the rule remembers between steps.

    Attributes:
        skipped: steps left out so far.
        in_a_row: of them the last ones without a good step since.
        mean: running mean of the good steps' losses; None before the first.
    """

    skipped: int = 0
    in_a_row: int = 0
    mean: float | None = None

    def refuses(self, loss: float, gradient_norm: float, spike_nats: float | None) -> bool:
        """Whether a step must not move the weights.

        >>> Guard(mean=3.0).refuses(3.1, 1.0, None), Guard(mean=3.0).refuses(5.0, 1.0, 1.5)
        (False, True)
        """
        if not (math.isfinite(loss) and math.isfinite(gradient_norm)):
            return True
        return spike_nats is not None and self.mean is not None and loss > self.mean + spike_nats

    def after(self, loss: float, *, refused: bool) -> Guard:
        """What is remembered after a step."""
        if refused:
            return replace(self, skipped=self.skipped + 1, in_a_row=self.in_a_row + 1)
        mean = loss if self.mean is None else MEMORY * self.mean + (1 - MEMORY) * loss
        return replace(self, in_a_row=0, mean=mean)


def check_worst(loss: float, step: int, vocab_size: int) -> None:
    """Stop a run whose finite loss is far worse than guessing.

    Raises:
        Diverged: at more than twice the loss of a uniform guess.
    """
    if math.isfinite(loss) and not loss < WORST * math.log(vocab_size):
        raise Diverged(step, loss)
