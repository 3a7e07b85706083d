"""joint_experts: Experts, active parameters and data in one law. Made by `make laws`."""

# pyright: basic
import numpy as np

FORMULA = 'E + A*(1/(meta_experts - 1 + 1/(1/E_start - 1/E_max)) + 1/E_max)**delta/params_active**(alpha - gamma*log(1/(meta_experts - 1 + 1/(1/E_start - 1/E_max)) + 1/E_max)) + B*(1/(meta_experts - 1 + 1/(1/E_start - 1/E_max)) + 1/E_max)**omega/D**(beta - zeta*log(1/(meta_experts - 1 + 1/(1/E_start - 1/E_max)) + 1/E_max))'
LINEAR = ('E', 'A', 'B')
AMPLITUDES = {}
LOG_AMPLITUDES = {}


def value(theta, data):
    E = theta[..., 0, None]
    A = theta[..., 1, None]
    alpha = theta[..., 2, None]
    gamma = theta[..., 3, None]
    delta = theta[..., 4, None]
    B = theta[..., 5, None]
    beta = theta[..., 6, None]
    zeta = theta[..., 7, None]
    omega = theta[..., 8, None]
    E_start = theta[..., 9, None]
    E_max = theta[..., 10, None]
    params_active = data["params_active"]
    D = data["D"]
    meta_experts = data["meta_experts"]
    _log_params_active = np.log(params_active)
    _log_D = np.log(D)
    _x0 = (1.0 / E_max)
    _x1 = (_x0 + (1.0 / ((-1) + meta_experts + (1.0 / ((1.0 / E_start) + (-_x0))))))
    _x2 = np.log(_x1)
    return (E + (A * np.power(_x1, delta) * np.exp((_log_params_active * ((-alpha) + (_x2 * gamma))))) + (B * np.power(_x1, omega) * np.exp((_log_D * ((-beta) + (_x2 * zeta))))))


def jacobian(theta, data):
    A = theta[..., 1, None]
    alpha = theta[..., 2, None]
    gamma = theta[..., 3, None]
    delta = theta[..., 4, None]
    B = theta[..., 5, None]
    beta = theta[..., 6, None]
    zeta = theta[..., 7, None]
    omega = theta[..., 8, None]
    E_start = theta[..., 9, None]
    E_max = theta[..., 10, None]
    params_active = data["params_active"]
    D = data["D"]
    meta_experts = data["meta_experts"]
    _log_params_active = np.log(params_active)
    _log_D = np.log(D)
    _x0 = (1.0 / E_max)
    _x1 = ((1.0 / E_start) + (-_x0))
    _x2 = ((-1) + meta_experts + (1.0 / _x1))
    _x3 = (_x0 + (1.0 / _x2))
    _x4 = np.log(_x3)
    _x5 = (np.power(_x3, delta) * np.exp((_log_params_active * ((-alpha) + (_x4 * gamma)))))
    _x6 = (_x5 * A)
    _x7 = (_x6 * _log_params_active)
    _x8 = (np.power(_x3, omega) * np.exp((_log_D * ((-beta) + (_x4 * zeta)))))
    _x9 = (_x8 * B)
    _x10 = (_x9 * _log_D)
    _x11 = (_x6 * delta)
    _x12 = (1.0 / _x3)
    _x13 = _x1 ** (-2)
    _x14 = _x2 ** (-2)
    _x15 = (_x12 * _x13 * _x14 * E_start ** (-2))
    _x16 = (_x9 * omega)
    _x17 = (_x7 * gamma)
    _x18 = (_x10 * zeta)
    _x19 = E_max ** (-2)
    _x20 = (_x12 * ((-_x19) + (_x13 * _x14 * _x19)))
    slopes = np.empty((*theta.shape[:-1], 11, len(data["params_active"])))
    slopes[..., 0, :] = 1
    slopes[..., 1, :] = _x5
    slopes[..., 2, :] = (-_x7)
    slopes[..., 3, :] = (_x4 * _x7)
    slopes[..., 4, :] = (_x4 * _x6)
    slopes[..., 5, :] = _x8
    slopes[..., 6, :] = (-_x10)
    slopes[..., 7, :] = (_x10 * _x4)
    slopes[..., 8, :] = (_x4 * _x9)
    slopes[..., 9, :] = ((-_x11 * _x15) + (-_x15 * _x16) + (-_x15 * _x17) + (-_x15 * _x18))
    slopes[..., 10, :] = ((_x11 * _x20) + (_x16 * _x20) + (_x17 * _x20) + (_x18 * _x20))
    return np.swapaxes(slopes, -1, -2)
