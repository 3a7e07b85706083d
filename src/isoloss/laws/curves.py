"""Loss curves with their learning-rate schedules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from isoloss.errors import DataError
from isoloss.laws.law import Array, Counts
from isoloss.laws.schedules import LearningRates


@dataclass(frozen=True, eq=False, repr=False)
class Points:
    """Steps of a schedule at which a loss is asked for.

    Args:
        schedule: of the whole run.
        steps: (n,) whole numbers, rising, from 0 to the last step of the schedule; a loss at a
            step is that after its update.
        name: for messages.

    Raises:
        DataError: no steps, or the first one that is not as said.
    """

    schedule: LearningRates
    steps: Counts
    name: str

    def __init__(self, schedule: LearningRates, steps: npt.ArrayLike, name: str = "curve") -> None:
        object.__setattr__(self, "schedule", schedule)
        object.__setattr__(self, "steps", _checked_steps(steps, len(schedule), name))
        object.__setattr__(self, "name", name)

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def area(self) -> Array:
        """S1: the sum of the learning rates up to and with each step asked for, (n,)."""
        return self.schedule.area[self.steps]


@dataclass(frozen=True, eq=False, repr=False)
class Curve(Points):
    """The losses of one run: `losses` (n,) in nats, finite and positive, at `steps` (n,).

    >>> rates = LearningRates.constant(100, 1e-3, warmup=10)
    >>> Curve("run", rates, [20, 60], [4.0, 3.5])
    Curve('run', 2 points to step 60)
    """

    losses: Array

    def __init__(
        self, name: str, schedule: LearningRates, steps: npt.ArrayLike, losses: npt.ArrayLike
    ) -> None:
        super().__init__(schedule, steps, name)
        try:
            values = np.array(losses, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"curve {name!r}: losses must be numbers") from error
        if values.shape != self.steps.shape:
            raise DataError(
                f"curve {name!r}: {len(self.steps)} steps, but losses of shape {values.shape}"
            )
        bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
        if len(bad):
            raise DataError(
                f"curve {name!r}, step {self.steps[bad[0]]}: a loss must be a finite positive"
                f" number, found {values[bad[0]]}",
                hint="Leave steps without a loss out.",
            )
        values.setflags(write=False)
        object.__setattr__(self, "losses", values)

    def __repr__(self) -> str:
        return f"Curve({self.name!r}, {len(self)} points to step {self.steps[-1]})"


@dataclass(frozen=True, eq=False, repr=False)
class Curves:
    """Several loss curves of one model and data, under different schedules or lengths.

    Raises:
        DataError: no curve, or two of one name.
    """

    curves: tuple[Curve, ...]

    def __init__(self, curves: Iterable[Curve]) -> None:
        kept = tuple(curves)
        if not kept:
            raise DataError("there is no loss curve to fit")
        names = [curve.name for curve in kept]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise DataError(f"two curves are called {twice[0]!r}")
        object.__setattr__(self, "curves", kept)

    def __iter__(self) -> Iterator[Curve]:
        return iter(self.curves)

    def __len__(self) -> int:
        return len(self.curves)

    def __repr__(self) -> str:
        return f"Curves({', '.join(self.names)}; {len(self.losses)} points)"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the curves, in order."""
        return tuple(curve.name for curve in self.curves)

    @property
    def losses(self) -> Array:
        """Losses of all points (n,), one curve after the other."""
        return np.concatenate([curve.losses for curve in self.curves])

    def to_frame(self) -> Any:
        """A pandas frame with one row a point: curve, step, learning rate and loss."""
        import pandas as pd

        return pd.concat(
            [
                pd.DataFrame(
                    {
                        "curve": curve.name,
                        "step": curve.steps,
                        "learning_rate": curve.schedule.values[curve.steps],
                        "loss": curve.losses,
                    }
                )
                for curve in self.curves
            ],
            ignore_index=True,
        )


def point_columns(curves: Iterable[Points]) -> dict[str, Array]:
    """What a law bound to these curves takes as data, each (n,) over all their points.

    `point`: 0, 1, 2, …; `S1`: sum of the learning rates up to the point; `lr`: the learning
    rate at the point.
    """
    kept = tuple(curves)
    return {
        "point": np.arange(sum(len(curve) for curve in kept), dtype=np.float64),
        "S1": np.concatenate([curve.area for curve in kept]),
        "lr": np.concatenate([curve.schedule.values[curve.steps] for curve in kept]),
    }


def _checked_steps(steps: npt.ArrayLike, length: int, name: str) -> Counts:
    """Steps as a read-only array of whole numbers inside the schedule."""
    try:
        given = np.atleast_1d(np.array(steps, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise DataError(f"curve {name!r}: steps must be whole numbers") from error
    if given.ndim != 1 or not len(given):
        raise DataError(f"curve {name!r} has no points")
    bad = np.flatnonzero(~((given >= 0) & (given < length) & (given == np.floor(given))))
    if len(bad):
        raise DataError(
            f"curve {name!r}: its schedule has steps 0 to {length - 1}, found step"
            f" {given[bad[0]]:g}",
            hint="Steps count from 0; give the schedule of the whole run.",
        )
    if (np.diff(given) <= 0).any():
        raise DataError(f"curve {name!r}: steps must rise from point to point")
    whole = given.astype(np.int64)
    whole.setflags(write=False)
    return whole
