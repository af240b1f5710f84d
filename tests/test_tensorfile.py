"""Arrays and a header in one file: the same bytes for the same content, and one sentence for what is no such file."""

import json
import struct

import numpy as np
import pytest

from handgrad import tensorfile
from handgrad.errors import HandgradError

ARRAYS = {
    "b": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a": np.arange(3, dtype=np.float64),
    "c": np.array([3, 1], np.int32),
    "none": np.empty(0, np.float32),
}
HEADER = {"format": "thing", "x": [1, 2.5, "é", None, float("inf")], "big": 2**127}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.safetensors"


def packed(path, tensors, metadata):
    """Write a file by hand: `tensors` as name to (dtype, shape, bytes)."""
    header, data = {"__metadata__": metadata}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def refused(path) -> str:
    with pytest.raises(HandgradError) as caught, tensorfile.opened(path, "thing"):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_was_written_is_read(path):
    tensorfile.write(path, HEADER, ARRAYS)

    with tensorfile.opened(path, "thing") as file:
        assert HEADER == file.header
        assert ARRAYS.keys() == file.names
        for name, array in ARRAYS.items():
            assert array.shape == file.shape(name)
            assert {"f4": "F32", "f8": "F64", "i4": "I32"}[array.dtype.str[1:]] == file.dtype(name)
            assert array.dtype == file.array(name).dtype
            np.testing.assert_array_equal(file.array(name), array)


def test_arrays_outlive_the_file(path):
    tensorfile.write(path, HEADER, ARRAYS)
    with tensorfile.opened(path, "thing") as file:
        array = file.array("b")
    path.write_bytes(b"")

    np.testing.assert_array_equal(array, ARRAYS["b"])


def test_the_same_content_gives_the_same_bytes(path):
    tensorfile.write(path, HEADER, ARRAYS)
    first = path.read_bytes()

    tensorfile.write(path, dict(reversed(HEADER.items())), dict(reversed(ARRAYS.items())))

    assert first == path.read_bytes()


def test_a_view_is_written_as_it_looks(path):
    tensorfile.write(path, HEADER, {"b": ARRAYS["b"].T[::-1]})

    with tensorfile.opened(path, "thing") as file:
        np.testing.assert_array_equal(file.array("b"), ARRAYS["b"].T[::-1])


def test_an_array_that_is_not_there_is_named(path):
    tensorfile.write(path, HEADER, ARRAYS)

    with tensorfile.opened(path, "thing") as file, pytest.raises(HandgradError, match="it holds no array 'quantum'"):
        file.array("quantum")


@pytest.mark.parametrize("dtype", ["BF16", "F8_E5M2", "F8_E4M3", "I64", "C64", "BOOL"])
def test_an_array_of_a_type_that_is_not_ours_is_named(dtype, path):
    size = {"F8_E5M2": 1, "F8_E4M3": 1, "BOOL": 1, "BF16": 2}.get(dtype, 8)
    packed(path, {"x": (dtype, [1], b"\1" * size)}, {"handgrad": '{"format": "thing"}'})

    with (
        tensorfile.opened(path, "thing") as file,
        pytest.raises(HandgradError, match=r"is damaged: .* 'x' of type F16, F32, F64, I32"),
    ):
        file.array("x")


def test_a_file_that_is_not_there_is_named(path):
    assert f"there is no thing at {path}; check the path" == refused(path)
    assert f"there is no thing at {path.parent}; check the path" == refused(path.parent)


def test_a_name_that_no_file_can_have_is_named(path):
    long = path.with_name("x" * 5000)

    assert str(long) in refused(long)


def test_a_file_that_cannot_be_read_is_named(path, monkeypatch):
    import safetensors

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    path.write_bytes(b"something")
    monkeypatch.setattr(safetensors, "safe_open", denied)

    assert f"cannot read {path}: permission denied" == refused(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"just some text, and a little more of it",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"\xff" * 100,
        struct.pack("<Q", 2) + b"{}"[:1],
        struct.pack("<Q", 10**15) + b"{}",
        struct.pack("<Q", 4) + b"\xff\xff\xff\xff",
        struct.pack("<Q", 100_000) + b"[" * 100_000,
    ],
    ids=lambda content: f"{content[:12]!r}",
)
def test_what_is_no_such_file_is_refused(content, path):
    path.write_bytes(content)

    assert f"{path} is not a thing, or it is damaged; use another file or train again" == refused(path)


def test_a_file_cut_short_is_refused(path):
    tensorfile.write(path, HEADER, ARRAYS)
    whole = path.read_bytes()

    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        refused(path)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"format": "thing"},
        {"handgrad": ""},
        {"handgrad": "{"},
        {"handgrad": "[" * 100_000},
        {"handgrad": '{"format": ' + "1" * 5000 + "}"},
        {"handgrad": "null"},
        {"handgrad": '["format"]'},
        {"handgrad": '{"format": "other"}'},
        {"handgrad": '{"format": ["thing"]}'},
    ],
    ids=lambda metadata: str(metadata)[:40],
)
def test_a_file_of_another_kind_is_told_apart(metadata, path):
    packed(path, {"x": ("F32", [1], bytes(4))}, metadata)

    assert f"{path} is a safetensors file, but not a thing that handgrad wrote" == refused(path)


def test_a_header_that_lies_about_the_bytes_is_refused(path):
    for shape in ([10**12], [2**40, 2**40], [2**63, 4], [2]):
        packed(path, {"x": ("F32", shape, bytes(4))}, {"handgrad": '{"format": "thing"}'})

        assert "is not a thing, or it is damaged" in refused(path)


def test_what_goes_wrong_inside_is_not_blamed_on_the_file(path):
    tensorfile.write(path, HEADER, ARRAYS)

    with pytest.raises(ValueError, match="mine"), tensorfile.opened(path, "thing"):
        raise ValueError("mine")


def test_versions_name_what_decides_the_last_bit():
    assert {"handgrad", "numpy", "python"} == tensorfile.versions().keys()
    assert np.__version__ == tensorfile.versions()["numpy"]
