"""Where a search begins: space-filling exponents, amplitudes by variable projection.

With the nonlinear parameters fixed, the linear ones follow from weighted least squares
(Golub and Pereyra 1973). That is exact only for squared raw residuals; here it gives starts.
"""

from __future__ import annotations

import numpy as np

from isoloss.laws import Law
from isoloss.laws.law import Array, Columns


def draw_starts(law: Law, data: Columns, loss: Array, count: int, seed: int) -> Array:
    """Parameters (count, P) inside the domain, for data that may have any scale."""
    rng = np.random.default_rng(seed)
    size = len(law.parameters)
    points = _space_filling(count, size, rng)
    scaled = {name: column / _centre(column) for name, column in data.items()}
    drawn = np.empty((count, size))
    for position, parameter in enumerate(law.parameters):
        low, high = parameter.start
        if low > 0:
            drawn[:, position] = low * (high / low) ** points[:, position]
        else:
            drawn[:, position] = low + (high - low) * points[:, position]
    # Offsets and amplitudes are drawn for a loss of about one.
    for name, position in ((n, law.index(n)) for n in law.linear):
        if law.parameters[position].positive and name != "E":
            drawn[:, position] *= np.median(loss)
    if "E" in law.names:
        drawn[:, law.index("E")] = loss.min() * (0.05 + 0.9 * points[:, law.index("E")])
    theta = _to_data_scale(law, drawn, data)
    if law.amplitudes:
        theta = _project_linear(law, drawn, scaled, loss, data)
    else:
        theta = _project_linear(law, theta, data, loss, None)
    return np.array(
        [np.clip(t, [p.low for p in law.parameters], [p.high for p in law.parameters]) for t in theta]
    )


def _centre(column: Array) -> float:
    """Geometric mean of a positive column, else 1."""
    return float(np.exp(np.log(column).mean())) if (column > 0).all() else 1.0


def _space_filling(count: int, size: int, rng: np.random.Generator) -> Array:
    """A Latin hypercube with additive-recurrence columns, (count, size) in (0, 1)."""
    strata = np.stack([rng.permutation(count) for _ in range(size)], axis=1)
    return (strata + rng.random((count, size))) / count


def _to_data_scale(law: Law, theta: Array, data: Columns) -> Array:
    """Amplitudes for columns that were not divided by their centres."""
    moved = theta.copy()
    for name, powers in law.amplitudes.items():
        for variable, exponent in powers.items():
            moved[:, law.index(name)] *= _centre(data[variable]) ** theta[:, law.index(exponent)]
    return moved


def _project_linear(
    law: Law, theta: Array, data: Columns, loss: Array, original: Columns | None
) -> Array:
    """Replace half of the linear parameters by their least-squares values, kept positive."""
    columns = [law.index(name) for name in law.linear]
    result = theta.copy()
    with np.errstate(all="ignore"):
        if columns:
            jacobian = law.jacobian(theta, data)
            zeroed = theta.copy()
            zeroed[:, columns] = 0.0
            rest = law.value(zeroed, data)
            for row in range(0, len(theta), 2):
                matrix = jacobian[row][:, columns] / loss[:, None]
                target = (loss - np.nan_to_num(rest[row])) / loss
                if np.isfinite(matrix).all() and np.isfinite(target).all():
                    found = np.linalg.lstsq(matrix, target, rcond=None)[0]
                    for value, column in zip(found, columns, strict=True):
                        if not law.parameters[column].positive or value > 0:
                            result[row, column] = value
    return _to_data_scale(law, result, original) if original is not None else result
