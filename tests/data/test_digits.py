import numpy as np

from handgrad.data.digits import load_digits


def test_the_bundled_digits_are_cut_the_same_way_for_everyone():
    digits = load_digits()
    assert (len(digits.training), len(digits.test)) == (1437, 360)
    assert digits.fingerprint == "8ebd81ce8fa3132fd4426a5956e250935d4c27a67f2e1a6b694b30a3cdfbb14f"
    assert digits.image_shape == (8, 8)
    assert digits.white == digits.training.images.max() == 16
    assert digits.training.images.dtype == np.uint8
    assert np.bincount(digits.test.labels).tolist() == [36, 36, 35, 37, 36, 37, 36, 36, 35, 36]
