import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from handgrad.data.handwriting.distance import distance_to


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=15)), st.integers(1, 30))
def test_it_is_scipys_up_to_the_bound(shape, bound):
    exact = ndimage.distance_transform_edt(~shape) if shape.any() else np.full(shape.shape, np.inf)

    assert distance_to(shape, bound) == pytest.approx(np.minimum(exact, bound), rel=1e-6)
