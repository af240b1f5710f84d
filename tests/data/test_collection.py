import pytest

from handgrad.data.collection import Collection
from handgrad.data.fashion import FASHION
from handgrad.data.mnist import MNIST
from handgrad.data.quartet import NAMES
from handgrad.errors import HandgradError


def test_the_sizes_of_the_files_follow_from_the_images(tiny, files):
    assert {name: len(raw) for name, raw in files.items()} == {name: tiny.file_size(name) for name in NAMES}
    assert MNIST.file_size(NAMES[0]) == 47_040_016  # as the publishers' page says


def test_all_images_are_cut_into_the_four_files(tiny, files, rows):
    assert files == tiny.quartet(*rows)


def test_a_quartet_with_one_stranger_is_not_let_through(tiny, files):
    tiny.check(files)
    with pytest.raises(HandgradError, match=r"^t10k-labels-idx1-ubyte is not the one that was published as Tiny"):
        tiny.check(files | {NAMES[3]: files[NAMES[1]]})


@pytest.mark.parametrize("collection", [MNIST, FASHION], ids=lambda collection: collection.name)
def test_what_is_published_is_described_whole(collection: Collection):
    assert list(NAMES) == list(collection.digests)
    lengths = {"sha256": 64, "md5": 32}
    for digest in collection.digests.values():
        algorithm, _, digits = digest.partition(":")
        assert lengths[algorithm] == len(digits)
        assert int(digits, 16) > 0
    assert len(collection.classes) == len(set(collection.classes)) == 10
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in collection.mirrors)
