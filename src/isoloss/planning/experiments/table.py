"""Runs that were made, runs under way and candidates in one table, and what a strategy sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isoloss.laws.law import Array, Columns
from isoloss.planning.experiments.beliefs import Belief, log_places
from isoloss.planning.experiments.field import Field, Points
from isoloss.planning.experiments.posterior import Observations
from isoloss.planning.experiments.strategies import Choice
from isoloss.planning.experiments.targets import Target

GROWTH = 0.5
"""How fast what a run does not share with the target grows with its distance, in discrepancies for
each unit of place: a law that is wrong is wrong in more ways the farther away it is tested. Chosen
on seeds 0 and 1 of two tables of `benchmarks/design.py` before its final scores."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows made, under way and open, in this order, in one set of columns.

    Attributes:
        names: of the variables; `columns`: the variables of every row.
        places: logarithms of the variables in units of their spread over all rows and the target
            (n, v); `scale`: these units.
        seen: the rows that were made, with their values; `under_way`: how many rows follow them.
        flops: costs of all rows; infinite for those that cannot be chosen.
    """

    names: tuple[str, ...]
    columns: Columns
    places: Array
    scale: Array
    seen: Observations
    under_way: int
    flops: Array

    @staticmethod
    def of(
        names: Sequence[str],
        made: Columns,
        values: Array,
        candidates: Columns,
        flops: Array,
        *,
        target: Target,
        running: Columns | None = None,
    ) -> Table:
        """The table of these parts; `values` of the rows `made`, `flops` of the `candidates`."""
        parts = [made, *([] if running is None else [running]), candidates]
        columns = {name: np.concatenate([part[name] for part in parts]) for name in names}
        places = log_places(columns, names)
        everywhere = places
        if target.points is not None:
            everywhere = np.concatenate([places, log_places(target.points, names)])
        spread = everywhere.std(axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        count = len(values)
        return Table(
            names=tuple(names),
            columns=columns,
            places=places / scale,
            scale=scale,
            seen=Observations(
                columns={name: column[:count] for name, column in columns.items()},
                values=values,
                places=places[:count] / scale,
            ),
            under_way=len(places) - count - len(flops),
            flops=np.concatenate([np.full(len(places) - len(flops), np.inf), flops]),
        )

    @property
    def closed(self) -> int:
        """How many rows come before the candidates."""
        return len(self.seen.values) + self.under_way

    def choice(
        self,
        belief: Belief,
        target: Target,
        budget: float,
        *,
        seed: int = 0,
        most: int | None = None,
    ) -> Choice:
        """What a strategy chooses from; its positions are rows of this table."""
        made = len(self.seen.values)
        scatter = belief.scatter
        noise = np.full(len(self.flops), scatter.noise)
        noise[:made] /= np.sqrt(scatter.trust)
        far = GROWTH * scatter.discrepancy * self._distance(target)
        return Choice(
            field=self._field(belief, target, np.hypot(noise, far), scatter.discrepancy),
            single=self._field(belief.best, target, np.hypot(noise, scatter.discrepancy), 0.0),
            costs=self.flops,
            budget=budget,
            places=self.places,
            seed=seed,
            most=most,
            done=tuple(range(made if belief.informed else 0, self.closed)),
            closed=tuple(range(made)) if belief.informed else (),
        )

    def _distance(self, target: Target) -> Array:
        """Of every row from the nearest point of the target, (n,); none from a pure number."""
        if target.points is None:
            return np.zeros(len(self.flops))
        points = target.places(self.names, 0) / self.scale
        square = ((self.places[:, None, :] - points[None, :, :]) ** 2).sum(axis=-1)
        return np.sqrt(square.min(axis=1))

    def _field(self, belief: Belief, target: Target, noise: Array, discrepancy: float) -> Field:
        mean, asked = belief.mean_and_features(target.quantity)
        _, ours = belief.mean_and_features(belief.predicted(self.columns))
        count = len(mean)
        return Field(
            candidates=Points(features=ours, places=self.places),
            targets=Points(features=asked, places=target.places(self.names, count) / self.scale),
            noise=noise,
            weights=np.full(count, 1 / count),
            discrepancy=discrepancy,
        )
