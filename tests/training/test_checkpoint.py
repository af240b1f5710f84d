"""A checkpoint is whole or not there, and what has become of it since is taken up or refused in one sentence."""

import copy
import errno
import json
import os
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handgrad import files, tensorfile
from handgrad.errors import HandgradError
from handgrad.training import checkpoint
from handgrad.training.checkpoint import Snapshot
from handgrad.training.loop import Run
from handgrad.training.recipe import Recipe

SMALL = Recipe(
    name="small",
    hidden_layer_sizes=(4,),
    epochs=4,
    batch_size=8,
    learning_rate=0.01,
    optimizer="adam",
    batch_norm=True,
    dropout=0.1,
    validation=0.2,
    early_stopping=3,
    schedule="plateau",
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.safetensors"


@pytest.fixture(scope="module")
def snapshot(spots):
    """From the middle of the third epoch."""
    run = Run(SMALL, spots)
    for _ in run.records(lambda: run.updates == 12):
        pass
    return copy.deepcopy(run.snapshot())


@pytest.fixture(scope="module")
def kept(snapshot, tmp_path_factory):
    """The bytes of a checkpoint."""
    path = tmp_path_factory.mktemp("kept") / "checkpoint.safetensors"
    checkpoint.save(path, snapshot)
    return path.read_bytes()


def test_a_snapshot_comes_back_as_it_was(snapshot, path):
    checkpoint.save(path, snapshot)
    back = checkpoint.load(path)

    assert json.loads(json.dumps(snapshot.values)) == back.values
    assert snapshot.arrays.keys() == back.arrays.keys()
    for name, array in snapshot.arrays.items():
        assert array.dtype == back.arrays[name].dtype
        assert array.tobytes() == back.arrays[name].tobytes()


def test_the_same_snapshot_gives_the_same_bytes(snapshot, kept, path):
    checkpoint.save(path, snapshot)
    assert kept == path.read_bytes()

    checkpoint.save(path, checkpoint.load(path))
    assert kept == path.read_bytes()


def test_it_says_what_it_was_made_with(path, snapshot):
    checkpoint.save(path, snapshot)

    with tensorfile.opened(path, "checkpoint") as file:
        assert tensorfile.versions() == file.header["versions"]


def test_large_whole_numbers_are_kept_to_the_last_digit(path):
    checkpoint.save(path, Snapshot({}, {"state": 2**127 + 1}))

    assert {"state": 2**127 + 1} == checkpoint.load(path).values


@pytest.mark.parametrize(("module", "name"), [(files, "_pour"), (os, "fsync"), (os, "replace")])
def test_a_full_disk_leaves_the_last_one(module, name, snapshot, kept, path, monkeypatch):
    path.write_bytes(kept)
    newer = Snapshot(snapshot.arrays, {**snapshot.values, "best_epoch": 1})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, name, full)
    with pytest.raises(HandgradError, match="no space left on device; free some space or choose another folder"):
        checkpoint.save(path, newer)

    assert kept == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize("values", [None, [], 3, "text"])
def test_a_checkpoint_without_values_is_damaged(values, path):
    tensorfile.write(path, {"format": "checkpoint", "values": values}, {})

    with pytest.raises(HandgradError) as caught:
        checkpoint.load(path)

    assert f"{path} is damaged: its header holds no values; start the run anew" == str(caught.value)


@pytest.mark.parametrize("content", [b"", b"text", b"\x80\x04\x95pickle", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_what_is_no_checkpoint_is_refused(content, path):
    path.write_bytes(content)

    with pytest.raises(HandgradError, match="is not a checkpoint, or it is damaged; "):
        checkpoint.load(path)


def test_a_checkpoint_that_is_not_there_is_named(path):
    with pytest.raises(HandgradError) as caught:
        checkpoint.load(path)

    assert f"there is no checkpoint at {path}; check the path" == str(caught.value)


def test_arrays_that_are_not_ours_are_refused(path):
    tensorfile.write(path, {"format": "checkpoint", "values": {}}, {"theta": np.zeros(3, np.int16)})

    with pytest.raises(HandgradError, match="is damaged: it holds no array 'theta' of type "):
        checkpoint.load(path)


def goes_on_or_is_refused(path, spots):
    """A spoilt checkpoint is refused, or is one that a run can go on from."""
    try:
        run = Run.resume(checkpoint.load(path), spots)
        for _ in run.records():
            pass
    except HandgradError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert run.finished
        assert np.isfinite(run.network.theta).all()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(flips=st.lists(st.tuples(st.integers(0), st.integers(1, 255)), min_size=1, max_size=4))
def test_flipped_bytes_are_refused_or_harmless(flips, kept, path, spots):
    spoilt = bytearray(kept)
    for place, mask in flips:
        spoilt[place % len(spoilt)] ^= mask
    path.write_bytes(spoilt)

    goes_on_or_is_refused(path, spots)


def test_a_flip_of_any_byte_of_the_header_is_refused_or_harmless(kept, path, spots):
    (length,) = struct.unpack("<Q", kept[:8])
    for place in range(8 + length):
        spoilt = bytearray(kept)
        spoilt[place] ^= 1 << place % 7
        path.write_bytes(spoilt)

        goes_on_or_is_refused(path, spots)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(length=st.integers(0))
def test_a_checkpoint_cut_short_is_refused(length, kept, path):
    path.write_bytes(kept[: length % len(kept)])

    with pytest.raises(HandgradError, match="is not a checkpoint, or it is damaged; "):
        checkpoint.load(path)
