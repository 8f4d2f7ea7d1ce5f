"""A cheap persistent HTTP/1.1 connection: at thousands of requests a second a full client is the bottleneck.

It reads answers with a `content-length`, which is how model services and Envoy answer.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, cast
from urllib.parse import SplitResult, urlsplit

from tidewheel.errors import UsageError

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
END_OF_HEAD = b"\r\n\r\n"


class Broken(Exception):
    """The connection ended, or what came is no answer that is understood; says which, in a few words."""


@dataclass(frozen=True)
class LoadTarget:
    """Where requests go.

    Attributes:
        url: the pipeline's, without `/predict`.
        headers: that each request has.
    """

    url: str
    headers: Mapping[str, str]

    @property
    def parts(self) -> SplitResult:
        """The URL, taken apart.

        Raises:
            UsageError: it is no URL of an endpoint.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"found the URL {self.url!r}; expected http://HOST:PORT/PIPELINE or https://…")
        return parts

    def request(self, body: bytes) -> bytes:
        """A request for predictions, as it goes over the wire."""
        parts = self.parts
        given = {"host": parts.netloc.rpartition("@")[2], "content-type": "application/json", **self.headers}
        lines = [
            f"POST {parts.path.rstrip('/')}/predict HTTP/1.1",
            *(f"{name}: {value}" for name, value in given.items()),
        ]
        return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


@dataclass(frozen=True)
class LoadAnswer:
    """What came back."""

    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._answer: asyncio.Future[LoadAnswer] | None = None
        self.open = False

    @classmethod
    async def connect(cls, endpoint: LoadTarget) -> Self:
        """Open one.

        Raises:
            OSError: nobody listens there, or TLS fails.
        """
        parts, loop = endpoint.parts, asyncio.get_running_loop()
        secure = ssl.create_default_context() if parts.scheme == "https" else None
        port = parts.port or (443 if secure else 80)
        _, connection = await loop.create_connection(cls, str(parts.hostname), port, ssl=secure)
        return connection

    async def ask(self, wire: bytes, timeout_seconds: float) -> LoadAnswer:
        """Send a request and wait for its answer.

        Raises:
            Broken: there is none.
            TimeoutError: nor has the connection ended by then; it is closed.
        """
        if self._transport is None or not self.open:
            raise Broken("connection closed")
        self._received.clear()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(wire)
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._answer
        except TimeoutError:
            self.close()
            raise
        finally:
            self._answer = None

    def close(self) -> None:
        """End it."""
        self.open = False
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of `asyncio.Protocol`."""
        self._transport, self.open = cast("asyncio.Transport", transport), True

    def data_received(self, data: bytes) -> None:
        """Of `asyncio.Protocol`."""
        self._received += data
        end = self._received.find(END_OF_HEAD)
        if self._answer is None or self._answer.done() or end < 0:
            return
        head = bytes(self._received[:end])
        length = LENGTH.search(head)
        if length is None:
            self._break("answer without content-length")
            return
        begin = end + len(END_OF_HEAD)
        if len(self._received) < begin + int(length[1]):
            return
        if CLOSES.search(head):
            self.close()
        body = bytes(self._received[begin : begin + int(length[1])])
        self._answer.set_result(LoadAnswer(int(head[9:12]), body))

    def connection_lost(self, exc: Exception | None) -> None:
        """Of `asyncio.Protocol`."""
        self.open = False
        self._break("connection reset" if exc else "connection closed")

    def _break(self, why: str) -> None:
        self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Broken(why))
