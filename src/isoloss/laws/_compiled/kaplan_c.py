"""kaplan_c: Kaplan: loss against compute. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = '(C_c/C)**alpha_C'
LINEAR = ()
AMPLITUDES = {'C_c': {'C': '1.0'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    C_c = theta[..., 0, None]
    alpha_C = theta[..., 1, None]
    C = data["C"]
    return np.power((C_c / C), alpha_C)


def jacobian(theta, data):
    C_c = theta[..., 0, None]
    alpha_C = theta[..., 1, None]
    C = data["C"]
    _x0 = (C_c / C)
    _x1 = np.power(_x0, alpha_C)
    slopes = np.empty((*theta.shape[:-1], 2, len(data["C"])))
    slopes[..., 0, :] = (_x1 * alpha_C / C_c)
    slopes[..., 1, :] = (_x1 * np.log(_x0))
    return np.swapaxes(slopes, -1, -2)
