"""Whether a server is there at all, found out in seconds.

A large server has a dozen addresses, and a library that gives each its own timeout waits a minute behind a firewall
that answers nothing. So a server is knocked at first, all its addresses within one limit.
"""

import socket
import time
import urllib.request
from urllib.parse import urlsplit


def knock(url: str, seconds: float) -> None:
    """Return if the server of `url` accepts a connection; behind a proxy, return at once, for the proxy knows.

    Raises:
        OSError: its name is not known, it refuses, or none of its addresses answers within `seconds` in all.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    deadline = time.monotonic() + seconds
    failure: OSError = TimeoutError("timed out")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            with socket.socket(family, kind, protocol) as attempt:
                attempt.settimeout(min(left, seconds / 2))  # a second address gets its chance
                attempt.connect(address)
        except OSError as error:
            failure = error
        else:
            return
    raise failure
