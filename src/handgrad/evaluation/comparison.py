"""Whether two networks that were tested on the same images have been told apart by them.

Images that both read rightly, or both wrongly, say nothing of that. What counts is how unevenly the others fall.
"""

from dataclasses import dataclass
from math import comb
from typing import final

import numpy as np
from numpy.typing import NDArray

from handgrad.errors import HandgradError


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """Two lists of answers to the same questions.

    Attributes:
        only_first: how many the first alone got right.
        only_second: how many the second alone got right.
        p: the chance of falling at least so unevenly if both were equally good, 0..1.
    """

    only_first: int
    only_second: int
    p: float


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Comparison:
    """Compare by McNemar's test, two-sided and exact: a fair coin is thrown for each image that one alone got right.

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12 (1947), 153-157.

    Args:
        first: `(n,)`, whether the first was right.
        second: `(n,)`, whether the second was.

    Raises:
        HandgradError: their lengths differ.
    """
    if first.ndim != 1 or first.shape != second.shape:
        raise HandgradError(f"a paired test needs answers to the same questions, not {first.shape} and {second.shape}")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    n, fewer = only_first + only_second, min(only_first, only_second)
    p = min(1.0, 2 * sum(comb(n, k) for k in range(fewer + 1)) / 2**n)
    return Comparison(only_first, only_second, p)
