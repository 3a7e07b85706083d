"""The loss curve that a law foretells for a schedule, with an interval at every step."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import Any

from isoloss.fitting._json import SCHEMA_VERSION
from isoloss.laws.law import Array, Counts

SHOWN = 12
"""Steps in the text, spread over the curve."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PredictedCurve:
    """A predicted loss curve: made by `CurveFit.predict_curve`.

    Attributes:
        steps: (n,).
        loss: the law's loss after the update of each step (n,).
        low, high: interval of the law's loss at `level`, each (n,); not-a-number with `reason`.
        level: of the interval, at each step alone.
    """

    steps: Counts
    loss: Array
    low: Array
    high: Array
    level: float
    reason: str = ""

    def __repr__(self) -> str:
        last = f"{self.loss[-1]:.4f} [{self.low[-1]:.4f}, {self.high[-1]:.4f}]"
        return f"PredictedCurve({len(self.steps)} steps; {last} at step {self.steps[-1]})"

    def summary(self) -> str:
        """A dozen steps of the curve in 80 columns."""
        import textwrap

        every = max(1, math.ceil((len(self.steps) - 1) / (SHOWN - 1)))
        shown = sorted({*range(0, len(self.steps), every), len(self.steps) - 1})
        lines = [f"{'step':>9}{'loss':>10}   {self.level:.0%} interval of the law"]
        for i in shown:
            band = f"[{self.low[i]:.4f}, {self.high[i]:.4f}]" if not self.reason else "–"
            lines.append(f"{self.steps[i]:>9}{self.loss[i]:>10.4f}   {band}")
        if self.reason:
            lines += textwrap.wrap(f"no interval: {self.reason}", 80, subsequent_indent="  ")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary for JSON."""
        missing = {"low_reason": self.reason, "high_reason": self.reason} if self.reason else {}
        return {
            "schema_version": SCHEMA_VERSION,
            "steps": self.steps.tolist(),
            "loss": self.loss.tolist(),
            "low": None if self.reason else self.low.tolist(),
            "high": None if self.reason else self.high.tolist(),
            **missing,
            "level": self.level,
        }

    def to_frame(self) -> Any:
        """A pandas frame with one row a step."""
        import pandas as pd

        return pd.DataFrame(
            {"step": self.steps, "loss": self.loss, "low": self.low, "high": self.high}
        )
