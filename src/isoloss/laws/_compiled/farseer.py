"""farseer: Farseer: a data term whose exponent depends on size. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'exp(s*N**q + S) + exp(B*N**b + Q)*D**(-exp(A*N**a + E))'
LINEAR = ()
AMPLITUDES = {}
LOG_AMPLITUDES = {'S': {}, 'Q': {}, 'E': {}}


def value(theta, data):
    s = theta[..., 0, None]
    q = theta[..., 1, None]
    S = theta[..., 2, None]
    B = theta[..., 3, None]
    b = theta[..., 4, None]
    Q = theta[..., 5, None]
    A = theta[..., 6, None]
    a = theta[..., 7, None]
    E = theta[..., 8, None]
    N = data["N"]
    D = data["D"]
    _log_N = np.log(N)
    _log_D = np.log(D)
    return ((np.exp((Q + (B * np.exp((_log_N * b))))) * np.exp((-_log_D * np.exp((E + (A * np.exp((_log_N * a)))))))) + np.exp((S + (s * np.exp((_log_N * q))))))


def jacobian(theta, data):
    s = theta[..., 0, None]
    q = theta[..., 1, None]
    S = theta[..., 2, None]
    B = theta[..., 3, None]
    b = theta[..., 4, None]
    Q = theta[..., 5, None]
    A = theta[..., 6, None]
    a = theta[..., 7, None]
    E = theta[..., 8, None]
    N = data["N"]
    D = data["D"]
    _log_N = np.log(N)
    _log_D = np.log(D)
    _x0 = np.exp((_log_N * q))
    _x1 = (_x0 * s)
    _x2 = np.exp((_x1 + S))
    _x3 = np.exp((_log_N * b))
    _x4 = (_x3 * B)
    _x5 = np.exp((_log_N * a))
    _x6 = (_x5 * A)
    _x7 = (_log_D * np.exp((_x6 + E)))
    _x8 = (np.exp((_x4 + Q)) * np.exp((-_x7)))
    _x9 = (_x7 * _x8)
    slopes = np.empty((*theta.shape[:-1], 9, len(data["N"])))
    slopes[..., 0, :] = (_x0 * _x2)
    slopes[..., 1, :] = (_x1 * _x2 * _log_N)
    slopes[..., 2, :] = _x2
    slopes[..., 3, :] = (_x3 * _x8)
    slopes[..., 4, :] = (_x4 * _x8 * _log_N)
    slopes[..., 5, :] = _x8
    slopes[..., 6, :] = (-_x5 * _x9)
    slopes[..., 7, :] = (-_x6 * _x9 * _log_N)
    slopes[..., 8, :] = (-_x9)
    return np.swapaxes(slopes, -1, -2)
