"""Rows of few levels become bytes that say the same to the last bit; other rows are left alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handgrad.training.workers.levels import AT_ONCE, MOST_LEVELS, levels


@given(
    white=st.integers(1, MOST_LEVELS),
    dtype=st.sampled_from([np.float32, np.float64]),
    order=st.sampled_from("CF"),
    seed=st.integers(0, 99),
)
def test_bytes_say_the_same_to_the_last_bit(white, dtype, order, seed):
    k = np.random.default_rng(seed).integers(0, 256, (300, 7), dtype=np.uint8)
    k[::3, 2] = 1
    x = np.asarray(k / dtype(white), dtype, order=order)
    found = levels(x)

    assert found is not None
    assert white == found[1]
    assert k.tolist() == found[0].tolist()


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_ones_and_zeros_need_no_white(scale):
    x = np.eye(5) * scale
    found = levels(x)
    assert found is not None
    assert (1, x.tolist()) == (found[1], found[0].tolist())


def test_what_overflows_is_no_level():
    x = np.full((1000, 2), 1.0 / 3.0, np.float32)
    x[1] = np.finfo(np.float32).max
    assert levels(x) is None


def test_nothing_but_zeros():
    found = levels(np.zeros((3, 2), np.float32))
    assert found is not None
    assert (1, 0) == (found[1], found[0].max())


@pytest.mark.parametrize("odd", [-1.0, 0.5, 256.0, 300.0, 1e-30, -1e30, 1e30, 1.0 + 1e-7])
@pytest.mark.parametrize("row", [0, 1, -1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_odd_number_anywhere_is_found(odd, row, dtype):
    x = np.tile(np.arange(0, 250, 5, dtype=dtype), (2 * AT_ONCE // 50, 1))
    x[row, 3] = odd
    assert levels(x) is None


def test_numbers_of_many_levels_are_left_alone():
    generator = np.random.default_rng(0)
    assert levels(generator.normal(size=(40, 3))) is None
    assert levels(generator.random((40, 3))) is None
    assert levels(np.linspace(0.0, 1.0, 1001)[:, None]) is None
