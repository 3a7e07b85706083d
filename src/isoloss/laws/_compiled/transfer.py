"""transfer: Effective data transferred by pre-training. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'k*meta_finetuning_data**alpha*N**beta'
LINEAR = ('k',)
AMPLITUDES = {'k': {'meta_finetuning_data': '-alpha', 'N': '-beta'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    k = theta[..., 0, None]
    alpha = theta[..., 1, None]
    beta = theta[..., 2, None]
    meta_finetuning_data = data["meta_finetuning_data"]
    N = data["N"]
    _log_N = np.log(N)
    return (k * np.power(meta_finetuning_data, alpha) * np.exp((_log_N * beta)))


def jacobian(theta, data):
    k = theta[..., 0, None]
    alpha = theta[..., 1, None]
    beta = theta[..., 2, None]
    meta_finetuning_data = data["meta_finetuning_data"]
    N = data["N"]
    _log_N = np.log(N)
    _x0 = (np.power(meta_finetuning_data, alpha) * np.exp((_log_N * beta)))
    _x1 = (_x0 * k)
    slopes = np.empty((*theta.shape[:-1], 3, len(data["meta_finetuning_data"])))
    slopes[..., 0, :] = _x0
    slopes[..., 1, :] = (_x1 * np.log(meta_finetuning_data))
    slopes[..., 2, :] = (_x1 * _log_N)
    return np.swapaxes(slopes, -1, -2)
