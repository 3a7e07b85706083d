"""overtraining: Over-training: loss against compute and tokens per parameter. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'E + a*(M/C)**eta + b/(M*C)**eta'
LINEAR = ('E', 'a', 'b')
AMPLITUDES = {'a': {'M': '-eta', 'C': 'eta'}, 'b': {'M': 'eta', 'C': 'eta'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    E = theta[..., 0, None]
    a = theta[..., 1, None]
    b = theta[..., 2, None]
    eta = theta[..., 3, None]
    M = data["M"]
    C = data["C"]
    return (E + (a * np.power((M / C), eta)) + (b * np.power((C * M), (-eta))))


def jacobian(theta, data):
    a = theta[..., 1, None]
    b = theta[..., 2, None]
    eta = theta[..., 3, None]
    M = data["M"]
    C = data["C"]
    _x0 = (M / C)
    _x1 = np.power(_x0, eta)
    _x2 = (C * M)
    _x3 = np.power(_x2, (-eta))
    slopes = np.empty((*theta.shape[:-1], 4, len(data["M"])))
    slopes[..., 0, :] = 1
    slopes[..., 1, :] = _x1
    slopes[..., 2, :] = _x3
    slopes[..., 3, :] = ((_x1 * a * np.log(_x0)) + (-_x3 * b * np.log(_x2)))
    return np.swapaxes(slopes, -1, -2)
