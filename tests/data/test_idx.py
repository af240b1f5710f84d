import gzip
import struct
import tracemalloc
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from handgrad.data import idx
from handgrad.errors import HandgradError

IMAGES = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
RAW = idx.encode(IMAGES)

packed = partial(gzip.compress, mtime=0)  # the same bytes at every run, for they name the tests

some_arrays = st.sampled_from([1, 3]).flatmap(
    lambda dimensions: arrays(np.uint8, array_shapes(min_dims=dimensions, max_dims=dimensions, max_side=9))
)


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "file"
        path.write_bytes(content)
        return path

    return write


@given(some_arrays, st.booleans())
def test_what_was_encoded_is_loaded(tmp_path_factory, array, gzipped):
    path = tmp_path_factory.mktemp("idx") / "file"
    raw = idx.encode(array)
    path.write_bytes(packed(raw) if gzipped else raw)
    assert raw == idx.load(path)
    assert np.array_equal(array, idx.decode(idx.load(path), "file"))


@given(st.binary(max_size=40), st.booleans())
def test_any_other_bytes_are_refused_in_one_sentence(tmp_path_factory, content, gzipped):
    path = tmp_path_factory.mktemp("idx") / "file"
    content = idx.IMAGES + b"\x01" + content if len(content) % 2 else content  # more images than bytes
    path.write_bytes(packed(content) if gzipped else content)
    with pytest.raises(HandgradError) as caught:
        idx.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_encodes_as_the_format_says():
    labels = np.array([7, 0], dtype=np.uint8)
    assert b"\x00\x00\x08\x01\x00\x00\x00\x02\x07\x00" == idx.encode(labels)
    assert b"\x00\x00\x08\x03\x00\x00\x00\x04\x00\x00\x00\x03\x00\x00\x00\x02\x00\x01" == RAW[:18]


def test_decoding_copies_nothing(write):
    raw = idx.load(write(RAW))
    images = idx.decode(raw, "file")
    raw[16] = 99
    assert images[0, 0, 0] == 99


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "begins with nothing, not with 00 00 08 03"),
        (b"PNG..", "begins with 50 4e 47 2e"),
        (RAW[:11], "ends within its header"),
        (RAW[:8], "ends within its header"),
        (RAW[:-1], "does not hold the 4 × 3 × 2 bytes"),
        (RAW + b"\0", "does not hold the 4 × 3 × 2 bytes"),
        (idx.IMAGES + struct.pack(">3I", 0, 28, 28), "declares 0 × 28 × 28 bytes"),
        (idx.IMAGES + struct.pack(">3I", 1, 5000, 1), "declares 1 × 5000 × 1 bytes"),
        (idx.IMAGES + struct.pack(">3I", 2**31, 28, 28), "at most 1024 MB"),
        (idx.LABELS + struct.pack(">I", 2**32 - 1), "at most 1024 MB"),
        (packed(RAW)[:-9], "is a broken gzip file"),
        (packed(RAW)[:-8] + bytes(8), "is a broken gzip file"),  # its checksum
        (packed(RAW) + b"more", "is a broken gzip file"),
        (b"\x1f\x8bnot gzip at all", "is a broken gzip file"),
        (packed(RAW + b"\0"), "does not hold the 4 × 3 × 2 bytes"),
        (packed(RAW[:-1]), "does not hold the 4 × 3 × 2 bytes"),
    ],
)
def test_a_bad_file_is_named(write, content, words):
    path = write(content)
    with pytest.raises(HandgradError, match="file") as caught:
        idx.load(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_a_name_given_stands_for_the_path(write):
    with pytest.raises(HandgradError, match=r"^train\.gz is no IDX file"):
        idx.load(write(b"text"), "train.gz")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(HandgradError, match="nothing cannot be read: no such file or directory"):
        idx.load(tmp_path / "nothing")
    with pytest.raises(HandgradError, match="cannot be read"):
        idx.load(tmp_path)


@pytest.mark.parametrize("raw", [RAW[:-1], RAW + b"\0", RAW[:9], b"text"])
def test_bytes_that_are_no_file_are_not_decoded(raw):
    with pytest.raises(HandgradError, match="these bytes"):
        idx.decode(raw, "these bytes")


def test_a_gzip_bomb_is_not_inflated(write):
    path = write(packed(RAW + bytes(64 << 20)))
    assert path.stat().st_size < 1 << 17
    assert peak_of_refusal(path) < 4 << 20


@pytest.mark.parametrize("pack", [bytes, packed])
def test_nothing_is_allocated_for_a_promise(write, pack):
    path = write(pack(idx.IMAGES + struct.pack(">3I", 1_300_000, 28, 28) + bytes(100)))
    assert peak_of_refusal(path) < 1 << 20


def peak_of_refusal(path):
    tracemalloc.start()
    try:
        with pytest.raises(HandgradError, match="does not hold"):
            idx.load(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
