"""quantized: Weights rounded after training. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'E + A/(N*(1 - exp(-meta_bits_weights/gamma_w)))**alpha + B/D**beta + F*D**delta/(N*(1 - exp(-meta_bits_weights/gamma_w)))**nu*exp(-meta_bits_after/gamma_q)*(1 - exp(-r*(meta_bits_weights - meta_bits_after)))'
LINEAR = ('E', 'A', 'B', 'F')
AMPLITUDES = {'A': {'N': 'alpha'}, 'B': {'D': 'beta'}, 'F': {'N': 'nu', 'D': '-delta'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    E = theta[..., 0, None]
    A = theta[..., 1, None]
    alpha = theta[..., 2, None]
    B = theta[..., 3, None]
    beta = theta[..., 4, None]
    gamma_w = theta[..., 5, None]
    F = theta[..., 6, None]
    delta = theta[..., 7, None]
    nu = theta[..., 8, None]
    gamma_q = theta[..., 9, None]
    r = theta[..., 10, None]
    N = data["N"]
    D = data["D"]
    meta_bits_weights = data["meta_bits_weights"]
    meta_bits_after = data["meta_bits_after"]
    _log_D = np.log(D)
    _x0 = (N * (1 + (-np.exp((-meta_bits_weights / gamma_w)))))
    return (E + (A * np.power(_x0, (-alpha))) + (B * np.exp((-_log_D * beta))) + (F * np.power(_x0, (-nu)) * (1 + (-np.exp((-r * (meta_bits_weights + (-meta_bits_after)))))) * np.exp((-meta_bits_after / gamma_q)) * np.exp((_log_D * delta))))


def jacobian(theta, data):
    A = theta[..., 1, None]
    alpha = theta[..., 2, None]
    B = theta[..., 3, None]
    beta = theta[..., 4, None]
    gamma_w = theta[..., 5, None]
    F = theta[..., 6, None]
    delta = theta[..., 7, None]
    nu = theta[..., 8, None]
    gamma_q = theta[..., 9, None]
    r = theta[..., 10, None]
    N = data["N"]
    D = data["D"]
    meta_bits_weights = data["meta_bits_weights"]
    meta_bits_after = data["meta_bits_after"]
    _log_D = np.log(D)
    _x0 = np.exp((-meta_bits_weights / gamma_w))
    _x1 = (1 + (-_x0))
    _x2 = (_x1 * N)
    _x3 = np.power(_x2, (-alpha))
    _x4 = np.log(_x2)
    _x5 = (_x3 * A)
    _x6 = np.exp((-_log_D * beta))
    _x7 = (_x0 * meta_bits_weights * gamma_w ** (-2) / _x1)
    _x8 = (meta_bits_after + (-meta_bits_weights))
    _x9 = np.exp((_x8 * r))
    _x10 = (np.power(_x2, (-nu)) * np.exp((-meta_bits_after / gamma_q)) * np.exp((_log_D * delta)))
    _x11 = (_x10 * (1 + (-_x9)))
    _x12 = (_x11 * F)
    slopes = np.empty((*theta.shape[:-1], 11, len(data["N"])))
    slopes[..., 0, :] = 1
    slopes[..., 1, :] = _x3
    slopes[..., 2, :] = (-_x4 * _x5)
    slopes[..., 3, :] = _x6
    slopes[..., 4, :] = (-_x6 * _log_D * B)
    slopes[..., 5, :] = ((_x12 * _x7 * nu) + (_x5 * _x7 * alpha))
    slopes[..., 6, :] = _x11
    slopes[..., 7, :] = (_x12 * _log_D)
    slopes[..., 8, :] = (-_x12 * _x4)
    slopes[..., 9, :] = (_x12 * meta_bits_after * gamma_q ** (-2))
    slopes[..., 10, :] = (-_x10 * _x8 * _x9 * F)
    return np.swapaxes(slopes, -1, -2)
