"""Where a search begins: space-filling exponents, amplitudes by variable projection.

With the nonlinear parameters fixed, the linear ones follow from weighted least squares
(Golub and Pereyra 1973). That is exact only for squared raw residuals; here it gives starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np

from isoloss.laws import Law
from isoloss.laws.law import Array, Columns


def draw_starts(law: Law, data: Columns, loss: Array, count: int, seed: int) -> Array:
    """Parameters (count, P) inside the domain, for data that may have any scale."""
    rng = np.random.default_rng(seed)
    points = _space_filling(count, len(law.parameters), rng)
    drawn = np.empty_like(points)
    for position, parameter in enumerate(law.parameters):
        low, high = parameter.start
        if low > 0:
            drawn[:, position] = low * (high / low) ** points[:, position]
        else:
            drawn[:, position] = low + (high - low) * points[:, position]
    # Offsets and amplitudes are drawn for a loss of about one.
    for name, position in ((n, law.index(n)) for n in law.linear):
        if law.parameters[position].positive and name != "E":
            drawn[:, position] *= abs(np.median(loss))
    if "E" in law.linear:
        drawn[:, law.index("E")] = loss.min() * (0.05 + 0.9 * points[:, law.index("E")])
    theta = _project_linear(law, _to_data_scale(law, drawn, data), data, loss)
    lowest = np.array([p.low for p in law.parameters])
    highest = np.array([p.high for p in law.parameters])
    return np.clip(theta, lowest, highest)


def _centre(column: Array) -> float:
    """Geometric mean of a positive column, else 1."""
    return float(np.exp(np.log(column).mean())) if (column > 0).all() else 1.0


def _space_filling(count: int, size: int, rng: np.random.Generator) -> Array:
    """A Latin hypercube, (count, size) in (0, 1)."""
    strata = np.stack([rng.permutation(count) for _ in range(size)], axis=1)
    return (strata + rng.random((count, size))) / count


def _to_data_scale(law: Law, theta: Array, data: Columns) -> Array:
    """Amplitudes for columns that were not divided by their centres."""
    moved = theta.copy()
    for name, powers in law.amplitudes.items():
        with np.errstate(over="ignore", under="ignore"):
            moved[:, law.index(name)] *= np.exp(_log_factor(law, theta, data, powers))
    for name, powers in law.log_amplitudes.items():
        moved[:, law.index(name)] += _log_factor(law, theta, data, powers)
    return moved


def _log_factor(law: Law, theta: Array, data: Columns, powers: Mapping[str, str]) -> Array:
    """Logarithm of the factor by which an amplitude grows, (count,)."""
    total = np.zeros(len(theta))
    for variable, text in powers.items():
        name = text.removeprefix("-")
        exponent = theta[:, law.index(name)] if name in law.names else float(name)
        total = total + np.log(_centre(data[variable])) * exponent * (-1 if name != text else 1)
    return total


def _project_linear(law: Law, theta: Array, data: Columns, loss: Array) -> Array:
    """Replace the linear parameters of every other row by least squares, kept positive."""
    columns = [law.index(name) for name in law.linear]
    result = theta.copy()
    if not columns:
        return result
    with np.errstate(all="ignore"):
        zeroed = theta.copy()
        zeroed[:, columns] = 0.0
        matrices = law.jacobian(theta, data)[:, :, columns] / loss[:, None]
        targets = (loss - np.nan_to_num(law.value(zeroed, data))) / loss
        # Columns of very different size would be cut off as rounding errors.
        sizes = np.linalg.norm(matrices, axis=1)
        matrices = matrices / sizes[:, None, :]
    for row in range(0, len(theta), 2):
        if np.isfinite(matrices[row]).all() and np.isfinite(targets[row]).all():
            solution = cast("Array", np.linalg.lstsq(matrices[row], targets[row], rcond=None)[0])
            found = solution / sizes[row]
            for value, column in zip(found, columns, strict=True):
                if not law.parameters[column].positive or value > 0:
                    result[row, column] = value
    return result
