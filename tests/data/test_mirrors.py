import gzip
import tempfile

import pytest

from handgrad.data import mirrors
from handgrad.data.failure import SourceError
from handgrad.data.quartet import NAMES


def test_a_mirror_delivers_the_four(server, tiny, files, packed, capfd):
    assert files == mirrors.fetch(tiny, server.add("good", packed))
    assert [f"/good/{name}.gz" for name in NAMES] == server.asked
    assert capfd.readouterr() == ("", "")


def test_a_mirror_that_lacks_a_file_says_404(server, tiny, packed):
    del packed["t10k-labels-idx1-ubyte.gz"]
    with pytest.raises(SourceError, match=r"^HTTP 404$"):
        mirrors.fetch(tiny, server.add("some", packed))


def test_a_mirror_that_forbids_says_403(server, tiny):
    with pytest.raises(SourceError, match=r"^HTTP 403$"):
        mirrors.fetch(tiny, server.add("none", dict.fromkeys([f"{name}.gz" for name in NAMES], 403)))


def test_a_mirror_that_hangs_is_left(server, tiny, packed):
    address = server.add("slow", packed)
    server.routes["/slow/train-images-idx3-ubyte.gz"] = server.hang
    with pytest.raises(SourceError, match=r"^timed out$"):
        mirrors.fetch(tiny, address, read_seconds=0.1)


def test_a_mirror_that_trickles_is_left(server, tiny, packed):
    with pytest.raises(SourceError, match=r"^it sends too slowly$"):
        mirrors.fetch(tiny, server.add("trickle", packed), file_seconds=0)


def test_a_mirror_that_breaks_off_is_left(server, tiny, packed):
    def break_off(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"\x1f\x8b")

    address = server.add("broken", packed)
    server.routes["/broken/train-images-idx3-ubyte.gz"] = break_off
    with pytest.raises(SourceError, match=r"IncompleteRead|broken gzip"):
        mirrors.fetch(tiny, address)


def test_a_mirror_that_sends_without_end_is_left(server, tiny, packed, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    address = server.add("endless", packed | {"train-images-idx3-ubyte.gz": bytes(1 << 20)})
    with pytest.raises(SourceError, match=r"^it sends more than the file can be$"):
        mirrors.fetch(tiny, address)
    assert list(tmp_path.iterdir()) == []


def test_other_bytes_are_refused(server, tiny, files, packed):
    raw = bytearray(files["t10k-images-idx3-ubyte"])
    raw[-1] ^= 1
    address = server.add("forged", packed | {"t10k-images-idx3-ubyte.gz": gzip.compress(raw)})
    with pytest.raises(SourceError, match=r"^its t10k-images-idx3-ubyte\.gz is not the one that was published$"):
        mirrors.fetch(tiny, address)


def test_a_page_in_place_of_a_file_is_refused(server, tiny, packed):
    address = server.add("portal", packed | {"train-images-idx3-ubyte.gz": b"<html>please log in</html>"})
    with pytest.raises(SourceError, match=r"^train-images-idx3-ubyte\.gz is no IDX file"):
        mirrors.fetch(tiny, address)


def test_a_gzip_bomb_is_refused(server, tiny, files, packed):
    bomb = gzip.compress(files["train-labels-idx1-ubyte"] + bytes(500_000))
    assert len(bomb) < 1024
    address = server.add("bomb", packed | {"train-labels-idx1-ubyte.gz": bomb})
    with pytest.raises(SourceError, match="does not hold the 12 bytes"):
        mirrors.fetch(tiny, address)
