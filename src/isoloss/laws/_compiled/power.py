"""power: Plain power law of a metric. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'a*N**b*D**c*C**d'
LINEAR = ('a',)
AMPLITUDES = {'a': {'N': '-b', 'D': '-c', 'C': '-d'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    a = theta[..., 0, None]
    b = theta[..., 1, None]
    c = theta[..., 2, None]
    d = theta[..., 3, None]
    N = data["N"]
    D = data["D"]
    C = data["C"]
    _log_N = np.log(N)
    _log_D = np.log(D)
    _log_C = np.log(C)
    return (a * np.exp((_log_C * d)) * np.exp((_log_D * c)) * np.exp((_log_N * b)))


def jacobian(theta, data):
    a = theta[..., 0, None]
    b = theta[..., 1, None]
    c = theta[..., 2, None]
    d = theta[..., 3, None]
    N = data["N"]
    D = data["D"]
    C = data["C"]
    _log_N = np.log(N)
    _log_D = np.log(D)
    _log_C = np.log(C)
    _x0 = (np.exp((_log_C * d)) * np.exp((_log_D * c)) * np.exp((_log_N * b)))
    _x1 = (_x0 * a)
    slopes = np.empty((*theta.shape[:-1], 4, len(data["N"])))
    slopes[..., 0, :] = _x0
    slopes[..., 1, :] = (_x1 * _log_N)
    slopes[..., 2, :] = (_x1 * _log_D)
    slopes[..., 3, :] = (_x1 * _log_C)
    return np.swapaxes(slopes, -1, -2)
