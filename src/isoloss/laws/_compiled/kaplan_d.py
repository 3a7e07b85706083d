"""kaplan_d: Kaplan: loss against data. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = '(D_c/D)**alpha_D'
LINEAR = ()
AMPLITUDES = {'D_c': {'D': '1.0'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    D_c = theta[..., 0, None]
    alpha_D = theta[..., 1, None]
    D = data["D"]
    return np.power((D_c / D), alpha_D)


def jacobian(theta, data):
    D_c = theta[..., 0, None]
    alpha_D = theta[..., 1, None]
    D = data["D"]
    _x0 = (D_c / D)
    _x1 = np.power(_x0, alpha_D)
    slopes = np.empty((*theta.shape[:-1], 2, len(data["D"])))
    slopes[..., 0, :] = (_x1 * alpha_D / D_c)
    slopes[..., 1, :] = (_x1 * np.log(_x0))
    return np.swapaxes(slopes, -1, -2)
