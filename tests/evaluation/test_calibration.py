"""Reliability bins and their expected error, by hand and by a plain loop."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handgrad.errors import HandgradError
from handgrad.evaluation.calibration import Bin, calibrate


def test_four_answers_by_hand():
    result = calibrate(np.array([0.6, 0.8, 0.9, 1.0]), np.array([True, False, True, True]), n_bins=2)

    empty, full = result.bins
    assert Bin(0.0, 0.5, 0, None, None) == empty
    assert (0.5, 1.0, 4, 0.75) == (full.low, full.high, full.n, full.accuracy)
    assert pytest.approx(0.825) == full.confidence
    assert pytest.approx(0.075) == result.expected_error


def test_an_edge_belongs_to_the_bin_below_it_and_zero_to_the_first():
    result = calibrate(np.array([0.0, 0.25, 0.5, 0.75, 1.0]), np.ones(5, dtype=bool), n_bins=4)

    assert [2, 1, 1, 1] == [b.n for b in result.bins]


def test_bins_meet_and_cover_everything():
    bins = calibrate(np.array([0.5]), np.array([True])).bins

    assert 15 == len(bins)
    assert (0.0, 1.0) == (bins[0].low, bins[-1].high)
    assert [b.high for b in bins[:-1]] == [b.low for b in bins[1:]]


@settings(deadline=None)  # a slow machine is no failure
@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40),
    st.integers(1, 20),
)
def test_is_what_a_plain_loop_finds(answers, n_bins):
    confidences, correct = (np.array(column) for column in zip(*answers, strict=True))
    expected = 0.0
    for b in range(n_bins):
        low, high = b / n_bins, (b + 1) / n_bins
        inside = [a for a in answers if low < a[0] <= high or (b == 0 and a[0] == 0)]
        if inside:
            gap = math.fsum(right for _, right in inside) - math.fsum(sure for sure, _ in inside)
            expected += abs(gap) / len(answers)

    result = calibrate(confidences, correct, n_bins)

    assert len(answers) == sum(b.n for b in result.bins)
    assert pytest.approx(expected, abs=1e-12) == result.expected_error


@pytest.mark.parametrize(
    ("confidences", "correct", "n_bins", "word"),
    [
        ([], [], 15, "at least one"),
        ([0.5], [True, False], 15, "as many"),
        ([[0.5]], [[True]], 15, "shapes"),
        ([1.1], [True], 15, "between 0 and 1"),
        ([-0.1], [True], 15, "between 0 and 1"),
        ([math.nan], [True], 15, "between 0 and 1"),
        ([0.5], [True], 0, "one bin or more"),
    ],
)
def test_what_cannot_be_binned_gets_a_sentence(confidences, correct, n_bins, word):
    with pytest.raises(HandgradError, match=word):
        calibrate(np.array(confidences), np.array(correct, dtype=bool), n_bins)
