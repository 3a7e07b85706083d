"""parallel: Parallel streams as a factor on parameters. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'E + (A/(N*(k*log(meta_streams) + 1)))**alpha'
LINEAR = ('E',)
AMPLITUDES = {'A': {'N': '1.0'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    E = theta[..., 0, None]
    A = theta[..., 1, None]
    alpha = theta[..., 2, None]
    k = theta[..., 3, None]
    N = data["N"]
    meta_streams = data["meta_streams"]
    return (E + np.power((A / N / (1 + (k * np.log(meta_streams)))), alpha))


def jacobian(theta, data):
    A = theta[..., 1, None]
    alpha = theta[..., 2, None]
    k = theta[..., 3, None]
    N = data["N"]
    meta_streams = data["meta_streams"]
    _x0 = np.log(meta_streams)
    _x1 = (1.0 / (1 + (_x0 * k)))
    _x2 = (_x1 * A / N)
    _x3 = np.power(_x2, alpha)
    _x4 = (_x3 * alpha)
    slopes = np.empty((*theta.shape[:-1], 4, len(data["N"])))
    slopes[..., 0, :] = 1
    slopes[..., 1, :] = (_x4 / A)
    slopes[..., 2, :] = (_x3 * np.log(_x2))
    slopes[..., 3, :] = (-_x0 * _x1 * _x4)
    return np.swapaxes(slopes, -1, -2)
