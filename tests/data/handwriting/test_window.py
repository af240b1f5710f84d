import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from handgrad.data.handwriting import window

greys = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=15), elements=st.floats(0, 1, width=32)
)
widths = st.integers(0, 12).map(lambda radius: 2 * radius + 1)


@given(greys, widths)
def test_it_sees_what_scipy_sees(grey, width):
    assert np.array_equal(ndimage.maximum_filter(grey, width, mode="nearest"), window.largest(grey, width))
    assert np.array_equal(ndimage.minimum_filter(grey, width, mode="nearest"), window.smallest(grey, width))
    assert window.mean(grey, width) == pytest.approx(ndimage.uniform_filter(grey, width, mode="nearest"), abs=1e-5)
