"""critical_batch: Kaplan: critical batch size against loss. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'B_star/L**(1/alpha_B)'
LINEAR = ('B_star',)
AMPLITUDES = {}
LOG_AMPLITUDES = {}


def value(theta, data):
    B_star = theta[..., 0, None]
    alpha_B = theta[..., 1, None]
    L = data["L"]
    _log_L = np.log(L)
    return (B_star * np.exp((-_log_L / alpha_B)))


def jacobian(theta, data):
    B_star = theta[..., 0, None]
    alpha_B = theta[..., 1, None]
    L = data["L"]
    _log_L = np.log(L)
    _x0 = np.exp((-_log_L / alpha_B))
    slopes = np.empty((*theta.shape[:-1], 2, len(data["L"])))
    slopes[..., 0, :] = _x0
    slopes[..., 1, :] = (_x0 * _log_L * B_star * alpha_B ** (-2))
    return np.swapaxes(slopes, -1, -2)
