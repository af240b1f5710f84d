"""The loss of everything is the loss of one large batch, however it is divided."""

import numpy as np
import pytest

from handgrad.engine.losses import BinaryCrossEntropy, SquaredError, shares
from handgrad.engine.network import Network, TrainingPass
from handgrad.engine.objective import Objective
from handgrad.engine.penalties import L2


@pytest.fixture
def data():
    generator = np.random.default_rng(4)
    return generator.normal(size=(23, 5)), generator.normal(size=(23, 2)), generator.uniform(0.1, 2.0, 23)


def network():
    net = Network.fully_connected(5, (7,), 2, activation="tanh", dtype=np.float64)
    net.initialize(np.random.default_rng(1))
    return net


@pytest.mark.parametrize("rows", [1, 6, 23, 100])
@pytest.mark.parametrize("weighted", [False, True])
def test_blocks_add_up_to_one_batch(data, rows, weighted):
    x, t, weights = data
    weights = weights if weighted else None
    net = network()
    whole = TrainingPass(net, 23, SquaredError())
    whole.x[...], whole.targets[...], whole.share[...] = x, t, shares(23, net.dtype, weights)
    whole.forward_training(np.random.default_rng(0))
    expected = whole.backward()

    objective = Objective(net, SquaredError(), x.__getitem__, t, weights=weights, rows=rows)
    value, gradient = objective(net.theta.copy())

    assert pytest.approx(expected, rel=1e-14) == value
    np.testing.assert_allclose(gradient, whole.gradient, rtol=1e-12, atol=1e-15)


def test_penalties_are_added_once(data):
    x, t, _ = data
    net = network()
    bare, bare_gradient = Objective(net, SquaredError(), x.__getitem__, t, rows=5)(net.theta.copy())
    value, gradient = Objective(net, SquaredError(), x.__getitem__, t, penalties=[L2(0.5)], rows=5)(net.theta.copy())
    bare_gradient[: net.n_weights] += 0.5 * net.weights

    assert pytest.approx(bare + L2(0.5).value(net.weights), rel=1e-14) == value
    np.testing.assert_allclose(gradient, bare_gradient, rtol=1e-12)


def test_each_answer_is_an_array_of_its_own(data):
    x, t, _ = data
    objective = Objective(network(), SquaredError(), x.__getitem__, t)
    theta = objective.network.theta.copy()
    first = objective(theta)[1]
    kept = first.copy()
    objective(theta + 1.0)

    np.testing.assert_array_equal(kept, first)
    np.testing.assert_array_equal(theta + 1.0, objective.network.theta)


@pytest.mark.parametrize("options", [{"batch_norm": True}, {"dropout": 0.5}])
def test_what_depends_on_other_rows_is_refused(data, options):
    x, t, _ = data
    net = Network.fully_connected(5, (7,), 2, **options)
    with pytest.raises(ValueError, match="makes the loss of a row depend on"):
        Objective(net, BinaryCrossEntropy(), x.__getitem__, t)
