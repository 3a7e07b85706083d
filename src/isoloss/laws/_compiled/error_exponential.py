"""error_exponential: Mean error over tasks as an exponential of the loss. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'eps - k*exp(-gamma*loss)'
LINEAR = ('eps', 'k')
AMPLITUDES = {}
LOG_AMPLITUDES = {}


def value(theta, data):
    eps = theta[..., 0, None]
    k = theta[..., 1, None]
    gamma = theta[..., 2, None]
    loss = data["loss"]
    return (eps + (-k * np.exp((-gamma * loss))))


def jacobian(theta, data):
    k = theta[..., 1, None]
    gamma = theta[..., 2, None]
    loss = data["loss"]
    _x0 = np.exp((-gamma * loss))
    slopes = np.empty((*theta.shape[:-1], 3, len(data["loss"])))
    slopes[..., 0, :] = 1
    slopes[..., 1, :] = (-_x0)
    slopes[..., 2, :] = (_x0 * k * loss)
    return np.swapaxes(slopes, -1, -2)
