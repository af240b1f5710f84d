"""A file comes to be whole or not at all, whatever fails on the way."""

import errno
import os
import tempfile

import pytest

from handgrad import files
from handgrad.errors import HandgradError


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    return path


def refused(write, path) -> str:
    """What is said, after seeing that the old file stands and nothing lies beside it."""
    with pytest.raises(HandgradError) as caught:
        write()
    assert b"old" == path.read_bytes()
    assert [path] == list(path.parent.iterdir())
    return str(caught.value)


def test_what_is_written_is_there(tmp_path):
    path = tmp_path / "file.bin"

    files.write(path, b"new")

    assert b"new" == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


def test_a_file_is_replaced(path):
    files.write(path, b"new")

    assert b"new" == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize(
    ("module", "name"),
    [(tempfile, "mkstemp"), (os, "close"), (files, "_pour"), (os, "fsync"), (os, "chmod"), (os, "replace")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_full_disk_at_any_stage_costs_nothing(module, name, path, monkeypatch):
    works = getattr(module, name)

    def closed_and_full(handle):
        works(handle)
        full()

    monkeypatch.setattr(module, name, closed_and_full if name == "close" else full)

    sentence = refused(lambda: files.write(path, b"new"), path)

    assert f"cannot write {path}: no space left on device; free some space or choose another folder" == sentence


def test_half_a_file_is_never_seen(path, monkeypatch):
    def half(temporary, data):
        temporary.write_bytes(data[:1])
        full()

    monkeypatch.setattr(files, "_pour", half)

    refused(lambda: files.write(path, b"new"), path)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_else_happens_leaves_nothing_behind_either(error, path, monkeypatch):
    def half(temporary, data):
        temporary.write_bytes(data[:1])
        raise error

    monkeypatch.setattr(files, "_pour", half)
    with pytest.raises(error):
        files.write(path, b"new")

    assert b"old" == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


def test_the_bytes_are_on_the_disk_before_the_name_is(path, monkeypatch):
    done = []

    def note(what, function):
        def noted(*args, **options):
            done.append(what)
            return function(*args, **options)

        return noted

    monkeypatch.setattr(files, "_settle", note("fsync", files._settle))
    monkeypatch.setattr(files, "_sync_folder", note("fsync folder", files._sync_folder))
    monkeypatch.setattr(os, "replace", note("rename", os.replace))

    files.write(path, b"new")

    assert ["fsync", "rename", "fsync folder"] == done


def test_a_folder_whose_rename_cannot_be_settled_is_told_of(path, monkeypatch):
    monkeypatch.setattr(files, "_sync_folder", full)

    with pytest.raises(HandgradError, match="no space left on device"):
        files.write(path, b"new")

    assert b"new" == path.read_bytes()  # whole all the same
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EACCES])
def test_a_folder_that_takes_no_part_in_this_is_no_trouble(code, path, monkeypatch):
    works = os.fsync

    def refuses(handle):
        if os.fstat(handle).st_mode & 0o040000:
            raise OSError(code, os.strerror(code))
        works(handle)

    monkeypatch.setattr(os, "fsync", refuses)
    files.write(path, b"new")

    assert b"new" == path.read_bytes()


def test_the_folder_is_left_alone_where_it_cannot_be_opened(path, monkeypatch):
    folder = path.parent
    with monkeypatch.context() as patched:
        patched.setattr(os, "name", "nt")
        patched.setattr(os, "open", full)

        files._sync_folder(folder)


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_a_file_is_readable_by_whom_the_umask_lets(mask, mode, path, monkeypatch):
    modes, masks = [], [mask]
    monkeypatch.setattr(os, "chmod", lambda _, mode: modes.append(mode))
    monkeypatch.setattr(os, "umask", lambda new: masks.append(new) or masks[-2])

    files.write(path, b"new")

    assert [mode] == modes
    assert mask == masks[-1]  # as it was


def test_a_folder_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "none" / "file.bin"

    with pytest.raises(HandgradError) as caught:
        files.write(path, b"new")

    assert str(caught.value).startswith(f"cannot write {path}: no such file or directory; ")
    assert [] == list(tmp_path.iterdir())


def test_a_folder_stands_where_the_file_should(tmp_path):
    path = tmp_path / "folder"
    (path / "inside").mkdir(parents=True)

    with pytest.raises(HandgradError, match=r"^cannot write "):
        files.write(path, b"new")

    assert [path] == list(tmp_path.iterdir())


def test_a_folder_is_made_with_those_above_it(tmp_path):
    folder = tmp_path / "a" / "b"

    files.make_folder(folder)
    files.make_folder(folder)

    assert folder.is_dir()


def test_a_file_stands_where_the_folder_should(path):
    for folder in (path, path / "below"):
        with pytest.raises(HandgradError) as caught:
            files.make_folder(folder)

        assert str(caught.value).startswith(f"cannot make the folder {folder}: ")
        assert str(caught.value).endswith("; choose another place")


def test_a_reason_has_no_numbers_and_no_names():
    assert "permission denied" == files.reason(PermissionError(errno.EACCES, "Permission denied", "/secret"))
    assert "something odd" == files.reason(OSError("Something odd"))
