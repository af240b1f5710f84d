"""The Wilson interval against values worked by hand and against SciPy's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from handgrad.errors import HandgradError
from handgrad.evaluation.interval import wilson


def test_half_of_four_by_hand():
    # With z = 1.96: the centre is 1/2, the half width z sqrt(1/16 + z^2/64) / (1 + z^2/4) = 0.34999.
    low, high = wilson(2, 4)

    assert pytest.approx((0.15004, 0.84996), abs=1e-5) == (low, high)


def test_ends_are_exact():
    assert 0.0 == wilson(0, 7)[0]
    assert 1.0 == wilson(7, 7)[1]


@settings(deadline=None)  # a slow machine is no failure
@given(st.integers(1, 100_000), st.data(), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_is_scipys(n, data, confidence):
    successes = data.draw(st.integers(0, n))
    theirs = binomtest(successes, n).proportion_ci(confidence, method="wilson")

    assert pytest.approx((theirs.low, theirs.high), abs=1e-9) == wilson(successes, n, confidence)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_impossible_counts_get_a_sentence(successes, n):
    with pytest.raises(HandgradError, match=f"not {successes} of {n}"):
        wilson(successes, n)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.1, float("nan")])
def test_an_impossible_confidence_gets_a_sentence(confidence):
    with pytest.raises(HandgradError, match="between 0 and 1"):
        wilson(1, 2, confidence)
