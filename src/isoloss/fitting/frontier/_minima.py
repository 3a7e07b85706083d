"""The minimum of loss over log N at one budget: Akima interpolation, or a parabola."""

from __future__ import annotations

import numpy as np

from isoloss.laws.law import Array, Mask

SPAN = float(np.log(10))
"""A parabola sees the sizes within this distance in log N of the one with the lowest loss."""


def akima_minima(x: Array, y: Array) -> tuple[Array, Array]:
    """Where Akima's interpolant (1970, doi:10.1145/321607.321609) is lowest, and its value there.

    Args:
        x: (n,), rising; y: (R, n), one curve a row.

    Returns:
        Places (R,) and values (R,); a place at an end of `x` is no minimum.

    >>> place, _ = akima_minima(np.arange(5.0), (np.arange(5.0)[None] - 2) ** 2)
    >>> place.tolist()
    [2.0]
    """
    from scipy.interpolate import Akima1DInterpolator  # pyright: ignore

    pieces = np.asarray(Akima1DInterpolator(x, y.T).c, dtype=np.float64)  # (4, n - 1, R)
    width = np.diff(x)[:, None]
    inside = _stationary(pieces, width)
    steps = np.concatenate([np.zeros((1, *inside.shape[1:])), inside])
    cubic, square, linear, constant = pieces
    value = ((cubic * steps + square) * steps + linear) * steps + constant
    place = x[:-1, None] + steps
    places = np.concatenate([place.reshape(-1, len(y)), np.full((1, len(y)), x[-1])])
    values = np.concatenate([value.reshape(-1, len(y)), y[:, -1][None]])
    values = np.where(np.isfinite(values), values, np.inf)
    best = values.argmin(axis=0)[None]
    return (
        np.take_along_axis(places, best, axis=0)[0],
        np.take_along_axis(values, best, axis=0)[0],
    )


def _stationary(pieces: Array, width: Array) -> Array:
    """Where each cubic piece is level inside its interval, (2, n - 1, R); else not-a-number."""
    a, b, c = 3 * pieces[0], 2 * pieces[1], pieces[2]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        root: Array = np.sqrt(b * b - 4 * a * c)
        # The form that does not cancel, also where the piece is a parabola.
        q: Array = -(b + np.where(b >= 0, root, -root)) / 2
        found: Array = np.stack([q / a, c / q])
    return np.where((found >= 0) & (found <= width), found, np.nan)


def parabola_minima(x: Array, y: Array) -> tuple[Array, Array]:
    """The vertex of the parabola by least squares through each row of y (R, n).

    Returns:
        Places (R,) and values (R,); not-a-number where the parabola has no minimum.

    >>> place, value = parabola_minima(np.arange(5.0), (np.arange(5.0)[None] - 2) ** 2 + 1)
    >>> np.round(place, 9).tolist(), np.round(value, 9).tolist()
    ([2.0], [1.0])
    """
    centre, scale = float(x.mean()), float(np.ptp(x))
    t = (x - centre) / scale
    square, linear, constant = np.polyfit(t, y.T, 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        vertex = np.where(square > 0, -linear / (2 * square), np.nan)
    return centre + scale * vertex, constant + linear * vertex / 2


def near_lowest(x: Array, y: Array) -> Mask:
    """The sizes that a parabola sees: those near the lowest loss of y (n,)."""
    return np.abs(x - x[int(y.argmin())]) <= SPAN * (1 + 1e-9)
