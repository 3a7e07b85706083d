"""What a metric is: which way is better and where its values can lie."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A column that a law predicts.

    Attributes:
        name: what it is.
        low, high: ends of its range; infinite where there is none.
        lower_is_better: None where nobody knows.
        note: what to know before fitting a power law to it.
    """

    name: str
    low: float = -math.inf
    high: float = math.inf
    lower_is_better: bool | None = None
    note: str = ""

    def outside(self, value: float) -> bool:
        """Whether a value cannot be one of this metric."""
        return not self.low <= value <= self.high

    @property
    def range_text(self) -> str:
        """`0 to 1`, `1 and more`, `any number`."""
        if math.isinf(self.low):
            return "any number"
        return (
            f"{self.low:g} and more" if math.isinf(self.high) else f"{self.low:g} to {self.high:g}"
        )


_SATURATES = (
    "This metric has a ceiling, which a power law does not know: near it, fit the error rate or"
    " a sigmoid of the loss instead."
)
LOSS = Metric(name="loss", low=0.0, lower_is_better=True)
PERPLEXITY = Metric(
    name="perplexity",
    low=1.0,
    lower_is_better=True,
    note="Perplexity is exp(loss): if the loss follows a power law, perplexity does not, and the"
    " other way round. Fit the one whose residuals show no trend; the loss is the usual one.",
)
ACCURACY = Metric(name="accuracy", low=0.0, high=1.0, lower_is_better=False, note=_SATURATES)
ERROR = Metric(name="error rate", low=0.0, high=1.0, lower_is_better=True)
BLEU = Metric(name="BLEU", low=0.0, high=100.0, lower_is_better=False, note=_SATURATES)
ROUGE = Metric(name="ROUGE", low=0.0, high=1.0, lower_is_better=False, note=_SATURATES)
CHRF = Metric(name="chrF", low=0.0, high=100.0, lower_is_better=False, note=_SATURATES)
F1 = Metric(name="F1", low=0.0, high=1.0, lower_is_better=False, note=_SATURATES)

_BY_WORD: dict[str, Metric] = {
    "loss": LOSS, "bits": LOSS, "bpb": LOSS, "nll": LOSS,
    "perplexity": PERPLEXITY, "ppl": PERPLEXITY,
    "accuracy": ACCURACY, "acc": ACCURACY, "em": ACCURACY, "match": ACCURACY, "pass": ACCURACY,
    "error": ERROR, "err": ERROR,
    "bleu": BLEU, "rouge": ROUGE, "rouge1": ROUGE, "rouge2": ROUGE, "rougel": ROUGE,
    "chrf": CHRF, "f1": F1,
}  # fmt: skip
"""Words of a column's name, by what they say of it."""


def metric_of(column: str) -> Metric:
    """The metric of a column, by the words of its name; one without range where none is known.

    >>> metric_of("loss").lower_is_better, metric_of("metric_accuracy_boolq").high
    (True, 1.0)
    >>> metric_of("metric_score").range_text
    'any number'
    """
    for word in column.lower().replace("@", "_").split("_"):
        if word in _BY_WORD:
            return _BY_WORD[word]
    return Metric(name=column.removeprefix("metric_"))
