"""Activations phi (E9) with their first and second derivatives, in NumPy.

Each takes pre-activations of any shape and returns (phi, phi', phi'') of the same shape.
Safe where exp would overflow; complex-safe, so that the complex step checks them.
"""

import numpy as np


def gaussian(z):
    """phi = exp(-z^2 / 2), phi' = -z phi, phi'' = (z^2 - 1) phi."""
    value = np.exp(-0.5 * z * z)
    return value, -z * value, (z * z - 1) * value


def tanh(z):
    """phi = tanh z, phi' = 1 - phi^2, phi'' = -2 phi phi'."""
    value = np.tanh(z)
    slope = 4 * logistic_function(2 * z) * logistic_function(-2 * z)      # 1 - phi^2 would cancel
    return value, slope, -2 * value * slope


def sigmoid(z):
    """phi = 1 / (1 + e^-z), phi' = phi (1 - phi), phi'' = phi' (1 - 2 phi)."""
    value = logistic_function(z)
    slope = value * logistic_function(-z)
    return value, slope, -slope * np.tanh(z / 2)        # 1 - 2 phi = -tanh(z / 2)


def softplus(z):
    """phi = log(1 + e^z), phi' = 1 / (1 + e^-z), phi'' = phi' (1 - phi')."""
    slope = logistic_function(z)
    negative = np.where(z.real > 0, -z, z)
    return np.where(z.real > 0, z, 0) + np.log1p(np.exp(negative)), slope, slope * logistic_function(-z)


def relu(z):
    """phi = max(z, 0), phi' = 1 where z > 0, phi'' = 0: no curvature but the kink's."""
    active = z.real > 0
    return np.where(active, z, 0), active.astype(z.dtype), np.zeros_like(z)


def logistic_function(z):
    """1 / (1 + e^-z), of the exponential that does not overflow."""
    small = np.exp(np.where(z.real > 0, -z, z))
    return np.where(z.real > 0, 1, small) / (1 + small)


ACTIVATIONS = {function.__name__: function for function in (gaussian, tanh, sigmoid, softplus, relu)}
