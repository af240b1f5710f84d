import json
from pathlib import Path

import pytest

from handgrad.data import sources
from handgrad.data.cache import KeptFile
from handgrad.data.quartet import NAMES
from handgrad.data.sources import CacheInfo


@pytest.fixture
def full(monkeypatch):
    """Every question to the cache is answered as if MNIST were there, and all calls are noted."""
    calls = []
    held = CacheInfo(
        Path("kept"), tuple(KeptFile("mnist", name, Path("kept", f"{name}.gz"), 12_345, "genuine") for name in NAMES)
    )

    def fetch(name, *, source, data_dir, notify):
        calls.append((name, source, data_dir))
        notify("a mirror is down.")
        return held

    monkeypatch.setattr(sources, "fetch", fetch)
    monkeypatch.setattr(sources, "verify", lambda data_dir, _: (calls.append(data_dir), held)[1])
    return calls


def test_an_empty_cache_is_shown_as_it_is(handgrad):
    answer = handgrad("data", "info", "--data-dir", "nothing")

    rows = [line.split() for line in answer.out.splitlines()]
    assert 0 == answer.code
    assert ["folder", "nothing"] == rows[0]
    assert ["mnist", NAMES[0], "-", "absent"] in rows
    assert 8 == sum(row[-1:] == ["absent"] for row in rows)


def test_the_cache_as_json(handgrad):
    answer = handgrad("data", "info", "--json", "--dataset", "fashion", "--data-dir", "nothing")

    told = json.loads(answer.out)
    assert "nothing" == told["folder"]
    assert [("fashion", name, "absent", None) for name in NAMES] == [
        (file["collection"], file["name"], file["state"], file["path"]) for file in told["files"]
    ]


def test_a_file_that_is_not_genuine_is_found(handgrad, refused):
    Path("cache/mnist").mkdir(parents=True)
    Path("cache/mnist", NAMES[1]).write_bytes(b"something else")

    answer = handgrad("data", "info", "--data-dir", "cache")
    assert [NAMES[1], "14", "wrong"] in [line.split() for line in answer.out.splitlines()]
    assert f"{NAMES[1]} is wrong" in refused(1, "data", "verify", "--data-dir", "cache")


def test_fetching_passes_everything_on(handgrad, full):
    answer = handgrad("data", "fetch", "--source", "mirrors", "--data-dir", "kept")

    assert [("mnist", "mirrors", Path("kept"))] == full
    assert (0, "a mirror is down.\n") == (answer.code, answer.err)
    assert ["mnist", f"{NAMES[0]}.gz", "12,345", "genuine"] in [line.split() for line in answer.out.splitlines()]


def test_a_full_cache_is_verified(handgrad, full):
    assert 0 == handgrad("data", "verify", "--data-dir", "kept").code
    assert [Path("kept")] == full


def test_what_cannot_be_is_refused(refused):
    assert "empty" in refused(1, "data", "verify", "--data-dir", "nothing")
    assert "digits" in refused(2, "data", "fetch", "--dataset", "digits")
    assert "mnist or fashion" in refused(2, "data", "info", "--dataset", "digits")
    assert "moon" in refused(2, "data", "fetch", "--source", "moon")
    assert "verify" in refused(2, "data", "verifi")


def test_without_a_command_its_help_is_shown(handgrad):
    answer = handgrad("data")

    assert 0 == answer.code
    assert {"fetch", "verify", "info"} <= set(answer.out.split())
