"""best_learning_rate: Best peak learning rate from size and data. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'k*D**beta/N**alpha'
LINEAR = ('k',)
AMPLITUDES = {'k': {'N': 'alpha', 'D': '-beta'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    k = theta[..., 0, None]
    alpha = theta[..., 1, None]
    beta = theta[..., 2, None]
    N = data["N"]
    D = data["D"]
    _log_N = np.log(N)
    _log_D = np.log(D)
    return (k * np.exp((_log_D * beta)) * np.exp((-_log_N * alpha)))


def jacobian(theta, data):
    k = theta[..., 0, None]
    alpha = theta[..., 1, None]
    beta = theta[..., 2, None]
    N = data["N"]
    D = data["D"]
    _log_N = np.log(N)
    _log_D = np.log(D)
    _x0 = (np.exp((_log_D * beta)) * np.exp((-_log_N * alpha)))
    _x1 = (_x0 * k)
    slopes = np.empty((*theta.shape[:-1], 3, len(data["N"])))
    slopes[..., 0, :] = _x0
    slopes[..., 1, :] = (-_x1 * _log_N)
    slopes[..., 2, :] = (_x1 * _log_D)
    return np.swapaxes(slopes, -1, -2)
