"""A folded network says what the network said, in fewer layers."""

import numpy as np
import pytest

from handgrad.engine.activations import ACTIVATIONS
from handgrad.engine.folding import fold
from handgrad.engine.layers import Activate, BatchNorm, Dense, Dropout
from handgrad.engine.network import Network


def trained(network, generator):
    """Numbers as training leaves them: no gamma at 1, no mean at 0."""
    network.initialize(generator)
    network.theta += generator.normal(0.0, 0.1, len(network.theta)).astype(network.dtype)
    network.statistics += generator.uniform(0.0, 2.0, len(network.statistics)).astype(network.dtype)
    return network


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_outputs_are_the_same(dtype, activation):
    generator = np.random.default_rng(3)
    network = trained(
        Network.fully_connected(784, (128, 64), 10, batch_norm=True, activation=activation, dropout=0.2, dtype=dtype),
        generator,
    )
    x = generator.random((500, 784)).astype(dtype)

    folded = fold(network)

    np.testing.assert_allclose(folded.logits(x), network.logits(x), rtol=1e-5, atol=1e-5)
    assert dtype == folded.dtype
    assert 1.0 < np.abs(network.logits(x)).max()


def test_what_is_left_is_dense_layers_and_activations():
    network = Network.fully_connected(784, (128, 64), 10, batch_norm=True, dropout=0.2, input_dropout=0.1)

    folded = fold(network)

    relu = ACTIVATIONS["relu"]
    expected = (Dense(784, 128), Activate(128, relu), Dense(128, 64), Activate(64, relu), Dense(64, 10))
    assert expected == folded.layers
    assert 109_386 == len(folded.theta)
    assert 0 == len(folded.statistics)


def test_a_bias_below_batch_norm_is_folded_too():
    network = trained(
        Network([Dense(6, 5), BatchNorm(5, epsilon=0.1), Dense(5, 3)], np.float64), np.random.default_rng(1)
    )
    x = np.random.default_rng(2).normal(size=(9, 6))

    np.testing.assert_allclose(fold(network).logits(x), network.logits(x), rtol=1e-12)


def test_batch_norm_that_is_not_over_a_dense_layer_stays():
    relu = Activate(6, ACTIVATIONS["relu"])
    layers = [
        BatchNorm(6),
        relu,
        BatchNorm(6),
        Dropout(6, 0.5),
        Dense(6, 6),
        Dropout(6, 0.5),
        BatchNorm(6),
        Dense(6, 2),
    ]
    network = trained(Network(layers, np.float64), np.random.default_rng(4))
    x = np.random.default_rng(5).normal(size=(9, 6))

    folded = fold(network)

    assert (BatchNorm(6), relu, BatchNorm(6), Dense(6, 6), Dense(6, 2)) == folded.layers
    np.testing.assert_allclose(folded.logits(x), network.logits(x), rtol=1e-12)


def test_a_plain_network_is_only_copied():
    network = trained(Network.fully_connected(9, (8,), 3), np.random.default_rng(6))

    folded = fold(network)

    assert network.layers == folded.layers
    assert network.theta.tobytes() == folded.theta.tobytes()
    assert not np.shares_memory(network.theta, folded.theta)
