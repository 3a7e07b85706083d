"""two_modalities: Two modalities with interaction. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = '(E_1 + A_1/N**alpha_1 + B_1/meta_tokens_1**beta_1 + E_2 + A_2/N**alpha_2 + B_2/meta_tokens_2**beta_2)/2 + A/N**alpha + B/D**beta - S'
LINEAR = ('E_1', 'A_1', 'B_1', 'E_2', 'A_2', 'B_2', 'A', 'B', 'S')
AMPLITUDES = {'A_1': {'N': 'alpha_1'}, 'B_1': {'meta_tokens_1': 'beta_1'}, 'A_2': {'N': 'alpha_2'}, 'B_2': {'meta_tokens_2': 'beta_2'}, 'A': {'N': 'alpha'}, 'B': {'D': 'beta'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    E_1 = theta[..., 0, None]
    A_1 = theta[..., 1, None]
    alpha_1 = theta[..., 2, None]
    B_1 = theta[..., 3, None]
    beta_1 = theta[..., 4, None]
    E_2 = theta[..., 5, None]
    A_2 = theta[..., 6, None]
    alpha_2 = theta[..., 7, None]
    B_2 = theta[..., 8, None]
    beta_2 = theta[..., 9, None]
    A = theta[..., 10, None]
    alpha = theta[..., 11, None]
    B = theta[..., 12, None]
    beta = theta[..., 13, None]
    S = theta[..., 14, None]
    N = data["N"]
    meta_tokens_1 = data["meta_tokens_1"]
    meta_tokens_2 = data["meta_tokens_2"]
    D = data["D"]
    _log_N = np.log(N)
    _log_D = np.log(D)
    return ((0.5 * E_1) + (0.5 * E_2) + (-S) + (A * np.exp((-_log_N * alpha))) + (B * np.exp((-_log_D * beta))) + (0.5 * A_1 * np.exp((-_log_N * alpha_1))) + (0.5 * A_2 * np.exp((-_log_N * alpha_2))) + (0.5 * B_1 * np.power(meta_tokens_1, (-beta_1))) + (0.5 * B_2 * np.power(meta_tokens_2, (-beta_2))))


def jacobian(theta, data):
    A_1 = theta[..., 1, None]
    alpha_1 = theta[..., 2, None]
    B_1 = theta[..., 3, None]
    beta_1 = theta[..., 4, None]
    A_2 = theta[..., 6, None]
    alpha_2 = theta[..., 7, None]
    B_2 = theta[..., 8, None]
    beta_2 = theta[..., 9, None]
    A = theta[..., 10, None]
    alpha = theta[..., 11, None]
    B = theta[..., 12, None]
    beta = theta[..., 13, None]
    N = data["N"]
    meta_tokens_1 = data["meta_tokens_1"]
    meta_tokens_2 = data["meta_tokens_2"]
    D = data["D"]
    _log_N = np.log(N)
    _log_D = np.log(D)
    _x0 = (0.5 * np.exp((-_log_N * alpha_1)))
    _x1 = (0.5 * np.power(meta_tokens_1, (-beta_1)))
    _x2 = (0.5 * np.exp((-_log_N * alpha_2)))
    _x3 = (0.5 * np.power(meta_tokens_2, (-beta_2)))
    _x4 = np.exp((-_log_N * alpha))
    _x5 = np.exp((-_log_D * beta))
    slopes = np.empty((*theta.shape[:-1], 15, len(data["N"])))
    slopes[..., 0, :] = 0.5
    slopes[..., 1, :] = _x0
    slopes[..., 2, :] = (-_x0 * _log_N * A_1)
    slopes[..., 3, :] = _x1
    slopes[..., 4, :] = (-_x1 * B_1 * np.log(meta_tokens_1))
    slopes[..., 5, :] = 0.5
    slopes[..., 6, :] = _x2
    slopes[..., 7, :] = (-_x2 * _log_N * A_2)
    slopes[..., 8, :] = _x3
    slopes[..., 9, :] = (-_x3 * B_2 * np.log(meta_tokens_2))
    slopes[..., 10, :] = _x4
    slopes[..., 11, :] = (-_x4 * _log_N * A)
    slopes[..., 12, :] = _x5
    slopes[..., 13, :] = (-_x5 * _log_D * B)
    slopes[..., 14, :] = (-1)
    return np.swapaxes(slopes, -1, -2)
