"""The way to supervisord's control socket, on which nothing waits for ever."""

from __future__ import annotations

import functools
import http.client
import socket
from typing import TYPE_CHECKING

from supervisor.xmlrpc import SupervisorTransport

if TYPE_CHECKING:
    from pathlib import Path

CALL_SECONDS = 20.0
"""For an answer of supervisord, which does at once whatever it is asked here."""


class Transport(SupervisorTransport):  # type: ignore[misc]  # supervisor has no types
    """XML-RPC over a unix socket.

    Args:
        path: of the socket.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(serverurl=f"unix://{path}")
        self._get_connection = functools.partial(_connection, str(path))


def _connection(path: str) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("localhost", timeout=CALL_SECONDS)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.settimeout(CALL_SECONDS)
    try:
        connection.sock.connect(path)
    except OSError:
        connection.close()
        raise
    return connection
