import socket

import pytest

from handgrad.data.server import knock


def test_a_server_that_listens_answers(server):
    knock(server.base, 5)
    assert server.asked == []


def test_a_port_where_none_listens_refuses():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ConnectionRefusedError):
            knock(address, 5)


def pretend_addresses(monkeypatch, *addresses):
    """Let the name `many.test` have these addresses."""
    known = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: known)


def test_a_second_address_gets_its_chance(monkeypatch, server):
    port = int(server.base.rpartition(":")[2])
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        pretend_addresses(monkeypatch, unused.getsockname(), ("127.0.0.1", port))
        knock("https://many.test", 5)


def test_all_addresses_share_one_limit(monkeypatch):
    tried = []

    def never(attempt, address):
        tried.append((address, attempt.gettimeout()))
        raise TimeoutError("timed out")

    pretend_addresses(monkeypatch, *(("127.0.0.1", port) for port in range(1, 99)))
    clock = iter([0, 0, 2, 4, 6])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    monkeypatch.setattr(socket.socket, "connect", never)
    with pytest.raises(TimeoutError):
        knock("http://many.test", 5)
    assert tried == [(("127.0.0.1", 1), 2.5), (("127.0.0.1", 2), 2.5), (("127.0.0.1", 3), 1)]


def test_behind_a_proxy_nobody_is_knocked_at(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(socket, "getaddrinfo", None)  # calling it would fail
    knock("https://many.test", 5)
