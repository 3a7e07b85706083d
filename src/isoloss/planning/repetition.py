"""Text read more than once: how much a repeated epoch is worth.

A token that was read before is worth less. With R_D* a constant of the text, D tokens of U unique
ones are worth U (1 + R_D* (1 - exp(-(D/U - 1)/R_D*))) fresh ones (Muennighoff et al. 2023,
arXiv:2305.16264, equations 5 and 7 to 11); parameters beyond what U can use decay alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoloss.laws.repetition import DATA_CONSTRAINED
from isoloss.planning._intervals import draws_of, interval_of
from isoloss.planning.chinchilla_optimum import chinchilla_columns
from isoloss.planning.interval import Interval
from isoloss.planning.published import published_law
from isoloss.planning.search import Search
from isoloss.planning.sources import Belief, PlannableLaw, Source, Surface, depends_on_unique

FloatArray = NDArray[np.float64]

SHOWN = (2, 3, 4, 5, 8, 16, 32)
"""Epochs whose worth is told, besides the plan's own."""
BORROWED = (
    "R_D* and R_N* are borrowed from published:muennighoff: they are of its text and models, not "
    "of these runs."
)
OPEN_RIDGE = (
    "R_D* is known poorly from above: on the runs of arXiv:2305.16264 its profile is open, values "
    "from 4 up fit about as well, and larger ones make repeated text worth more than is said here."
)


def with_repetition(source: Source) -> tuple[Source, tuple[str, ...]]:
    """The source with laws that know repeated text, and what was borrowed for that."""
    beliefs = tuple(_repeating(belief) for belief in source.beliefs)
    notes: list[str] = []
    if any(new is not old for new, old in zip(beliefs, source.beliefs, strict=True)):
        notes.append(BORROWED)
    if any(isinstance(belief.law, _Discounted) for belief in beliefs):
        notes.append(
            "This law is no Chinchilla form: repeated tokens are discounted, parameters in excess "
            "of what the text can use are not."
        )
    return replace(source, beliefs=beliefs), (*notes, OPEN_RIDGE)


def _repeating(belief: Belief) -> Belief:
    if depends_on_unique(belief.law):
        return belief
    borrowed = published_law("muennighoff").constants
    columns = chinchilla_columns(belief)
    if columns is None:
        return replace(belief, law=_Discounted(belief.law, borrowed["R_D"]))
    tail = np.array([borrowed["R_D"], borrowed["R_N"]])

    def extended(theta: FloatArray) -> FloatArray:
        ends = np.broadcast_to(tail, (*theta.shape[:-1], 2))
        return np.concatenate([theta[..., columns], ends], axis=-1)

    return replace(
        belief,
        law=DATA_CONSTRAINED,
        names=DATA_CONSTRAINED.names,
        theta=extended(belief.theta),
        draws=None if belief.draws is None else extended(belief.draws),
    )


def worth_in_fresh(d: FloatArray | float, unique: float, r_d: FloatArray | float) -> FloatArray:
    """Fresh tokens that D tokens of `unique` ones are worth.

    >>> round(float(worth_in_fresh(4e9, 1e9, 15.387756)) / 1e9, 3)
    3.726
    """
    repeats = np.maximum(np.asarray(d) / unique - 1, 0)
    return np.minimum(d, unique) + unique * r_d * -np.expm1(-repeats / r_d)


@dataclass(frozen=True)
class _Discounted:
    """Any law, reading what its tokens are worth as fresh ones."""

    inner: PlannableLaw
    r_d: float

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def formula(self) -> str:
        return self.inner.formula

    @property
    def variables(self) -> tuple[str, ...]:
        return (*self.inner.variables, "U")

    def value(self, theta: FloatArray, data: dict[str, FloatArray], /) -> FloatArray:
        known = dict(data)
        u = known.pop("U")
        for name in ("D", "tokens"):
            if name in known:
                # A token read once has U = D, so the discount begins where D passes U.
                repeats = np.maximum(known[name] / u - 1, 0)
                known[name] = u * (1 - self.r_d * np.expm1(-repeats / self.r_d))
        return self.inner.value(theta, known)


@dataclass(frozen=True, kw_only=True)
class EpochWorth:
    """One more reading of the text, at the plan's N.

    Attributes:
        epoch: which reading; 1 is the first.
        fresh_share: fresh tokens it is worth, over the tokens it reads.
        loss_gain: by how much it lowers the loss.
        fresh_gain: by how much as many fresh tokens would.
    """

    epoch: int
    fresh_share: Interval
    loss_gain: Interval
    fresh_gain: Interval

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return {
            "epoch": self.epoch,
            "fresh_share": self.fresh_share.to_dict(),
            "loss_gain": self.loss_gain.to_dict(),
            "fresh_gain": self.fresh_gain.to_dict(),
        }


@dataclass(frozen=True, kw_only=True)
class Epochs:
    """How often a plan reads its text, and what each reading is worth.

    Attributes:
        unique_tokens: U.
        epochs: D/U of the plan.
        r_d: R_D*; `borrowed` says whether it comes from a paper.
        half_worth: the reading from which one is worth less than half of fresh text.
        most: fresh tokens that endless reading is worth, in multiples of U.
        worth: of single readings.
    """

    unique_tokens: float
    epochs: Interval
    r_d: Interval
    borrowed: bool
    half_worth: int
    most: float
    worth: tuple[EpochWorth, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return {
            "unique_tokens": self.unique_tokens,
            **self.epochs.to_dict(),
            "r_d": self.r_d.to_dict(),
            "r_d_borrowed": self.borrowed,
            "half_worth": self.half_worth,
            "most": self.most,
            "worth": [part.to_dict() for part in self.worth],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Epochs:
        """What `to_dict` wrote."""
        return cls(
            unique_tokens=float(document["unique_tokens"]),
            epochs=Interval.from_dict(document),
            r_d=Interval.from_dict(document["r_d"]),
            borrowed=bool(document["r_d_borrowed"]),
            half_worth=int(document["half_worth"]),
            most=float(document["most"]),
            worth=tuple(
                EpochWorth(
                    epoch=int(part["epoch"]),
                    fresh_share=Interval.from_dict(part["fresh_share"]),
                    loss_gain=Interval.from_dict(part["loss_gain"]),
                    fresh_gain=Interval.from_dict(part["fresh_gain"]),
                )
                for part in document["worth"]
            ),
        )


def epochs_of(search: Search, n: float, d: Interval, level: float, *, borrowed: bool) -> Epochs:
    """What the readings of a plan are worth.

    Args:
        search: whose setting names the unique tokens.
        n, d: of the plan.
        level: of the intervals.
        borrowed: whether R_D* comes from a paper.
    """
    unique = search.setting.unique_tokens
    assert unique is not None, "asked only where the unique tokens are known"
    r_d = sum(b.weight * float(_r_d(b, b.theta)) for b in search.source.beliefs)
    plans_own = math.ceil(d.value / unique - 1e-9)
    readings = {*SHOWN, plans_own} if 1 < plans_own <= 1000 else set(SHOWN)

    def of(surface: Surface) -> FloatArray:
        return _r_d(surface.parts[0][0], surface.parts[0][1])

    return Epochs(
        unique_tokens=unique,
        epochs=Interval(
            value=d.value / unique, low=d.low / unique, high=d.high / unique, reason=d.reason
        ),
        r_d=_over_draws(search, of, r_d, level, borrowed),
        borrowed=borrowed,
        half_worth=_half_worth(r_d),
        most=1 + r_d,
        worth=tuple(_worth(search, n, unique, k, level, borrowed) for k in sorted(readings)),
    )


def _r_d(belief: Belief, theta: FloatArray) -> FloatArray:
    if isinstance(belief.law, _Discounted):
        return np.full(theta.shape[:-1], belief.law.r_d)
    if "R_D" not in belief.names:
        return np.full(theta.shape[:-1], np.nan)
    return theta[..., belief.names.index("R_D")]


def _half_worth(r_d: float) -> int:
    """The first reading whose tokens are worth less than half of fresh ones; 0 if unknown."""
    if not math.isfinite(r_d):
        return 0
    # The k-th reading is worth R (1 - exp(-1/R)) exp(-(k - 2)/R) of its tokens, k from 2.
    first = -r_d * math.expm1(-1 / r_d)
    return max(2, 2 + math.floor(r_d * math.log(2 * first)) + 1) if first > 0.5 else 2


def _worth(
    search: Search, n: float, unique: float, epoch: int, level: float, borrowed: bool
) -> EpochWorth:
    ends = np.array([(epoch - 1) * unique, epoch * unique])
    at_n = search.candidates.between(np.log(np.full(2, n)))

    def share(surface: Surface) -> FloatArray:
        r_d = _r_d(surface.parts[0][0], surface.parts[0][1])
        return (worth_in_fresh(ends[1], unique, r_d) - worth_in_fresh(ends[0], unique, r_d)) / (
            unique
        )

    def gain(surface: Surface) -> FloatArray:
        loss = surface.loss(at_n.n, ends, at_n.law_cost * ends)
        return loss[..., 0] - loss[..., 1]

    def fresh(surface: Surface) -> FloatArray:
        return gain(replace(surface, setting=replace(surface.setting, unique_tokens=None)))

    mean_share = sum(b.weight * float(share(_alone(search, b))) for b in search.source.beliefs)
    return EpochWorth(
        epoch=epoch,
        fresh_share=_over_draws(search, share, mean_share, level, borrowed),
        loss_gain=_over_draws(search, gain, float(gain(search.surface)), level, False),
        fresh_gain=_over_draws(search, fresh, float(fresh(search.surface)), level, False),
    )


def _alone(search: Search, belief: Belief) -> Surface:
    return Surface(parts=((belief, belief.theta, 1.0),), setting=search.setting)


def _over_draws(
    search: Search,
    of: Callable[[Surface], FloatArray],
    value: float,
    level: float,
    borrowed: bool,
) -> Interval:
    if borrowed:
        return Interval(value=value, reason="R_D* is borrowed from a paper, without an interval")
    draws, reason = draws_of(search)
    if reason:
        return Interval(value=value, reason=reason)
    values: list[FloatArray] = []
    for index, rows, _ in draws:
        surface = search.source.drawn(search.source.beliefs[index], rows, search.setting)
        values.append(np.broadcast_to(of(surface), rows.shape))
    return interval_of(
        value, np.concatenate(values), np.concatenate([weights for *_, weights in draws]), level
    )
