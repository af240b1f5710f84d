"""A training step makes no arrays: what it needs was made with the pass."""

import tracemalloc

import numpy as np
import pytest

from handgrad.engine.activations import ACTIVATIONS
from handgrad.engine.distillation import Distillation
from handgrad.engine.losses import LOSSES, SoftmaxCrossEntropy
from handgrad.engine.network import Network, TrainingPass
from handgrad.engine.optimizers import BLOCK, OPTIMIZERS, clip_norm
from handgrad.engine.penalties import L1, L2, MaxNorm

BATCH = 64
ENOUGH = 3072
"""Bytes for views, numbers and lists; a step holds 1.4 kB of them, and the smallest array of a batch has 2,560."""


@pytest.fixture(autouse=True)
def _small_buffers():
    """NumPy casts and broadcasts through a buffer of 8,192 numbers, whatever the arrays; a small one hides nothing."""
    before = np.setbufsize(16)
    yield
    np.setbufsize(before)


def peak(step):
    """The most memory that one more step holds beyond what was there before, in bytes."""
    for _ in range(2):
        step()
    tracemalloc.start()
    try:
        step()  # Python's own caches fill while they are watched
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        step()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return most - before


def training_step(optimizer, loss, dtype=np.float32, *, penalties=False, **kwargs):
    generator = np.random.default_rng(0)
    network = Network.fully_connected(784, (128, 64), 10, dtype=dtype, **kwargs)
    network.initialize(generator)
    a = TrainingPass(network, BATCH, loss)
    a.x[...] = generator.random(a.x.shape)
    a.targets[:, :10] = np.eye(10)[generator.integers(0, 10, BATCH)]
    update = OPTIMIZERS[optimizer](len(network.theta), dtype)
    scratch = np.empty(BLOCK, dtype)
    norm = MaxNorm(3.0, network.weight_matrices())

    def step():
        a.forward_training(generator)
        a.backpropagate()
        if penalties:
            for penalty in (L1(1e-5), L2(1e-4)):
                penalty.add_gradient(network.weights, a.gradient[: network.n_weights], scratch)
            clip_norm(a.gradient, 1.0)
        update.step(network.theta, a.gradient, 0.01)
        if penalties:
            norm.project()

    return step


def test_the_measure_sees_a_small_array():
    assert peak(lambda: np.empty((BATCH, 10), np.float32)) >= BATCH * 10 * 4


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer(optimizer):
    assert peak(training_step(optimizer, SoftmaxCrossEntropy())) < ENOUGH


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(activation):
    assert peak(training_step("sgd", SoftmaxCrossEntropy(), activation=activation)) < ENOUGH


@pytest.mark.parametrize("loss", [*LOSSES.values(), Distillation])
def test_every_loss(loss):
    assert peak(training_step("sgd", loss())) < ENOUGH


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_everything_at_once(dtype):
    step = training_step(
        "adam", SoftmaxCrossEntropy(), dtype, penalties=True, batch_norm=True, dropout=0.2, input_dropout=0.1
    )
    assert peak(step) < ENOUGH
