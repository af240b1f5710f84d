"""A pupil learns from its teachers what labels alone do not say, on the very images that it sees."""

import numpy as np
import pytest

from handgrad import modelfile, runs
from handgrad.engine.losses import SoftmaxCrossEntropy
from handgrad.engine.network import Network
from handgrad.errors import HandgradError, UsageError
from handgrad.training.images import images_of
from handgrad.training.loop import Run
from handgrad.training.recipe import Recipe
from handgrad.training.teachers import Teachers

SMALL = Recipe(hidden_layer_sizes=(8,), epochs=4, batch_size=8, learning_rate=0.05)
TAUGHT = SMALL.but(teachers=["teacher"], temperature=3.0, soft_share=0.7, augment={"rotation": 20.0, "elastic": 0.5})


def network(seed):
    one = Network.fully_connected(16, (9,), 3, batch_norm=True, dropout=0.3)
    one.initialize(np.random.default_rng(seed))
    return one


def finish(run):
    for _ in run.records():
        pass
    return run


def test_teachers_say_the_mean_of_their_softened_probabilities():
    networks = [network(1), network(2)]
    x = np.random.default_rng(0).random((5, 16), np.float32)
    out = np.full((5, 3), np.nan, np.float32)
    Teachers(networks, 4.0).answer(x, out)

    softened = []
    for one in networks:
        z = one.logits(x) / 4.0
        SoftmaxCrossEntropy().activate(z)
        softened.append(z)
    np.testing.assert_allclose(out, np.mean(softened, axis=0), rtol=1e-6)


@pytest.mark.parametrize("augment", ["none", {"rotation": 20.0, "elastic": 0.5}])
def test_they_see_the_image_that_the_pupil_sees(spots, augment):
    teacher = network(1)
    task = Run(TAUGHT.but(augment=augment), spots, teachers=[teacher])._task
    images, order = images_of(task), np.arange(50, dtype=np.int32)
    images.go(order, 0)
    for step in range(7):
        indices = order[step * 8 : step * 8 + 8].astype(np.intp)
        x, soft = np.empty((len(indices), 16), np.float32), np.empty((len(indices), 3), np.float32)
        images.fill(indices, x, soft)
        expected = np.empty_like(soft)
        Teachers([teacher], 3.0).answer(x, expected)
        np.testing.assert_allclose(soft, expected, rtol=1e-5)
    images.pause()


def test_a_pupil_comes_to_say_what_its_teacher_says(spots):
    """The labels say nothing of the teacher: here it is untrained, and the pupil is not shown them."""
    teacher = network(1)
    recipe = SMALL.but(
        teachers=["teacher"], temperature=2.0, soft_share=1.0, epochs=200, optimizer="adam", learning_rate=0.01
    )
    run = finish(Run(recipe, spots, teachers=[teacher]))

    x = spots.training.images.astype(np.float32) / 255
    mistaken = np.abs(run.result().predict_probabilities(x) - teacher.predict_probabilities(x)).max()
    assert mistaken < 0.1
    assert 1.0 < run.history[-1].training_loss  # by the labels, which it was not shown


def test_teaching_is_seeded_and_changes_what_is_learned(spots):
    thetas = [
        finish(Run(recipe, spots, teachers=teachers)).network.theta.tobytes()
        for recipe, teachers in [
            (TAUGHT, [network(1)]),
            (TAUGHT, [network(1)]),
            (TAUGHT, [network(2)]),
            (TAUGHT.but(temperature=1.0), [network(1)]),
            (TAUGHT.but(soft_share=0.2), [network(1)]),
            (TAUGHT.but(teachers=[]), []),
        ]
    ]

    assert thetas[0] == thetas[1]
    assert 5 == len(set(thetas))


@pytest.mark.parametrize("pause", [3, 12])
def test_a_taught_run_goes_on_as_if_it_had_never_stopped(spots, pause):
    whole = finish(Run(TAUGHT, spots, teachers=[network(1)]))
    run = Run(TAUGHT, spots, teachers=[network(1)])
    for _ in run.records(lambda: run.updates >= pause):
        pass
    assert not run.finished
    resumed = finish(Run.resume(run.snapshot(), spots, teachers=[network(1)]))

    assert whole.network.theta.tobytes() == resumed.network.theta.tobytes()


def test_it_goes_on_with_no_other_teacher(spots):
    snapshot = Run(TAUGHT, spots, teachers=[network(1)]).snapshot()

    with pytest.raises(HandgradError, match="taught by other networks"):
        Run.resume(snapshot, spots, teachers=[network(2)])


def test_what_cannot_be_taught(spots):
    with pytest.raises(UsageError, match="asks the teachers"):
        Run(TAUGHT.but(augment="none"), spots, 2, [network(1)])
    with pytest.raises(UsageError, match="compared by"):
        TAUGHT.but(loss="squared_error")
    for teachers in ([], [network(1), network(2)], [Network.fully_connected(16, (), 4)]):
        with pytest.raises(ValueError, match="teachers"):
            Run(TAUGHT, spots, teachers=teachers)


@pytest.mark.parametrize(("field", "value"), [("temperature", 0.0), ("soft_share", 1.1), ("soft_share", -0.1)])
def test_impossible_numbers_are_refused(field, value):
    with pytest.raises(UsageError, match=field):
        TAUGHT.but(**{field: value})


def test_teachers_are_read_from_their_files(spots, tmp_path):
    first = runs.begin(finish(Run(SMALL, spots)), tmp_path / "first")
    recipe = TAUGHT.but(teachers=[str(first.path), str(first.model)])
    run = runs.prepared(recipe, spots)

    (one, two) = run._task.teachers.networks
    assert one.theta.tobytes() == two.theta.tobytes() == modelfile.load(first.model).network.theta.tobytes()
    folder = runs.begin(run, tmp_path / "second")
    assert run._task.teachers.fingerprint == runs.taken_up(folder, spots)._task.teachers.fingerprint


def test_a_teacher_of_other_images_is_refused(spots, digits, tmp_path):
    other = runs.begin(Run(SMALL, digits), tmp_path / "other")
    squared = runs.begin(Run(SMALL.but(loss="squared_error"), spots), tmp_path / "squared")

    with pytest.raises(HandgradError, match="other images"):
        runs.prepared(SMALL.but(teachers=[str(other.path)]), spots)
    with pytest.raises(HandgradError, match="trained with squared_error"):
        runs.prepared(SMALL.but(teachers=[str(squared.path)]), spots)
    with pytest.raises(HandgradError, match="no model 'nobody'"):
        runs.prepared(SMALL.but(teachers=["nobody"]), spots)
