import gzip

import numpy as np
import pytest

from handgrad.data import idx, quartet
from handgrad.data.quartet import NAMES
from handgrad.errors import HandgradError

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES


def dotted(name):
    return name.replace("-idx", ".idx")


@pytest.mark.parametrize("spell", [str, dotted])
@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".gz", gzip.compress)])
def test_a_folder_is_read_however_its_files_are_spelt(tmp_path, files, spell, suffix, pack):
    for name, raw in files.items():
        (tmp_path / f"{spell(name)}{suffix}").write_bytes(pack(raw))
    assert files == quartet.read(tmp_path)


def test_a_folder_in_place_of_a_file_is_no_file(tmp_path):
    (tmp_path / TRAIN_IMAGES).mkdir()
    assert [] == quartet.find(tmp_path, TRAIN_IMAGES)


def test_missing_files_are_listed(tmp_path, files):
    (tmp_path / TRAIN_IMAGES).write_bytes(files[TRAIN_IMAGES])
    (tmp_path / TEST_IMAGES).write_bytes(files[TEST_IMAGES])
    with pytest.raises(HandgradError, match=f"lacks {TRAIN_LABELS} and {TEST_LABELS}: a data set is four"):
        quartet.read(tmp_path)


def test_four_files_make_a_data_set(files, rows):
    pixels, labels = rows
    dataset = quartet.assemble_quartet("tiny", files)
    assert dataset.name == "tiny"
    assert dataset.image_shape == (3, 2)
    assert dataset.classes == ("0", "1", "2")
    assert dataset.white == 255
    assert np.array_equal(pixels[:12], dataset.training.images)
    assert np.array_equal(pixels[12:], dataset.test.images)
    assert np.array_equal(labels[:12], dataset.training.labels)
    assert dataset.training.images.dtype == np.uint8
    assert dataset.test.labels.dtype == np.intp
    assert dataset.training.images.flags.c_contiguous


def labelled(*labels):
    return idx.encode(np.array(labels, dtype=np.uint8))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({TRAIN_LABELS: labelled(0, 1)}, "train files hold 12 images and 2 labels"),
        ({TEST_LABELS: labelled(*[0] * 7)}, "t10k files hold 6 images and 7 labels"),
        ({TEST_IMAGES: idx.encode(np.zeros((6, 2, 3), np.uint8))}, "differ in size: 3 × 2 and 2 × 3"),
        ({TRAIN_IMAGES: labelled(0)}, f"{TRAIN_IMAGES} holds labels; are two files swapped?"),
        ({TEST_LABELS: idx.encode(np.zeros((6, 2, 3), np.uint8))}, f"{TEST_LABELS} holds images; are two"),
        ({TEST_LABELS: labelled(0, 1, 2, 3, 0, 1)}, "a label is 3, and the largest that has a meaning is 2"),
        ({TEST_LABELS: b"text"}, f"the folder: {TEST_LABELS} is no IDX file"),
    ],
)
def test_four_that_do_not_fit_together_are_refused(files, change, words):
    with pytest.raises(HandgradError) as caught:
        quartet.assemble_quartet("d", files | change, classes=("a", "b", "c"), where="the folder")
    assert words in str(caught.value)
