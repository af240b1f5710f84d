"""JAX: an epoch is one jitted `lax.scan`, its state donated; the update rules are three lines each.

Tried and no faster: an unrolled scan, one-hot labels, images kept as uint8, the whole epoch gathered at once.
"""

import time
from functools import partial
from typing import Any, TypeAlias, final

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cell import BETA1, BETA2, EPSILON, MOMENTUM, TrainingJob
from benchmarks.images import load
from benchmarks.peers.weights import dense_layers
from benchmarks.prediction import PredictionJob
from benchmarks.start import start

Tree: TypeAlias = Any
"""Arrays in lists and tuples."""

State: TypeAlias = tuple[Tree, Tree, jax.Array]
"""The parameters, what the update rule remembers, and the number of steps taken."""


def logits_of(parameters: Tree, x: jax.Array) -> jax.Array:
    *hidden, (W, b) = parameters
    for w, bias in hidden:
        x = jax.nn.relu(x @ w + bias)
    return x @ W + b


def mean_loss(parameters: Tree, x: jax.Array, y: jax.Array) -> jax.Array:
    logits = logits_of(parameters, x)
    of_the_label = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=1) - of_the_label)


def update(optimizer: str, rate: float, state: State, gradient: Tree) -> State:
    parameters, slots, t = state
    tree = jax.tree.map
    if optimizer == "sgd":
        return tree(lambda w, g: w - rate * g, parameters, gradient), slots, t
    if optimizer == "momentum":
        slots = tree(lambda v, g: MOMENTUM * v + g, slots, gradient)
        return tree(lambda w, v: w - rate * v, parameters, slots), slots, t
    t = t + 1
    m = tree(lambda m, g: BETA1 * m + (1 - BETA1) * g, slots[0], gradient)
    v = tree(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, slots[1], gradient)
    root = jnp.sqrt(1 - BETA2**t)
    scale = rate * root / (1 - BETA1**t)
    parameters = tree(lambda w, m, v: w - scale * m / (jnp.sqrt(v) + EPSILON * root), parameters, m, v)
    return parameters, (m, v), t


@partial(jax.jit, static_argnames=("batch", "optimizer", "rate"), donate_argnums=0)
def epoch(
    state: State, order: jax.Array, x: jax.Array, y: jax.Array, *, batch: int, optimizer: str, rate: float
) -> State:
    def step(state: State, chosen: jax.Array) -> tuple[State, None]:
        gradient = jax.grad(mean_loss)(state[0], x[chosen], y[chosen])
        return update(optimizer, rate, state, gradient), None

    full = len(order) // batch * batch
    state, _ = jax.lax.scan(step, state, order[:full].reshape(-1, batch))
    if full < len(order):
        state, _ = step(state, order[full:])
    return state


@final
class Training:
    """The whole epoch is compiled before the clock starts."""

    def __init__(self, job: TrainingJob, threads: int) -> None:
        del threads  # the environment has said it
        self.versions = {"jax": jax.__version__}
        self.note = ""
        images = load(job.dataset, job.images)
        self._images = images
        self._generator = np.random.default_rng(job.seed)
        parameters = [(jnp.asarray(W), jnp.asarray(b)) for W, b in start(images.sizes(job.hidden), job.seed)]
        zeros = partial(jax.tree.map, jnp.zeros_like)
        slots = {"sgd": lambda _: (), "momentum": zeros, "adam": lambda p: (zeros(p), zeros(p))}[job.optimizer]
        self._state: State = (parameters, slots(parameters), jnp.zeros((), jnp.int32))
        self._x, self._y = jnp.asarray(images.x), jnp.asarray(images.y.astype(np.int32))
        order = jnp.zeros(len(images.x), jnp.int32)
        self._epoch = epoch.lower(
            self._state, order, self._x, self._y, batch=job.batch, optimizer=job.optimizer, rate=job.learning_rate
        ).compile()

    def turn(self) -> float:
        began = time.perf_counter()
        order = jnp.asarray(self._generator.permutation(len(self._x)).astype(np.int32))
        self._state = self._epoch(self._state, order, self._x, self._y)
        jax.block_until_ready(self._state)
        return time.perf_counter() - began

    def outcome(self) -> float:
        return self._images.accuracy(np.asarray(logits_of(self._state[0], self._images.test_x).argmax(1)))


@final
class Inference:
    """One compiled function, the largest logit found inside; the answer is brought back to NumPy."""

    def __init__(self, job: PredictionJob, threads: int) -> None:
        del threads  # the environment has said it
        self.versions = {"jax": jax.__version__}
        self.note = ""
        self._calls = job.calls
        self._parameters = [(jnp.asarray(W), jnp.asarray(b)) for W, b in dense_layers(job.model)]
        self._x = jnp.asarray(load(job.dataset, 1).test_x[: job.images])
        self._classes = jax.jit(lambda parameters, x: logits_of(parameters, x).argmax(1))
        self.outcome()

    def turn(self) -> float:
        began = time.perf_counter()
        for _ in range(self._calls):
            np.asarray(self._classes(self._parameters, self._x))
        return (time.perf_counter() - began) / self._calls

    def outcome(self) -> list[int]:
        return [int(c) for c in self._classes(self._parameters, self._x)]
