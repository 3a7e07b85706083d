"""best_batch_compute: Best batch size from compute. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'k*C**alpha'
LINEAR = ('k',)
AMPLITUDES = {'k': {'C': '-alpha'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    k = theta[..., 0, None]
    alpha = theta[..., 1, None]
    C = data["C"]
    _log_C = np.log(C)
    return (k * np.exp((_log_C * alpha)))


def jacobian(theta, data):
    k = theta[..., 0, None]
    alpha = theta[..., 1, None]
    C = data["C"]
    _log_C = np.log(C)
    _x0 = np.exp((_log_C * alpha))
    slopes = np.empty((*theta.shape[:-1], 2, len(data["C"])))
    slopes[..., 0, :] = _x0
    slopes[..., 1, :] = (_x0 * _log_C * k)
    return np.swapaxes(slopes, -1, -2)
