"""The weights a network starts from have the variance that each paper asks for."""

import numpy as np
import pytest

from handgrad.engine.initializers import INITIALIZERS

VARIANCES = {"he": 2 / 300, "glorot": 2 / 500, "lecun": 1 / 300}  # of 300 -> 200


@pytest.mark.parametrize("name", INITIALIZERS)
def test_mean_and_variance(name):
    W = INITIALIZERS[name](np.random.default_rng(0), 300, 200)
    n, variance = W.size, VARIANCES[name]
    assert ((300, 200), np.float64) == (W.shape, W.dtype)
    assert pytest.approx(0.0, abs=5.0 * np.sqrt(variance / n)) == W.mean()
    assert pytest.approx(variance, rel=5.0 * np.sqrt(2.0 / n)) == W.var()


def test_glorot_is_uniform_and_the_others_are_normal():
    kurtosis = {}
    for name, draw in INITIALIZERS.items():
        W = draw(np.random.default_rng(1), 300, 200)
        kurtosis[name] = pytest.approx((W**4).mean() / W.var() ** 2, abs=0.1)
    assert {"he": 3.0, "glorot": 1.8, "lecun": 3.0} == kurtosis


@pytest.mark.parametrize("name", INITIALIZERS)
def test_the_generator_decides(name):
    draws = [INITIALIZERS[name](np.random.default_rng(seed), 4, 3) for seed in (7, 7, 8)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
