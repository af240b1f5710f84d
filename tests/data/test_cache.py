import errno
import gzip
import os
from pathlib import Path

import platformdirs
import pytest

from handgrad.data import cache
from handgrad.data.quartet import NAMES
from handgrad.errors import HandgradError


def test_the_folder_is_the_one_given_then_the_variables_then_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "named"))
    assert tmp_path / "given" == cache.folder_of(tmp_path / "given")
    assert tmp_path / "named" == cache.folder_of()
    monkeypatch.setenv(cache.VARIABLE, "~/named")
    assert Path.home() / "named" == cache.folder_of()
    monkeypatch.setenv(cache.VARIABLE, "")
    assert platformdirs.user_cache_path("handgrad") == cache.folder_of()


def test_what_is_kept_is_found(tmp_path, tiny, files):
    cache.keep(tiny, tmp_path, files)
    kept, found = cache.look(tiny, tmp_path)
    assert files == found
    assert list(NAMES) == [file.name for file in kept]
    assert [("genuine", "tiny", len(files[file.name])) for file in kept] == [
        (file.state, file.collection, file.size) for file in kept
    ]
    assert sorted(NAMES) == sorted(path.name for path in (tmp_path / "tiny").iterdir())


def test_an_empty_cache_has_nothing(tmp_path, tiny):
    kept, found = cache.look(tiny, tmp_path / "none")
    assert found == {}
    assert {("absent", None, 0)} == {(file.state, file.path, file.size) for file in kept}


def test_a_file_put_there_by_hand_counts_gzipped_or_not(tmp_path, tiny, files):
    cache.keep(tiny, tmp_path, files)
    raw = tmp_path / "tiny" / NAMES[0]
    raw.unlink()
    raw.with_name("train-images.idx3-ubyte.gz").write_bytes(gzip.compress(files[NAMES[0]]))
    assert files == cache.look(tiny, tmp_path)[1]


@pytest.mark.parametrize("left", [slice(-1), slice(4), slice(0)])
def test_a_damaged_file_is_wrong(tmp_path, tiny, files, left):
    cache.keep(tiny, tmp_path, files)
    path = tmp_path / "tiny" / NAMES[2]
    path.write_bytes(files[NAMES[2]][left])
    kept, found = cache.look(tiny, tmp_path)
    assert ["genuine", "genuine", "wrong", "genuine"] == [file.state for file in kept]
    assert path == kept[2].path
    assert NAMES[2] not in found


def test_one_changed_pixel_is_wrong(tmp_path, tiny, files):
    raw = bytearray(files[NAMES[0]])
    raw[-1] ^= 1
    cache.keep(tiny, tmp_path, files | {NAMES[0]: raw})
    assert cache.look(tiny, tmp_path)[0][0].state == "wrong"


def test_a_genuine_file_beside_a_damaged_one_is_taken(tmp_path, tiny, files):
    cache.keep(tiny, tmp_path, files | {NAMES[0]: files[NAMES[0]][:-1]})
    (tmp_path / "tiny" / f"{NAMES[0]}.gz").write_bytes(gzip.compress(files[NAMES[0]]))
    assert files == cache.look(tiny, tmp_path)[1]


def test_a_full_disk_leaves_nothing_half_written_and_the_old_file_whole(tmp_path, tiny, files, monkeypatch):
    cache.keep(tiny, tmp_path, dict.fromkeys(NAMES, b"old"))

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HandgradError, match="no space left on device"):
        cache.keep(tiny, tmp_path, files)
    assert sorted(NAMES) == sorted(path.name for path in (tmp_path / "tiny").iterdir())
    assert (tmp_path / "tiny" / NAMES[0]).read_bytes() == b"old"
