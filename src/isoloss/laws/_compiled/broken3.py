"""broken3: Broken neural scaling law with 3 breaks. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'a + b/D**c0*(1 + (D/d1)**(1/f1))**(-c1*f1)*(1 + (D/d2)**(1/f2))**(-c2*f2)*(1 + (D/d3)**(1/f3))**(-c3*f3)'
LINEAR = ('a', 'b')
AMPLITUDES = {'b': {'D': 'c0'}, 'd1': {'D': '1.0'}, 'd2': {'D': '1.0'}, 'd3': {'D': '1.0'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    a = theta[..., 0, None]
    b = theta[..., 1, None]
    c0 = theta[..., 2, None]
    c1 = theta[..., 3, None]
    c2 = theta[..., 4, None]
    c3 = theta[..., 5, None]
    d1 = theta[..., 6, None]
    d2 = theta[..., 7, None]
    d3 = theta[..., 8, None]
    f1 = theta[..., 9, None]
    f2 = theta[..., 10, None]
    f3 = theta[..., 11, None]
    D = data["D"]
    _log_D = np.log(D)
    return (a + (b * np.power((1 + np.power((D / d1), (1.0 / f1))), (-c1 * f1)) * np.power((1 + np.power((D / d2), (1.0 / f2))), (-c2 * f2)) * np.power((1 + np.power((D / d3), (1.0 / f3))), (-c3 * f3)) * np.exp((-_log_D * c0))))


def jacobian(theta, data):
    b = theta[..., 1, None]
    c0 = theta[..., 2, None]
    c1 = theta[..., 3, None]
    c2 = theta[..., 4, None]
    c3 = theta[..., 5, None]
    d1 = theta[..., 6, None]
    d2 = theta[..., 7, None]
    d3 = theta[..., 8, None]
    f1 = theta[..., 9, None]
    f2 = theta[..., 10, None]
    f3 = theta[..., 11, None]
    D = data["D"]
    _log_D = np.log(D)
    _x0 = (1.0 / d1)
    _x1 = (_x0 * D)
    _x2 = (1.0 / f1)
    _x3 = np.power(_x1, _x2)
    _x4 = (1 + _x3)
    _x5 = (1.0 / d2)
    _x6 = (_x5 * D)
    _x7 = (1.0 / f2)
    _x8 = np.power(_x6, _x7)
    _x9 = (1 + _x8)
    _x10 = (1.0 / d3)
    _x11 = (_x10 * D)
    _x12 = (1.0 / f3)
    _x13 = np.power(_x11, _x12)
    _x14 = (1 + _x13)
    _x15 = (np.power(_x14, (-c3 * f3)) * np.power(_x4, (-c1 * f1)) * np.power(_x9, (-c2 * f2)) * np.exp((-_log_D * c0)))
    _x16 = (_x15 * b)
    _x17 = np.log(_x4)
    _x18 = np.log(_x9)
    _x19 = np.log(_x14)
    _x20 = (1.0 / _x4)
    _x21 = (1.0 / _x9)
    _x22 = (1.0 / _x14)
    slopes = np.empty((*theta.shape[:-1], 12, len(data["D"])))
    slopes[..., 0, :] = 1
    slopes[..., 1, :] = _x15
    slopes[..., 2, :] = (-_x16 * _log_D)
    slopes[..., 3, :] = (-_x16 * _x17 * f1)
    slopes[..., 4, :] = (-_x16 * _x18 * f2)
    slopes[..., 5, :] = (-_x16 * _x19 * f3)
    slopes[..., 6, :] = (_x0 * _x16 * _x20 * _x3 * c1)
    slopes[..., 7, :] = (_x16 * _x21 * _x5 * _x8 * c2)
    slopes[..., 8, :] = (_x10 * _x13 * _x16 * _x22 * c3)
    slopes[..., 9, :] = (_x16 * ((-_x17 * c1) + (_x2 * _x20 * _x3 * c1 * np.log(_x1))))
    slopes[..., 10, :] = (_x16 * ((-_x18 * c2) + (_x21 * _x7 * _x8 * c2 * np.log(_x6))))
    slopes[..., 11, :] = (_x16 * ((-_x19 * c3) + (_x12 * _x13 * _x22 * c3 * np.log(_x11))))
    return np.swapaxes(slopes, -1, -2)
