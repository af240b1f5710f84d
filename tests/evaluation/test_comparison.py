"""The paired test is the binomial one, whichever way round."""

import numpy as np
import pytest
from scipy.stats import binomtest

from handgrad.errors import HandgradError
from handgrad.evaluation.comparison import Comparison, mcnemar


def answers(both, only_first, only_second, neither=3):
    first = [True] * (both + only_first) + [False] * (only_second + neither)
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return np.array(first), np.array(second)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (5, 5), (3, 14), (30, 51), (400, 350)])
def test_it_is_the_binomial_test_of_those_that_differ(b, c):
    expected = binomtest(b, b + c).pvalue if b + c else 1.0
    one, other = mcnemar(*answers(100, b, c)), mcnemar(*reversed(answers(100, b, c)))

    assert (b, c) == (one.only_first, one.only_second)
    assert expected == pytest.approx(one.p)
    assert Comparison(c, b, one.p) == other


def test_answers_to_other_questions_are_refused():
    with pytest.raises(HandgradError, match="same questions"):
        mcnemar(np.ones(3, np.bool_), np.ones(4, np.bool_))
