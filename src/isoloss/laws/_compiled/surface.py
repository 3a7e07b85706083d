"""surface: Quadratic surface of log loss. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'exp(c + n*log(N/1e5) + d*log(D/1e6) + nd*log(N/1e5)*log(D/1e6) + nn*log(N/1e5)**2 + dd*log(D/1e6)**2)'
LINEAR = ()
AMPLITUDES = {}
LOG_AMPLITUDES = {'c': {}}


def value(theta, data):
    c = theta[..., 0, None]
    n = theta[..., 1, None]
    d = theta[..., 2, None]
    nd = theta[..., 3, None]
    nn = theta[..., 4, None]
    dd = theta[..., 5, None]
    N = data["N"]
    D = data["D"]
    _x0 = np.log((1e-06 * D))
    _x1 = np.log((1e-05 * N))
    return np.exp((c + (_x0 * d) + (_x1 * n) + (dd * _x0 ** 2) + (nn * _x1 ** 2) + (_x0 * _x1 * nd)))


def jacobian(theta, data):
    c = theta[..., 0, None]
    n = theta[..., 1, None]
    d = theta[..., 2, None]
    nd = theta[..., 3, None]
    nn = theta[..., 4, None]
    dd = theta[..., 5, None]
    N = data["N"]
    D = data["D"]
    _x0 = np.log((1e-06 * D))
    _x1 = np.log((1e-05 * N))
    _x2 = _x0 ** 2
    _x3 = _x1 ** 2
    _x4 = np.exp((c + (_x0 * d) + (_x1 * n) + (_x2 * dd) + (_x3 * nn) + (_x0 * _x1 * nd)))
    _x5 = (_x1 * _x4)
    slopes = np.empty((*theta.shape[:-1], 6, len(data["N"])))
    slopes[..., 0, :] = _x4
    slopes[..., 1, :] = _x5
    slopes[..., 2, :] = (_x0 * _x4)
    slopes[..., 3, :] = (_x0 * _x5)
    slopes[..., 4, :] = (_x3 * _x4)
    slopes[..., 5, :] = (_x2 * _x4)
    return np.swapaxes(slopes, -1, -2)
