"""Ports for servers whose address must be known before they listen, or stay theirs while they don't."""

import socket
import sys
from collections import deque

_kept: deque[socket.socket] = deque()


def free_port() -> int:
    """Return a port on which nobody listens, and that the system gives to nobody else while the tests need it.

    It stays bound by a socket that doesn't listen. Linux lets a server that says SO_REUSEADDR, as all here do, listen
    there nonetheless, but never picks such a port by itself.
    """
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    port = int(keeper.getsockname()[1])
    _kept.append(keeper)
    if sys.platform != "linux" or len(_kept) > 100:
        _kept.popleft().close()
    return port
