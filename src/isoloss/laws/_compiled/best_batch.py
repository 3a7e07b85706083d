"""best_batch: Best batch size from data. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'k*D**beta'
LINEAR = ('k',)
AMPLITUDES = {'k': {'D': '-beta'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    k = theta[..., 0, None]
    beta = theta[..., 1, None]
    D = data["D"]
    _log_D = np.log(D)
    return (k * np.exp((_log_D * beta)))


def jacobian(theta, data):
    k = theta[..., 0, None]
    beta = theta[..., 1, None]
    D = data["D"]
    _log_D = np.log(D)
    _x0 = np.exp((_log_D * beta))
    slopes = np.empty((*theta.shape[:-1], 2, len(data["D"])))
    slopes[..., 0, :] = _x0
    slopes[..., 1, :] = (_x0 * _log_D * k)
    return np.swapaxes(slopes, -1, -2)
