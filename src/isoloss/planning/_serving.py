"""Serving as a wish of a plan: the largest shape that fits, what a token of use costs there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from isoloss.architecture import TransformerConfig
from isoloss.errors import UsageError
from isoloss.planning.candidates import Candidates
from isoloss.planning.goals import Lifetime
from isoloss.planning.hardware import HardwareChoice, Serving, cost_of_flops, serving_of
from isoloss.planning.inference import lifetime_in_money
from isoloss.planning.limits import Limits

OUTPUT_SHARE = 0.2
"""Of a request's tokens, how many are written; the rest is read."""
BATCH = 32
"""Rows decoded at once where money is counted, or as many as fit."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Devices that hold one copy, bits of a weight, and tokens of one request (None: a context)."""

    choice: HardwareChoice
    bits: int
    context: int | None

    @classmethod
    def of(cls, choice: HardwareChoice | None, bits: int, context: int | None) -> Wish | None:
        """The wish, or None where nothing is served.

        Raises:
            UsageError: the context is too short for a token read and one written.
        """
        if context is not None and context < 2:
            raise UsageError(f"serve_context must be 2 tokens or more, found {context!r}")
        return None if choice is None else cls(choice=choice, bits=bits, context=context)

    def lengths(self, config: TransformerConfig) -> tuple[int, int]:
        """Tokens read and written by one request."""
        context = max(2, self.context or config.context_length)
        output = max(1, round(OUTPUT_SHARE * context))
        return context - output, output

    def served(self, config: TransformerConfig, batch: int = 1) -> Serving:
        """A shape served so."""
        prompt, output = self.lengths(config)
        return serving_of(
            config, self.choice, batch=batch, prompt=prompt, output=output, weight_bits=self.bits
        )


def largest_served(candidates: Candidates, wish: Wish) -> int:
    """Index of the largest shape that fits.

    Raises:
        UsageError: not even the smallest model fits.
    """
    assert candidates.config is not None, "serving is worked out for shapes"
    if not wish.served(candidates.config(0)).fits:
        raise UsageError(
            f"not even the smallest model fits {where(wish)}",
            hint="Give more devices, fewer bits, or a shorter serve_context.",
        )
    low, high = 0, len(candidates.real.n)
    while high - low > 1:
        middle = (low + high) // 2
        fits = wish.served(candidates.config(middle)).fits
        low, high = (middle, high) if fits else (low, middle)
    return low


def limited(limits: Limits, candidates: Candidates, wish: Wish) -> Limits:
    """The limits with the largest N that can be served.

    Raises:
        UsageError: not even the smallest model fits, or the N that is asked for does not.
    """
    last = largest_served(candidates, wish)
    largest = float(candidates.real.n[last])
    if limits.n is not None and candidates.nearest(limits.n) > last:
        raise UsageError(
            f"a model of n = {limits.n:.4g} does not fit {where(wish)}; the largest that does "
            f"has {largest:.4g}",
            hint="Ask for a smaller n, more devices or fewer bits.",
        )
    return replace(limits, max_n=min(largest, limits.max_n or largest))


def where(wish: Wish) -> str:
    """The devices, bits and request of a wish, in words."""
    devices = f"{wish.choice.count} x {wish.choice.device.name}"
    request = "one request of a full context" if wish.context is None else (
        f"one request of {wish.context:,} tokens"
    )  # fmt: skip
    return f"{devices} at {wish.bits} bits with {request}"


def lifetime(
    tokens: float, candidates: Candidates, trained_on: HardwareChoice | None, wish: Wish | None
) -> Lifetime:
    """A life of use in money, by the roofline, as training FLOP that cost as much."""
    assert trained_on is not None, "checked before"
    assert wish is not None, "checked before"
    per_flop = cost_of_flops(1e21, trained_on).money.value / 1e21

    def money(config: TransformerConfig) -> float | None:
        served = _batched(wish, config)
        if served is None:
            return None
        prompt, output = wish.lengths(config)
        dollars = served.money_per_million_output.value * output / 1e6
        return dollars / (prompt + output)

    basis = (
        f"money of serving {where(wish)}, batches of {BATCH} or what fits, "
        f"{1 - OUTPUT_SHARE:.0%} of the tokens read, the rest written"
    )
    last = largest_served(candidates, wish)
    return lifetime_in_money(tokens, candidates, last, money, per_flop, basis)


def _batched(wish: Wish, config: TransformerConfig) -> Serving | None:
    """Served in batches of `BATCH`, or of as many rows as fit; None where none does."""
    served = wish.served(config, BATCH)
    if served.fits:
        return served
    if served.max_batch < 1 or not wish.served(config).fits:
        return None
    fewer = wish.served(config, served.max_batch)
    return fewer if fewer.fits else wish.served(config)


def document(wish: Wish, config: TransformerConfig) -> dict[str, Any]:
    """How the plan's model is served, for JSON."""
    return wish.served(config).to_dict() | {"device": wish.choice.device.name}
