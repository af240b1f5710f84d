"""Each layer by itself against the textbook, with arrays laid out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import textbook
from handgrad.engine.activations import ACTIVATIONS
from handgrad.engine.layers import Activate, Arrays, BatchNorm, Dense, Dropout

CLOSE = {np.float64: 1e-12, np.float32: 2e-5}
DTYPES = pytest.mark.parametrize("dtype", CLOSE)
SHAPES = given(batch=st.integers(1, 9), n_in=st.integers(1, 7), n_out=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
OFTEN = settings(deadline=None, max_examples=50, derandomize=True)


def arrays(layer, x, delta):
    """What a pass would hold, and a copy of the delta to go back with."""
    delta = delta.copy()
    dx = delta if layer.dx_over_delta else np.empty_like(x)
    return Arrays(x, np.empty((len(x), layer.n_out), x.dtype), layer.keep(len(x), x.dtype), delta, dx)


def drawn(generator, *shape, dtype=np.float64):
    return generator.normal(size=shape).astype(dtype)


def same(expected, actual, close):
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(actual, expected, rtol=close, atol=close * scale)


@DTYPES
@pytest.mark.parametrize("bias", [True, False])
@OFTEN
@SHAPES
def test_dense(dtype, bias, batch, n_in, n_out, seed):
    generator = np.random.default_rng(seed)
    layer = Dense(n_in, n_out, bias=bias)
    W, b = drawn(generator, n_in, n_out, dtype=dtype), drawn(generator, n_out, dtype=dtype)
    p = (W, b) if bias else (W,)
    g = tuple(np.full_like(view, np.nan) for view in p)  # overwritten, never added to
    a = arrays(layer, drawn(generator, batch, n_in, dtype=dtype), drawn(generator, batch, n_out, dtype=dtype))
    layer.forward(p, a)
    layer.backward(p, g, a)
    exact = [array.astype(np.float64) for array in (a.x, W, a.delta)]
    dW, db, dx = textbook.dense_backward(*exact)
    same(textbook.dense(exact[0], exact[1], b if bias else 0.0), a.y, CLOSE[dtype])
    same(dW, g[0], CLOSE[dtype])
    same(dx, a.dx, CLOSE[dtype])
    if bias:
        same(db, g[1], CLOSE[dtype])
    assert {np.dtype(dtype)} == {array.dtype for array in (a.y, a.dx, *g)}


@DTYPES
@OFTEN
@SHAPES
def test_batch_norm_in_training(dtype, batch, n_in, n_out, seed):  # noqa: ARG001 - as wide as it comes in
    generator = np.random.default_rng(seed)
    layer = BatchNorm(n_in)
    gamma, beta, mean = (drawn(generator, n_in, dtype=dtype) for _ in range(3))
    variance = generator.uniform(0.5, 2.0, n_in).astype(dtype)
    x = 2.0 * drawn(generator, batch, n_in, dtype=dtype) + 1.0
    x[0] += 1.0  # two rows that are almost one would be a question of rounding alone
    given_delta = drawn(generator, batch, n_in, dtype=dtype)
    g = np.full_like(gamma, np.nan), np.full_like(beta, np.nan)
    a = arrays(layer, x, given_delta)
    p = gamma, beta, mean.copy(), variance.copy()
    layer.forward_training(p, a, generator)
    layer.backward(p, g, a)

    exact = [array.astype(np.float64) for array in (x, gamma, given_delta)]
    close = CLOSE[dtype] * 1000.0  # sums that cancel, divided by a spread that may be small
    dgamma, dbeta, dx = textbook.batch_norm_backward(*exact)
    same(textbook.batch_norm(exact[0], exact[1], beta), a.y, close)
    same(dgamma, g[0], close)
    same(dbeta, g[1], close)
    same(dx, a.dx, close)
    new_mean, new_variance = textbook.batch_norm_statistics(mean, variance, exact[0])
    same(new_mean, p[2], CLOSE[dtype])
    same(new_variance, p[3], CLOSE[dtype])


def test_batch_norm_makes_mean_zero_and_variance_one():
    layer = BatchNorm(3)
    a = arrays(layer, 5.0 + 3.0 * drawn(np.random.default_rng(0), 50, 3), np.zeros((50, 3)))
    layer.forward_training((np.ones(3), np.zeros(3), np.zeros(3), np.ones(3)), a, np.random.default_rng(0))
    np.testing.assert_allclose(a.y.mean(axis=0), 0.0, atol=1e-14)
    np.testing.assert_allclose(a.y.var(axis=0), 1.0, rtol=1e-4)


def test_batch_norm_predicts_by_running_averages():
    generator = np.random.default_rng(0)
    layer = BatchNorm(4)
    p = (*(drawn(generator, 4) for _ in range(3)), generator.uniform(0.5, 2.0, 4))
    before = [view.copy() for view in p]
    a = arrays(layer, drawn(generator, 6, 4), np.zeros((6, 4)))
    layer.forward(p, a)
    same(textbook.batch_norm_prediction(a.x, *before), a.y, 1e-13)
    for expected, actual in zip(before, p, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_a_batch_of_one_row_teaches_batch_norm_a_mean_but_no_variance():
    layer = BatchNorm(2)
    p = np.ones(2), np.array([0.5, -0.5]), np.zeros(2), np.array([3.0, 4.0])
    a = arrays(layer, np.array([[10.0, -20.0]]), np.array([[1.0, 2.0]]))
    g = np.empty(2), np.empty(2)
    layer.forward_training(p, a, np.random.default_rng(0))
    layer.backward(p, g, a)
    np.testing.assert_array_equal([[0.5, -0.5]], a.y)
    np.testing.assert_array_equal([[0.0, 0.0]], a.dx)
    np.testing.assert_allclose(p[2], [1.0, -2.0])
    np.testing.assert_array_equal([3.0, 4.0], p[3])


def test_batch_norm_at_the_bottom_needs_no_input_gradient():
    generator = np.random.default_rng(3)
    layer = BatchNorm(3)
    p = drawn(generator, 3), drawn(generator, 3), np.zeros(3), np.ones(3)
    delta = drawn(generator, 5, 3)
    a = arrays(layer, drawn(generator, 5, 3), delta)
    a.dx = None
    g = np.empty(3), np.empty(3)
    layer.forward_training(p, a, generator)
    layer.backward(p, g, a)
    dgamma, dbeta, _ = textbook.batch_norm_backward(a.x, p[0], delta)
    same(dgamma, g[0], 1e-12)
    same(dbeta, g[1], 1e-12)


@DTYPES
@OFTEN
@SHAPES
def test_dropout_in_training(dtype, batch, n_in, n_out, seed):
    rate = n_out / 10.0
    generator = np.random.default_rng(seed)
    layer = Dropout(n_in, rate)
    given_delta = drawn(generator, batch, n_in, dtype=dtype)
    a = arrays(layer, drawn(generator, batch, n_in, dtype=dtype), given_delta)
    layer.forward_training((), a, np.random.default_rng(seed))
    layer.backward((), (), a)
    mask = textbook.dropout_mask(np.random.default_rng(seed).random((batch, n_in), dtype), rate)
    same(a.x * mask, a.y, CLOSE[dtype])
    same(given_delta * mask, a.dx, CLOSE[dtype])
    assert (dtype, dtype) == (a.y.dtype, a.dx.dtype)


def test_dropout_keeps_the_mean_and_drops_its_rate():
    layer = Dropout(100, 0.3)
    a = arrays(layer, np.ones((1000, 100)), np.zeros((1000, 100)))
    layer.forward_training((), a, np.random.default_rng(5))
    assert pytest.approx(0.3, abs=5.0 * np.sqrt(0.3 * 0.7 / 100_000)) == (a.y == 0.0).mean()
    assert pytest.approx(1.0, abs=5.0 * np.sqrt(0.3 / 0.7 / 100_000)) == a.y.mean()


def test_dropout_passes_everything_through_in_prediction():
    layer = Dropout(3, 0.9)
    a = arrays(layer, drawn(np.random.default_rng(0), 4, 3), np.zeros((4, 3)))
    layer.forward((), a)
    np.testing.assert_array_equal(a.x, a.y)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_leaves_its_input_alone_where_the_output_has_its_own_array(name):
    x = drawn(np.random.default_rng(0), 4, 3)
    layer = Activate(3, ACTIVATIONS[name])
    a = arrays(layer, x.copy(), np.zeros((4, 3)))
    layer.forward((), a)
    np.testing.assert_array_equal(x, a.x)
    same(textbook.ACTIVATIONS[name][0](x), a.y, 1e-12)


@pytest.mark.parametrize("layer", [Dense(3, 2), BatchNorm(3), Dropout(3, 0.5), Activate(3, ACTIVATIONS["relu"])])
def test_only_dense_changes_the_width_and_only_its_matrix_is_weights(layer):
    is_dense = isinstance(layer, Dense)
    assert (3, 2 if is_dense else 3) == (layer.n_in, layer.n_out)
    assert (["weights"] if is_dense else []) == [p.name for p in layer.parameters() if p.is_weight]
    assert isinstance(layer, BatchNorm) == bool(layer.statistics())


def test_a_parameter_counts_its_numbers():
    assert [6, 2] == [parameter.size for parameter in Dense(3, 2).parameters()]
