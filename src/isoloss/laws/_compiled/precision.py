"""precision: Training in low precision: bits that act like parameters. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'E + A/(N*(1 - exp(n_w - meta_bits_weights/gamma_w))*(1 - exp(n_a - meta_bits_activations/gamma_a))*(1 - exp(n_kv - meta_bits_cache/gamma_kv)))**alpha + B/D**beta'
LINEAR = ('E', 'A', 'B')
AMPLITUDES = {'A': {'N': 'alpha'}, 'B': {'D': 'beta'}}
LOG_AMPLITUDES = {'n_w': {}, 'n_a': {}, 'n_kv': {}}


def value(theta, data):
    E = theta[..., 0, None]
    A = theta[..., 1, None]
    alpha = theta[..., 2, None]
    B = theta[..., 3, None]
    beta = theta[..., 4, None]
    gamma_w = theta[..., 5, None]
    n_w = theta[..., 6, None]
    gamma_a = theta[..., 7, None]
    n_a = theta[..., 8, None]
    gamma_kv = theta[..., 9, None]
    n_kv = theta[..., 10, None]
    N = data["N"]
    D = data["D"]
    meta_bits_weights = data["meta_bits_weights"]
    meta_bits_activations = data["meta_bits_activations"]
    meta_bits_cache = data["meta_bits_cache"]
    _log_D = np.log(D)
    return (E + (A * np.power((N * (1 + (-np.exp((n_a + (-meta_bits_activations / gamma_a))))) * (1 + (-np.exp((n_kv + (-meta_bits_cache / gamma_kv))))) * (1 + (-np.exp((n_w + (-meta_bits_weights / gamma_w)))))), (-alpha))) + (B * np.exp((-_log_D * beta))))


def jacobian(theta, data):
    A = theta[..., 1, None]
    alpha = theta[..., 2, None]
    B = theta[..., 3, None]
    beta = theta[..., 4, None]
    gamma_w = theta[..., 5, None]
    n_w = theta[..., 6, None]
    gamma_a = theta[..., 7, None]
    n_a = theta[..., 8, None]
    gamma_kv = theta[..., 9, None]
    n_kv = theta[..., 10, None]
    N = data["N"]
    D = data["D"]
    meta_bits_weights = data["meta_bits_weights"]
    meta_bits_activations = data["meta_bits_activations"]
    meta_bits_cache = data["meta_bits_cache"]
    _log_D = np.log(D)
    _x0 = np.exp((n_a + (-meta_bits_activations / gamma_a)))
    _x1 = (1 + (-_x0))
    _x2 = np.exp((n_kv + (-meta_bits_cache / gamma_kv)))
    _x3 = (1 + (-_x2))
    _x4 = np.exp((n_w + (-meta_bits_weights / gamma_w)))
    _x5 = (1 + (-_x4))
    _x6 = (_x1 * _x3 * _x5 * N)
    _x7 = np.power(_x6, (-alpha))
    _x8 = (_x7 * A)
    _x9 = np.exp((-_log_D * beta))
    _x10 = (_x8 * alpha)
    _x11 = (_x10 * _x4 / _x5)
    _x12 = (_x0 * _x10 / _x1)
    _x13 = (_x10 * _x2 / _x3)
    slopes = np.empty((*theta.shape[:-1], 11, len(data["N"])))
    slopes[..., 0, :] = 1
    slopes[..., 1, :] = _x7
    slopes[..., 2, :] = (-_x8 * np.log(_x6))
    slopes[..., 3, :] = _x9
    slopes[..., 4, :] = (-_x9 * _log_D * B)
    slopes[..., 5, :] = (_x11 * meta_bits_weights * gamma_w ** (-2))
    slopes[..., 6, :] = _x11
    slopes[..., 7, :] = (_x12 * meta_bits_activations * gamma_a ** (-2))
    slopes[..., 8, :] = _x12
    slopes[..., 9, :] = (_x13 * meta_bits_cache * gamma_kv ** (-2))
    slopes[..., 10, :] = _x13
    return np.swapaxes(slopes, -1, -2)
