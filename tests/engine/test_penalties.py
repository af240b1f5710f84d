"""Penalties and max-norm against the textbook, across the borders of blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import textbook
from handgrad.engine import penalties
from handgrad.engine.penalties import L1, L2, MaxNorm

DTYPES = pytest.mark.parametrize(("dtype", "close"), [(np.float64, 1e-13), (np.float32, 1e-5)])


@DTYPES
@pytest.mark.parametrize(("penalty", "twin"), [(L1, textbook.l1), (L2, textbook.l2)])
@settings(deadline=None, max_examples=40, derandomize=True)
@given(n=st.integers(0, 13), seed=st.integers(0, 2**32 - 1), strength=st.floats(0.0, 2.0))
def test_value_and_gradient(dtype, close, penalty, twin, n, seed, strength):
    generator = np.random.default_rng(seed)
    weights, gradient = generator.normal(size=(2, n)).astype(dtype)
    weights[: n // 4] = 0.0
    before = gradient.copy()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(penalties, "BLOCK", 4)
        penalty(strength).add_gradient(weights, gradient, np.empty(4, dtype))
    value, slope = twin(weights.astype(np.float64), strength)
    assert pytest.approx(value, rel=close, abs=close) == penalty(strength).value(weights)
    np.testing.assert_allclose(gradient, before + slope, rtol=close, atol=close)
    assert dtype == gradient.dtype


@DTYPES
@settings(deadline=None, max_examples=40, derandomize=True)
@given(n_in=st.integers(1, 6), n_out=st.integers(1, 6), seed=st.integers(0, 2**32 - 1), limit=st.floats(0.1, 5.0))
def test_max_norm(dtype, close, n_in, n_out, seed, limit):
    matrices = [np.random.default_rng(seed + i).normal(size=(n_in, n_out)).astype(dtype) for i in range(2)]
    expected = [textbook.max_norm(W.astype(np.float64), limit) for W in matrices]
    MaxNorm(limit, matrices).project()
    for by_book, projected in zip(expected, matrices, strict=True):
        np.testing.assert_allclose(projected, by_book, rtol=close, atol=close)
        assert dtype == projected.dtype


def test_max_norm_leaves_short_columns_and_zeros_alone():
    W = np.array([[0.0, 0.5, 30.0], [0.0, 0.5, 40.0]])
    MaxNorm(1.0, [W]).project()
    np.testing.assert_allclose(W, [[0.0, 0.5, 0.6], [0.0, 0.5, 0.8]], rtol=1e-15)
