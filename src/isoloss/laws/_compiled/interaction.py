"""interaction: Interaction: the data term depends on size. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'E + A/N**alpha + B/(D**beta*N**gamma)'
LINEAR = ('E', 'A', 'B')
AMPLITUDES = {'A': {'N': 'alpha'}, 'B': {'N': 'gamma', 'D': 'beta'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    E = theta[..., 0, None]
    A = theta[..., 1, None]
    B = theta[..., 2, None]
    alpha = theta[..., 3, None]
    beta = theta[..., 4, None]
    gamma = theta[..., 5, None]
    N = data["N"]
    D = data["D"]
    _log_N = np.log(N)
    _log_D = np.log(D)
    return (E + (A * np.exp((-_log_N * alpha))) + (B * np.exp((-_log_D * beta)) * np.exp((-_log_N * gamma))))


def jacobian(theta, data):
    A = theta[..., 1, None]
    B = theta[..., 2, None]
    alpha = theta[..., 3, None]
    beta = theta[..., 4, None]
    gamma = theta[..., 5, None]
    N = data["N"]
    D = data["D"]
    _log_N = np.log(N)
    _log_D = np.log(D)
    _x0 = np.exp((-_log_N * alpha))
    _x1 = (np.exp((-_log_D * beta)) * np.exp((-_log_N * gamma)))
    _x2 = (_x1 * B)
    slopes = np.empty((*theta.shape[:-1], 6, len(data["N"])))
    slopes[..., 0, :] = 1
    slopes[..., 1, :] = _x0
    slopes[..., 2, :] = _x1
    slopes[..., 3, :] = (-_x0 * _log_N * A)
    slopes[..., 4, :] = (-_x2 * _log_D)
    slopes[..., 5, :] = (-_x2 * _log_N)
    return np.swapaxes(slopes, -1, -2)
