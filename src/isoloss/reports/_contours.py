"""Lines of equal loss on a grid: marching squares over log N and log D."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

Point = tuple[float, float]
Segment = tuple[Point, Point]


def nice_steps(low: float, high: float, count: int) -> list[float]:
    """Round numbers strictly inside (low, high), about `count` of them.

    >>> nice_steps(3.02, 3.98, 5)
    [3.2, 3.4, 3.6, 3.8]
    """
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return []
    raw = (high - low) / max(count, 1)
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * scale for factor in (1, 2, 5, 10) if factor * scale >= raw * (1 - 1e-9))
    first = math.floor(low / step) + 1
    digits = max(0, -math.floor(math.log10(step)) + 1)
    found = []
    while first * step < high:
        found.append(round(first * step, digits))
        first += 1
    return found


def contour_segments(
    x: Sequence[float], y: Sequence[float], z: Sequence[Sequence[float]], level: float
) -> list[Segment]:
    """Straight pieces of the line z = level.

    Args:
        x: rising positive values, (X,).
        y: rising positive values, (Y,).
        z: values on the grid, Y rows of X; cells with a value that is not finite are left out.
        level: the value of the line.

    Positions are interpolated linearly over log x and log y. A cell whose line is ambiguous (a
    saddle) gets both pieces in a fixed order: a law of loss has none.

    >>> [(start, end)] = contour_segments([1, 4], [1, 4], [[2.0, 2.0], [0.0, 0.0]], 1.0)
    >>> start, end
    ((1, 2.0), (4, 2.0))
    """
    found: list[Segment] = []
    for j in range(len(y) - 1):
        for i in range(len(x) - 1):
            corners = (z[j][i], z[j][i + 1], z[j + 1][i + 1], z[j + 1][i])
            if not all(isinstance(v, (int, float)) and math.isfinite(v) for v in corners):
                continue
            ends = list(_crossings((x[i], x[i + 1]), (y[j], y[j + 1]), corners, level))
            # A line that enters a cell leaves it: two ends, or four on a saddle.
            found += [(ends[k], ends[k + 1]) for k in range(0, len(ends) - 1, 2)]
    return found


def _crossings(
    x: tuple[float, float], y: tuple[float, float], corners: Sequence[float], level: float
) -> Iterator[Point]:
    places = ((x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1]))
    # Left and right edges first, so that a line across the cell runs from left to right.
    for a, b in ((3, 0), (1, 2), (0, 1), (2, 3)):
        if (corners[a] < level) != (corners[b] < level):
            share = (level - corners[a]) / (corners[b] - corners[a])
            yield (
                between(places[a][0], places[b][0], share),
                between(places[a][1], places[b][1], share),
            )


def between(a: float, b: float, share: float) -> float:
    """The point at `share` of the way from a to b on a logarithmic axis.

    >>> round(between(1, 100, 0.5), 6)
    10.0
    """
    return a if a == b else math.exp((1 - share) * math.log(a) + share * math.log(b))


def loss_along_n(
    d: Sequence[float], loss: Sequence[Sequence[float]], tokens: float
) -> list[float] | None:
    """The row of a loss grid at a token count between its rows; None beyond them.

    Args:
        d: rising token counts, (Y,).
        loss: the grid, Y rows of X.
        tokens: where to read; log loss is interpolated over log D.

    >>> loss_along_n([1, 100], [[4.0], [1.0]], 10)
    [2.0]
    """
    for j in range(len(d) - 1):
        if d[j] * (1 - 1e-9) <= tokens <= d[j + 1] * (1 + 1e-9):
            share = math.log(tokens / d[j]) / math.log(d[j + 1] / d[j])
            share = min(1.0, max(0.0, share))
            pairs = zip(loss[j], loss[j + 1], strict=True)
            return [round(between(a, b, share), 9) for a, b in pairs]
    return None
