"""distillation: Student loss from the teacher's loss, student size and distillation data. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'meta_teacher_loss + (A/N**alpha + B/D**beta)**gamma/meta_teacher_loss**c0*(1 + (meta_teacher_loss/(d1*meta_supervised_loss))**(1/f1))**(-c1*f1)'
LINEAR = ()
AMPLITUDES = {'A': {'N': 'alpha'}, 'B': {'D': 'beta'}}
LOG_AMPLITUDES = {}


def value(theta, data):
    A = theta[..., 0, None]
    alpha = theta[..., 1, None]
    B = theta[..., 2, None]
    beta = theta[..., 3, None]
    gamma = theta[..., 4, None]
    c0 = theta[..., 5, None]
    c1 = theta[..., 6, None]
    d1 = theta[..., 7, None]
    f1 = theta[..., 8, None]
    N = data["N"]
    D = data["D"]
    meta_teacher_loss = data["meta_teacher_loss"]
    meta_supervised_loss = data["meta_supervised_loss"]
    _log_N = np.log(N)
    _log_D = np.log(D)
    return (meta_teacher_loss + (np.power(meta_teacher_loss, (-c0)) * np.power((1 + np.power((meta_teacher_loss / meta_supervised_loss / d1), (1.0 / f1))), (-c1 * f1)) * np.power(((A * np.exp((-_log_N * alpha))) + (B * np.exp((-_log_D * beta)))), gamma)))


def jacobian(theta, data):
    A = theta[..., 0, None]
    alpha = theta[..., 1, None]
    B = theta[..., 2, None]
    beta = theta[..., 3, None]
    gamma = theta[..., 4, None]
    c0 = theta[..., 5, None]
    c1 = theta[..., 6, None]
    d1 = theta[..., 7, None]
    f1 = theta[..., 8, None]
    N = data["N"]
    D = data["D"]
    meta_teacher_loss = data["meta_teacher_loss"]
    meta_supervised_loss = data["meta_supervised_loss"]
    _log_N = np.log(N)
    _log_D = np.log(D)
    _x0 = np.exp((-_log_N * alpha))
    _x1 = (_x0 * A)
    _x2 = np.exp((-_log_D * beta))
    _x3 = (_x2 * B)
    _x4 = (_x1 + _x3)
    _x5 = (1.0 / d1)
    _x6 = (_x5 * meta_teacher_loss / meta_supervised_loss)
    _x7 = (1.0 / f1)
    _x8 = np.power(_x6, _x7)
    _x9 = (1 + _x8)
    _x10 = (np.power(_x4, gamma) * np.power(_x9, (-c1 * f1)) * np.power(meta_teacher_loss, (-c0)))
    _x11 = (_x10 * gamma / _x4)
    _x12 = np.log(_x9)
    _x13 = (1.0 / _x9)
    slopes = np.empty((*theta.shape[:-1], 9, len(data["N"])))
    slopes[..., 0, :] = (_x0 * _x11)
    slopes[..., 1, :] = (-_x1 * _x11 * _log_N)
    slopes[..., 2, :] = (_x11 * _x2)
    slopes[..., 3, :] = (-_x11 * _x3 * _log_D)
    slopes[..., 4, :] = (_x10 * np.log(_x4))
    slopes[..., 5, :] = (-_x10 * np.log(meta_teacher_loss))
    slopes[..., 6, :] = (-_x10 * _x12 * f1)
    slopes[..., 7, :] = (_x10 * _x13 * _x5 * _x8 * c1)
    slopes[..., 8, :] = (_x10 * ((-_x12 * c1) + (_x13 * _x7 * _x8 * c1 * np.log(_x6))))
    return np.swapaxes(slopes, -1, -2)
