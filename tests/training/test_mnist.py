"""The main promise, on the digits it was made for: the shipped recipe reads MNIST, and a run repeats byte for byte."""

import hashlib

import numpy as np
import pytest

from handgrad.data.dataset import assemble
from handgrad.training.loop import Run
from handgrad.training.recipe import Recipe, named

pytestmark = pytest.mark.mnist


def test_classic_reads_mnist(mnist):
    recipe = named("classic")
    run = Run(recipe, mnist)

    for _ in run.records():
        pass

    assert recipe.epochs == run.epochs_done
    assert 0.9753 <= run.history[-1].test_accuracy
    assert run.history[-1].test_accuracy == run.score(mnist.test)[1]
    assert run.history[-1].training_loss < run.history[0].training_loss / 10


def test_two_runs_on_mnist_are_one(mnist):
    some = mnist.training.take(np.arange(10_000))
    subset = assemble("mnist", some, mnist.test, image_shape=mnist.image_shape, classes=mnist.classes)
    digests = []
    for _ in range(2):
        run = Run(Recipe(epochs=1, batch_norm=True, dropout=0.1, optimizer="adam", learning_rate=0.001), subset)
        for _ in run.records():
            pass
        digests.append(hashlib.sha256(run.network.theta.tobytes()).hexdigest())
        assert 0.9 < run.history[-1].test_accuracy

    assert digests[0] == digests[1]
