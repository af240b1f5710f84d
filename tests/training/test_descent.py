"""A member moves its own rows as one process would move them all, in whatever blocks it takes them."""

from dataclasses import replace

import numpy as np
import pytest

from handgrad.training.loop import Run
from processors import where_steps_are_shared
from shared_runs import SMALL, train, train_undivided

pytestmark = where_steps_are_shared


@pytest.mark.parametrize("numbers", [1, 40, 100, 1_000_000])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "momentum"},
        {"optimizer": "momentum", "weight_decay": 0.1, "class_weight": "balanced"},
        {"optimizer": "nesterov", "schedule": "cosine"},
        {"optimizer": "nesterov", "l2": 1e-3},
        {"optimizer": "adam", "learning_rate": 0.01},
        {"weight_decay": 0.1, "l2": 1e-3},
        {"l1": 1e-3},
    ],
)
def test_a_wide_network_is_moved_in_blocks(changes, numbers, spots, monkeypatch):
    monkeypatch.setattr("handgrad.training.workers.descent.GRADIENT_BLOCK", numbers)
    monkeypatch.setattr("handgrad.training.workers.descent.BLOCK", 13)
    monkeypatch.setattr("handgrad.engine.penalties.BLOCK", 13)
    recipe = SMALL.but(**changes)

    alone, in_blocks = train_undivided(recipe, spots), train(recipe, spots, 1)

    np.testing.assert_allclose(in_blocks.network.theta, alone.network.theta, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("blocks", [1, 1_000_000])
def test_weights_of_dark_pixels_roll_on(blocks, spots, monkeypatch):
    monkeypatch.setattr("handgrad.training.workers.descent.GRADIENT_BLOCK", blocks)
    pixels = spots.training.images.copy()
    pixels[:, 3:7] = 0
    dark = replace(spots, training=replace(spots.training, images=pixels))
    runs = Run(SMALL.but(optimizer="momentum"), dark), Run(SMALL.but(optimizer="momentum"), dark, 1)
    runs[0].shares = 0
    before = runs[0].network.theta.copy()
    for run in runs:
        run._task.optimizer.slots["velocity"].fill(0.01)  # as after steps with other images
        list(run.records())

    alone, together = (run.network.theta for run in runs)
    np.testing.assert_allclose(together, alone, rtol=2e-3, atol=2e-5)
    (W, _), *_ = runs[1].network.views(together - before)
    assert np.all(W[3:7] < 0.0)


@pytest.mark.parametrize("changes", [{}, {"optimizer": "momentum"}, {"weight_decay": 0.5}])
@pytest.mark.parametrize("penalty", [{"l1": 0.03}, {"l2": 0.3}, {}])
def test_weights_of_dark_pixels_are_pulled_once_a_step(changes, penalty, spots):
    pixels = spots.training.images.copy()
    pixels[:, 3:7] = 0
    pixels[::5, 8:] = 0
    dark = replace(spots, training=replace(spots.training, images=pixels))
    recipe = SMALL.but(**changes, **penalty)

    alone, together = train_undivided(recipe, dark), train(recipe, dark, 1)

    np.testing.assert_allclose(together.network.theta, alone.network.theta, rtol=2e-3, atol=2e-5)
