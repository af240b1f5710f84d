import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from handgrad.data.handwriting.pieces import pieces_of

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20))


@given(masks, st.data())
def test_they_are_what_scipy_finds(mask, data):
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    pieces = pieces_of(mask)

    assert count == len(pieces)
    boxes = [[rows.start, columns.start, rows.stop, columns.stop] for rows, columns in ndimage.find_objects(labels)]
    assert sorted(boxes) == sorted(pieces.boxes.tolist())
    assert sorted(np.bincount(labels.ravel())[1:]) == sorted(pieces.areas.tolist())
    if count:
        i = data.draw(st.integers(0, count - 1))
        painted = pieces.paint(np.array([i]))
        assert np.array_equal(labels == labels[painted][0], painted)


def test_a_spiral_is_one_piece():
    mask = np.zeros((41, 41), np.bool_)
    for i in range(0, 20, 2):
        mask[i, i : 41 - i] = mask[i : 41 - i, 40 - i] = mask[40 - i, i : 41 - i] = True
        mask[i + 2 : 41 - i, i] = True
        mask[i + 2, i : i + 3] = True

    assert [int(mask.sum())] == pieces_of(mask).areas.tolist()
