"""Passes TCP connections on to a port of 127.0.0.1, so that pods reach a server that listens only there."""

from __future__ import annotations

import socket
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread


@contextmanager
def relay(host: str, port: int) -> Iterator[int]:
    """Listen on an address, and pass what comes on to a port of 127.0.0.1; yields the port listened on."""

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as server:
                back = Thread(target=_copy, args=(server, self.request), daemon=True)
                back.start()
                _copy(self.request, server)
                back.join()

    with socketserver.ThreadingTCPServer((host, 0), Connection) as listener:
        listener.daemon_threads = True
        Thread(target=listener.serve_forever, daemon=True).start()
        yield listener.server_address[1]
        listener.shutdown()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):  # either side has gone away
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
