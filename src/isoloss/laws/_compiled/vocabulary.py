"""vocabulary: Vocabulary parameters beside the others, for a loss that vocabularies share. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'A/N**alpha + F/params_vocabulary**phi + B/D**beta - G'
LINEAR = ('A', 'F', 'B', 'G')
AMPLITUDES = {'A': {'N': 'alpha'}, 'F': {'params_vocabulary': 'phi'}, 'B': {'D': 'beta'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    A = theta[..., 0, None]
    alpha = theta[..., 1, None]
    F = theta[..., 2, None]
    phi = theta[..., 3, None]
    B = theta[..., 4, None]
    beta = theta[..., 5, None]
    G = theta[..., 6, None]
    N = data["N"]
    params_vocabulary = data["params_vocabulary"]
    D = data["D"]
    _log_N = np.log(N)
    _log_params_vocabulary = np.log(params_vocabulary)
    _log_D = np.log(D)
    return ((-G) + (A * np.exp((-_log_N * alpha))) + (B * np.exp((-_log_D * beta))) + (F * np.exp((-_log_params_vocabulary * phi))))


def jacobian(theta, data):
    A = theta[..., 0, None]
    alpha = theta[..., 1, None]
    F = theta[..., 2, None]
    phi = theta[..., 3, None]
    B = theta[..., 4, None]
    beta = theta[..., 5, None]
    N = data["N"]
    params_vocabulary = data["params_vocabulary"]
    D = data["D"]
    _log_N = np.log(N)
    _log_params_vocabulary = np.log(params_vocabulary)
    _log_D = np.log(D)
    _x0 = np.exp((-_log_N * alpha))
    _x1 = np.exp((-_log_params_vocabulary * phi))
    _x2 = np.exp((-_log_D * beta))
    slopes = np.empty((*theta.shape[:-1], 7, len(data["N"])))
    slopes[..., 0, :] = _x0
    slopes[..., 1, :] = (-_x0 * _log_N * A)
    slopes[..., 2, :] = _x1
    slopes[..., 3, :] = (-_x1 * _log_params_vocabulary * F)
    slopes[..., 4, :] = _x2
    slopes[..., 5, :] = (-_x2 * _log_D * B)
    slopes[..., 6, :] = (-1)
    return np.swapaxes(slopes, -1, -2)
