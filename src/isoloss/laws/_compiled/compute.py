"""compute: Loss of the best run at a budget. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'E + A/C**alpha'
LINEAR = ('E', 'A')
AMPLITUDES = {'A': {'C': 'alpha'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    E = theta[..., 0, None]
    A = theta[..., 1, None]
    alpha = theta[..., 2, None]
    C = data["C"]
    _log_C = np.log(C)
    return (E + (A * np.exp((-_log_C * alpha))))


def jacobian(theta, data):
    A = theta[..., 1, None]
    alpha = theta[..., 2, None]
    C = data["C"]
    _log_C = np.log(C)
    _x0 = np.exp((-_log_C * alpha))
    slopes = np.empty((*theta.shape[:-1], 3, len(data["C"])))
    slopes[..., 0, :] = 1
    slopes[..., 1, :] = _x0
    slopes[..., 2, :] = (-_x0 * _log_C * A)
    return np.swapaxes(slopes, -1, -2)
