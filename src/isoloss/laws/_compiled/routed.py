"""routed: Routed language models: dense size and number of experts. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = '10**(d + a*log10(N) - (b + c*log10(N))*log10(1/(meta_experts - 1 + 1/(1/E_start - 1/E_max)) + 1/E_max))'
LINEAR = ()
AMPLITUDES = {}
LOG_AMPLITUDES = {}


def value(theta, data):
    a = theta[..., 0, None]
    b = theta[..., 1, None]
    c = theta[..., 2, None]
    d = theta[..., 3, None]
    E_start = theta[..., 4, None]
    E_max = theta[..., 5, None]
    N = data["N"]
    meta_experts = data["meta_experts"]
    _log_N = np.log(N)
    _x0 = 0.4342944819032518
    _x1 = (_x0 * _log_N)
    _x2 = (1.0 / E_max)
    return np.power(10, (d + (_x1 * a) + (-_x0 * (b + (_x1 * c)) * np.log((_x2 + (1.0 / ((-1) + meta_experts + (1.0 / ((1.0 / E_start) + (-_x2))))))))))


def jacobian(theta, data):
    a = theta[..., 0, None]
    b = theta[..., 1, None]
    c = theta[..., 2, None]
    d = theta[..., 3, None]
    E_start = theta[..., 4, None]
    E_max = theta[..., 5, None]
    N = data["N"]
    meta_experts = data["meta_experts"]
    _log_N = np.log(N)
    _x0 = 2.302585092994046
    _x1 = (1.0 / _x0)
    _x2 = (_x1 * _log_N)
    _x3 = (b + (_x2 * c))
    _x4 = (1.0 / E_max)
    _x5 = ((1.0 / E_start) + (-_x4))
    _x6 = ((-1) + meta_experts + (1.0 / _x5))
    _x7 = (_x4 + (1.0 / _x6))
    _x8 = np.log(_x7)
    _x9 = (_x1 * _x8)
    _x10 = np.power(10, (d + (_x2 * a) + (-_x3 * _x9)))
    _x11 = (_x10 * _log_N)
    _x12 = _x5 ** (-2)
    _x13 = _x6 ** (-2)
    _x14 = (_x10 * _x3 / _x7)
    _x15 = E_max ** (-2)
    slopes = np.empty((*theta.shape[:-1], 6, len(data["N"])))
    slopes[..., 0, :] = _x11
    slopes[..., 1, :] = (-_x10 * _x8)
    slopes[..., 2, :] = (-_x11 * _x9)
    slopes[..., 3, :] = (_x0 * _x10)
    slopes[..., 4, :] = (_x12 * _x13 * _x14 * E_start ** (-2))
    slopes[..., 5, :] = (-_x14 * ((-_x15) + (_x12 * _x13 * _x15)))
    return np.swapaxes(slopes, -1, -2)
