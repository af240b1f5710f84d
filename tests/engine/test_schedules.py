"""Each schedule against the textbook, at its ends, and between its steps."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import textbook
from handgrad.engine.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    StepDecay,
)

OFTEN = settings(deadline=None, max_examples=80, derandomize=True)
STEP = st.integers(0, 300)
RATE = st.floats(1e-4, 10.0)


@OFTEN
@given(step=STEP, rate=RATE)
def test_constant(step, rate):
    assert rate == Constant(rate).rate(step)


@OFTEN
@given(step=STEP, rate=RATE, every=st.integers(1, 50), factor=st.floats(0.1, 1.0))
def test_step_decay_and_exponential(step, rate, every, factor):
    assert pytest.approx(textbook.step_decay(step, rate, every, factor), rel=1e-9) == (
        StepDecay(rate, every, factor).rate(step)
    )
    assert pytest.approx(textbook.exponential(step, rate, every, factor), rel=1e-9) == (
        Exponential(rate, every, factor).rate(step)
    )


@OFTEN
@given(step=STEP, rate=RATE, power=st.floats(0.0, 2.0))
def test_inverse_scaling(step, rate, power):
    actual = InverseScaling(rate, power).rate(step)
    assert pytest.approx(rate * math.exp(-power * math.log1p(step)), rel=1e-12) == actual
    assert [1.0, 0.5, 0.1] == [InverseScaling(1.0).rate(step) for step in (0, 3, 99)]


@OFTEN
@given(
    step=STEP,
    rate=RATE,
    warmup=st.integers(0, 100),
    length=st.integers(1, 150),
    part=st.floats(0.0, 1.0),
)
def test_cosine(step, rate, warmup, length, part):
    expected = textbook.cosine(step, rate, warmup + length, warmup, part * rate)
    actual = Cosine(rate, total=warmup + length, warmup=warmup, final=part * rate).rate(step)
    assert pytest.approx(expected, rel=1e-12, abs=1e-14 * rate) == actual


def test_cosine_at_its_corners():
    schedule = Cosine(1.0, total=110, warmup=9, final=0.1)
    assert [0.1, 0.5, 0.9, 1.0] == [pytest.approx(schedule.rate(step)) for step in (0, 4, 8, 9)]
    assert 0.1 < schedule.rate(109) < 0.1005
    assert [0.1, 0.1] == [schedule.rate(step) for step in (110, 10_000)]
    assert 1.0 == Cosine(1.0, total=5).rate(0)
    assert [0.5, 1.0, 0.0] == [
        Cosine(1.0, total=1, warmup=1).rate(step) for step in range(3)
    ]  # nothing left to fall in


@OFTEN
@given(step=STEP, rate=RATE, total=st.integers(1, 200), rise=st.floats(0.05, 0.95), start=st.floats(2.0, 50.0))
def test_one_cycle(step, rate, total, rise, start):
    expected = textbook.one_cycle(step, rate, total, rise, start, 100.0)
    actual = OneCycle(rate, total=total, rise=rise, start=start, end=100.0).rate(step)
    assert pytest.approx(expected, rel=1e-9, abs=1e-12 * rate) == actual


def test_one_cycle_at_its_corners():
    schedule = OneCycle(1.0, total=100)
    corners = [pytest.approx(schedule.rate(step), rel=1e-9) for step in (0, 29, 99, 100, 10_000)]
    assert [1 / 25, 1.0, 1 / 25e4, 1 / 25e4, 1 / 25e4] == corners
    assert [0.04, 1.0, 1.0] == [pytest.approx(OneCycle(1.0, total=3, rise=1.0).rate(step)) for step in (0, 2, 3)]
    assert pytest.approx(1 / 25e4) == OneCycle(1.0, total=1).rate(0)  # its only step is its last


@pytest.mark.parametrize(
    "schedule",
    [
        Exponential(1.0, every=10),
        Cosine(1.0, total=1000, warmup=100),
        Cosine(1.0, total=1000, final=0.3),
        OneCycle(1.0, total=1000),
    ],
)
def test_they_move_without_a_jump(schedule):
    rates = [schedule.rate(step) for step in range(1100)]
    assert 0.011 > max(abs(later - earlier) for earlier, later in pairwise(rates))
    assert all(0.0 <= rate <= 1.0 for rate in rates)


def test_plateau_waits_and_then_reduces():
    schedule = ReduceOnPlateau(1.0, factor=0.5, patience=2)
    rates = []
    for loss in (1.0, 0.9, 0.9, 0.95, 0.9, 0.9, 0.9, 0.9, 0.8, 0.81, 0.82, 0.83):
        schedule.observe(loss)
        rates.append(schedule.rate(0))
    assert [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.125] == rates


def test_plateau_wants_a_fall_of_more_than_its_threshold():
    schedule = ReduceOnPlateau(1.0, patience=0, threshold=0.1)
    for loss, rate in ((1.0, 1.0), (0.91, 0.5), (0.89, 0.5), (0.88, 0.25), (math.nan, 0.125)):
        schedule.observe(loss)
        assert rate == schedule.rate(0)


@pytest.mark.parametrize("seen", range(6))
def test_plateau_goes_on_from_its_state(seen):
    losses = [1.0, 1.1, 1.2, 0.9, 1.0, 1.1]
    first, second = ReduceOnPlateau(1.0, patience=1), ReduceOnPlateau(1.0, patience=1)
    for loss in losses[:seen]:
        first.observe(loss)
    second.restore(dict(first.state()))
    for loss in losses[seen:] + losses:
        first.observe(loss)
        second.observe(loss)
        assert first.rate(0) == second.rate(0)
        assert first.state() == second.state()


@pytest.mark.parametrize("schedule", [Constant(0.1), StepDecay(0.1, 5), Cosine(0.1, 10), OneCycle(0.1, 10)])
def test_the_others_learn_nothing_from_a_loss(schedule):
    before = [schedule.rate(step) for step in range(12)]
    schedule.observe(0.5)
    schedule.restore(schedule.state())
    assert {} == schedule.state()
    assert before == [schedule.rate(step) for step in range(12)]
