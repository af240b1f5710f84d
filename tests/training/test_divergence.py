"""A loss that is no number ends a run with one sentence, and nothing learned before it is lost."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handgrad.engine.losses import LOSSES
from handgrad.engine.optimizers import OPTIMIZERS
from handgrad.errors import HandgradError
from handgrad.training.loop import Diverged, Run
from handgrad.training.recipe import MOST_COUNTED, SCHEDULES, Recipe
from handgrad.training.solo import Solo
from handgrad.training.workers.crew import Crew

SMALL = Recipe(name="small", hidden_layer_sizes=(8, 6), epochs=3, batch_size=8, learning_rate=0.05)
STEPS = 7
HANDS = (Crew, Solo)  # the processor decides which of them takes a step
KEPT = "(the last good weights are kept)"


def diverges(run, stop=lambda: False) -> str:
    with pytest.raises(Diverged) as caught:
        for _ in run.records(stop):
            pass
    assert isinstance(caught.value, HandgradError)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def learning_of(hands):
    """The network and the optimiser of whoever takes the steps."""
    if isinstance(hands, Crew):
        return hands._network, hands._optimizer
    return hands._task.network, hands._task.optimizer


def spoiled_at(monkeypatch, update, number=np.nan):
    """Put a number that is none into the weights after this update of the run."""
    steps = {kind: kind.step for kind in HANDS}

    def spoil(self, rate):
        steps[type(self)](self, rate)
        network, optimizer = learning_of(self)
        if optimizer.t == update:
            theta = self._shared["theta"] if isinstance(self, Crew) else network.theta
            theta[0] = number

    for kind in HANDS:
        monkeypatch.setattr(kind, "step", spoil)


@pytest.mark.parametrize("rate", [1e9, 1e308])
@pytest.mark.parametrize(
    "options", [{}, {"optimizer": "momentum"}, {"loss": "squared_error"}, {"activation": "gelu", "validation": 0.1}]
)
def test_a_learning_rate_too_high_is_named(rate, options, digits):
    run = Run(Recipe(learning_rate=rate, epochs=2, **options), digits)
    start = run.network.theta.copy()

    sentence = diverges(run)

    assert sentence.startswith("the loss is no longer a finite number at epoch 1, update ")
    assert f"the learning rate {rate:g} is too high; try --learning-rate {rate / 10:g}, or --clip-norm 1" in sentence
    assert sentence.endswith(KEPT)
    assert start.tobytes() == run.network.theta.tobytes()
    assert [] == run.history


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize(("spoiled", "noticed"), [(1, 2), (5, 6), (6, 7), (7, 7)])
def test_the_weights_from_before_the_epoch_are_kept(spoiled, noticed, number, spots, monkeypatch):
    good = Run(SMALL.but(epochs=1), spots)
    list(good.records())
    spoiled_at(monkeypatch, STEPS + spoiled, number)
    run = Run(SMALL, spots)

    sentence = diverges(run)

    assert f"at epoch 2, update {noticed}: " in sentence
    assert good.network.theta.tobytes() == run.network.theta.tobytes()
    assert 1 == len(run.history)


def test_a_run_that_is_stopped_does_not_keep_what_is_no_number(spots, monkeypatch):
    good = Run(SMALL.but(epochs=1), spots)
    list(good.records())
    spoiled_at(monkeypatch, STEPS + 3)
    run = Run(SMALL, spots)

    sentence = diverges(run, stop=lambda: run.updates == STEPS + 3)

    assert "at epoch 2, update 3: " in sentence
    assert good.network.theta.tobytes() == run.network.theta.tobytes()


def test_the_averages_of_batch_norm_are_watched_too(spots, monkeypatch):
    recipe = SMALL.but(batch_norm=True, batch_size=50)
    run = Run(recipe, spots)
    next(run.records())
    theta, statistics = run.network.theta.copy(), run.network.statistics.copy()
    forward = type(run.network.layers[1]).forward_training

    def overflow(self, p, a, noise):
        a.x *= np.float32(1e25)  # finite, but not its square: the variance is inf, and what is normed is 0
        forward(self, p, a, noise)

    monkeypatch.setattr(type(run.network.layers[1]), "forward_training", overflow)

    assert "at epoch 2, update 1: " in diverges(run)
    assert theta.tobytes() == run.network.theta.tobytes()
    assert statistics.tobytes() == run.network.statistics.tobytes()


def overgrown_after(monkeypatch, update):
    """Make the network's numbers huge after the epoch that ends with this update; collect what each epoch learned."""
    learned, pauses = [], {kind: kind.pause for kind in HANDS}

    def grow(self):
        pauses[type(self)](self)
        network, optimizer = learning_of(self)
        learned.append(network.theta.copy())
        if optimizer.t == update:
            network.theta[...] = 3e38  # finite, but not what the network makes of it

    for kind in HANDS:
        monkeypatch.setattr(kind, "pause", grow)
    return learned


def test_a_validation_loss_that_is_no_number_is_noticed(spots, monkeypatch):
    run = Run(SMALL.but(validation=0.2, early_stopping=2), spots)
    learned = overgrown_after(monkeypatch, 10)

    sentence = diverges(run)

    assert "at epoch 2, update 5: " in sentence
    assert learned[0].tobytes() == run.network.theta.tobytes() == run.result().theta.tobytes()


def test_a_test_loss_that_is_no_number_stops_nothing(spots, monkeypatch):
    run = Run(SMALL.but(epochs=1), spots)
    learned = overgrown_after(monkeypatch, STEPS)

    (record,) = run.records()

    assert 1 == len(learned)
    assert 2e38 < run.network.theta.max()
    assert 0.0 <= record.test_accuracy <= 1.0


def test_the_best_epoch_outlives_what_comes_after(spots, monkeypatch):
    recipe = SMALL.but(validation=0.2, early_stopping=3)
    spoiled_at(monkeypatch, 12)
    run = Run(recipe, spots)
    best = []

    def note():
        if run.best_record and run.best_record.epoch > len(best):
            best.append(run.result().theta.copy())
        return False

    diverges(run, note)

    assert run.best_record
    assert best[-1].tobytes() == run.result().theta.tobytes()


@st.composite
def extreme(draw):
    """Recipes from the edges of what is allowed."""
    validation = draw(st.sampled_from([0.0, 0.2]))
    shares = st.sampled_from([0.0, 0.5, 1 - 1e-16])
    strengths = st.sampled_from([0.0, 5e-324, 1e-30, 1.0, 1e30, 1.7e308])
    above_zero = st.sampled_from([5e-324, 1e-50, 0.1, 1.0, 1e20, 1.7e308])
    schedules = [name for name in SCHEDULES if validation or name != "plateau"]
    loss = draw(st.sampled_from(list(LOSSES)))
    fields = {
        "validation": validation,
        "hidden_layer_sizes": draw(st.sampled_from([(), (1,), (5,), (4, 3)])),
        "loss": loss,
        "label_smoothing": draw(shares) if loss == "cross_entropy" else 0.0,
        "optimizer": draw(st.sampled_from(list(OPTIMIZERS))),
        "schedule": draw(st.sampled_from(schedules)),
        "batch_size": draw(st.sampled_from([1, 7, 50, MOST_COUNTED])),
        "batch_norm": draw(st.booleans()),
        "early_stopping": draw(st.sampled_from([0, 1, MOST_COUNTED])) if validation else 0,
        "decay_factor": draw(st.sampled_from([5e-324, 0.5, 1.0])),
        "decay_every": draw(st.sampled_from([5e-324, 1.0, float(MOST_COUNTED)])),
        "warmup": draw(st.sampled_from([0.0, 1.5, float(MOST_COUNTED)])),
        "patience": draw(st.sampled_from([0, MOST_COUNTED])),
        "seed": draw(st.sampled_from([0, MOST_COUNTED])),
        "class_weight": draw(st.sampled_from(["none", "balanced"])),
    }
    fields |= {name: draw(shares) for name in ("dropout", "input_dropout", "momentum", "rho", "beta1", "beta2")}
    names = ("weight_decay", "final_learning_rate", "l1", "l2", "max_norm", "clip_norm")
    fields |= {name: draw(strengths) for name in names}
    fields |= {name: draw(above_zero) for name in ("learning_rate", "epsilon")}
    return Recipe(epochs=2, **fields)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(recipe=extreme())
def test_whatever_is_allowed_trains_or_says_that_it_diverged(recipe, spots):
    run = Run(recipe, spots)

    try:
        for _ in run.records():
            pass
    except Diverged:
        assert not run.finished
    else:
        assert run.finished

    assert np.isfinite(run.network.theta).all()
    assert np.isfinite(run.network.statistics).all()
