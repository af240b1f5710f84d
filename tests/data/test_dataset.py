import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handgrad.data.dataset import Examples, assemble, split
from handgrad.errors import UsageError


def examples(labels):
    """One-pixel images that count up, so that an example can be told by its image."""
    return Examples(np.arange(len(labels), dtype=np.uint8)[:, None], np.array(labels, dtype=np.intp))


@given(st.lists(st.integers(2, 9), min_size=2, max_size=5), st.integers(0, 99))
def test_a_split_divides_each_class_and_loses_nothing(counts, seed):
    whole = examples(np.repeat(np.arange(len(counts)), counts))
    left, out = split(whole, 0.5, seed)
    assert len(whole) == len(left) + len(out)
    assert list(range(len(whole))) == sorted([*left.images[:, 0], *out.images[:, 0]])
    for part in (left, out):
        assert np.array_equal(np.sort(part.images[:, 0]), part.images[:, 0])
        assert np.array_equal(whole.labels[part.images[:, 0]], part.labels)
        taken = np.bincount(part.labels, minlength=len(counts))
        assert np.abs(taken - np.array(counts) * len(part) / len(whole)).max() <= 1


def test_a_split_is_the_seeds():
    whole = examples([0, 1] * 50)
    first, again, other = (split(whole, 0.1, seed)[1].images.tobytes() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_share_is_rounded_up():
    assert len(split(examples([0, 1] * 50), 0.101, 0)[1]) == 11


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan"), float("inf")])
def test_an_impossible_share_is_refused(fraction):
    with pytest.raises(UsageError, match="must be above 0 and below 1"):
        split(examples([0, 1] * 5), fraction, 0)


@pytest.mark.parametrize(
    ("labels", "fraction", "words"),
    [
        ([0, 0, 1], 0.5, "class 1 has only one"),
        ([], 0.5, "there is none"),
        ([0, 1, 2] * 4, 0.1, "fewer than the 3 classes"),
        ([0, 1, 2] * 4, 0.9, "fewer than the 3 classes"),
    ],
)
def test_classes_too_small_for_the_share_are_refused(labels, fraction, words):
    with pytest.raises(UsageError, match=words):
        split(examples(labels), fraction, 0)


def made(**changes):
    parts = {
        "name": "a",
        "training": examples([0, 1, 1]),
        "test": examples([1, 0]),
        "image_shape": (1, 1),
        "classes": ("no", "yes"),
        "white": 255,
    }
    return assemble(**(parts | changes))


def test_the_fingerprint_is_of_everything_but_the_name():
    assert made().fingerprint == made(name="b").fingerprint
    different = [
        made(training=examples([0, 1, 0])),
        made(test=examples([1, 1])),
        made(training=Examples(examples([0, 1, 1]).images + np.uint8(1), examples([0, 1, 1]).labels)),
        made(classes=("yes", "no")),
        made(white=16),
        made(image_shape=(1, 2)),
    ]
    assert len(different) + 1 == len({made().fingerprint, *(dataset.fingerprint for dataset in different)})


def test_the_fingerprint_is_the_same_on_every_machine():
    assert made().fingerprint == "02d4c2376461c6d62b92fec1c2483057ab1a2069e29367d0ba3e3216bccd6c25"
