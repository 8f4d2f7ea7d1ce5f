"""Passes TCP connections on, so that pods reach a server that listens on 127.0.0.1 only, or that one can be cut off."""

from __future__ import annotations

import socket
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread


class Relay:
    """Listens on an address, and passes what comes on; it can be cut, as a network is.

    Args:
        host: to listen on.
        port: to pass on to.
        target: address to pass on to.
    """

    def __init__(self, host: str, port: int, target: str = "127.0.0.1") -> None:
        self._target = target, port
        self._open: set[socket.socket] = set()
        self._cut = False
        relay = self

        class Connection(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                relay._pass_on(self.request)

        self._listener = socketserver.ThreadingTCPServer((host, 0), Connection)
        self._listener.daemon_threads = True
        self.port: int = self._listener.server_address[1]
        Thread(target=self._listener.serve_forever, daemon=True).start()

    def cut(self) -> None:
        """End what is connected, and let nobody connect any more."""
        self._cut = True
        for connection in tuple(self._open):
            with suppress(OSError):  # it has ended by itself
                connection.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Pass connections on again."""
        self._cut = False

    def close(self) -> None:
        """Listen no more."""
        self._listener.shutdown()
        self._listener.server_close()

    def _pass_on(self, client: socket.socket) -> None:
        if self._cut:
            return
        with socket.create_connection(self._target) as server:
            self._open |= {client, server}
            back = Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            _copy(client, server)
            back.join()
            self._open -= {client, server}


@contextmanager
def relay(host: str, port: int) -> Iterator[int]:
    """Listen on an address, and pass what comes on to a port of 127.0.0.1; yields the port listened on."""
    opened = Relay(host, port)
    yield opened.port
    opened.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # either side has gone away
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
