"""skaling: Skaling: additive terms under a common power. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'E + (A/N**alpha + B/D**beta)**k'
LINEAR = ('E',)
AMPLITUDES = {'A': {'N': 'alpha'}, 'B': {'D': 'beta'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    E = theta[..., 0, None]
    A = theta[..., 1, None]
    B = theta[..., 2, None]
    alpha = theta[..., 3, None]
    beta = theta[..., 4, None]
    k = theta[..., 5, None]
    N = data["N"]
    D = data["D"]
    _log_N = np.log(N)
    _log_D = np.log(D)
    return (E + np.power(((A * np.exp((-_log_N * alpha))) + (B * np.exp((-_log_D * beta)))), k))


def jacobian(theta, data):
    A = theta[..., 1, None]
    B = theta[..., 2, None]
    alpha = theta[..., 3, None]
    beta = theta[..., 4, None]
    k = theta[..., 5, None]
    N = data["N"]
    D = data["D"]
    _log_N = np.log(N)
    _log_D = np.log(D)
    _x0 = np.exp((-_log_N * alpha))
    _x1 = (_x0 * A)
    _x2 = np.exp((-_log_D * beta))
    _x3 = (_x2 * B)
    _x4 = (_x1 + _x3)
    _x5 = np.power(_x4, k)
    _x6 = (_x5 * k / _x4)
    slopes = np.empty((*theta.shape[:-1], 6, len(data["N"])))
    slopes[..., 0, :] = 1
    slopes[..., 1, :] = (_x0 * _x6)
    slopes[..., 2, :] = (_x2 * _x6)
    slopes[..., 3, :] = (-_x1 * _x6 * _log_N)
    slopes[..., 4, :] = (-_x3 * _x6 * _log_D)
    slopes[..., 5, :] = (_x5 * np.log(_x4))
    return np.swapaxes(slopes, -1, -2)
