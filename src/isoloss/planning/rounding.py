"""Concrete architectures near a size: sizes in the multiples that hardware likes, counted exactly.

Matrix products run fastest where their sizes are multiples of 64 or 128 (NVIDIA, "Matrix
Multiplication Background User's Guide"), so a plan's N* becomes a width in such steps, whole
heads of 64 or 128, a feed-forward width rounded to the same steps and a padded vocabulary. What
that costs in N is counted, not estimated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from isoloss.architecture import (
    HEAD_DIM,
    TransformerConfig,
    config_for_width,
    count_parameters,
    family_options,
    feed_forward_width,
)
from isoloss.errors import UsageError
from isoloss.planning.shapes import MAX_PARAMETERS, parameters_of, rule_depth

DEPTH_SLACK = 1.25
"""How far the depth may lie from that of `rule_depth`, as a factor."""
DEPTH_PRICE = 0.1
"""What a departure from the rule's depth costs, against one in N (both as logarithms)."""
FAR = 1.5
LEAST_WIDTH = 256
"""From this width on, shapes that are off by more than the factor `FAR` are not looked at."""
_WIDTH_STEPS = ((2048, 256), (1024, 128), (256, 64), (0, HEAD_DIM))
"""From this width on, widths come in steps of so many."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A concrete architecture and how far its N lies from the one asked for.

    Attributes:
        config: the shape.
        parameters: its exact N under every convention.
        n_convention: the convention of the N that was asked for.
        off: its N over the one asked for, less 1.
    """

    config: TransformerConfig
    parameters: Mapping[str, int]
    n_convention: str
    off: float

    @property
    def n(self) -> int:
        """N in the convention asked for."""
        return self.parameters.get(self.n_convention, self.parameters["params_total"])

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return {
            "architecture": self.config.to_dict(),
            "parameters": dict(self.parameters),
            "n": self.n,
            "n_convention": self.n_convention,
            "off": self.off,
        }

    def summary(self) -> str:
        """The shape in one line."""
        c = self.config
        shared = f"/{c.kv_heads}" if c.kv_heads != c.n_head else ""
        return (
            f"{self.n:,} {self.n_convention} ({self.off:+.2%}): {c.n_layer} layers, width"
            f" {c.d_model}, {c.n_head}{shared} heads of {c.head_dim}, d_ff {c.d_ff},"
            f" vocabulary {c.vocab_size}"
        )

    def __repr__(self) -> str:
        return f"Candidate({self.summary()})"


def concrete_architecture(
    n: float,
    *,
    vocab_size: int,
    context_length: int,
    n_convention: str = "params_total",
    family: str = "llama",
    n_layer: int | None = None,
    tensor_parallel: int = 1,
    pipeline_parallel: int = 1,
    options: Mapping[str, Any] | None = None,
    count: int = 5,
) -> tuple[Candidate, ...]:
    """Shapes near `n` parameters that hardware likes, best first.

    Widths are multiples of 64 from 256 on, of 128 from 1,024, of 256 from 2,048; heads are 128
    wide from width 2,048, else 64 (also where only that lets `tensor_parallel` divide them);
    `d_ff` is `feed_forward_width` rounded to the width's step; the vocabulary is padded by
    `padded_vocabulary`. Depth is within a factor of `DEPTH_SLACK` of `rule_depth`, in multiples
    of `pipeline_parallel`. Shapes are ranked by how far N is off, with a little
    (`DEPTH_PRICE`) for leaving the rule's depth.

    Args:
        n: parameters, in `n_convention`.
        vocab_size, context_length: of the model; the vocabulary is padded.
        n_convention: what N counts.
        family: a name of `isoloss.architecture.FAMILIES`.
        n_layer: fix the depth.
        tensor_parallel, pipeline_parallel: must divide heads and layers.
        options: any option of `TransformerConfig` over the family's, `n_kv_head` included.
        count: how many shapes to return at most.

    Raises:
        UsageError: N is no positive number up to 1e15, no shape has heads and layers that the
            parallel degrees divide, or an option is unknown.

    >>> best = concrete_architecture(7e9, vocab_size=32_000, context_length=4096)[0]
    >>> (best.config.n_layer, best.config.d_model, best.config.d_ff, f"{best.off:+.1%}")
    (38, 3840, 10240, '-0.4%')
    """
    if not 0 < n <= MAX_PARAMETERS:
        raise UsageError(f"N must be a positive number up to {MAX_PARAMETERS:g}, found {n!r}")
    sizes = {
        "vocab_size": padded_vocabulary(vocab_size, tensor_parallel),
        "context_length": context_length,
        "family": family,
    }

    def shape(width: int, depth: int) -> TransformerConfig:
        return _shape(width, depth, tensor_parallel, sizes, options or {})

    found: list[tuple[float, Candidate]] = []
    for width in _widths():
        depths = _depths(width, n_layer, pipeline_parallel)
        if not depths or not _heads_split(width, tensor_parallel, options or {}):
            continue
        least, most = (parameters_of(shape(width, depths[i]), n_convention) for i in (0, -1))
        if found and least > FAR * n:
            break
        if most < n / FAR and width >= LEAST_WIDTH:
            continue
        for depth in depths:
            candidate = _candidate(shape(width, depth), n_convention, n)
            left = 0.0 if n_layer else abs(math.log(depth / rule_depth(width)))
            score = abs(math.log1p(candidate.off)) + DEPTH_PRICE * left
            found.append((score, candidate))
    if not found:
        raise UsageError(
            f"no shape has heads that tensor_parallel={tensor_parallel} divides and layers that"
            f" pipeline_parallel={pipeline_parallel} divides"
        )
    found.sort(key=lambda pair: pair[0])
    return tuple(candidate for _, candidate in found[:count])


def padded_vocabulary(vocab_size: int, tensor_parallel: int = 1) -> int:
    """The vocabulary rounded up so that every part of a split one is a multiple of 64 or 128.

    128 from 8,192 entries on, 64 below, times `tensor_parallel`, as Megatron-LM pads
    (`--make-vocab-size-divisible-by`, 128 there). The entries that are added are never seen.

    >>> padded_vocabulary(50_257), padded_vocabulary(50_257, 8), padded_vocabulary(300)
    (50304, 51200, 320)
    """
    if vocab_size < 1 or tensor_parallel < 1:
        raise UsageError(
            "vocab_size and tensor_parallel must be positive, found"
            f" {vocab_size!r} and {tensor_parallel!r}"
        )
    step = (128 if vocab_size >= 8192 else 64) * tensor_parallel
    return -(-vocab_size // step) * step


def _widths() -> Iterator[int]:
    width = HEAD_DIM
    while 12 * width**2 < MAX_PARAMETERS:
        yield width
        width += _step(width)


def _step(width: int) -> int:
    return next(step for least, step in _WIDTH_STEPS if width >= least)


def _head_width(width: int, tensor_parallel: int) -> int:
    """Width of a head so that whole heads fill the width and split evenly; 0 where none does."""
    wanted = (128, 64) if width >= 2048 else (64,)
    if width < 256:
        wanted = (HEAD_DIM,)
    for head in wanted:
        if width % head == 0 and (width // head) % tensor_parallel == 0:
            return head
    return 0


def _heads_split(width: int, tensor: int, options: Mapping[str, Any]) -> bool:
    """Whether whole heads fill the width, and those for keys and values divide and split."""
    head = _head_width(width, tensor)
    shared = options.get("n_kv_head") or 0
    return bool(head) and (not shared or (width // head % shared == 0 and shared % tensor == 0))


def _depths(width: int, n_layer: int | None, pipeline: int) -> list[int]:
    if n_layer is not None:
        return [n_layer] if n_layer % pipeline == 0 else []
    middle = rule_depth(width)
    low = min(middle - 1, math.ceil(middle / DEPTH_SLACK))
    high = max(middle + 1, math.floor(middle * DEPTH_SLACK))
    return [depth for depth in range(max(1, low), high + 1) if depth % pipeline == 0]


def _shape(
    width: int, depth: int, tensor: int, sizes: Mapping[str, Any], options: Mapping[str, Any]
) -> TransformerConfig:
    own = {**family_options(str(sizes["family"])), **options}
    gated = str(own.get("activation", "")).endswith("glu")
    step = _step(width)
    inner = max(step, round(feed_forward_width(width, gated=gated) / step) * step)
    heads: dict[str, Any] = {"n_head": width // _head_width(width, tensor), "d_ff": inner}
    return config_for_width(width, n_layer=depth, **{**heads, **sizes, **options})


def _candidate(config: TransformerConfig, n_convention: str, n: float) -> Candidate:
    counts = count_parameters(config)
    return Candidate(
        config=config,
        parameters={
            "params_total": counts.total,
            "params_non_embedding": counts.non_embedding,
            "params_matmul": counts.matmul,
        },
        n_convention=n_convention,
        off=parameters_of(config, n_convention) / n - 1,
    )
