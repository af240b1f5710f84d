"""A run learns, records what happened, repeats byte for byte, and never looks at the test set to choose."""

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from handgrad.data.dataset import Examples
from handgrad.engine.activations import ACTIVATIONS
from handgrad.engine.initializers import INITIALIZERS
from handgrad.engine.losses import LOSSES
from handgrad.engine.optimizers import OPTIMIZERS
from handgrad.engine.schedules import Constant, Cosine, Exponential, OneCycle, StepDecay
from handgrad.errors import UsageError
from handgrad.training import loop
from handgrad.training.loop import Run
from handgrad.training.named import make_loss
from handgrad.training.recipe import SCHEDULES, Recipe
from handgrad.training.records import EpochRecord, Progress
from handgrad.training.solo import Solo
from handgrad.training.workers.crew import Crew
from processors import where_steps_are_shared

SMALL = Recipe(name="small", hidden_layer_sizes=(8, 6), epochs=6, batch_size=8, learning_rate=0.05)
STEPS = 7  # 50 images in eights: six full batches and one of two


def finish(recipe, dataset) -> Run:
    run = Run(recipe, dataset)
    for _ in run.records():
        pass
    return run


def apart_from_time(history):
    return [msgspec.structs.replace(record, seconds=0.0, images_per_second=0.0) for record in history]


def apart_from_test(history):
    return [msgspec.structs.replace(record, test_accuracy=0.0) for record in apart_from_time(history)]


def test_classic_settings_read_the_digits(digits):
    run = finish(Recipe(epochs=30), digits)

    assert run.finished
    assert 0.95 < run.history[-1].test_accuracy
    assert run.history[-1].test_accuracy == run.score(digits.test)[1]


@pytest.mark.parametrize(
    "options",
    [
        *({"optimizer": name, "learning_rate": 0.01} for name in OPTIMIZERS),
        *({"schedule": name, "validation": 0.2, "warmup": 1.5, "decay_every": 2.0} for name in SCHEDULES),
        *({"loss": name} for name in LOSSES),
        *({"activation": name} for name in ACTIVATIONS),
        *({"initializer": name} for name in INITIALIZERS),
        {"activation": ("tanh", "gelu")},
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": (9, 8, 7, 6), "activation": "tanh"},
        {"batch_norm": True},
        {"batch_norm": True, "batch_size": 7},  # the last batch is of one
        {"dropout": 0.1, "input_dropout": 0.1},
        {"batch_norm": True, "dropout": 0.1, "validation": 0.1, "early_stopping": 9},
        {"label_smoothing": 0.1},
        {"class_weight": "balanced"},
        {"l1": 1e-3},
        {"l2": 1e-3},
        {"l1": 1e-3, "l2": 1e-3, "weight_decay": 1e-3},
        {"weight_decay": 1e-3},
        {"max_norm": 3.0},
        {"clip_norm": 0.5},
        {"averaging": 0.99},
        {"averaging": 0.9, "batch_norm": True, "validation": 0.1, "early_stopping": 9},
        {"augment": "mild"},
        {"augment": {"elastic": 1.0, "smoothness": 2.0}, "batch_size": 7},
        {"batch_size": 1},
        {"batch_size": 50},
        {"batch_size": 5000},
    ],
    ids=lambda options: "-".join(f"{key}={value}" for key, value in options.items()),
)
def test_each_choice_trains_and_keeps_its_books(options, spots):
    recipe = SMALL.but(**options)

    run = finish(recipe, spots)

    n = 50 - math.ceil(50 * recipe.validation)
    steps = math.ceil(n / recipe.batch_size)
    assert steps == run.steps_per_epoch
    assert list(range(1, 7)) == [record.epoch for record in run.history]
    assert [steps * epoch for epoch in range(1, 7)] == [record.step for record in run.history]
    for record in run.history:
        assert math.isfinite(record.training_loss)
        assert record.training_accuracy in [correct / n for correct in range(n + 1)]
        assert record.test_accuracy in [correct / 20 for correct in range(21)]
        assert bool(recipe.validation) == (record.validation_loss is not None)
        assert bool(recipe.validation) == (record.validation_accuracy is not None)
        assert 0.0 < record.seconds
        assert n / record.seconds == record.images_per_second
    assert run.history[-1].training_loss < run.history[0].training_loss
    assert run.history[-1].test_accuracy == run.score(spots.test)[1]


@pytest.mark.parametrize(
    ("options", "schedule"),
    [
        ({}, Constant(0.05)),
        ({"schedule": "step", "decay_every": 1.5, "decay_factor": 0.5}, StepDecay(0.05, 10, 0.5)),
        ({"schedule": "exponential", "decay_every": 2.0, "decay_factor": 0.3}, Exponential(0.05, 14, 0.3)),
        ({"schedule": "exponential", "decay_every": 1e-9, "decay_factor": 0.9}, Exponential(0.05, 1, 0.9)),
        ({"schedule": "cosine"}, Cosine(0.05, 42)),
        ({"schedule": "cosine", "warmup": 1.5, "final_learning_rate": 0.01}, Cosine(0.05, 42, 10, 0.01)),
        ({"schedule": "one_cycle"}, OneCycle(0.05, 42)),
    ],
)
def test_the_rate_recorded_is_that_of_the_last_update(options, schedule, spots):
    run = finish(SMALL.but(**options), spots)

    assert [schedule.rate(STEPS * epoch - 1) for epoch in range(1, 7)] == [r.learning_rate for r in run.history]


@pytest.mark.parametrize(
    ("hands", "options"), [pytest.param(Crew, {}, marks=where_steps_are_shared), (Solo, {"batch_norm": True})]
)
def test_every_update_takes_the_rate_of_its_step(hands, options, spots, monkeypatch):
    taken = []
    step = hands.step

    def watched(self, rate):
        taken.append(rate)
        step(self, rate)

    monkeypatch.setattr(hands, "step", watched)

    finish(SMALL.but(schedule="cosine", warmup=1.0, **options), spots)

    assert [Cosine(0.05, 42, 7).rate(t) for t in range(42)] == taken


def textbook_epoch(run: Run):
    """One epoch of gradient descent, plain and in float64: its mean loss, share of right answers, and parameters."""
    recipe, data, k = run.recipe, run.dataset.training, len(run.dataset.classes)
    _, order, _ = np.random.SeedSequence(recipe.seed).spawn(3)
    order = np.random.Generator(np.random.PCG64(order)).permutation(len(data))
    X, y = data.images / run.dataset.white, data.labels
    T = (1 - recipe.label_smoothing) * np.eye(k)[y] + recipe.label_smoothing / k
    counts = np.bincount(y, minlength=k)
    v = len(y) / (k * counts[y]) if recipe.class_weight == "balanced" else np.ones(len(y))
    (W1, b1), _, (W2, b2) = [[p.astype(np.float64) for p in views] for views in run.network.views()]
    losses, right = 0.0, 0

    for begin in range(0, len(y), recipe.batch_size):
        rows = order[begin : begin + recipe.batch_size]
        x, t, share = X[rows], T[rows], v[rows] / v[rows].sum()
        a = np.maximum(x @ W1 + b1, 0)
        z = a @ W2 + b2
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        losses += len(rows) * -(share * (t * np.log(p)).sum(axis=1)).sum()
        right += (z.argmax(axis=1) == y[rows]).sum()

        delta2 = (p - t) * share[:, None]
        delta1 = delta2 @ W2.T * (a > 0)
        dW1, dW2 = (g + recipe.l1 * np.sign(W) + recipe.l2 * W for g, W in ((x.T @ delta1, W1), (a.T @ delta2, W2)))
        gradient = [dW1, delta1.sum(axis=0), dW2, delta2.sum(axis=0)]
        length = np.sqrt(sum((g**2).sum() for g in gradient))
        clip = min(1.0, recipe.clip_norm / length) if recipe.clip_norm else 1.0
        for W in (W1, W2):
            W *= 1 - recipe.learning_rate * recipe.weight_decay
        for parameter, g in zip((W1, b1, W2, b2), gradient, strict=True):
            parameter -= recipe.learning_rate * clip * g
        if recipe.max_norm:
            for W in (W1, W2):
                W *= np.minimum(1.0, recipe.max_norm / np.sqrt((W**2).sum(axis=0)))

    return losses / len(y), right / len(y), [W1, b1, W2, b2]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"label_smoothing": 0.2},
        {"class_weight": "balanced"},
        {"l1": 0.02, "l2": 0.05},
        {"weight_decay": 0.5},
        {"clip_norm": 0.3},
        {"max_norm": 1.2},
        {"batch_size": 50},
        {"batch_size": 64},
        {"batch_size": 1},
    ],
    ids=str,
)
def test_an_epoch_is_the_textbooks(options, spots):
    recipe = SMALL.but(hidden_layer_sizes=(8,), epochs=1, learning_rate=0.2, **options)
    run = Run(recipe, spots)
    loss, accuracy, parameters = textbook_epoch(run)

    (record,) = [record for record in run.records() if isinstance(record, EpochRecord)]

    assert pytest.approx(loss, rel=1e-5) == record.training_loss
    assert accuracy == record.training_accuracy
    for expected, actual in zip(parameters, [p for views in run.network.views() for p in views], strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6)


TAKEN = {
    "momentum": ("momentum", "nesterov"),
    "rho": ("rmsprop",),
    "beta1": ("adam", "adamw"),
    "beta2": ("adam", "adamw"),
    "epsilon": ("rmsprop", "adam", "adamw"),
    "weight_decay": tuple(OPTIMIZERS),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("field", TAKEN)
def test_an_optimizer_hears_what_concerns_it_and_nothing_else(field, optimizer, spots):
    recipe = SMALL.but(optimizer=optimizer, epochs=1)

    one, two = (finish(recipe.but(**{field: value}), spots).network.theta for value in (0.3, 0.6))

    assert (optimizer in TAKEN[field]) == (one.tobytes() != two.tobytes())


def test_the_noise_is_the_seeds(spots):
    quiet, noisy = (finish(SMALL.but(dropout=rate), spots) for rate in (0.0, 0.5))

    assert not np.array_equal(quiet.network.theta, noisy.network.theta)


@pytest.mark.parametrize("options", [{}, {"optimizer": "adam", "batch_norm": True, "dropout": 0.3, "validation": 0.2}])
def test_two_runs_are_one(options, spots):
    recipe = SMALL.but(**options)
    one, two, other = finish(recipe, spots), finish(recipe, spots), finish(recipe.but(seed=1), spots)

    assert one.network.theta.tobytes() == two.network.theta.tobytes()
    assert one.network.statistics.tobytes() == two.network.statistics.tobytes()
    assert apart_from_time(one.history) == apart_from_time(two.history)
    assert one.network.theta.tobytes() != other.network.theta.tobytes()


def test_the_seed_fixes_start_order_and_split(spots):
    one, two = (Run(SMALL.but(validation=0.2, seed=seed), spots) for seed in (0, 1))

    assert not np.array_equal(one.network.theta, two.network.theta)
    assert not np.array_equal(one._begin_epoch().order, two._begin_epoch().order)
    assert not np.array_equal(one._training.images, two._training.images)


def test_each_epoch_sees_every_image_once_in_a_new_order(spots):
    run = Run(SMALL, spots)

    first, second = run._begin_epoch().order, run._begin_epoch().order

    assert list(range(50)) == sorted(first) == sorted(second)
    assert not np.array_equal(first, second)


def test_a_run_says_nothing(spots, capsys):
    finish(SMALL.but(validation=0.2), spots)

    assert ("", "") == capsys.readouterr()


def test_progress_tells_where_an_epoch_stands(spots, monkeypatch):
    monkeypatch.setattr(loop, "PROGRESS_SECONDS", -1.0)  # after every update

    records = list(Run(SMALL.but(epochs=2), spots).records())

    assert [Progress] * STEPS + [EpochRecord] + [Progress] * STEPS + [EpochRecord] == [type(r) for r in records]
    assert [1, 2, 3, 4, 5, 6, 7] == [record.step for record in records[:STEPS]]
    assert {(1, STEPS)} == {(record.epoch, record.steps) for record in records[:STEPS]}
    assert {(2, STEPS)} == {(record.epoch, record.steps) for record in records[STEPS + 1 : -1]}
    for last, record in (records[STEPS - 1 : STEPS + 1], records[-2:]):
        assert (record.training_loss, record.training_accuracy) == (last.loss, last.accuracy)


def test_who_listens_changes_nothing(spots, monkeypatch):
    quiet = finish(SMALL, spots)
    monkeypatch.setattr(loop, "PROGRESS_SECONDS", -1.0)

    assert quiet.network.theta.tobytes() == finish(SMALL, spots).network.theta.tobytes()


def test_who_walks_away_may_come_back(spots, monkeypatch):
    monkeypatch.setattr(loop, "PROGRESS_SECONDS", -1.0)
    whole, run = finish(SMALL, spots), Run(SMALL, spots)

    while not run.finished:
        records = run.records()
        for _ in range(3):
            next(records, None)
        records.close()

    assert whole.network.theta.tobytes() == run.network.theta.tobytes()
    assert apart_from_time(whole.history) == apart_from_time(run.history)


def test_a_finished_run_has_nothing_left_to_say(spots):
    run = finish(SMALL, spots)
    theta = run.network.theta.copy()

    assert [] == list(run.records())
    assert theta.tobytes() == run.network.theta.tobytes()


def test_scoring_in_parts_is_scoring_at_once(spots, monkeypatch):
    run = finish(SMALL, spots)
    loss, accuracy = run.score(spots.training)
    monkeypatch.setattr(loop, "FLOAT_AT_ONCE", 7)

    in_parts = run.score(spots.training)

    assert pytest.approx(loss, rel=1e-6) == in_parts[0]
    assert accuracy == in_parts[1]


@pytest.mark.parametrize("loss", LOSSES)
def test_the_validation_loss_is_that_of_the_weights_at_the_end(loss, spots):
    recipe = SMALL.but(loss=loss, validation=0.2)
    run = finish(recipe, spots)
    held_out = run._validation

    logits = run.network.logits((held_out.images / 255).astype(np.float32))

    expected = make_loss(recipe.loss, recipe.label_smoothing).value(logits, np.eye(3)[held_out.labels])
    assert pytest.approx(expected, rel=1e-5) == run.history[-1].validation_loss
    assert (logits.argmax(axis=1) == held_out.labels).mean() == run.history[-1].validation_accuracy


def test_the_validation_split_has_every_class_in_its_share(spots):
    run = Run(SMALL.but(validation=0.2), spots)

    assert [5, 3, 2] == np.bincount(run._validation.labels).tolist()
    assert [21, 13, 6] == np.bincount(run._training.labels).tolist()
    together = np.concatenate([run._training.images, run._validation.images])
    assert sorted(map(bytes, spots.training.images)) == sorted(map(bytes, together))


def test_a_split_that_cannot_be_cut_is_refused(spots):
    with pytest.raises(UsageError, match=r"^holding out 0.02 of 50 examples "):
        Run(SMALL.but(validation=0.02), spots)


def test_no_image_held_out_is_learned_from(spots):
    recipe = SMALL.but(validation=0.2)
    held_out = {bytes(image) for image in Run(recipe, spots)._validation.images}
    images = spots.training.images.copy()
    images[[bytes(image) in held_out for image in images]] = 99
    other = replace(spots, training=Examples(images, spots.training.labels))

    assert finish(recipe, spots).network.theta.tobytes() == finish(recipe, other).network.theta.tobytes()


CHOOSING = SMALL.but(
    epochs=40, validation=0.2, early_stopping=6, schedule="plateau", patience=0, decay_factor=0.5, learning_rate=0.6
)


def test_the_test_set_chooses_nothing(spots):
    noise = np.random.default_rng(3).integers(0, 256, spots.test.images.shape, dtype=np.uint8)
    other = replace(spots, test=Examples(noise, (spots.test.labels + 1) % 3))

    one, two = finish(CHOOSING, spots), finish(CHOOSING, other)

    assert one.history[-1].test_accuracy != two.history[-1].test_accuracy
    assert apart_from_test(one.history) == apart_from_test(two.history)
    assert one.best_record.epoch == two.best_record.epoch
    assert one.result().theta.tobytes() == two.result().theta.tobytes()
    assert one.network.theta.tobytes() == two.network.theta.tobytes()
    assert len({record.learning_rate for record in one.history}) > 1  # there was something to choose
    assert one.best_record.epoch < one.epochs_done < 40


def test_early_stopping_keeps_the_best_epoch_on_validation(spots):
    recipe = CHOOSING.but(schedule="constant", batch_norm=True)
    run = finish(recipe, spots)
    accuracies = [record.validation_accuracy for record in run.history]
    best = accuracies.index(max(accuracies)) + 1

    assert best + 6 == run.epochs_done < 40
    assert run.history[best - 1] == run.best_record
    as_then = finish(recipe.but(epochs=best), spots)
    assert as_then.network.theta.tobytes() == run.result().theta.tobytes()
    assert as_then.network.statistics.tobytes() == run.result().statistics.tobytes()
    assert run.network.theta.tobytes() != run.result().theta.tobytes()
    assert [] == list(run.records())


def test_without_early_stopping_the_last_epoch_counts(spots):
    run = Run(SMALL, spots)

    assert None is run.best_record
    for record in run.records():
        assert record is run.best_record
    assert run.network is run.result()


def test_in_the_middle_of_an_epoch_no_record_is_that_of_the_weights(spots):
    run = Run(SMALL, spots)
    asked = iter([False] * (STEPS + 2) + [True])

    list(run.records(lambda: next(asked)))

    assert 1 == run.epochs_done
    assert None is run.best_record


def test_the_plateau_listens_to_the_validation_loss(spots):
    run = finish(CHOOSING.but(early_stopping=0), spots)
    scale, best, waited, expected = 1.0, math.inf, 0, []
    for record in run.history:
        expected.append(0.6 * scale)
        if record.validation_loss < best * (1 - 1e-4):
            best, waited = record.validation_loss, 0
        else:
            waited += 1
        if waited > 0:
            scale, waited = scale * 0.5, 0

    assert expected == [record.learning_rate for record in run.history]
    assert expected[-1] < expected[0]


def test_label_smoothing_reaches_the_loss():
    assert 0.25 == make_loss("cross_entropy", 0.25).label_smoothing


def test_images_stay_bytes(spots):
    run = finish(SMALL.but(validation=0.2), spots)

    assert np.uint8 == run._training.images.dtype == run.dataset.test.images.dtype
