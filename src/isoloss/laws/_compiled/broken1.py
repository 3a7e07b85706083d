"""broken1: Broken neural scaling law with a break. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'a + b/D**c0*(1 + (D/d1)**(1/f1))**(-c1*f1)'
LINEAR = ('a', 'b')
AMPLITUDES = {'b': {'D': 'c0'}, 'd1': {'D': '1.0'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    a = theta[..., 0, None]
    b = theta[..., 1, None]
    c0 = theta[..., 2, None]
    c1 = theta[..., 3, None]
    d1 = theta[..., 4, None]
    f1 = theta[..., 5, None]
    D = data["D"]
    _log_D = np.log(D)
    return (a + (b * np.power((1 + np.power((D / d1), (1.0 / f1))), (-c1 * f1)) * np.exp((-_log_D * c0))))


def jacobian(theta, data):
    b = theta[..., 1, None]
    c0 = theta[..., 2, None]
    c1 = theta[..., 3, None]
    d1 = theta[..., 4, None]
    f1 = theta[..., 5, None]
    D = data["D"]
    _log_D = np.log(D)
    _x0 = (1.0 / d1)
    _x1 = (_x0 * D)
    _x2 = (1.0 / f1)
    _x3 = np.power(_x1, _x2)
    _x4 = (1 + _x3)
    _x5 = (np.power(_x4, (-c1 * f1)) * np.exp((-_log_D * c0)))
    _x6 = (_x5 * b)
    _x7 = np.log(_x4)
    _x8 = (1.0 / _x4)
    slopes = np.empty((*theta.shape[:-1], 6, len(data["D"])))
    slopes[..., 0, :] = 1
    slopes[..., 1, :] = _x5
    slopes[..., 2, :] = (-_x6 * _log_D)
    slopes[..., 3, :] = (-_x6 * _x7 * f1)
    slopes[..., 4, :] = (_x0 * _x3 * _x6 * _x8 * c1)
    slopes[..., 5, :] = (_x6 * ((-_x7 * c1) + (_x2 * _x3 * _x8 * c1 * np.log(_x1))))
    return np.swapaxes(slopes, -1, -2)
