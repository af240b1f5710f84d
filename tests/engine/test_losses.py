"""Each loss against the textbook's, and at logits where the textbook's own formula overflows."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import textbook
from handgrad.engine.losses import LOSSES, BinaryCrossEntropy, Poisson, SoftmaxCrossEntropy, SquaredError, shares

CLOSE = {np.float64: 1e-12, np.float32: 1e-5}
EVERY = pytest.mark.parametrize("name", LOSSES)


def start(loss, z, targets, weights=None):
    """L, and the logits turned into the first delta."""
    delta, targets = z.copy(), targets.astype(z.dtype)
    share = shares(len(z), z.dtype, weights)
    loss.delta(delta, targets, share, loss.keep(len(z), z.shape[1], z.dtype))
    return loss.value(z, targets, weights), delta


@EVERY
@pytest.mark.parametrize("dtype", CLOSE)
def test_a_delta_of_columns_is_the_same(name, dtype):
    generator = np.random.default_rng(0)
    z = generator.normal(0.0, 2.0, (4, 3)).astype(dtype)
    targets, loss = generator.dirichlet(np.ones(3), 4).astype(dtype), LOSSES[name]()
    _, delta = start(loss, z, targets)
    columns = np.ascontiguousarray(z.T)
    kept = tuple(np.asfortranarray(one) for one in loss.keep(4, 3, z.dtype))
    loss.delta_of_columns(columns, np.ascontiguousarray(targets.T), shares(4, z.dtype), kept)
    np.testing.assert_allclose(columns.T, delta, rtol=CLOSE[dtype])


def test_the_textbook_has_them_all():
    assert set(textbook.LOSSES) == set(LOSSES)


@EVERY
@pytest.mark.parametrize("dtype", CLOSE)
@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    batch=st.integers(1, 9),
    n_out=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
    weighted=st.booleans(),
    soft=st.booleans(),
)
def test_value_and_delta_are_the_textbooks(name, dtype, batch, n_out, seed, weighted, soft):
    generator = np.random.default_rng(seed)
    z = generator.normal(0.0, 2.0, (batch, n_out)).astype(dtype)
    hard = np.eye(n_out)[generator.integers(0, n_out, batch)]
    targets = generator.dirichlet(np.ones(n_out), batch) if soft else hard
    weights = generator.uniform(0.0, 2.0, batch) if weighted else None
    share = np.full(batch, 1.0 / batch) if weights is None else textbook.weighted_mean(weights)
    value, delta = start(LOSSES[name](), z, targets, weights)
    expected_value, expected_delta = textbook.LOSSES[name](z.astype(np.float64), targets, share)
    assert pytest.approx(expected_value, rel=CLOSE[dtype], abs=CLOSE[dtype]) == value
    np.testing.assert_allclose(delta, expected_delta, rtol=CLOSE[dtype], atol=CLOSE[dtype])
    assert (float, dtype) == (type(value), delta.dtype)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_label_smoothing(smoothing):
    generator = np.random.default_rng(0)
    z, labels = generator.normal(size=(7, 4)), generator.integers(0, 4, 7)
    loss = SoftmaxCrossEntropy(label_smoothing=smoothing)
    targets = textbook.smoothed(labels, 4, smoothing)
    np.testing.assert_allclose(loss.target_rows(4)[labels], targets, rtol=1e-15)
    expected = textbook.cross_entropy(z, targets, np.full(7, 1 / 7))
    value, delta = start(loss, z, loss.target_rows(4)[labels])
    assert pytest.approx(expected[0], rel=1e-13) == value
    np.testing.assert_allclose(delta, expected[1], atol=1e-15)


@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), SquaredError(), SoftmaxCrossEntropy()])
def test_a_class_is_one_hot_unless_smoothed(loss):
    np.testing.assert_array_equal(np.eye(3), loss.target_rows(3))


@EVERY
@pytest.mark.parametrize("dtype", CLOSE)
def test_logits_of_a_thousand_are_no_trouble(name, dtype):
    z = np.array([[1000.0, -1000.0, 0.0], [-1000.0, -1000.0, -1000.0], [1000.0, 1000.0, 1000.0]], dtype)
    for label in range(3):
        loss = LOSSES[name]()
        value, delta = start(loss, z, np.eye(3)[[label] * 3])
        answers = z.copy()
        loss.activate(answers)
        assert math.isfinite(value)
        assert value >= 0.0
        assert np.isfinite(delta).all()
        assert np.isfinite(answers).all()


def test_what_losses_are_worth_at_a_thousand():
    z, wrong = np.array([[1000.0, -1000.0]]), np.array([[0.0, 1.0]])
    assert 2000.0 == SoftmaxCrossEntropy().value(z, wrong)
    assert 2000.0 == BinaryCrossEntropy().value(z, wrong)
    assert 0.5 * (1000.0**2 + 1001.0**2) == SquaredError().value(z, wrong)
    assert 0.0 == SoftmaxCrossEntropy().value(z, 1.0 - wrong)
    assert 0.0 == BinaryCrossEntropy().value(z, 1.0 - wrong)


@EVERY
def test_value_leaves_logits_and_targets_alone(name):
    generator = np.random.default_rng(1)
    z, targets = generator.normal(size=(5, 3)).astype(np.float32), np.eye(3)[[0, 1, 2, 1, 0]]
    weights = generator.uniform(1.0, 2.0, 5)
    before = z.copy()
    value = LOSSES[name]().value(z, targets, weights)
    np.testing.assert_array_equal(before, z)
    assert start(LOSSES[name](), z, targets, weights)[0] == value


def test_what_activate_makes_of_logits():
    z = np.random.default_rng(2).normal(size=(6, 4))
    expected = {"cross_entropy": textbook.softmax(z), "binary_cross_entropy": textbook.logistic(z), "squared_error": z}
    for name, loss in LOSSES.items():
        answers = z.copy()
        loss().activate(answers)
        np.testing.assert_allclose(answers, expected[name], rtol=1e-12)


def test_a_weight_of_two_is_the_row_twice():
    generator = np.random.default_rng(3)
    z, targets = generator.normal(size=(3, 4)), np.eye(4)[[0, 3, 2]]
    twice = [0, 1, 1, 2]
    for loss in (make() for make in LOSSES.values()):
        assert pytest.approx(loss.value(z[twice], targets[twice])) == loss.value(z, targets, np.array([1.0, 2.0, 1.0]))


def test_shares_sum_to_one():
    assert [0.25] * 4 == shares(4, np.dtype(np.float32)).tolist()
    weighted = shares(3, np.dtype(np.float32), np.array([1.0, 0.0, 3.0]))
    assert [0.25, 0.0, 0.75] == weighted.tolist()
    assert np.float32 == weighted.dtype


@pytest.mark.parametrize("weights", [[0.0, 0.0], [-1.0, 2.0], [np.nan, 1.0], [np.inf, 1.0], [-1.0, -1.0]])
def test_weights_that_make_no_mean(weights):
    with pytest.raises(ValueError, match=r"^sample weights must be finite, at least zero, and not all of them zero$"):
        shares(2, np.dtype(np.float64), np.array(weights))


def test_weights_of_another_number():
    with pytest.raises(ValueError, match=r"^2 rows need 2 weights, not an array of shape \(3,\)$"):
        shares(2, np.dtype(np.float64), np.ones(3))


@pytest.mark.parametrize(("z", "t"), [((2, 3), (2, 4)), ((3,), (3,))])
def test_logits_and_targets_of_different_shapes(z, t):
    with pytest.raises(ValueError, match=r"^logits .* and targets .* must have the same \(batch, n_out\) shape$"):
        SquaredError().value(np.zeros(z), np.zeros(t))


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("batch", [1, 7])
def test_counts_are_measured_as_the_textbook_does(dtype, batch):
    generator = np.random.default_rng(batch)
    z = generator.normal(0.0, 1.5, (batch, 3)).astype(dtype)
    targets = generator.poisson(1.0, (batch, 3)).astype(dtype)
    targets[0, 0] = 0.0
    weights = generator.uniform(0.5, 2.0, batch).astype(dtype)
    value, delta = start(Poisson(), z, targets, weights)
    expected = textbook.poisson(z.astype(np.float64), targets.astype(np.float64), textbook.weighted_mean(weights))
    assert pytest.approx(expected[0], rel=CLOSE[dtype], abs=CLOSE[dtype]) == value
    np.testing.assert_allclose(delta, expected[1], rtol=10 * CLOSE[dtype], atol=CLOSE[dtype])
    rates = z.copy()
    Poisson().activate(rates)
    np.testing.assert_allclose(rates, np.exp(z), rtol=1e-6)


def test_counts_that_are_met_exactly_cost_nothing():
    value, delta = start(Poisson(), np.log(np.array([[3.0, 1.0]])), np.array([[3.0, 1.0]]))
    assert pytest.approx(0.0, abs=1e-15) == value
    np.testing.assert_allclose(delta, 0.0, atol=1e-15)


@pytest.mark.parametrize("dtype", CLOSE)
def test_a_small_probability_keeps_its_digits(dtype):
    z = np.array([[-40.0, 0.0, 40.0, -1000.0, 1000.0]], dtype)
    BinaryCrossEntropy().activate(z)
    np.testing.assert_allclose(z[0, :3], [math.exp(-40.0), 0.5, 1.0], rtol=CLOSE[dtype])
    assert 0.0 < z[0, 3] < 1e-30
    assert 1.0 == z[0, 4]
