"""When a run ends: the first of several rules that comes true.

Steps, tokens, epochs and FLOP are known before a run starts and give it its number of steps,
which the schedule follows. Wall time and convergence end it earlier, where it then stands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from isoloss.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Rules that end a run; None leaves a rule out.

    A run that wall time or convergence ends before its schedule does is kept out of a fit, unless
    the schedule is `constant`: its last learning rate would be that of no other run.

    Args:
        steps, tokens, epochs, flops: what the run may see or cost (FLOP by `palm`).
        seconds: wall time of one call; the run is finished then.
        patience: evaluations in a row without a better validation loss.
        min_delta: how much better (nats) counts as better.
        evaluate_every: steps between the evaluations that `patience` counts.

    Raises:
        UsageError: a limit is not positive.

    >>> Stop(tokens=10_000, epochs=1).steps_in(
    ...     tokens_per_step=1024, flops_per_step=1e6, unique_tokens=5_000
    ... )
    4
    """

    steps: int | None = None
    tokens: float | None = None
    epochs: float | None = None
    flops: float | None = None
    seconds: float | None = None
    patience: int | None = None
    min_delta: float = 0.0
    evaluate_every: int = 250

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None or (field.name == "min_delta" and value == 0):
                continue
            if not 0 < value < math.inf:
                raise UsageError(f"{field.name} must be positive and finite, found {value!r}")

    @property
    def early(self) -> Stop | None:
        """The rules that may end a run before its steps are done; None where there are none."""
        if self.seconds is None and self.patience is None:
            return None
        if self.patience is None:
            return Stop(seconds=self.seconds)
        return Stop(
            seconds=self.seconds,
            patience=self.patience,
            min_delta=self.min_delta,
            evaluate_every=self.evaluate_every,
        )

    def steps_in(self, *, tokens_per_step: float, flops_per_step: float, unique_tokens: int) -> int:
        """Whole steps until the first of the rules that are known beforehand.

        Raises:
            UsageError: there is no such rule.
        """
        limits = [
            None if self.steps is None else float(self.steps),
            None if self.tokens is None else self.tokens / tokens_per_step,
            None if self.epochs is None else self.epochs * unique_tokens / tokens_per_step,
            None if self.flops is None else self.flops / flops_per_step,
        ]
        given = [limit for limit in limits if limit is not None]
        if not given:
            raise UsageError(
                "a run needs an end that is known beforehand",
                hint="Give steps, tokens, epochs or flops; seconds and patience may end it sooner.",
            )
        return int(min(given))

    def converged(self, losses: Sequence[float]) -> bool:
        """Whether the last `patience` validation losses brought nothing better.

        >>> Stop(patience=2, min_delta=0.1).converged([3.0, 2.5, 2.45, 2.41])
        True
        """
        if self.patience is None:
            return False
        best, since = math.inf, 0
        for loss in losses:
            if loss < best - self.min_delta:
                best, since = loss, 0
            else:
                since += 1
        return since >= self.patience

    def to_dict(self) -> dict[str, Any]:
        """The rules that are set, for JSON and for a run's id."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }
