"""loss_to_loss: Loss on one text from the loss on another. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'E + K*(loss - S)**kappa'
LINEAR = ('E', 'K')
AMPLITUDES = {}
LOG_AMPLITUDES = {}


def value(theta, data):
    E = theta[..., 0, None]
    K = theta[..., 1, None]
    S = theta[..., 2, None]
    kappa = theta[..., 3, None]
    loss = data["loss"]
    return (E + (K * np.power((loss + (-S)), kappa)))


def jacobian(theta, data):
    K = theta[..., 1, None]
    S = theta[..., 2, None]
    kappa = theta[..., 3, None]
    loss = data["loss"]
    _x0 = (loss + (-S))
    _x1 = np.power(_x0, kappa)
    _x2 = (_x1 * K)
    slopes = np.empty((*theta.shape[:-1], 4, len(data["loss"])))
    slopes[..., 0, :] = 1
    slopes[..., 1, :] = _x1
    slopes[..., 2, :] = (-_x2 * kappa / _x0)
    slopes[..., 3, :] = (_x2 * np.log(_x0))
    return np.swapaxes(slopes, -1, -2)
