"""Real shapes: the members of a family that a plan may choose, with their exact counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoloss.architecture import (
    HEAD_DIM,
    FlopsConvention,
    TransformerConfig,
    config_for_width,
    count_parameters,
    training_flops,
)

FloatArray = NDArray[np.float64]

WIDTH_STEP = 16
MAX_PARAMETERS = 1e15
"""No shape above this is considered: a thousand times the largest model trained so far."""
DEFAULT_VOCAB_SIZE = 32_000
DEFAULT_CONTEXT_LENGTH = 2_048
MIN_ASPECT, MAX_ASPECT = 64, 128
"""Width over depth of the rule: 64 up to width 1,024, rising to 128 at width 8,192."""
_DENSE_POINTS = 1025
_WIDE = 2_048
_WIDTH_STEPS = ((4_096, 1_024), (_WIDE, 256), (256, 64), (0, HEAD_DIM))
"""From this width on, widths of the rule come in steps of so many."""
_DEPTH_SLACK = 1.25
"""How far the depth of a wide model may lie from the rule, as a factor."""
_DEPTH_PRICE = 0.1
_SAME_N = 0.01


@dataclass(frozen=True, kw_only=True)
class ShapeTable:
    """Shapes of rising N with their counts.

    Attributes:
        n: parameters in the convention asked for, (K,).
        flops_per_token: training FLOP per token in the convention asked for, (K,).
        dense_n, dense_flops: the same between the shapes, as if width were continuous.
        config: the shape of an index.
    """

    n: FloatArray
    flops_per_token: FloatArray
    dense_n: FloatArray
    dense_flops: FloatArray
    config: Callable[[int], TransformerConfig]


def parameters_of(config: TransformerConfig, n_convention: str) -> int:
    """N of a shape. `params_active` of a dense model is everything; unnamed N is the total."""
    counts = count_parameters(config)
    by_convention = {"params_non_embedding": counts.non_embedding, "params_matmul": counts.matmul}
    return by_convention.get(n_convention, counts.total)


def fixed_depth_table(
    *,
    vocab_size: int,
    context_length: int,
    n_layer: int,
    n_convention: str,
    flops_convention: FlopsConvention,
    max_n: float = MAX_PARAMETERS,
    family: str = "isoloss",
    encoder_share: float | None = None,
    predicted_share: float | None = None,
) -> ShapeTable:
    """Every member of the ladder's family up to `max_n`, widths in steps of `WIDTH_STEP`.

    At fixed depth each count is a combination of 1, d, d², d·f and f in the width d and the
    feed-forward width f, so that five exact counts give all.

    Args:
        vocab_size, context_length, n_layer: what all members share.
        n_convention, flops_convention: what N and C count.
        max_n: largest N.
        family: a name of `isoloss.architecture.FAMILIES`.
        encoder_share: share of the tokens that an encoder-decoder's encoder sees.
        predicted_share: share of the tokens that the head is computed at.
    """

    def config(width: int, **options: int) -> TransformerConfig:
        return config_for_width(
            width,
            vocab_size=vocab_size,
            context_length=context_length,
            n_layer=n_layer,
            family=family,
            **options,
        )

    def flops(shape: TransformerConfig) -> float:
        return training_flops(
            shape,
            1,
            flops_convention,
            encoder_tokens=encoder_share,
            predicted=predicted_share,
        )

    gated = config(WIDTH_STEP).gated
    count_n = _combination(config, lambda shape: parameters_of(shape, n_convention))
    count_flops = _combination(config, flops)

    def n_of(widths: FloatArray) -> FloatArray:
        return count_n(widths, _feed_forward(widths, gated))

    steps = _steps_within(min(max_n, MAX_PARAMETERS), n_of)
    widths = WIDTH_STEP * np.arange(1, steps + 1, dtype=np.float64)
    dense: FloatArray = np.geomspace(widths[0], widths[-1], _DENSE_POINTS, dtype=np.float64)
    inner = dense * (8 / 3 if gated else 4)
    if gated:  # the ends are members of the table, rounding included
        inner[[0, -1]] = _feed_forward(dense[[0, -1]], gated)
    return ShapeTable(
        n=n_of(widths),
        flops_per_token=count_flops(widths, _feed_forward(widths, gated)),
        dense_n=count_n(dense, inner),
        dense_flops=count_flops(dense, inner),
        config=lambda index: config(WIDTH_STEP * (index + 1)),
    )


def _feed_forward(widths: FloatArray, gated: bool) -> FloatArray:
    """`isoloss.architecture.feed_forward_width` of many widths."""
    if not gated:
        return 4 * widths
    step = np.where(widths >= 32, 16, 8)
    return np.ceil(8 * widths / (3 * step)) * step


def _combination(
    config: Callable[..., TransformerConfig], count: Callable[[TransformerConfig], float]
) -> Callable[[FloatArray, FloatArray], FloatArray]:
    """A count as a function of widths and feed-forward widths, through five exact counts.

    A width is sampled in steps of `WIDTH_STEP` (d = 16 i) and f freely, so the coefficients of
    1, i, i², i f and f are differences of exact counts.
    """

    def at(i: int, f: int) -> float:
        return float(count(config(WIDTH_STEP * i, d_ff=f)))

    both = at(2, 2) - at(2, 1) - (at(1, 2) - at(1, 1))  # of i f
    inner = at(1, 2) - at(1, 1) - both  # of f
    first, second, third = (at(i, 1) - both * i - inner for i in (1, 2, 3))
    square = (third - 2 * second + first) / 2
    linear = second - first - 3 * square
    constant = first - linear - square

    def combined(widths: FloatArray, f: FloatArray) -> FloatArray:
        i = widths / WIDTH_STEP
        return constant + linear * i + square * i * i + both * i * f + inner * f

    return combined


def _steps_within(limit: float, n_of: Callable[[FloatArray], FloatArray]) -> int:
    """Largest number of width steps whose N stays within a limit; 1 at least."""
    low, high = 1, 2
    while float(n_of(np.array([WIDTH_STEP * float(high)]))[0]) <= limit:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        inside = float(n_of(np.array([WIDTH_STEP * float(middle)]))[0]) <= limit
        low, high = (middle, high) if inside else (low, middle)
    return low


def rule_table(
    *,
    vocab_size: int,
    context_length: int,
    n_convention: str,
    flops_convention: FlopsConvention,
    max_n: float = MAX_PARAMETERS,
) -> ShapeTable:
    """Shapes whose depth follows from the width by `rule_depth`, up to `max_n`.

    Where widths come in steps of more than a head, depths around the rule's fill the gaps in N;
    of shapes within `_SAME_N` of each other the one nearest to the rule is kept.
    """
    limit = min(max_n, MAX_PARAMETERS)
    found: list[tuple[float, float, TransformerConfig]] = []
    for width in _rule_widths():
        for depth in _rule_depths(width):
            shape = _rule_config(width, depth, vocab_size, context_length)
            n = parameters_of(shape, n_convention)
            off = abs(math.log(depth / rule_depth(width)))
            if n <= limit or not found:
                found.append((n, off, shape))
        shallow = _rule_config(width, _rule_depths(width)[0], vocab_size, context_length)
        if parameters_of(shallow, n_convention) > limit:
            break
    shapes = _distinct(found)
    n = np.array([parameters_of(shape, n_convention) for shape in shapes], dtype=np.float64)
    flops = np.array(
        [training_flops(shape, 1, flops_convention) for shape in shapes], dtype=np.float64
    )
    dense: FloatArray = np.geomspace(n[0], n[-1], _DENSE_POINTS, dtype=np.float64)
    return ShapeTable(
        n=n,
        flops_per_token=flops,
        dense_n=dense,
        dense_flops=np.exp(np.interp(np.log(dense), np.log(n), np.log(flops))),
        config=shapes.__getitem__,
    )


def rule_depth(d_model: int) -> int:
    """Layers for a width: `d_model` over an aspect ratio that grows from 64 to 128.

    The ratio is 64 up to width 1,024, 128 from width 8,192 and linear in log width between,
    as in published model families (GPT-3 6.7B: 4,096 over 32; 175B: 12,288 over 96).

    >>> [rule_depth(width) for width in (64, 768, 2048, 4096, 8192, 16384)]
    [1, 12, 24, 38, 64, 128]
    """
    doublings = min(max(math.log2(d_model / 1024), 0.0), 3.0)
    aspect = MIN_ASPECT + (MAX_ASPECT - MIN_ASPECT) * doublings / 3
    return max(1, round(d_model / aspect))


def shape_near(
    n: float, *, vocab_size: int, context_length: int, n_convention: str, n_layer: int | None = None
) -> TransformerConfig:
    """The rule's shape whose N is closest to `n` (in ratio).

    Heads are 128 wide from width 2,048, 64 wide from width 256 and `HEAD_DIM` below, `d_ff` is
    four times the width. Width moves in whole heads, from 2,048 in two of them and from 4,096 in
    eight, so that devices of a node can share them. Depth is `n_layer` where given, else near
    `rule_depth`: what brings N closest, with a little (`_DEPTH_PRICE`) for leaving the rule.
    """
    best: tuple[float, TransformerConfig] | None = None
    for width in _rule_widths():
        middle = rule_depth(width)
        nearby = _rule_depths(width) if width >= _WIDE else range(max(1, middle - 1), middle + 2)
        depths = (n_layer,) if n_layer else tuple(nearby)
        shapes = [_rule_config(width, depth, vocab_size, context_length) for depth in depths]
        sizes = [parameters_of(shape, n_convention) for shape in shapes]
        for shape, size in zip(shapes, sizes, strict=True):
            off = abs(math.log(shape.n_layer / middle)) if width >= _WIDE and not n_layer else 0.0
            distance = abs(math.log(size / n)) + _DEPTH_PRICE * off
            if best is None or distance < best[0]:
                best = (distance, shape)
        if min(sizes) > n:
            break
    assert best is not None, "the smallest width was looked at"
    return best[1]


def _head_dim(d_model: int) -> int:
    if d_model < 256:
        return HEAD_DIM
    return 64 if d_model < 2048 else 128


def _rule_widths() -> Iterator[int]:
    width = HEAD_DIM
    # One layer of 12 d² past this width is past MAX_PARAMETERS, whatever the vocabulary.
    while 12 * width**2 < MAX_PARAMETERS:
        yield width
        width += next(step for least, step in _WIDTH_STEPS if width >= least)


def _rule_depths(width: int) -> tuple[int, ...]:
    """The rule's depth; of wide models also depths within a quarter of it that stages divide."""
    middle = rule_depth(width)
    if width < _WIDE:
        return (middle,)
    step = 2 if width < _WIDTH_STEPS[0][0] else 4
    low, high = math.ceil(middle / _DEPTH_SLACK / step), math.floor(middle * _DEPTH_SLACK / step)
    return tuple(step * times for times in range(low, high + 1))


def _distinct(found: list[tuple[float, float, TransformerConfig]]) -> list[TransformerConfig]:
    """Shapes of rising N from (N, distance from the rule, shape)."""
    kept: list[tuple[float, float, TransformerConfig]] = []
    for n, off, shape in sorted(found, key=lambda item: item[0]):
        if not kept or n > kept[-1][0] * (1 + _SAME_N):
            kept.append((n, off, shape))
        elif off < kept[-1][1] and (len(kept) < 2 or n > kept[-2][0]):
            kept[-1] = (n, off, shape)
    return [shape for _, _, shape in kept]


def _rule_config(width: int, depth: int, vocab_size: int, context_length: int) -> TransformerConfig:
    return TransformerConfig(
        vocab_size=vocab_size,
        context_length=context_length,
        d_model=width,
        n_layer=depth,
        n_head=width // _head_dim(width),
        d_ff=4 * width,
    )
