"""What a score may follow: laws by way of the loss, and laws of size, data and compute.

Scores with a best value are fitted as shares of the way to it, or as the `error` that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from isoloss.laws.law import Array

SHARE, ERROR, PLAIN = "metric_share", "metric_error", "metric_score"


@dataclass(frozen=True, kw_only=True)
class ScoredBy:
    """What a law has to know of a metric.

    Attributes:
        name: as in the columns `metric_NAME`.
        higher_is_better: which way is better.
        best: the value that cannot be surpassed, or None where there is none.
        floor: the value of a model that knows nothing: of guessing, else 0.
        smooth: whether every small gain of the model moves it; counts of right answers do not.
    """

    name: str
    higher_is_better: bool = True
    best: float | None = None
    floor: float = 0.0
    smooth: bool = False

    @property
    def column(self) -> str:
        """Of the run table."""
        return f"metric_{self.name}"

    @property
    def bounded(self) -> bool:
        """Whether a score is a share of the way to the best one."""
        return self.higher_is_better and self.best is not None


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A law that a score may follow.

    Attributes:
        name: how reports name it.
        law: of the library, or a formula.
        target: what of the score it predicts: the share, what is missing of it, or itself.
        fixed: parameters that are known.
    """

    name: str
    law: str
    target: str
    fixed: Mapping[str, float] = field(default_factory=dict[str, float])


def second_steps(metric: ScoredBy) -> tuple[Candidate, ...]:
    """Laws of a score from the loss.

    The ends are fixed where they are known: runs on one side of a sigmoid do not say where the
    other lies (`isoloss.laws.downstream`). The power of the loss is what arXiv:2109.07740 draws
    between BLEU and loss.
    """
    if not metric.bounded:
        return (
            Candidate(name="power of the loss", law="K*loss**kappa", target=PLAIN),
            Candidate(name="loss_to_loss", law="loss_to_loss", target=PLAIN, fixed={"S": 0.0}),
        )
    floor = _floor(metric)
    laws = [
        Candidate(
            name="accuracy_sigmoid",
            law="accuracy_sigmoid",
            target=SHARE,
            fixed={"floor": floor, "top": 1.0},
        ),
        Candidate(
            name="error_exponential",
            law="error_exponential",
            target=ERROR,
            fixed={"eps": 1.0 - floor},
        ),
    ]
    if floor == 0:
        laws.append(Candidate(name="power of the loss", law="c/loss**p", target=SHARE))
    return tuple(laws)


def direct_laws(metric: ScoredBy) -> tuple[Candidate, ...]:
    """Laws of a score from compute, or from size and data."""
    if not metric.bounded:
        return (
            Candidate(name="power of compute", law="A/C**alpha", target=PLAIN),
            Candidate(name="compute", law="compute", target=PLAIN),
            Candidate(name="chinchilla", law="chinchilla", target=PLAIN),
        )
    floor = _floor(metric)
    reach = f"{floor!r} + {1 - floor!r}" if floor else "1"
    return (
        Candidate(name="sigmoid of log C", law=f"{reach}/(1 + A/C**alpha)", target=SHARE),
        Candidate(
            name="sigmoid of log N and log D",
            law=f"{reach}/(1 + A/N**alpha + B/D**beta)",
            target=SHARE,
        ),
        Candidate(name="power of compute, for what is missing", law="A/C**alpha", target=ERROR),
    )


def _floor(metric: ScoredBy) -> float:
    assert metric.best is not None
    return metric.floor / metric.best


def columns_of(score: float, metric: ScoredBy) -> dict[str, float]:
    """What a law may predict of a score."""
    if not metric.bounded or metric.best is None:
        return {PLAIN: score}
    return {SHARE: score / metric.best, ERROR: 1 - score / metric.best}


def score_of(values: Array, target: str, metric: ScoredBy) -> Array:
    """The inverse of `columns_of`."""
    if target == PLAIN or metric.best is None:
        return values
    return metric.best * (values if target == SHARE else 1 - values)
