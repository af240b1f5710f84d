"""A run that is stopped, kept in a file and taken up again ends as if it had never been stopped."""

import copy

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handgrad.data.dataset import Examples, assemble
from handgrad.errors import HandgradError
from handgrad.training import checkpoint
from handgrad.training.checkpoint import Snapshot
from handgrad.training.loop import Run
from handgrad.training.recipe import Recipe

SMALL = Recipe(name="small", hidden_layer_sizes=(8, 6), epochs=5, batch_size=8, learning_rate=0.05)
STEPS = 7
CHOOSING = {"validation": 0.2, "schedule": "plateau", "patience": 0, "early_stopping": 2, "learning_rate": 0.6}
RECIPES = {
    "sgd": SMALL,
    "momentum": SMALL.but(optimizer="momentum", schedule="one_cycle"),
    "nesterov": SMALL.but(optimizer="nesterov", clip_norm=0.5, input_dropout=0.1),
    "rmsprop": SMALL.but(optimizer="rmsprop", learning_rate=0.01, schedule="step", decay_every=1.5),
    "adam": SMALL.but(optimizer="adam", learning_rate=0.01, l1=1e-3, l2=1e-3, max_norm=2.0),
    "adamw": SMALL.but(optimizer="adamw", learning_rate=0.01, weight_decay=0.1, schedule="exponential"),
    "noise": SMALL.but(batch_norm=True, dropout=0.2, class_weight="balanced"),
    "cosine": SMALL.but(schedule="cosine", warmup=1.5, loss="squared_error"),
    "choosing": SMALL.but(**CHOOSING, epochs=9),
    "all": SMALL.but(**CHOOSING, epochs=9, optimizer="adam", batch_norm=True, dropout=0.2, label_smoothing=0.1),
    "averaged": SMALL.but(averaging=0.9, batch_norm=True, **CHOOSING),
    "warped": SMALL.but(augment={"rotation": 20.0, "shift": 1.0, "elastic": 0.5, "ease": 0.5}, averaging=0.5),
    "whole": SMALL.but(batch_size=64, dropout=0.2),
}


def finish(recipe, dataset) -> Run:
    run = Run(recipe, dataset)
    for _ in run.records():
        pass
    return run


def go_on(run, updates):
    """Train for so many updates and no more."""
    left = updates

    def stop():
        nonlocal left
        left -= 1
        return left == 0

    for _ in run.records(stop):
        pass


def through_a_file(run, path) -> Run:
    checkpoint.save(path, run.snapshot())
    return Run.resume(checkpoint.load(path), run.dataset)


def ends_alike(expected, actual):
    for one, two in ((expected.network, actual.network), (expected.result(), actual.result())):
        assert one.theta.tobytes() == two.theta.tobytes()
        assert one.statistics.tobytes() == two.statistics.tobytes()
    timeless = [
        [msgspec.structs.replace(record, seconds=0.0, images_per_second=0.0) for record in run.history]
        for run in (expected, actual)
    ]
    assert timeless[0] == timeless[1]
    assert expected.best_record.epoch == actual.best_record.epoch


@pytest.fixture(scope="module")
def uninterrupted(spots):
    return {name: finish(recipe, spots) for name, recipe in RECIPES.items()}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("resume") / "checkpoint.safetensors"


@pytest.mark.parametrize("name", RECIPES)
@settings(max_examples=12)
@given(stops=st.lists(st.integers(1, 3 * STEPS), min_size=1, max_size=4))
def test_stopping_changes_nothing(name, stops, uninterrupted, path, spots):
    run = Run(RECIPES[name], spots)

    for updates in stops:
        go_on(run, updates)
        run = through_a_file(run, path)
    for _ in run.records():
        pass

    assert run.finished
    ends_alike(uninterrupted[name], run)


@pytest.mark.parametrize("name", RECIPES)
def test_stopping_after_each_update_changes_nothing(name, uninterrupted, path, spots):
    run = Run(RECIPES[name], spots)

    while not run.finished:
        go_on(run, 1)
        run = through_a_file(run, path)

    ends_alike(uninterrupted[name], run)


@pytest.mark.parametrize("updates", [STEPS, 5 * STEPS])
def test_stopping_at_the_last_update_of_an_epoch_changes_nothing(updates, uninterrupted, path, spots):
    run = Run(SMALL, spots)

    go_on(run, updates)

    assert updates // STEPS - 1 == run.epochs_done  # its epoch is not scored yet
    assert not run.finished
    run = through_a_file(run, path)
    for _ in run.records():
        pass
    ends_alike(uninterrupted["sgd"], run)


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_that_is_kept_after_each_epoch_can_go_on_from_there(name, uninterrupted, path, spots):
    run = Run(RECIPES[name], spots)

    while not run.finished:
        next(run.records())
        run = through_a_file(run, path)

    ends_alike(uninterrupted[name], run)


def test_a_run_not_yet_begun_can_be_kept(uninterrupted, path, spots):
    run = through_a_file(Run(SMALL, spots), path)
    for _ in run.records():
        pass

    ends_alike(uninterrupted["sgd"], run)


def test_a_finished_run_stays_finished(path, spots):
    for recipe in (SMALL, RECIPES["all"]):
        run = finish(recipe, spots)
        again = through_a_file(run, path)

        assert again.finished
        assert [] == list(again.records())
        ends_alike(run, again)


def test_the_same_state_gives_the_same_bytes(path, spots):
    files = []
    for _ in range(2):
        run = Run(SMALL.but(validation=0.2, dropout=0.1), spots)
        go_on(run, 3)
        run._epoch.seconds = 1.0  # the clock is no part of what is promised
        checkpoint.save(path, run.snapshot())
        files.append(path.read_bytes())

    assert files[0] == files[1]


@pytest.fixture
def stopped(spots):
    """Arrays and values from the middle of the fourth epoch of a run that chooses, free to be spoilt."""
    run = Run(RECIPES["all"].but(early_stopping=9), spots)
    go_on(run, 3 * run.steps_per_epoch + 2)
    snapshot = run.snapshot()
    return {name: array.copy() for name, array in snapshot.arrays.items()}, copy.deepcopy(dict(snapshot.values))


def refused(arrays, values, dataset) -> str:
    with pytest.raises(HandgradError) as caught:
        Run.resume(Snapshot(arrays, values), dataset)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_whole_is_taken_up(stopped, spots):
    run = Run.resume(Snapshot(*stopped), spots)

    assert 3 == run.epochs_done
    assert (2, 16) == (run._epoch.step, run._epoch.seen)
    assert 3 * run.steps_per_epoch + 2 == run.updates


ARRAYS = ("theta", "statistics", "slots.sum", "slots.square_sum", "best.theta", "best.statistics", "order")


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda array: array[:-1],
        lambda array: array[:1],  # would broadcast
        lambda array: array.reshape(1, -1),
        lambda array: array.astype(np.int64),
        lambda array: array.astype(np.complex128),
    ],
    ids=["short", "one", "row", "int64", "complex"],
)
def test_an_array_of_another_shape_or_type_is_refused(name, spoil, stopped, spots):
    arrays, values = stopped

    sentence = refused(arrays | {name: spoil(arrays[name])}, values, spots)

    assert sentence.startswith("the checkpoint does not hold what it should (an array is ")
    assert sentence.endswith("; start a new run")


@pytest.mark.parametrize("name", ARRAYS)
def test_a_missing_array_is_named(name, stopped, spots):
    arrays, values = stopped
    del arrays[name]

    assert f"the checkpoint does not hold what it should ('{name}'); start a new run" == refused(arrays, values, spots)


@pytest.mark.parametrize("name", ["theta", "statistics", "best.theta", "best.statistics"])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(name, number, stopped, spots):
    arrays, values = stopped
    arrays[name][0] = number

    assert "holds numbers that are not finite" in refused(arrays, values, spots)


@pytest.mark.parametrize("place", [0, -1])
def test_an_order_that_is_no_permutation_is_refused(place, stopped, spots):
    arrays, values = stopped
    arrays["order"][place] = 40  # of 0 to 39

    assert "its order of the images is no permutation" in refused(arrays, values, spots)


RECORD = {"epoch": 1, "step": 5, "learning_rate": 0.1}
SPOILT_VALUES = [
    {"recipe": None},
    {"recipe": {"epochs": 0}},
    {"recipe": {"quantum": 1}},
    {"recipe": {"epochs": "3"}},
    {"data": 3},
    {"schedule": {}},
    {"schedule": {"scale": "a", "best": 1.0, "waited": 0}},
    {"schedule": {"scale": 1.0, "best": 1.0, "waited": float("inf")}},
    {"schedule": {"scale": 1.0, "best": 1.0, "waited": float("nan")}},
    {"schedule": None},
    {"generators": []},
    {"generators": [{}, {}]},
    {"generators": [{"bit_generator": "PCG64"}, {"bit_generator": "PCG64"}]},
    {"generators": [{"bit_generator": "MT19937", "state": {}}] * 2},
    {"generators": [{"bit_generator": "PCG64", "state": {"state": "a", "inc": 1}, "has_uint32": 0, "uinteger": 0}] * 2},
    {"generators": [{"bit_generator": "PCG64", "state": {"state": -1, "inc": 1}, "has_uint32": 0, "uinteger": 0}] * 2},
    {"generators": [{"bit_generator": "PCG64", "state": {"state": 1, "inc": 1}, "has_uint32": 0, "uinteger": -1}] * 2},
    {"generators": [{"bit_generator": "PCG64", "state": [1], "has_uint32": 0, "uinteger": 0}] * 2},
    {
        "generators": [{"bit_generator": "PCG64", "state": {"state": 2**200, "inc": 1}, "has_uint32": 0, "uinteger": 0}]
        * 2
    },
    {"epoch": [2, 0.1, 3, 16]},
    {"epoch": ["2", 0.1, 3, 16, 1.0]},
    {"epoch": [-1, 0.1, 3, -8, 1.0]},
    {"epoch": [6, 0.1, 3, 40, 1.0]},
    {"epoch": [2, 0.1, 3, 17, 1.0]},
    {"epoch": [2, float("nan"), 3, 16, 1.0]},
    {"best_epoch": 0},
    {"best_epoch": -1},
    {"best_epoch": 4},
    {"best_epoch": 1.5},
    {"history": None},
    {"history": []},
    {"history": [RECORD]},
    {"more": 1},
]


@pytest.mark.parametrize("spoilt", SPOILT_VALUES, ids=str)
def test_spoilt_values_are_refused(spoilt, stopped, spots):
    arrays, values = stopped

    refused(arrays, values | spoilt, spots)


@pytest.mark.parametrize("name", ["recipe", "data", "schedule", "generators", "epoch", "best_epoch", "history"])
def test_a_missing_value_is_named(name, stopped, spots):
    arrays, values = stopped
    del values[name]

    assert name in refused(arrays, values, spots)


def test_more_epochs_than_the_recipe_has_are_refused(stopped, spots):
    arrays, values = stopped
    values["history"] = [*values["history"]] * 4

    assert "its epochs are miscounted" in refused(arrays, values, spots)


def test_other_data_are_refused(stopped, spots, digits):
    arrays, values = stopped
    labels = spots.training.labels.copy()
    labels[[0, 1]] = labels[[1, 0]] if labels[0] != labels[1] else (labels[:2] + 1) % 3
    other = assemble(
        "other",
        Examples(spots.training.images, labels),
        spots.test,
        image_shape=spots.image_shape,
        classes=spots.classes,
    )

    for dataset in (other, digits):
        assert f"the run was trained on other data than {dataset.name} holds now; start a new run" == refused(
            arrays, values, dataset
        )


def test_what_was_refused_can_still_be_taken_up(stopped, spots):
    arrays, values = stopped
    refused(arrays, values | {"epoch": None, "history": []}, spots)

    run = Run.resume(Snapshot(arrays, values), spots)
    for _ in run.records():
        pass

    ends_alike(finish(RECIPES["all"].but(early_stopping=9), spots), run)
