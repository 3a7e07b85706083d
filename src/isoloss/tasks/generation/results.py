"""A generated text with its tokens and their probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Generation:
    """What came after a prompt.

    Attributes:
        prompt: the prompt, or the source of an encoder-decoder.
        text: the new text, without its end of text or stop text.
        tokens: its token ids (those of a stop text included).
        log_probs: of each token under the model (nats), before penalties and temperature.
        ended: `end` (the model ended it), `stop` (a stop text), `length` (`max_tokens`).
        score: of beam search: log-probability with its end, over length^length_penalty.
    """

    prompt: str
    text: str
    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    ended: str
    score: float | None = None

    @property
    def log_prob(self) -> float:
        """Log-probability of all its tokens together, nats."""
        return sum(self.log_probs)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        document: dict[str, Any] = {
            "prompt": self.prompt,
            "text": self.text,
            "ended": self.ended,
            "tokens": list(self.tokens),
            "log_probs": list(self.log_probs),
            "log_prob": self.log_prob,
        }
        return document if self.score is None else document | {"score": self.score}
