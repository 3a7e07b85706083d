"""kaplan: Kaplan: parameters and data under one exponent. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = '((N_c/N)**(alpha_N/alpha_D) + D_c/D)**alpha_D'
LINEAR = ()
AMPLITUDES = {'N_c': {'N': '1.0'}, 'D_c': {'D': '1.0'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    N_c = theta[..., 0, None]
    alpha_N = theta[..., 1, None]
    D_c = theta[..., 2, None]
    alpha_D = theta[..., 3, None]
    N = data["N"]
    D = data["D"]
    return np.power((np.power((N_c / N), (alpha_N / alpha_D)) + (D_c / D)), alpha_D)


def jacobian(theta, data):
    N_c = theta[..., 0, None]
    alpha_N = theta[..., 1, None]
    D_c = theta[..., 2, None]
    alpha_D = theta[..., 3, None]
    N = data["N"]
    D = data["D"]
    _x0 = (N_c / N)
    _x1 = (alpha_N / alpha_D)
    _x2 = np.power(_x0, _x1)
    _x3 = (1.0 / D)
    _x4 = (_x2 + (_x3 * D_c))
    _x5 = np.power(_x4, alpha_D)
    _x6 = (1.0 / _x4)
    _x7 = (_x5 * _x6)
    _x8 = (_x2 * _x7)
    _x9 = np.log(_x0)
    slopes = np.empty((*theta.shape[:-1], 4, len(data["N"])))
    slopes[..., 0, :] = (_x8 * alpha_N / N_c)
    slopes[..., 1, :] = (_x8 * _x9)
    slopes[..., 2, :] = (_x3 * _x7 * alpha_D)
    slopes[..., 3, :] = (_x5 * ((-_x1 * _x2 * _x6 * _x9) + np.log(_x4)))
    return np.swapaxes(slopes, -1, -2)
