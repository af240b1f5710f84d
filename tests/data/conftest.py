"""A published data set of eighteen images of 3 × 2 pixels, and servers on loopback that hand it out or misbehave."""

import gzip
import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from handgrad.data import idx
from handgrad.data.collection import Collection
from handgrad.data.quartet import NAMES


@pytest.fixture
def rows():
    """All pixels (18, 6) and labels (18,), the first twelve for training."""
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (18, 6), dtype=np.uint8), np.arange(18, dtype=np.uint8) % 3


@pytest.fixture
def files(rows):
    """The four files, raw."""
    pixels, labels = rows
    images = pixels.reshape(18, 3, 2)
    parts = (images[:12], labels[:12], images[12:], labels[12:])
    return {name: idx.encode(part) for name, part in zip(NAMES, parts, strict=True)}


@pytest.fixture
def tiny(files):
    """The collection that those four files are."""
    return Collection(
        name="tiny",
        title="Tiny",
        digests={name: f"sha256:{hashlib.sha256(raw).hexdigest()}" for name, raw in files.items()},
        sizes=(12, 6),
        image_shape=(3, 2),
        classes=("none", "one", "two"),
    )


@pytest.fixture
def mirrored(tiny):
    """Adds mirrors to the collection."""
    return lambda *mirrors: replace(tiny, mirrors=mirrors)


@pytest.fixture
def packed(files):
    """What a mirror hands out: file name to gzipped bytes."""
    return {f"{name}.gz": gzip.compress(raw) for name, raw in files.items()}


@pytest.fixture(autouse=True)
def _apart_from_the_world(request, monkeypatch, tmp_path):
    """No test sees the user's cache or proxy, but those that are about MNIST itself."""
    if request.node.get_closest_marker("mnist"):
        return
    monkeypatch.setenv("HANDGRAD_DATA_DIR", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


class Answers:
    """A server on loopback: paths to bytes, to an HTTP status, or to a function of the request handler."""

    def __init__(self, server: http.server.ThreadingHTTPServer) -> None:
        self.base = f"http://127.0.0.1:{server.server_port}"
        self.routes: dict[str, bytes | int | Callable[[http.server.BaseHTTPRequestHandler], None]] = {}
        self.asked: list[str] = []
        self.ended = threading.Event()

    def add(self, prefix: str, files: dict[str, bytes]) -> str:
        """Hand out `files` below `prefix`; returns the address of that folder."""
        self.routes |= {f"/{prefix}/{name}": content for name, content in files.items()}
        return f"{self.base}/{prefix}/"

    def hang(self, _: http.server.BaseHTTPRequestHandler) -> None:
        """An answer that never comes."""
        self.ended.wait(30)

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.asked.append(handler.path)
        content = self.routes.get(handler.path, 404)
        if callable(content):
            content(handler)
            return
        handler.send_response(content if isinstance(content, int) else 200)
        body = b"" if isinstance(content, int) else content
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Answers]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        answers = Answers(listening)
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield answers
        answers.ended.set()
        listening.shutdown()
        thread.join()
