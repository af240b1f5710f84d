"""A step sees the same images however far ahead they were warped."""

import threading

import numpy as np
import pytest

from handgrad.data.augment import Warper
from handgrad.training.images import images_of
from handgrad.training.loop import Run
from handgrad.training.recipe import Recipe

WARPED = Recipe(hidden_layer_sizes=(4,), epochs=4, batch_size=8).but(
    augment={"rotation": 20.0, "elastic": 0.5, "ease": 0.5, "eased": 0.0}
)
STEPS = 7


@pytest.fixture
def task(spots):
    return Run(WARPED, spots)._task


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    before = threading.active_count()
    yield
    assert before == threading.active_count()


def filled(images, order, steps):
    batches = []
    for step in range(steps):
        indices = order[step * 8 : step * 8 + 8].astype(np.intp)
        out = np.full((len(indices), 16), np.nan, np.float32)
        images.fill(indices, out, np.empty((len(indices), 0), np.float32))
        batches.append(out)
    return batches


def test_each_batch_is_warped_by_the_number_of_its_update(task, spots):
    order = np.random.default_rng(0).permutation(50).astype(np.int32)
    task.optimizer.t = 2 * STEPS
    images = images_of(task)
    images.go(order, 0)

    batches = filled(images, order, STEPS)
    images.pause()

    warper = Warper(spots.training.images, (4, 4), 255, WARPED.augment, np.random.SeedSequence(0, spawn_key=(3,)))
    for step, batch in enumerate(batches):
        out = np.empty_like(batch)
        strength = 1.0 - step / (2 * STEPS)
        warper.warp(order[step * 8 : step * 8 + 8], 2 * STEPS + step, out, strength)
        np.testing.assert_allclose(batch, out, atol=1e-6)
    assert 2 == len(batches[-1])


def test_stopping_in_between_changes_nothing(task):
    order = np.arange(50, dtype=np.int32)
    images = images_of(task)
    images.go(order, 0)
    expected = filled(images, order, STEPS)
    images.pause()

    actual = []
    for step in range(STEPS):
        task.optimizer.t = step
        images.go(order, step)
        actual += filled(images, order[step * 8 :], 1)
        if step % 2:
            images.pause()
    images.pause()
    images.pause()

    assert [batch.tobytes() for batch in expected] == [batch.tobytes() for batch in actual]


def test_what_goes_wrong_ahead_is_told_to_whoever_waits(task, monkeypatch):
    def fail(*_):
        raise MemoryError("no more")

    monkeypatch.setattr(Warper, "warp", fail)
    images = images_of(task)
    images.go(np.arange(50, dtype=np.int32), 0)

    with pytest.raises(MemoryError, match="no more"):
        filled(images, np.arange(50), 1)
    images.pause()


def test_a_run_ends_its_thread_also_when_nobody_listens_any_more(spots):
    records = Run(WARPED, spots).records()
    next(records)
    records.close()


def test_warps_change_what_is_learned_and_seeds_change_the_warps(spots):
    thetas = set()
    for recipe in (WARPED, WARPED.but(augment="none"), WARPED.but(seed=1), WARPED.but(seed=1)):
        run = Run(recipe, spots)
        for _ in run.records():
            pass
        thetas.add(run.network.theta.tobytes())

    assert 3 == len(thetas)
