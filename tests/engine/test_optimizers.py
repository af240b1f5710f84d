"""Each optimiser against the textbook, step after step at rates that change, across the borders of blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import textbook
from handgrad.engine import optimizers
from handgrad.engine.optimizers import OPTIMIZERS, Adam, AdamW, Nesterov, clip_norm

CLOSE = {np.float64: 1e-12, np.float32: 2e-5}
EVERY = pytest.mark.parametrize("name", OPTIMIZERS)


def test_the_textbook_has_them_all():
    assert set(textbook.OPTIMIZERS) == set(OPTIMIZERS)


@EVERY
@pytest.mark.parametrize("dtype", CLOSE)
@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    size=st.integers(1, 13),
    n_weights=st.integers(0, 13),
    steps=st.integers(1, 12),
    decay=st.sampled_from([0.0, 0.01, 0.5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_steps_are_the_textbooks(name, dtype, size, n_weights, steps, decay, seed):
    generator = np.random.default_rng(seed)
    n_weights = min(n_weights, size)
    theta = generator.normal(size=size).astype(dtype)
    gradients = (generator.normal(size=(steps, size)) * generator.uniform(0.01, 10.0, size)).astype(dtype)
    gradients[:, : size // 3] = 0.0  # nothing pulls at some
    rates = [0.1 / (1 + step) for step in range(steps)]
    expected, memory = theta.astype(np.float64), {}
    untouched = gradients.copy()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(optimizers, "BLOCK", 4)
        optimizer = OPTIMIZERS[name](size, dtype, decay=decay, n_decayed=n_weights)
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.step(theta, gradient, rate)
        expected = textbook.decay(expected, np.arange(size) < n_weights, rate, decay)
        expected, memory = textbook.OPTIMIZERS[name](expected, gradient.astype(np.float64), rate, memory)

    np.testing.assert_allclose(theta, expected, rtol=CLOSE[dtype], atol=CLOSE[dtype])
    np.testing.assert_array_equal(untouched, gradients)
    assert steps == optimizer.t
    assert {dtype} == {array.dtype.type for array in (theta, *optimizer.slots.values())}


@pytest.mark.parametrize(
    ("name", "given_numbers"),
    [
        ("momentum", {"mu": 0.5}),
        ("nesterov", {"mu": 0.5}),
        ("rmsprop", {"rho": 0.8, "epsilon": 1e-3}),
        ("adam", {"beta1": 0.7, "beta2": 0.8, "epsilon": 1e-3}),
        ("adamw", {"beta1": 0.7, "beta2": 0.8, "epsilon": 1e-3}),
    ],
)
def test_their_numbers_are_the_textbooks(name, given_numbers):
    gradients = np.random.default_rng(0).normal(size=(10, 6))
    theta, expected, memory = np.ones(6), np.ones(6), {}
    named = {("momentum" if key == "mu" else key): number for key, number in given_numbers.items()}
    optimizer = OPTIMIZERS[name](6, np.float64, **named)
    for gradient in gradients:
        optimizer.step(theta, gradient, 0.1)
        expected, memory = textbook.OPTIMIZERS[name](expected, gradient, 0.1, memory, **given_numbers)
    np.testing.assert_allclose(theta, expected, rtol=1e-12)


def test_nesterov_walks_where_sutskever_looks():
    curvature = np.array([1.0, 3.0, 10.0])
    theta = np.array([1.0, -2.0, 3.0])
    optimizer = Nesterov(3, np.float64)
    walked = []
    expected = textbook.nesterov_looking_ahead(theta, lambda w: curvature * w, 0.02, 20)
    for _ in expected:
        walked.append(theta.copy())
        optimizer.step(theta, curvature * theta, 0.02)
    np.testing.assert_allclose(walked, expected, rtol=1e-12, atol=1e-14)


@EVERY
def test_slots_and_t_are_all_that_it_remembers(name):
    generator = np.random.default_rng(4)
    first, theta = OPTIMIZERS[name](5, np.float64), generator.normal(size=5)
    for _ in range(3):
        first.step(theta, generator.normal(size=5), 0.1)
    second, copied = OPTIMIZERS[name](5, np.float64), theta.copy()
    second.t = first.t
    for slot, array in first.slots.items():
        second.slots[slot][...] = array
    gradient = generator.normal(size=5)
    first.step(theta, gradient, 0.1)
    second.step(copied, gradient, 0.1)
    np.testing.assert_array_equal(theta, copied)


@EVERY
def test_they_know_their_names_and_slots(name):
    optimizer = OPTIMIZERS[name](4)
    assert name == optimizer.name
    assert optimizer.slot_names == tuple(optimizer.slots)
    assert all(np.float32 == slot.dtype and not slot.any() for slot in optimizer.slots.values())


@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_epsilon_hat_stands_beside_the_root_of_the_square_itself(kind):
    theta, expected = np.array([1.0, -2.0]), np.array([1.0, -2.0])
    gradients = np.array([[0.5, 1e-3], [-0.1, 2e-3], [0.3, 1e-3]])
    optimizer = kind(2, np.float64, epsilon=1e-2, epsilon_hat=True, decay=0.0)
    m = v = np.zeros(2)
    for t, gradient in enumerate(gradients, 1):
        optimizer.step(theta, gradient, 0.1)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        expected -= 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-2)

    np.testing.assert_allclose(theta, expected, rtol=1e-14)


def test_adamw_decays_unless_told_not_to():
    theta = np.ones(3)
    AdamW(3, np.float64, n_decayed=2).step(theta, np.zeros(3), 0.5)
    np.testing.assert_allclose(theta, [0.995, 0.995, 1.0], rtol=1e-15)
    assert 0.0 == AdamW(3, decay=0.0).decay


@settings(deadline=None, max_examples=60, derandomize=True)
@given(size=st.integers(1, 9), seed=st.integers(0, 2**32 - 1), limit=st.floats(0.1, 5.0))
def test_clipping(size, seed, limit):
    gradient = np.random.default_rng(seed).normal(size=size)
    expected, length = textbook.clip(gradient, limit), np.linalg.norm(gradient)
    assert pytest.approx(length, rel=1e-14) == clip_norm(gradient, limit)
    np.testing.assert_allclose(gradient, expected, rtol=1e-13)


def test_clipping_leaves_a_short_gradient_and_its_dtype_alone():
    gradient = np.array([3.0, 4.0], np.float32)
    assert 5.0 == clip_norm(gradient, 5.0)
    np.testing.assert_array_equal([3.0, 4.0], gradient)
    assert 5.0 == clip_norm(gradient, 2.5)
    np.testing.assert_array_equal([1.5, 2.0], gradient)
    assert np.float32 == gradient.dtype
    assert 0.0 == clip_norm(np.zeros(3), 1.0)
