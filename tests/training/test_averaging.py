"""The average follows the network by the formula, is what a run is judged by, and allocates nothing."""

import tracemalloc

import numpy as np
import pytest

from handgrad.engine.network import Network
from handgrad.engine.optimizers import BLOCK
from handgrad.errors import HandgradError
from handgrad.runs import model_of
from handgrad.training.averaging import Average
from handgrad.training.loop import Run
from handgrad.training.recipe import Recipe
from handgrad.training.records import EpochRecord

SMALL = Recipe(name="small", hidden_layer_sizes=(8, 6), epochs=4, batch_size=8, learning_rate=0.05, averaging=0.9)


def finish(run):
    for _ in run.records():
        pass
    return run


@pytest.mark.parametrize("decay", [0.1, 0.5, 0.999])
def test_it_is_the_mean_of_the_past_with_falling_weights(decay):
    network = Network.fully_connected(700, (100,), 3, batch_norm=True)
    assert len(network.theta) > BLOCK
    generator = np.random.default_rng(0)
    network.theta[...] = generator.normal(size=len(network.theta))
    average = Average(network, decay)
    expected = [vector.astype(np.float64) for vector in (network.theta, network.statistics)]

    for t in range(1, 40):
        for vector, mean in zip((network.theta, network.statistics), expected, strict=True):
            vector += generator.normal(size=len(vector)).astype(np.float32)
            kept = min(decay, (1 + t) / (10 + t))
            mean *= kept
            mean += (1 - kept) * vector
        average.follow(t)

    np.testing.assert_allclose(average.network.theta, expected[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(average.network.statistics, expected[1], rtol=1e-5, atol=1e-5)


def test_it_allocates_nothing():
    average = Average(Network.fully_connected(784, (128, 64), 10, batch_norm=True), 0.999)
    average.follow(1)

    tracemalloc.start()
    try:
        average.follow(2)
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        average.follow(3)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most - before < 1024


def test_a_run_is_judged_by_its_average(spots):
    run = finish(Run(SMALL, spots))
    plain = Run(SMALL.but(averaging=0.0), spots)
    plain.shares = 0  # as whatever is averaged is trained
    finish(plain)

    assert plain.network.theta.tobytes() == run.network.theta.tobytes()
    assert run.network.theta.tobytes() != run.result().theta.tobytes()
    answers = run.result().predict(spots.test.images.astype(np.float32) / 255)
    assert np.mean(answers == spots.test.labels) == run.history[-1].test_accuracy == run.score(spots.test)[1]
    assert run.result().theta.tobytes() == model_of(run).network.theta.tobytes()


def test_the_best_epoch_is_kept_as_an_average(spots):
    run = Run(SMALL.but(validation=0.2, early_stopping=3, epochs=20, learning_rate=0.3), spots)
    epochs = (record for record in run.records() if isinstance(record, EpochRecord))
    averages = [run.snapshot().arrays["average.theta"].tobytes() for _ in epochs]

    assert averages[run.best_record.epoch - 1] == run.result().theta.tobytes()


def test_a_run_that_diverges_keeps_the_average_from_before_the_epoch(spots, monkeypatch):
    good = finish(Run(SMALL.but(epochs=1), spots))
    follow = Average.follow

    def spoil(self, update):
        follow(self, update)
        if update == 9:
            run.network.theta[0] = np.nan

    monkeypatch.setattr(Average, "follow", spoil)
    run = Run(SMALL, spots)
    with pytest.raises(HandgradError, match="no longer a finite number"):
        finish(run)

    assert good.result().theta.tobytes() == run.result().theta.tobytes()
