"""Whole networks against the textbook's; and what passes must not do to each other, to the caller, or to theta."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import textbook
from handgrad.engine import network as module
from handgrad.engine.activations import ACTIVATIONS
from handgrad.engine.initializers import INITIALIZERS
from handgrad.engine.layers import Activate, BatchNorm, Dense, Dropout
from handgrad.engine.losses import LOSSES, BinaryCrossEntropy, SoftmaxCrossEntropy, SquaredError
from handgrad.engine.network import PREDICTION_ROWS, Network, Pass, TrainingPass

SEED = 11


def twin_of(network, batch, noise=None):
    """The same network in the textbook's terms, in float64; dropout as `noise` draws it, or none."""
    steps = []
    for layer, p in zip(network.layers, network.views(), strict=True):
        exact = [view.astype(np.float64) for view in p]
        if isinstance(layer, Dense):
            steps.append(("dense", exact[0], exact[1] if layer.bias else 0.0))
        elif isinstance(layer, BatchNorm):
            steps.append(("batch_norm", *exact[:2]))
        elif isinstance(layer, Dropout):
            uniform = noise.random((batch, layer.n_in), network.dtype)
            steps.append(("dropout", textbook.dropout_mask(uniform, layer.rate)))
        else:
            steps.append((layer.function.name,))
    return textbook.Twin(steps)


def begun(*args, seed=0, dtype=np.float64, **kwargs):
    """A network with random weights and random biases, too."""
    network = Network.fully_connected(*args, dtype=dtype, **kwargs)
    generator = np.random.default_rng(seed)
    network.initialize(generator)
    network.theta += 0.1 * generator.normal(size=network.theta.size).astype(dtype)
    return network


def filled(network, batch, loss, *, seed=1, **kwargs):
    """A training pass over random rows, targets and shares."""
    generator = np.random.default_rng(seed)
    a = TrainingPass(network, batch, loss, **kwargs)
    a.x[...] = generator.normal(size=a.x.shape)
    a.targets[...] = loss.target_rows(network.n_out)[generator.integers(0, network.n_out, batch)]
    weights = generator.uniform(0.5, 2.0, batch)
    a.share[...] = weights / weights.sum()
    return a


def step(a):
    a.forward_training(np.random.default_rng(SEED))
    return a.backward()


def hold_against_the_twin(a, close):
    """Compare logits, loss, gradient and input gradient; `close` is relative to the largest number of each."""
    network = a.network
    twin = twin_of(network, a.batch, np.random.default_rng(SEED))
    logits = twin.forward(a.x.astype(np.float64))
    expected_value, delta = textbook.LOSSES[a.loss.name](logits, a.targets.astype(np.float64), a.share)
    expected, dx = twin.backward(delta)

    actual_logits = a.forward_training(np.random.default_rng(SEED)).copy()
    value = a.backward()
    np.testing.assert_allclose(actual_logits, logits, rtol=close, atol=close * np.abs(logits).max())
    assert pytest.approx(expected_value, rel=close, abs=close) == value
    pieces = [piece for layer in expected for piece in layer]
    size = max(np.abs(piece).max() for piece in pieces)
    for layer, g in zip(expected, network.views(a.gradient), strict=True):
        for by_book, by_engine in zip(layer, g, strict=False):  # a Dense without bias has no second view
            np.testing.assert_allclose(by_engine, by_book, rtol=close, atol=close * size)
    if a.input_gradient is not None:
        np.testing.assert_allclose(a.input_gradient, dx, rtol=close, atol=close * max(size, np.abs(dx).max()))
    assert {network.dtype} == {array.dtype for array in (actual_logits, a.gradient, a.x)}


@settings(deadline=None, max_examples=150, derandomize=True)
@given(
    hidden=st.lists(st.tuples(st.integers(1, 6), st.sampled_from(sorted(ACTIVATIONS))), max_size=4),
    n_in=st.integers(1, 6),
    n_out=st.integers(1, 5),
    batch=st.integers(1, 9),
    batch_norm=st.booleans(),
    dropout=st.sampled_from([0.0, 0.3]),
    input_dropout=st.sampled_from([0.0, 0.2]),
    loss=st.sampled_from([SoftmaxCrossEntropy(), SoftmaxCrossEntropy(0.1), BinaryCrossEntropy(), SquaredError()]),
    wants_input_gradient=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_network_in_float64(
    hidden, n_in, n_out, batch, batch_norm, dropout, input_dropout, loss, wants_input_gradient, seed
):
    network = begun(
        n_in,
        [size for size, _ in hidden],
        n_out,
        activation=[name for _, name in hidden],
        batch_norm=batch_norm,
        dropout=dropout,
        input_dropout=input_dropout,
        seed=seed,
    )
    a = filled(network, batch, loss, seed=seed, wants_input_gradient=wants_input_gradient)
    assert wants_input_gradient == (a.input_gradient is not None)
    hold_against_the_twin(a, 1e-9)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES.values())
def test_float32_within_its_precision(name, loss, batch_norm):
    network = begun(
        7, (6, 5), 4, activation=name, batch_norm=batch_norm, dropout=0.2, input_dropout=0.1, dtype=np.float32
    )
    hold_against_the_twin(filled(network, 12, loss(), wants_input_gradient=True), 1e-4)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_stacked_activations_do_not_overwrite_what_the_lower_one_reads(name):
    functions = [ACTIVATIONS["tanh"], ACTIVATIONS[name], ACTIVATIONS["sigmoid"]]
    network = Network([Dense(4, 5), *(Activate(5, function) for function in functions), Dense(5, 3)], np.float64)
    network.initialize(np.random.default_rng(0))
    hold_against_the_twin(filled(network, 6, SquaredError(), wants_input_gradient=True), 1e-12)


@pytest.mark.parametrize("wants_input_gradient", [False, True])
def test_an_activation_at_the_bottom_leaves_the_callers_input_alone(wants_input_gradient):
    network = Network([Activate(4, ACTIVATIONS["gelu"]), Dense(4, 3)], np.float64)
    network.initialize(np.random.default_rng(0))
    a = filled(network, 5, SoftmaxCrossEntropy(), wants_input_gradient=wants_input_gradient)
    x = a.x.copy()
    a.forward()
    step(a)
    np.testing.assert_array_equal(x, a.x)
    hold_against_the_twin(a, 1e-12)


def test_batch_norm_at_the_bottom():
    network = Network([BatchNorm(4), Dense(4, 3)], np.float64)
    network.initialize(np.random.default_rng(0))
    hold_against_the_twin(filled(network, 5, SoftmaxCrossEntropy()), 1e-12)


def test_two_passes_over_one_network_do_not_know_of_each_other():
    network = begun(5, (6, 4), 3, activation=("gelu", "silu"), dropout=0.2)
    alone = filled(network, 4, SoftmaxCrossEntropy(), seed=1)
    expected = step(alone)
    first = filled(network, 4, SoftmaxCrossEntropy(), seed=1)
    second = filled(network, 4, SoftmaxCrossEntropy(), seed=2)
    first.forward_training(np.random.default_rng(SEED))
    second.forward_training(np.random.default_rng(SEED + 1))
    network.logits(second.x)
    second.backward()
    assert expected == first.backward()
    np.testing.assert_array_equal(alone.gradient, first.gradient)
    assert not np.array_equal(first.gradient, second.gradient)


def test_passes_of_two_sizes_share_one_gradient_and_overwrite_it():
    network = begun(5, (6, 4), 3, batch_norm=True)
    long, short = filled(network, 8, SquaredError()), filled(network, 3, SquaredError())
    gradient = np.full_like(network.theta, np.nan)
    shared = [filled(network, n, SquaredError(), gradient=gradient) for n in (8, 3)]
    for own, borrowed in zip((long, short), shared, strict=True):
        assert step(own) == step(borrowed)
        np.testing.assert_array_equal(own.gradient, gradient)
        assert gradient is borrowed.gradient


def test_a_pass_can_be_used_again_and_again():
    network = begun(5, (6, 4), 3, activation="gelu", dropout=0.3)
    a = filled(network, 4, SoftmaxCrossEntropy(), wants_input_gradient=True)
    first = step(a), a.gradient.copy(), a.input_gradient.copy()
    second = step(a), a.gradient, a.input_gradient
    for expected, actual in zip(first, second, strict=True):
        np.testing.assert_array_equal(expected, actual)


def test_a_pass_reads_theta_when_it_runs():
    network = begun(3, (4,), 2)
    a = Pass(network, 2)
    a.x[...] = 1.0
    before = a.forward().copy()
    network.theta *= 2.0
    assert not np.array_equal(before, a.forward())


def test_prediction_uses_running_statistics_and_drops_nothing():
    network = begun(4, (5,), 3, activation="tanh", batch_norm=True, dropout=0.5, input_dropout=0.2)
    generator = np.random.default_rng(2)
    mean, variance = generator.normal(size=5), generator.uniform(0.5, 2.0, 5)
    network.statistics[...] = np.concatenate([mean, variance])
    x = generator.normal(size=(6, 4))
    (W0,), (gamma, beta, _, _), (W1, b1) = (views for views in network.views() if views)
    hidden = np.tanh(textbook.batch_norm_prediction(x @ W0, gamma, beta, mean, variance))
    np.testing.assert_allclose(network.logits(x), hidden @ W1 + b1, rtol=1e-12)


def test_training_moves_the_running_statistics_and_prediction_does_not():
    network = begun(4, (5,), 3, batch_norm=True)
    a = filled(network, 6, SquaredError())
    W = network.weight_matrices()[0]
    mean, variance = textbook.batch_norm_statistics(np.zeros(5), np.ones(5), a.x @ W)
    step(a)
    moved = network.statistics.copy()
    np.testing.assert_allclose(moved, np.concatenate([mean, variance]), rtol=1e-12)
    network.logits(a.x)
    a.forward()
    np.testing.assert_array_equal(moved, network.statistics)


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 8, 9])
def test_prediction_in_chunks_is_prediction_row_by_row(monkeypatch, n):
    monkeypatch.setattr(module, "PREDICTION_ROWS", 4)
    network = begun(5, (6,), 3, batch_norm=True, dropout=0.5)
    x = np.random.default_rng(3).normal(size=(n, 5))
    by_row = [network.logits(row[None, :])[0] for row in x]
    logits = network.logits(x)
    assert (n, 3) == logits.shape
    np.testing.assert_allclose(logits, np.reshape(by_row, (n, 3)), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("n", [PREDICTION_ROWS - 1, PREDICTION_ROWS, PREDICTION_ROWS + 1, 2 * PREDICTION_ROWS])
def test_no_row_is_lost_at_the_border_of_a_chunk(n):
    network = Network([Dense(1, 1, bias=False)])
    network.theta[...] = 1.0
    np.testing.assert_array_equal(np.arange(n), network.logits(np.arange(n, dtype=np.float32)[:, None])[:, 0])


def test_threads_predict_what_one_thread_predicts():
    network = begun(20, (16, 12), 5, activation=("gelu", "silu"), batch_norm=True, dtype=np.float32)
    generator = np.random.default_rng(4)
    inputs = [generator.normal(size=(50 + i, 20)).astype(np.float32) for i in range(40)]
    serial = [network.predict_probabilities(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(network.predict_probabilities, inputs))
    for expected, actual in zip(serial, parallel, strict=True):
        np.testing.assert_array_equal(expected, actual)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predictions(dtype):
    network = begun(4, (5,), 3, dtype=dtype)
    x = np.random.default_rng(5).normal(size=(7, 4))
    logits = network.logits(x)
    probabilities = network.predict_probabilities(x)
    np.testing.assert_allclose(probabilities, textbook.softmax(logits.astype(np.float64)), rtol=1e-5)
    np.testing.assert_allclose(
        network.predict_probabilities(x, BinaryCrossEntropy()), textbook.logistic(logits.astype(np.float64)), rtol=1e-5
    )
    np.testing.assert_array_equal(logits, network.predict_probabilities(x, SquaredError()))
    np.testing.assert_array_equal(logits.argmax(axis=1), network.predict(x))
    assert [dtype, dtype] == [logits.dtype, probabilities.dtype]


def test_whole_numbers_are_rows_too():
    network = begun(4, (5,), 3)
    x = np.arange(8, dtype=np.uint8).reshape(2, 4)
    np.testing.assert_array_equal(network.logits(x.astype(np.float64)), network.logits(x))


@pytest.mark.parametrize("shape", [(4,), (2, 5), (2, 4, 1), ()])
def test_rows_of_another_width(shape):
    with pytest.raises(ValueError, match=r"^the network takes rows of 4 numbers, not an array of shape \("):
        begun(4, (5,), 3).logits(np.zeros(shape))


def test_weights_come_first_and_every_view_is_a_part_of_theta():
    network = Network.fully_connected(4, (3,), 2, batch_norm=True)
    assert 4 * 3 + 3 * 2 == network.n_weights
    assert 4 * 3 + 3 * 2 + 3 + 3 + 2 == network.theta.size
    assert 6 == network.statistics.size
    for W in network.weight_matrices():
        W[...] = 1.0
    assert network.n_weights == network.weights.sum()
    (dense,), (gamma, beta, mean, variance), nothing, (top, bias) = network.views()
    np.testing.assert_array_equal(np.r_[np.ones(18), np.ones(3), np.zeros(5)], network.theta)
    np.testing.assert_array_equal([0, 0, 0, 1, 1, 1], network.statistics)
    assert () == nothing
    assert [(4, 3), (3, 2), (3,), (3,), (2,)] == [view.shape for view in (dense, top, gamma, beta, bias)]
    for view in (dense, top, gamma, beta, bias):
        assert np.shares_memory(view, network.theta)
    for view in (mean, variance):
        assert np.shares_memory(view, network.statistics)
    assert [1, 2, 0, 2] == [len(views) for views in network.views(np.zeros_like(network.theta))]


def test_the_parts_of_a_fully_connected_network():
    network = Network.fully_connected(
        9, (8, 7), 3, activation=("relu", "tanh"), batch_norm=True, dropout=0.5, input_dropout=0.2
    )
    relu, tanh = Activate(8, ACTIVATIONS["relu"]), Activate(7, ACTIVATIONS["tanh"])
    first = (Dropout(9, 0.2), Dense(9, 8, bias=False), BatchNorm(8), relu, Dropout(8, 0.5))
    second = (Dense(8, 7, bias=False), BatchNorm(7), tanh, Dropout(7, 0.5))
    assert (*first, *second, Dense(7, 3)) == network.layers
    assert (9, 3) == (network.n_in, network.n_out)
    plain = Network.fully_connected(9, (8,), 3)
    assert (Dense(9, 8), relu, Dense(8, 3)) == plain.layers
    assert np.float32 == plain.theta.dtype
    assert (Dense(9, 3),) == Network.fully_connected(9, (), 3).layers


@pytest.mark.parametrize(
    ("args", "kwargs", "sentence"),
    [
        ((4, (0,), 3), {}, r"^every layer needs at least one neuron, not 4-0-3$"),
        ((0, (), 3), {}, r"^every layer needs at least one neuron, not 0-3$"),
        ((4, (5,), 3), {"dropout": 1.0}, r"^a dropout rate lies in \[0, 1\), not at 1\.0$"),
        ((4, (5,), 3), {"input_dropout": -0.1}, r"^a dropout rate lies in \[0, 1\), not at -0\.1$"),
        ((4, (5,), 3), {"dropout": float("nan")}, r"^a dropout rate lies in \[0, 1\), not at nan$"),
        ((4, (5,), 3), {"activation": ("relu",) * 2}, r"^1 hidden layers need one activation or 1, not 2$"),
        ((4, (5,), 3), {"activation": "rleu"}, r"^no activation is called 'rleu'; there are identity, relu, "),
    ],
)
def test_networks_that_cannot_be(args, kwargs, sentence):
    with pytest.raises(ValueError, match=sentence):
        Network.fully_connected(*args, **kwargs)


def test_layers_that_do_not_meet():
    with pytest.raises(ValueError, match=r"gives 3 numbers, but Dense\(n_in=4, .*\) takes 4$"):
        Network([Dense(2, 3), Dense(4, 1)])


@pytest.mark.parametrize("layers", [[], [Dense(2, 3), BatchNorm(3)]])
def test_a_network_ends_in_dense(layers):
    with pytest.raises(ValueError, match=r"^the last layer of a network is Dense: it gives the logits$"):
        Network(layers)


def test_each_layer_starts_as_its_own_activation_asks():
    network = Network.fully_connected(5, (6, 7), 3, activation=("relu", "tanh"), batch_norm=True)
    network.theta[...] = 9.0
    network.initialize(np.random.default_rng(0))
    again = np.random.default_rng(0)
    starts = [("he", 5, 6), ("glorot", 6, 7), ("glorot", 7, 3)]
    for W, (name, n_in, n_out) in zip(network.weight_matrices(), starts, strict=True):
        np.testing.assert_array_equal(INITIALIZERS[name](again, n_in, n_out).astype(np.float32), W)
    np.testing.assert_array_equal([0.0] * 3, network.views()[-1][1])


def test_a_start_for_all_layers():
    network, other = (Network.fully_connected(5, (6,), 3, dtype=dtype) for dtype in (np.float32, np.float64))
    network.initialize(np.random.default_rng(0), "lecun")
    other.initialize(np.random.default_rng(0), "lecun")
    np.testing.assert_array_equal(INITIALIZERS["lecun"](np.random.default_rng(0), 5, 6), other.weight_matrices()[0])
    np.testing.assert_array_equal(other.theta.astype(np.float32), network.theta)


def test_an_unknown_start():
    with pytest.raises(ValueError, match=r"^no initializer is called 'hee'; there are he, glorot, lecun$"):
        Network.fully_connected(5, (6,), 3).initialize(np.random.default_rng(0), "hee")


def test_activations_and_deltas_work_where_the_numbers_lie():
    network = begun(5, (6,), 3, batch_norm=True, dropout=0.2)
    dense, norm, activation, dropout, top = filled(network, 4, SquaredError())._arrays
    assert activation.x is activation.y is norm.y
    assert activation.x is not norm.x
    assert norm.delta is norm.dx is activation.delta is activation.dx is dropout.delta is dropout.dx is top.dx
    assert norm.dx is dense.delta
    assert top.delta is top.y


@pytest.mark.parametrize(("wants_input_gradient", "expected"), [(False, 0), (True, 2)])
def test_nothing_goes_back_to_the_input_unless_asked(monkeypatch, wants_input_gradient, expected):
    network = begun(5, (6,), 3, input_dropout=0.2)
    a = filled(network, 4, SquaredError(), wants_input_gradient=wants_input_gradient)
    calls = []
    right = Dropout.backward

    def watched(self, p, g, arrays):
        calls.append(self)
        right(self, p, g, arrays)

    monkeypatch.setattr(Dropout, "backward", watched)
    step(a)
    step(a)
    assert expected == len(calls)
    assert wants_input_gradient == (a._arrays[1].dx is not None)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", LOSSES.values())
def test_everything_a_pass_holds_is_of_one_precision(dtype, loss):
    network = begun(
        5, [4] * len(ACTIVATIONS), 3, activation=list(ACTIVATIONS), batch_norm=True, dropout=0.2, dtype=dtype
    )
    a = filled(network, 4, loss(), wants_input_gradient=True)
    held = [a.x, a.targets, a.share, a.gradient, *a._kept]
    for arrays in a._arrays:
        held += [arrays.x, arrays.y, arrays.delta, arrays.dx, *arrays.kept]
    assert {np.dtype(dtype)} == {array.dtype for array in held} - {np.dtype(np.bool_)}  # ReLU's mask is no number


def test_a_pass_may_be_fed_what_only_knows_how_to_multiply():
    from scipy import sparse

    generator = np.random.default_rng(0)
    x = generator.normal(size=(7, 6)) * (generator.random((7, 6)) < 0.3)
    network = Network.fully_connected(6, (5,), 3, dtype=np.float64)
    network.initialize(generator)
    results = []
    for fed in (x, sparse.csr_matrix(x), sparse.csr_array(x)):
        a = TrainingPass(network, 7, SoftmaxCrossEntropy())
        a.feed(fed)
        a.targets[:, 1] = 1.0
        logits = a.forward_training(generator).copy()
        results.append((logits, a.backward(), a.gradient))
    for logits, value, gradient in results[1:]:
        np.testing.assert_allclose(logits, results[0][0], rtol=1e-13)
        assert pytest.approx(results[0][1]) == value
        np.testing.assert_allclose(gradient, results[0][2], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("x", [np.ones((3, 6)), np.ones((4, 5))])
def test_a_pass_is_fed_its_own_shape(x):
    with pytest.raises(ValueError, match="cannot be fed"):
        TrainingPass(Network.fully_connected(6, (), 3), 4, SoftmaxCrossEntropy()).feed(x)


def test_dropout_is_not_fed():
    network = Network.fully_connected(6, (), 3, input_dropout=0.1)
    with pytest.raises(ValueError, match="cannot be fed"):
        TrainingPass(network, 4, SoftmaxCrossEntropy()).feed(np.ones((4, 6)))
