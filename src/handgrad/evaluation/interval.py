"""How far a measured accuracy can be from the true one.

10,000 test images are a sample. Two networks that differ by less than the width of this interval have not been
told apart by them.
"""

from math import sqrt
from statistics import NormalDist

from handgrad.errors import HandgradError


def wilson(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a proportion: `(low, high)`, both within 0..1.

    It holds its level also near 0 and 1, where accuracies live and the textbook's p ± z·sqrt(p(1-p)/n) does not.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927),
    209-212; recommended by Brown, Cai and DasGupta, Statistical Science 16 (2001), 101-133.

    Raises:
        HandgradError: there are no trials, or `successes` is not in `0..n`, or `confidence` not between 0 and 1.
    """
    if n < 1 or not 0 <= successes <= n:
        raise HandgradError(
            f"an interval needs one trial or more and 0 to all of them successes, not {successes} of {n}"
        )
    if not 0 < confidence < 1:
        raise HandgradError(f"the confidence of an interval lies between 0 and 1; {confidence} does not")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p = successes / n
    shrink = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / shrink
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / shrink
    return (0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)
