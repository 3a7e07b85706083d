"""sparsity: Total parameters, data and the share of experts that is active. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'E + A/N**alpha + B/D**beta + F/meta_active_share**lam + G/(meta_active_share**delta*N**gamma)'
LINEAR = ('E', 'A', 'B', 'F', 'G')
AMPLITUDES = {'A': {'N': 'alpha'}, 'B': {'D': 'beta'}, 'F': {'meta_active_share': 'lam'}, 'G': {'N': 'gamma', 'meta_active_share': 'delta'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    E = theta[..., 0, None]
    A = theta[..., 1, None]
    alpha = theta[..., 2, None]
    B = theta[..., 3, None]
    beta = theta[..., 4, None]
    F = theta[..., 5, None]
    lam = theta[..., 6, None]
    G = theta[..., 7, None]
    delta = theta[..., 8, None]
    gamma = theta[..., 9, None]
    N = data["N"]
    D = data["D"]
    meta_active_share = data["meta_active_share"]
    _log_N = np.log(N)
    _log_D = np.log(D)
    return (E + (A * np.exp((-_log_N * alpha))) + (B * np.exp((-_log_D * beta))) + (F * np.power(meta_active_share, (-lam))) + (G * np.power(meta_active_share, (-delta)) * np.exp((-_log_N * gamma))))


def jacobian(theta, data):
    A = theta[..., 1, None]
    alpha = theta[..., 2, None]
    B = theta[..., 3, None]
    beta = theta[..., 4, None]
    F = theta[..., 5, None]
    lam = theta[..., 6, None]
    G = theta[..., 7, None]
    delta = theta[..., 8, None]
    gamma = theta[..., 9, None]
    N = data["N"]
    D = data["D"]
    meta_active_share = data["meta_active_share"]
    _log_N = np.log(N)
    _log_D = np.log(D)
    _x0 = np.exp((-_log_N * alpha))
    _x1 = np.exp((-_log_D * beta))
    _x2 = np.power(meta_active_share, (-lam))
    _x3 = np.log(meta_active_share)
    _x4 = (np.power(meta_active_share, (-delta)) * np.exp((-_log_N * gamma)))
    _x5 = (_x4 * G)
    slopes = np.empty((*theta.shape[:-1], 10, len(data["N"])))
    slopes[..., 0, :] = 1
    slopes[..., 1, :] = _x0
    slopes[..., 2, :] = (-_x0 * _log_N * A)
    slopes[..., 3, :] = _x1
    slopes[..., 4, :] = (-_x1 * _log_D * B)
    slopes[..., 5, :] = _x2
    slopes[..., 6, :] = (-_x2 * _x3 * F)
    slopes[..., 7, :] = _x4
    slopes[..., 8, :] = (-_x3 * _x5)
    slopes[..., 9, :] = (-_x5 * _log_N)
    return np.swapaxes(slopes, -1, -2)
