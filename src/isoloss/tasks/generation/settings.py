"""How text is chosen, checked once."""

from __future__ import annotations

import math
from dataclasses import dataclass

from isoloss.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class GenerationSettings:
    """How each next token is chosen, and when a text ends.

    The order is that of `transformers`: penalties, temperature, top-k, top-p, min-p.

    Args:
        max_tokens: most tokens to add.
        temperature: divides the logits; 0 takes the likeliest token every time.
        top_k: sample among the k likeliest tokens; among all when None.
        top_p: sample among the fewest tokens that have this probability together
            (arXiv:1904.09751).
        min_p: leave out tokens below this share of the likeliest one's probability
            (arXiv:2407.01082).
        repetition_penalty: divides positive and multiplies negative logits of tokens that the
            prompt or the text has (arXiv:1909.05858); 1 does nothing.
        presence_penalty: is taken from the logits of tokens that the new text has.
        beams: hypotheses of beam search, which takes the likeliest text; 1 is none.
        length_penalty: a hypothesis of n tokens is ranked by log-probability / n^this.
        stop: texts that end a text, and are left out of it.
        seed: the same seed gives the same text, whatever else is in the batch.

    Raises:
        UsageError: a value is out of range, or sampling is asked for together with beams.

    >>> GenerationSettings(temperature=0.0, stop=("\\n",)).greedy
    True
    """

    max_tokens: int = 200
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    beams: int = 1
    length_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("max_tokens", 1), ("top_k", 1), ("beams", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"{name} must be at least {least}, found {value}")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise UsageError(
                f"temperature must be 0 or a positive number, found {self.temperature}"
            )
        for name in ("top_p", "min_p"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise UsageError(f"{name} must lie in (0, 1], found {value}")
        if not (math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0):
            raise UsageError(
                f"repetition_penalty must be positive, found {self.repetition_penalty}",
                hint="1 does nothing; 1.1 to 1.3 is usual.",
            )
        if not (math.isfinite(self.presence_penalty) and self.presence_penalty >= 0):
            raise UsageError(
                f"presence_penalty must be 0 or a positive number, found {self.presence_penalty}"
            )
        if not math.isfinite(self.length_penalty):
            raise UsageError(f"length_penalty must be a number, found {self.length_penalty}")
        if "" in self.stop:
            raise UsageError("a stop text must not be empty")
        if self.beams > 1 and (self.temperature not in (0.0, 1.0) or self._filtered):
            raise UsageError(
                "beam search takes the likeliest text and does not sample",
                hint="Leave out temperature, top_k, top_p and min_p, or take beams=1.",
            )

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is taken every time."""
        return self.temperature == 0 and self.beams == 1

    @property
    def _filtered(self) -> bool:
        return any(value is not None for value in (self.top_k, self.top_p, self.min_p))
