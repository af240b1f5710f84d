import numpy as np
import pytest

from handgrad.engine.activations import ACTIVATIONS
from handgrad.engine.layers import Activate, BatchNorm, Dense
from handgrad.engine.network import PREDICTION_ROWS, Network
from handgrad.engine.shifted import Shifted

ROWS = 2 * PREDICTION_ROWS + 3


def made(hidden, dtype=np.float64, **given):
    network = Network.fully_connected(7, hidden, 3, dtype=dtype, **given)
    generator = np.random.default_rng(len(hidden))
    network.theta[...] = generator.normal(size=len(network.theta))
    return network, generator.normal(size=(ROWS, 7)).astype(dtype)


def counted(monkeypatch):
    """The rows of each call from now on."""
    calls, forward_of = [], Shifted.forward_of

    def counting(self, x, out):
        calls.append(len(x))
        forward_of(self, x, out)

    monkeypatch.setattr(Shifted, "forward_of", counting)
    return calls


def in_small_parts(network, x):
    return np.concatenate([network.logits(part) for part in np.array_split(x, 5)])


@pytest.mark.parametrize("hidden", [(), (5,), (6, 4), (4, 5, 6)])
@pytest.mark.parametrize("given", [{}, {"dropout": 0.3}, {"input_dropout": 0.2}])
def test_many_rows_are_read_as_few_are(hidden, given, monkeypatch):
    network, x = made(hidden, **given)
    calls = counted(monkeypatch)

    np.testing.assert_allclose(network.logits(x), in_small_parts(network, x), rtol=1e-10, atol=1e-12)
    assert [PREDICTION_ROWS, PREDICTION_ROWS, 3] == calls
    network.logits(x[:PREDICTION_ROWS])
    assert not calls[3:]


@pytest.mark.parametrize(
    "given", [{"activation": "tanh"}, {"activation": ["relu", "leaky_relu"]}, {"batch_norm": True}]
)
def test_other_networks_are_left_alone(given):
    network, x = made((5, 4), **given)
    assert not Shifted.suits(network.layers)

    np.testing.assert_allclose(network.logits(x), in_small_parts(network, x), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("bottom", [BatchNorm(7), Activate(7, ACTIVATIONS["tanh"]), Activate(7, ACTIVATIONS["relu"])])
def test_a_network_may_begin_with_another_layer(bottom):
    network, x = made((5,))
    above = Network([bottom, *network.layers], np.float64)
    above.theta[...] = np.random.default_rng(2).normal(size=len(above.theta))
    above.statistics[...] = np.random.default_rng(3).uniform(1.0, 2.0, size=len(above.statistics))

    np.testing.assert_allclose(above.logits(x), in_small_parts(above, x), rtol=1e-10, atol=1e-12)


def test_large_biases_and_neurons_that_are_off_cost_few_digits():
    network, x = made((40, 30), np.float32)
    for (_, bias), sign in zip((p for p in network.views() if p), (100.0, -100.0, 1.0), strict=True):
        bias[...] = sign * np.abs(bias)
    exact = Network(network.layers, np.float64)
    exact.theta[...] = network.theta
    expected = in_small_parts(exact, x.astype(np.float64))

    scale = np.abs(expected).max()
    assert np.abs(network.logits(x) - expected).max() < 1e-5 * scale
    assert np.abs(in_small_parts(network, x) - expected).max() < 1e-5 * scale


def test_layers_without_a_bias_or_without_relu():
    assert not Shifted.suits([Dense(3, 4), Dense(4, 2)])
    assert not Shifted.suits([Dense(3, 4), BatchNorm(4), Dense(4, 2)])
    network, x = made((5,))
    hidden, relu, last = network.layers
    bare = Network([Dense(hidden.n_in, hidden.n_out, bias=False), relu, last], np.float64)
    bare.theta[...] = np.random.default_rng(1).normal(size=len(bare.theta))

    np.testing.assert_allclose(bare.logits(x), in_small_parts(bare, x), rtol=1e-10, atol=1e-12)


def test_it_reads_the_weights_as_they_are_now():
    network, x = made((5, 4), np.float32)
    network.logits(x)
    network.theta[...] = np.random.default_rng(9).normal(size=len(network.theta))

    np.testing.assert_allclose(network.logits(x), in_small_parts(network, x), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_is_no_number_stays_none():
    network, x = made((5, 4))
    x[ROWS - 1, 2] = np.nan

    assert np.isnan(network.logits(x)[-1]).all()
    assert np.isfinite(network.logits(x)[:-1]).all()
