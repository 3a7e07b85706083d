"""kaplan_n: Kaplan: loss against parameters. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = '(N_c/N)**alpha_N'
LINEAR = ()
AMPLITUDES = {'N_c': {'N': '1.0'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    N_c = theta[..., 0, None]
    alpha_N = theta[..., 1, None]
    N = data["N"]
    return np.power((N_c / N), alpha_N)


def jacobian(theta, data):
    N_c = theta[..., 0, None]
    alpha_N = theta[..., 1, None]
    N = data["N"]
    _x0 = (N_c / N)
    _x1 = np.power(_x0, alpha_N)
    slopes = np.empty((*theta.shape[:-1], 2, len(data["N"])))
    slopes[..., 0, :] = (_x1 * alpha_N / N_c)
    slopes[..., 1, :] = (_x1 * np.log(_x0))
    return np.swapaxes(slopes, -1, -2)
