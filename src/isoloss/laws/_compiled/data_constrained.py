"""data_constrained: Data-constrained: repeated tokens and excess parameters decay in worth. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'E + A/(N/max(1, N*(beta*B/(alpha*A))**(1/alpha)/min(U, D)**(beta/alpha))*(1 + R_N*(1 - exp((1 - max(1, N*(beta*B/(alpha*A))**(1/alpha)/min(U, D)**(beta/alpha)))/R_N))))**alpha + B/(min(U, D)*(1 + R_D*(1 - exp((1 - max(1, D/U))/R_D))))**beta'
LINEAR = ('E',)
AMPLITUDES = {}
LOG_AMPLITUDES = {}


def value(theta, data):
    E = theta[..., 0, None]
    A = theta[..., 1, None]
    B = theta[..., 2, None]
    alpha = theta[..., 3, None]
    beta = theta[..., 4, None]
    R_D = theta[..., 5, None]
    R_N = theta[..., 6, None]
    N = data["N"]
    D = data["D"]
    U = data["U"]
    _x0 = np.minimum(D, U)
    _x1 = (1.0 / alpha)
    _x2 = (_x1 * beta)
    _x3 = np.maximum(1, (N * np.power(_x0, (-_x2)) * np.power((_x2 * B / A), _x1)))
    return (E + (A * np.power((N * (1 + (R_N * (1 + (-np.exp(((1 + (-_x3)) / R_N)))))) / _x3), (-alpha))) + (B * np.power((_x0 * (1 + (R_D * (1 + (-np.exp(((1 + (-np.maximum(1, (D / U)))) / R_D))))))), (-beta))))


def jacobian(theta, data):
    A = theta[..., 1, None]
    B = theta[..., 2, None]
    alpha = theta[..., 3, None]
    beta = theta[..., 4, None]
    R_D = theta[..., 5, None]
    R_N = theta[..., 6, None]
    N = data["N"]
    D = data["D"]
    U = data["U"]
    _x0 = (1.0 / A)
    _x1 = (1.0 / alpha)
    _x2 = (_x1 * beta)
    _x3 = (_x0 * _x2 * B)
    _x4 = np.power(_x3, _x1)
    _x5 = np.minimum(D, U)
    _x6 = np.power(_x5, (-_x2))
    _x7 = (_x4 * _x6)
    _x8 = (_x7 * N)
    _x9 = np.maximum(1, _x8)
    _x10 = ((1 + (-_x9)) / R_N)
    _x11 = np.exp(_x10)
    _x12 = (1 + (R_N * (1 + (-_x11))))
    _x13 = (1.0 / _x9)
    _x14 = (_x12 * _x13 * N)
    _x15 = np.power(_x14, (-alpha))
    _x16 = np.heaviside(((-1) + _x8), 0.5)
    _x17 = N ** 2
    _x18 = (_x1 * _x16 * _x17 * _x7)
    _x19 = (_x0 * _x18)
    _x20 = (_x12 * _x9 ** (-2))
    _x21 = (_x15 * A)
    _x22 = (alpha / _x12)
    _x23 = (_x22 * _x9 / N)
    _x24 = (_x21 * _x23)
    _x25 = ((1 + (-np.maximum(1, (D / U)))) / R_D)
    _x26 = np.exp(_x25)
    _x27 = (1 + (R_D * (1 + (-_x26))))
    _x28 = (_x27 * _x5)
    _x29 = np.power(_x28, (-beta))
    _x30 = (1.0 / B)
    _x31 = alpha ** (-2)
    _x32 = np.log(_x5)
    _x33 = ((_x8 * ((-_x31) + (-_x31 * np.log(_x3)))) + (_x31 * _x32 * _x8 * beta))
    _x34 = (_x20 * N)
    _x35 = (_x29 * B)
    _x36 = ((-_x1 * _x32 * _x8) + (_x1 * _x4 * _x6 * N / beta))
    slopes = np.empty((*theta.shape[:-1], 7, len(data["N"])))
    slopes[..., 0, :] = 1
    slopes[..., 1, :] = (_x15 + (-_x24 * ((_x19 * _x20) + (-_x11 * _x13 * _x19))))
    slopes[..., 2, :] = (_x29 + (-_x24 * ((-_x18 * _x20 * _x30) + (_x1 * _x11 * _x13 * _x16 * _x17 * _x30 * _x4 * _x6))))
    slopes[..., 3, :] = (_x21 * ((-np.log(_x14)) + (-_x23 * ((-_x16 * _x33 * _x34) + (_x11 * _x13 * _x16 * _x33 * N)))))
    slopes[..., 4, :] = ((-_x24 * ((-_x16 * _x34 * _x36) + (_x11 * _x13 * _x16 * _x36 * N))) + (-_x35 * np.log(_x28)))
    slopes[..., 5, :] = (-_x35 * beta * (1 + (-_x26) + (_x25 * _x26)) / _x27)
    slopes[..., 6, :] = (-_x21 * _x22 * (1 + (-_x11) + (_x10 * _x11)))
    return np.swapaxes(slopes, -1, -2)
