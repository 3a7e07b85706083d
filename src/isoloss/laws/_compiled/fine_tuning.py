"""fine_tuning: Fine-tuning: model size and fine-tuning data multiply. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'E + A/(N**alpha*meta_finetuning_data**beta)'
LINEAR = ('E', 'A')
AMPLITUDES = {'A': {'N': 'alpha', 'meta_finetuning_data': 'beta'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    E = theta[..., 0, None]
    A = theta[..., 1, None]
    alpha = theta[..., 2, None]
    beta = theta[..., 3, None]
    N = data["N"]
    meta_finetuning_data = data["meta_finetuning_data"]
    _log_N = np.log(N)
    return (E + (A * np.power(meta_finetuning_data, (-beta)) * np.exp((-_log_N * alpha))))


def jacobian(theta, data):
    A = theta[..., 1, None]
    alpha = theta[..., 2, None]
    beta = theta[..., 3, None]
    N = data["N"]
    meta_finetuning_data = data["meta_finetuning_data"]
    _log_N = np.log(N)
    _x0 = (np.power(meta_finetuning_data, (-beta)) * np.exp((-_log_N * alpha)))
    _x1 = (_x0 * A)
    slopes = np.empty((*theta.shape[:-1], 4, len(data["N"])))
    slopes[..., 0, :] = 1
    slopes[..., 1, :] = _x0
    slopes[..., 2, :] = (-_x1 * _log_N)
    slopes[..., 3, :] = (-_x1 * np.log(meta_finetuning_data))
    return np.swapaxes(slopes, -1, -2)
