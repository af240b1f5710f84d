"""The mathematics once more, as a textbook prints it: fresh arrays, no tricks, no speed.

The engine writes in place, shares sums and rewrites formulas so that nothing overflows. This twin does none of that. It
is written from the formulas and not from the engine, takes the long way wherever there is one (the softmax by its
Jacobian, batch norm by the chain rule, derivatives through `z`), and imports nothing of handgrad.
"""

import math
from itertools import pairwise

import numpy as np


def logistic(z):
    return 1.0 / (1.0 + np.exp(-z))


def gelu(z):
    return 0.5 * z * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (z + 0.044715 * z**3)))


def gelu_slope(z):
    u = np.sqrt(2.0 / np.pi) * (z + 0.044715 * z**3)
    du = np.sqrt(2.0 / np.pi) * (1.0 + 3.0 * 0.044715 * z**2)
    return 0.5 * (1.0 + np.tanh(u)) + 0.5 * z * du * (1.0 - np.tanh(u) ** 2)


ACTIVATIONS = {  # f and f', both of z
    "identity": (lambda z: z, np.ones_like),
    "relu": (lambda z: np.where(z > 0, z, 0.0), lambda z: np.where(z > 0, 1.0, 0.0)),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1.0, 0.01)),
    "elu": (lambda z: np.where(z > 0, z, np.exp(z) - 1.0), lambda z: np.where(z > 0, 1.0, np.exp(z))),
    "gelu": (gelu, gelu_slope),
    "silu": (lambda z: z * logistic(z), lambda z: logistic(z) * (1.0 + z * (1.0 - logistic(z)))),
    "softplus": (lambda z: np.log(1.0 + np.exp(z)), logistic),
    "sigmoid": (logistic, lambda z: logistic(z) * logistic(-z)),
    "tanh": (np.tanh, lambda z: 1.0 / np.cosh(z) ** 2),
}


def dense(x, W, b):
    return x @ W + b


def dense_backward(x, W, delta):
    """Give dL/dW, dL/db and dL/dx."""
    return x.T @ delta, delta.sum(axis=0), delta @ W.T


def batch_norm(x, gamma, beta, epsilon=1e-5):
    mean, variance = x.mean(axis=0), x.var(axis=0)
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def batch_norm_backward(x, gamma, delta, epsilon=1e-5):
    """Give dL/dgamma, dL/dbeta and dL/dx, by the six lines of Ioffe and Szegedy (2015), sec. 3."""
    n, mean, variance = len(x), x.mean(axis=0), x.var(axis=0)
    root = np.sqrt(variance + epsilon)
    d_normed = delta * gamma
    d_variance = (d_normed * (x - mean) * -0.5 / root**3).sum(axis=0)
    d_mean = (-d_normed / root).sum(axis=0) + d_variance * (-2.0 * (x - mean)).sum(axis=0) / n
    dx = d_normed / root + d_variance * 2.0 * (x - mean) / n + d_mean / n
    return (delta * (x - mean) / root).sum(axis=0), delta.sum(axis=0), dx


def batch_norm_statistics(mean, variance, x, momentum=0.1):
    """Give the running averages after a batch; one row has no variance to tell of."""
    mean = (1.0 - momentum) * mean + momentum * x.mean(axis=0)
    if len(x) > 1:
        variance = (1.0 - momentum) * variance + momentum * x.var(axis=0, ddof=1)
    return mean, variance


def batch_norm_prediction(x, gamma, beta, mean, variance, epsilon=1e-5):
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def dropout_mask(uniform, rate):
    return np.where(uniform >= rate, 1.0 / (1.0 - rate), 0.0)


def softmax(z):
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)


def cross_entropy(z, t, share):
    """Give L and dL/dz, the derivative through the Jacobian dp_k/dz_j = p_k (1[j = k] - p_j)."""
    p = softmax(z)
    delta = np.zeros_like(z)
    for i in range(len(z)):
        jacobian = np.diag(p[i]) - np.outer(p[i], p[i])
        delta[i] = share[i] * (jacobian @ (-t[i] / p[i]))
    return float(share @ -(t * np.log(p)).sum(axis=1)), delta


def binary_cross_entropy(z, t, share):
    p = logistic(z)
    rows = -(t * np.log(p) + (1.0 - t) * np.log(1.0 - p)).sum(axis=1)
    dp = -t / p + (1.0 - t) / (1.0 - p)
    return float(share @ rows), share[:, None] * dp * p * (1.0 - p)


def squared_error(z, t, share):
    return float(share @ (0.5 * (z - t) ** 2).sum(axis=1)), share[:, None] * (z - t)


def poisson(z, t, share):
    """Give half the deviance and dL/dz by way of the rate; where t is 0, t log t is 0."""
    rate = np.exp(z)
    rows = (t * np.log(np.where(t > 0.0, t, 1.0) / rate) - t + rate).sum(axis=1)
    return float(share @ rows), share[:, None] * (1.0 - t / rate) * rate


LOSSES = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "squared_error": squared_error,
}


def smoothed(labels, n_classes, smoothing):
    rows = np.full((len(labels), n_classes), smoothing / n_classes)
    for row, label in zip(rows, labels, strict=True):
        row[label] += 1.0 - smoothing
    return rows


def weighted_mean(weights):
    return weights / weights.sum()


def l1(weights, strength):
    return strength * np.abs(weights).sum(), strength * np.sign(weights)


def l2(weights, strength):
    return 0.5 * strength * (weights**2).sum(), strength * weights


def max_norm(W, limit):
    columns = []
    for w in W.T:
        length = np.linalg.norm(w)
        columns.append(w * limit / length if length > limit else w)
    return np.array(columns).T


def clip(gradient, limit):
    length = np.linalg.norm(gradient)
    return gradient * min(1.0, limit / length) if length else gradient


def decay(w, is_weight, learning_rate, strength):
    """Shrink weights, and only them, before the step (Loshchilov and Hutter 2019)."""
    return np.where(is_weight, w - learning_rate * strength * w, w)


def sgd(w, g, eta, memory):  # noqa: ARG001 - remembers nothing
    return w - eta * g, {}


def momentum(w, g, eta, memory, mu=0.9):
    v = mu * memory.get("v", 0.0) + eta * g
    return w - v, {"v": v}


def nesterov(w, g, eta, memory, mu=0.9):
    v = mu * memory.get("v", 0.0) + eta * g
    return w - (eta * g + mu * v), {"v": v}


def nesterov_looking_ahead(w, slope, eta, steps, mu=0.9):
    """Give every point w + mu v at which Sutskever et al. (2013), eq. 3-4, take the gradient."""
    v, looked_at = np.zeros_like(w), []
    for _ in range(steps):
        looked_at.append(w + mu * v)
        v = mu * v - eta * slope(looked_at[-1])
        w = w + v
    return looked_at


def rmsprop(w, g, eta, memory, rho=0.99, epsilon=1e-8):
    s = rho * memory.get("s", 0.0) + (1.0 - rho) * g**2
    return w - eta * g / (np.sqrt(s) + epsilon), {"s": s}


def adam(w, g, eta, memory, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Kingma and Ba (2015), algorithm 1, line by line."""
    t = memory.get("t", 0) + 1
    m = beta1 * memory.get("m", 0.0) + (1.0 - beta1) * g
    v = beta2 * memory.get("v", 0.0) + (1.0 - beta2) * g**2
    m_hat = m / (1.0 - beta1**t)
    v_hat = v / (1.0 - beta2**t)
    return w - eta * m_hat / (np.sqrt(v_hat) + epsilon), {"t": t, "m": m, "v": v}


OPTIMIZERS = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adam,  # its decay is `decay`, as everyone's
}


def step_decay(step, rate, every, factor):
    for _ in range(step // every):
        rate = rate * factor
    return rate


def exponential(step, rate, every, factor):
    return rate * math.exp(math.log(factor) * step / every)


def cosine(step, rate, total, warmup, final):
    if step < warmup:
        return rate * (step + 1) / (warmup + 1)
    if step >= total:
        return final
    angle = math.pi * (step - warmup) / (total - warmup)
    return final + (rate - final) * math.cos(angle / 2.0) ** 2


def one_cycle(step, rate, total, rise, start, end):
    """Interpolate between (0, rate / start), (rise * total - 1, rate) and (total - 1, rate / start / end)."""
    corners = [(0.0, rate / start), (rise * total - 1.0, rate), (total - 1.0, rate / start / end)]
    if corners[1][0] <= 0.0:
        del corners[0]
    for (left, from_rate), (right, to_rate) in pairwise(corners):
        if step < right:
            part = math.sin(math.pi / 2.0 * (step - left) / (right - left)) ** 2
            return from_rate + (to_rate - from_rate) * part
    return corners[-1][1]


class Twin:
    """A network as a list of steps: ("dense", W, b), ("batch_norm", gamma, beta), ("dropout", mask), ("relu",), ..."""

    def __init__(self, steps):
        self.steps = steps

    def forward(self, x):
        self.inputs = []
        for kind, *p in self.steps:
            self.inputs.append(x)
            if kind == "dense":
                x = dense(x, *p)
            elif kind == "batch_norm":
                x = batch_norm(x, *p)
            elif kind == "dropout":
                x = x * p[0]
            else:
                x = ACTIVATIONS[kind][0](x)
        return x

    def backward(self, delta):
        """Give the gradients of each step's parameters, from the first on, and of the input."""
        gradients = []
        for (kind, *p), x in reversed(list(zip(self.steps, self.inputs, strict=True))):
            if kind == "dense":
                dW, db, delta = dense_backward(x, p[0], delta)
                gradients.append((dW, db))
            elif kind == "batch_norm":
                dgamma, dbeta, delta = batch_norm_backward(x, p[0], delta)
                gradients.append((dgamma, dbeta))
            elif kind == "dropout":
                delta = delta * p[0]
                gradients.append(())
            else:
                delta = delta * ACTIVATIONS[kind][1](x)
                gradients.append(())
        return gradients[::-1], delta
