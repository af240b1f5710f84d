"""Whether a network that says 90% is right nine times in ten.

Its answers are sorted into bins by their confidence; in each bin, the mean confidence is held against the share
that was right.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from handgrad.errors import HandgradError


@final
@dataclass(frozen=True, slots=True)
class Bin:
    """The answers with a confidence in `(low, high]`; the first bin holds 0 too.

    `confidence` is their mean confidence, `accuracy` the share that was right; both are None when there are none.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


@final
@dataclass(frozen=True, slots=True)
class Calibration:
    """The reliability bins and what they come to.

    `expected_error` is the mean of |accuracy - confidence| over the bins, each weighted by its number of answers.
    """

    bins: tuple[Bin, ...]
    expected_error: float


def calibrate(confidences: NDArray[np.floating], correct: NDArray[np.bool_], n_bins: int = 15) -> Calibration:
    """Sort answers into `n_bins` bins of equal width and compare confidence with accuracy.

    Source: Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017, equations 1-3,
    whose 15 bins are the default.

    Args:
        confidences: `(n,)`, the probability given to the answer, in 0..1.
        correct: `(n,)`, whether the answer was right.
        n_bins: how many bins 0..1 is cut into.

    Raises:
        HandgradError: there are no answers, the lengths differ, a confidence is outside 0..1, or there is no bin.
    """
    if n_bins < 1:
        raise HandgradError(f"calibration needs one bin or more, not {n_bins}")
    if confidences.ndim != 1 or confidences.shape != correct.shape or not len(confidences):
        raise HandgradError(
            f"calibration needs as many confidences as answers, and at least one; the shapes are "
            f"{confidences.shape} and {correct.shape}"
        )
    if not ((confidences >= 0) & (confidences <= 1)).all():  # written so that nan fails too
        raise HandgradError("a confidence is a probability between 0 and 1, and some of these are not")
    edges = np.arange(n_bins + 1) / n_bins
    places = np.maximum(np.searchsorted(edges, confidences, side="left") - 1, 0)
    counts = np.bincount(places, minlength=n_bins)
    confidence = np.bincount(places, weights=confidences, minlength=n_bins) / np.maximum(counts, 1)
    accuracy = np.bincount(places, weights=correct, minlength=n_bins) / np.maximum(counts, 1)
    bins = tuple(
        Bin(
            low=float(edges[i]),
            high=float(edges[i + 1]),
            n=int(counts[i]),
            confidence=float(confidence[i]) if counts[i] else None,
            accuracy=float(accuracy[i]) if counts[i] else None,
        )
        for i in range(n_bins)
    )
    return Calibration(bins, float(counts @ np.abs(accuracy - confidence) / counts.sum()))
