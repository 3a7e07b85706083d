"""compute_offset: Loss of the best run at a budget, with compute that is not counted. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'E + A/(C + B)**alpha'
LINEAR = ('E', 'A')
AMPLITUDES = {}
LOG_AMPLITUDES = {}


def value(theta, data):
    E = theta[..., 0, None]
    A = theta[..., 1, None]
    B = theta[..., 2, None]
    alpha = theta[..., 3, None]
    C = data["C"]
    return (E + (A * np.power((B + C), (-alpha))))


def jacobian(theta, data):
    A = theta[..., 1, None]
    B = theta[..., 2, None]
    alpha = theta[..., 3, None]
    C = data["C"]
    _x0 = (B + C)
    _x1 = np.power(_x0, (-alpha))
    _x2 = (_x1 * A)
    slopes = np.empty((*theta.shape[:-1], 4, len(data["C"])))
    slopes[..., 0, :] = 1
    slopes[..., 1, :] = _x1
    slopes[..., 2, :] = (-_x2 * alpha / _x0)
    slopes[..., 3, :] = (-_x2 * np.log(_x0))
    return np.swapaxes(slopes, -1, -2)
