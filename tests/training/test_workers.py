"""A crew learns what one learns alone, leaves nothing behind, and does not hang on who is faster."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from handgrad.errors import HandgradError, UsageError
from handgrad.training.loop import Diverged, Run
from handgrad.training.records import EpochRecord
from handgrad.training.workers import crew
from handgrad.training.workers.job import Job
from handgrad.training.workers.load import Load
from handgrad.training.workers.pace import Pace
from processors import where_steps_are_shared
from shared_runs import SMALL, train, train_undivided

pytestmark = where_steps_are_shared

OPEN = Path("/proc/self/fd")


@pytest.fixture(autouse=True)
def crews(monkeypatch):
    """Every crew that a test starts; when it is over, none of their processes is left."""
    made = []
    begin = crew.Crew.__init__

    def noting(self, *given, **named):
        made.append(self)
        self.started = []
        begin(self, *given, **named)

    start = crew.start_process

    def starting(*given):
        process = start(*given)
        made[-1].started.append(process)
        return process

    monkeypatch.setattr(crew, "start_process", starting)

    monkeypatch.setattr(crew.Crew, "__init__", noting)
    yield made
    for one in made:
        assert [] == [process for process in getattr(one, "started", ()) if process.poll() is None]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "momentum"},
        {"optimizer": "nesterov", "schedule": "cosine"},
        {"optimizer": "rmsprop", "learning_rate": 0.003, "hidden_layer_sizes": (7,)},
        {"optimizer": "adam", "learning_rate": 0.003, "activation": ("gelu", "tanh")},
        {"optimizer": "adamw", "learning_rate": 0.003, "weight_decay": 0.1, "activation": "silu"},
        {"weight_decay": 0.1, "l1": 1e-3, "l2": 1e-3, "hidden_layer_sizes": (8, 5, 7, 4), "activation": "elu"},
        {"class_weight": "balanced", "label_smoothing": 0.1, "batch_size": 20},
        {"loss": "squared_error", "activation": "softplus", "batch_size": 50},
        {"loss": "binary_cross_entropy", "activation": "sigmoid", "batch_size": 7},
    ],
    ids=lambda changes: ", ".join(changes) or "sgd",
)
def test_two_learn_what_one_learns(changes, spots, crews):
    recipe = SMALL.but(**changes)

    alone, together = train_undivided(recipe, spots), train(recipe, spots, 2)

    assert [1] == [len(one.started) for one in crews]
    np.testing.assert_allclose(together.network.theta, alone.network.theta, rtol=2e-3, atol=2e-5)
    for ours, theirs in zip(together.history, alone.history, strict=True):
        assert ours.training_loss == pytest.approx(theirs.training_loss, rel=1e-4)
        assert (ours.step, ours.learning_rate) == (theirs.step, theirs.learning_rate)


@pytest.mark.parametrize("lit", [0, 1, 2])
def test_a_member_may_have_no_pixels(lit, spots):
    pixels = spots.training.images.copy()
    pixels[:, lit:] = 0
    dark = replace(spots, training=replace(spots.training, images=pixels))

    alone, together = train_undivided(SMALL, dark), train(SMALL, dark, 2)

    np.testing.assert_allclose(together.network.theta, alone.network.theta, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("changes", [{}, {"optimizer": "momentum"}])
@pytest.mark.parametrize("workers", [3, 4])
def test_more_than_two_learn_it_too(workers, changes, spots):
    recipe = SMALL.but(hidden_layer_sizes=(8, 5, 7, 4), **changes)

    alone, together = train_undivided(recipe, spots), train(recipe, spots, workers)

    np.testing.assert_allclose(together.network.theta, alone.network.theta, rtol=2e-3, atol=2e-5)


def test_a_rate_of_zero_teaches_nothing_and_says_the_loss(spots):
    run = Run(SMALL, spots, 2)
    before = run.network.theta.copy()
    with crew.Crew(Load.of(run._task), 2, 2) as hands:
        hands.go(np.arange(50, dtype=np.int32), 0)
        hands.step(0.0)
        ((loss, _),) = hands.told()
        hands.pause()

    np.testing.assert_allclose(run.network.theta, before, rtol=0, atol=1e-20)
    assert 0.1 < loss < 10.0


def test_three_learn_it_too(digits, crews):
    recipe = SMALL.but(dataset="digits", hidden_layer_sizes=(32, 16), batch_size=64, epochs=2)

    alone, together = train_undivided(recipe, digits), train(recipe, digits, 3)

    assert 2 == len(crews[0].started)
    np.testing.assert_allclose(together.network.theta, alone.network.theta, rtol=1e-3, atol=1e-5)
    assert alone.history[-1].test_accuracy == pytest.approx(together.history[-1].test_accuracy, abs=0.01)


def test_a_crew_repeats_byte_for_byte_beside_other_work(digits):
    recipe = SMALL.but(dataset="digits", hidden_layer_sizes=(64, 32), batch_size=64, optimizer="adam", epochs=3)
    first = train(recipe, digits, 2)
    a = np.random.default_rng(0).random((300, 300), np.float32)
    over = threading.Event()

    def disturb():
        while not over.is_set():
            a @ a

    others = [threading.Thread(target=disturb) for _ in range(2)]
    for other in others:
        other.start()
    try:
        second = train(recipe, digits, 2)
    finally:
        over.set()
        for other in others:
            other.join()

    assert first.network.theta.tobytes() == second.network.theta.tobytes()


@pytest.mark.parametrize("batch_size", [16, 20, 7])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_it_makes_no_difference_who_carries_the_shares_out(batch_size, optimizer, spots, crews, monkeypatch):
    recipe = SMALL.but(batch_size=batch_size, optimizer=optimizer, learning_rate=0.01)
    expected = train(recipe, spots, 2).network.theta.tobytes()

    assert expected == train(recipe, spots, 1).network.theta.tobytes()
    assert [1, 0] == [len(one.started) for one in crews]

    class Fickle(Pace):
        """Changes its mind before every third step."""

        ways = ""

        def stepped(self, may_change):
            while not may_change():
                pass
            Fickle.ways += "t" if self.together else "a"
            if len(Fickle.ways) % 3 == 0:
                self.together = not self.together

    monkeypatch.setattr(crew, "Pace", Fickle)
    monkeypatch.setattr(crew, "LONG_SECONDS", -1.0)
    monkeypatch.setattr(crew, "cores", lambda: 2)
    run = Run(recipe, spots)
    for _ in run.records():
        pass

    assert expected == run.network.theta.tobytes()
    assert ("aaattt" * run.updates)[: run.updates] == Fickle.ways


def test_a_short_run_stays_alone(spots, crews, monkeypatch):
    monkeypatch.setattr(crew, "LONG_SECONDS", 1e9)
    train(SMALL, spots, None)

    assert [0] == [len(one.started) for one in crews]


def test_where_no_other_process_can_be_started_one_goes_on_alone(spots, monkeypatch):
    expected, tried = train(SMALL, spots, 1).network.theta.tobytes(), []

    def fail(*_):
        tried.append(1)
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(crew, "start_process", fail)
    monkeypatch.setattr(crew, "cores", lambda: 2)
    monkeypatch.setattr(crew, "LONG_SECONDS", -1.0)
    monkeypatch.setattr("handgrad.training.workers.pace.TRIAL_SECONDS", 0.0)

    assert expected == train(SMALL, spots, None).network.theta.tobytes()
    assert [1] == tried
    with pytest.raises(
        HandgradError, match=r"cannot start a second process \(Operation not permitted\); try --workers 1"
    ):
        train(SMALL, spots, 2)


def test_two_crews_at_once_do_not_disturb_each_other(spots):
    recipes = [SMALL.but(seed=1), SMALL.but(seed=2)]
    expected = [train(recipe, spots, 2).network.theta.tobytes() for recipe in recipes]
    results = {}
    threads = [
        threading.Thread(target=lambda r=recipe: results.update({r.seed: train(r, spots, 2).network.theta.tobytes()}))
        for recipe in recipes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert expected == [results[1], results[2]]


@pytest.mark.parametrize("updates", [1, 3, 4, 6, 8])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_what_is_stopped_and_resumed_ends_with_the_same_bytes(updates, optimizer, spots):
    recipe = SMALL.but(optimizer=optimizer, learning_rate=0.01)
    whole = train(recipe, spots, 2)

    run = Run(recipe, spots, 2)
    for _ in run.records(lambda: run.updates == updates):
        pass
    resumed = Run.resume(run.snapshot(), spots)
    for _ in resumed.records():
        pass

    assert 2 == resumed.shares
    assert whole.network.theta.tobytes() == resumed.network.theta.tobytes()


def test_whoever_stops_listening_ends_the_crew(spots):
    run = Run(SMALL, spots, 2)
    records = run.records()
    assert isinstance(next(records), EpochRecord)
    records.close()

    assert 4 == run.updates
    assert np.isfinite(run.network.theta).all()


def test_an_error_in_a_step_ends_the_crew(spots, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("handgrad.training.workers.member.Member.update", fail)
    with pytest.raises(KeyboardInterrupt):
        train(SMALL, spots, 2)


def test_a_member_that_is_killed_ends_the_run_in_one_sentence(spots, crews):
    run = Run(SMALL.but(epochs=1000), spots, 2)

    def kill():
        if run.updates == 6:
            crews[0].started[0].kill()
            crews[0].started[0].wait()
        return False

    with pytest.raises(HandgradError, match=r"a process that shared the work has ended .*--workers 1"):
        list(run.records(kill))


def test_a_run_that_goes_alone_outlives_the_others(spots, crews, monkeypatch):
    expected = train(SMALL, spots, 1).network.theta.tobytes()

    class Late(Pace):
        """Asks at once whether it may change, and would go together from the tenth step on."""

        asked: ClassVar[list[bool]] = []

        def stepped(self, may_change):
            self.asked.append(may_change())
            self.together = len(self.asked) >= 10 and self.asked[-1]

    monkeypatch.setattr(crew, "Pace", Late)
    monkeypatch.setattr(crew, "LONG_SECONDS", -1.0)
    monkeypatch.setattr(crew, "cores", lambda: 2)
    run = Run(SMALL, spots)

    def kill():
        if run.updates == 6:
            one = crews[-1]
            while not one._shared["ready"].all():
                time.sleep(0.01)
            one.started[0].kill()
            one.started[0].wait()
        return False

    list(run.records(kill))

    assert expected == run.network.theta.tobytes()
    assert 12 == run.updates == len(Late.asked)
    assert not any(Late.asked[6:])


def test_a_member_ends_with_the_process_that_started_it(spots):
    run = Run(SMALL, spots, 2)
    made = crew.Crew(Load.of(run._task), 2, 2)
    made.started[0].stdin.close()

    assert 0 == made.started[0].wait(20)
    made.close()


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_what_was_good(spots):
    run = Run(SMALL.but(learning_rate=1e9, activation="identity"), spots, 2)
    before = run.network.theta.tobytes()

    with pytest.raises(Diverged, match="at epoch 1, update"):
        list(run.records())
    assert before == run.network.theta.tobytes()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"batch_norm": True}, "BatchNorm layers look at the whole batch"),
        ({"dropout": 0.5}, "Dropout layers look at the whole batch"),
        ({"hidden_layer_sizes": ()}, "no hidden layer"),
        ({"clip_norm": 1.0}, "clip_norm, max_norm"),
        ({"max_norm": 1.0}, "clip_norm, max_norm"),
        ({"averaging": 0.9}, "averaging look"),
        ({"augment": "mild"}, "one process warps the images"),
    ],
)
def test_what_cannot_be_divided_says_why(changes, why, spots):
    with pytest.raises(UsageError, match=f"{why}.*leave --workers away"):
        Run(SMALL.but(**changes), spots, 2)


def test_too_many_members_are_refused(spots):
    with pytest.raises(UsageError, match=r"too many .*leave --workers away"):
        Run(SMALL, spots, 10)


@pytest.mark.parametrize("members", [1, 2, 3])
def test_the_numbers_of_all_layers_are_owned_once(members):
    job = Job(
        members=members,
        sizes=(10, 7, 5, 3),
        activations=("relu", "relu"),
        batch_size=4,
        images=9,
        targets=3,
        pixels=(4, 3, 3)[:members],
        white=255,
        loss="cross_entropy",
        label_smoothing=0.0,
        weighted=False,
        optimizer="sgd",
        options={},
        decay=0.0,
        l1=0.0,
        l2=0.0,
    )
    (numbers,), dtype = job.layout()["theta"]
    theta, in_runs, weights = np.zeros((3, numbers), dtype)
    biases = np.zeros(numbers, dtype)
    for member in range(members):
        first = job.first(theta, member)
        assert 0 == (first.ctypes.data - theta.ctypes.data) % 64
        first[...] += 1
        job.first(biases, member)[: job.bias_rows(member)] = 1
        for layer, rows in job.own_rows(member):
            job.upper(theta)[layer - 1][rows] += 1
        for run in job.runs(member):
            in_runs[run] += 1
        for run in job.weights(member):
            weights[run] += 1
    for layer in job.upper(biases):
        layer[-1] = 1

    assert {0, 1} >= set(theta)
    above = sum(rows * columns for rows, columns in job.extended()[1:])
    assert 7 * (1 + sum(job.pixels)) + above == theta.sum()
    assert [1] * numbers == in_runs.tolist()
    assert (theta - biases).tolist() == (weights * theta).tolist()  # zeros at the ends of lines do not matter
    assert {0, 1} >= set(weights)


def test_a_process_may_be_started_before_there_is_anything_to_do(spots, crews, monkeypatch):
    monkeypatch.setattr(crew, "cores", lambda: 2)
    run = Run(SMALL, spots)
    with crew.Crew(Load.of(run._task), 2, at_once=True) as hands:
        (process,) = crews[-1].started
        while not hands._shared["ready"].all():
            assert process.poll() is None

    assert 0 == process.returncode


def test_a_process_with_nothing_to_do_after_all_ends(spots, crews, monkeypatch):
    monkeypatch.setattr(crew, "cores", lambda: 2)
    monkeypatch.setattr(crew.Crew, "_share_images", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        crew.Crew(Load.of(Run(SMALL, spots)._task), 2, at_once=True)

    assert [0] == [process.returncode for process in crews[-1].started]


@pytest.mark.parametrize("name", ["start_process", "tell"])
def test_without_a_second_process_it_goes_on_alone(spots, monkeypatch, name):
    def refuse(*_):
        raise OSError("no more")

    monkeypatch.setattr(crew, "cores", lambda: 2)
    monkeypatch.setattr(crew, name, refuse)
    with crew.Crew(Load.of(Run(SMALL, spots)._task), 2, at_once=True) as hands:
        hands.go(np.arange(50, dtype=np.int32), 0)
        hands.step(0.1)
        assert 1 == len(hands.told())


@pytest.mark.skipif(not OPEN.is_dir(), reason="the system does not list what a process holds")
def test_nothing_stays_open(spots):
    train(SMALL, spots, 2)
    before = len(list(OPEN.iterdir()))
    for _ in range(3):
        train(SMALL, spots, 2)

    assert before == len(list(OPEN.iterdir()))
