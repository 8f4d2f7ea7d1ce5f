"""Servers on loopback that take messages: one that speaks SMTP, and one that takes what webhooks are sent."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

Server = TypeVar("Server", bound=socketserver.TCPServer)


class Webhooks(ThreadingHTTPServer):
    """Takes JSON and forms.

    Attributes:
        bodies: what has arrived, oldest first.
        status: what is answered.
        hold: while it is cleared, a request waits for its answer.
        waiting: requests that wait for their answer.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Webhook)
        self.bodies: list[dict[str, Any]] = []
        self.status = 204
        self.hold = threading.Event()
        self.hold.set()
        self.waiting = 0

    @property
    def url(self) -> str:
        """An address whose path is a secret, as those of webhooks are."""
        return f"http://127.0.0.1:{self.server_port}/hooks/token-4711"


class _Webhook(BaseHTTPRequestHandler):
    server: Webhooks

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.waiting += 1
        self.server.hold.wait()
        self.server.waiting -= 1
        if self.server.status < 300:
            self.server.bodies.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Mailbox(socketserver.ThreadingTCPServer):
    """An SMTP server.

    Attributes:
        mails: what has arrived, oldest first.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.mails: list[EmailMessage] = []

    @property
    def url(self) -> str:
        return (
            f"mailto://127.0.0.1:{self.server_address[1]}?from=tidewheel@example.org&to=shop@example.org&mode=insecure"
        )


class _Smtp(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        self._say("220 loopback")
        while line := self.rfile.readline():
            match line.split()[0].upper():
                case b"EHLO" | b"HELO":
                    self._say("250 loopback")
                case b"DATA":
                    self._say("354 go on")
                    content = b""
                    while (part := self.rfile.readline()) != b".\r\n":
                        content += part.removeprefix(b".")  # RFC 5321, 4.5.2: a leading dot is doubled
                    mail = message_from_bytes(content, policy=policy.default)
                    assert isinstance(mail, EmailMessage)
                    self.server.mails.append(mail)
                    self._say("250 taken")
                case b"QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 fine")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Let a server answer while the block runs."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
