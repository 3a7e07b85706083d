"""accuracy_sigmoid: Accuracy as a sigmoid of the loss. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'floor + (top - floor)*(1 - tanh(k*(loss - middle)/2))/2'
LINEAR = ('floor', 'top')
AMPLITUDES = {}
LOG_AMPLITUDES = {}


def value(theta, data):
    floor = theta[..., 0, None]
    top = theta[..., 1, None]
    k = theta[..., 2, None]
    middle = theta[..., 3, None]
    loss = data["loss"]
    return (floor + (0.5 * (1 + (-np.tanh((0.5 * k * (loss + (-middle)))))) * (top + (-floor))))


def jacobian(theta, data):
    floor = theta[..., 0, None]
    top = theta[..., 1, None]
    k = theta[..., 2, None]
    middle = theta[..., 3, None]
    loss = data["loss"]
    _x0 = np.tanh((0.5 * k * (loss + (-middle))))
    _x1 = (0.5 * _x0)
    _x2 = ((1 + (-_x0 ** 2)) * (top + (-floor)))
    slopes = np.empty((*theta.shape[:-1], 4, len(data["loss"])))
    slopes[..., 0, :] = (0.5 + _x1)
    slopes[..., 1, :] = (0.5 + (-_x1))
    slopes[..., 2, :] = ((-0.5) * _x2 * ((0.5 * loss) + ((-0.5) * middle)))
    slopes[..., 3, :] = (0.25 * _x2 * k)
    return np.swapaxes(slopes, -1, -2)
