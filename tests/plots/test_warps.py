"""That the preview shows each image beside its own copies."""

import numpy as np
import pytest

from handgrad import plots
from handgrad.errors import HandgradError

RANDOM = np.random.default_rng(1)
ORIGINALS = RANDOM.random((3, 20))
COPIES = RANDOM.random((3, 4, 20))


def test_each_row_is_an_image_and_its_copies():
    figure = plots.warps(ORIGINALS, COPIES, (4, 5), "turned")

    shown = [image.get_array().ravel().tolist() for image in figure.axes[0].images]
    expected = [picture.tolist() for i in range(3) for picture in (ORIGINALS[i], *COPIES[i])]
    assert expected == shown
    assert "turned" == figure.texts[1].get_text()
    extents = np.array([image.get_extent() for image in figure.axes[0].images]).reshape(3, 5, 4)
    assert (np.diff(extents[:, :, 0]) > 0).all()
    assert (np.diff(extents[:, :, 3], axis=0) < 0).all()
    assert (extents[:, 1, 0] - extents[:, 0, 1] > extents[:, 2, 0] - extents[:, 1, 1]).all()
    width, height = figure.get_size_inches()
    assert 0 < extents.min()
    assert extents[:, :, :2].max() < width
    assert extents[:, :, 2:].max() < height


@pytest.mark.parametrize("shape", [(4, 6), (5, 5)])
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(HandgradError, match="do not belong together"):
        plots.warps(ORIGINALS, COPIES, shape, "")


def test_nothing_to_draw_is_refused():
    with pytest.raises(HandgradError, match="do not belong together"):
        plots.warps(ORIGINALS, COPIES[:, :0], (4, 5), "")
