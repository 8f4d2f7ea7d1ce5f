"""One prepared request, sent again and again over kept connections; costs little beside what it measures."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass
class Load:
    """What came of some requests; the figures are in milliseconds."""

    seconds: float = 0.0
    failures: int = 0
    milliseconds: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return len(self.milliseconds) / self.seconds

    @property
    def p50(self) -> float:
        """Median time of an answer."""
        return statistics.median(self.milliseconds)

    @property
    def p99(self) -> float:
        """Time that one answer of a hundred exceeds."""
        return sorted(self.milliseconds)[int(len(self.milliseconds) * 0.99)]


def request(url: str, body: bytes, content_type: str = "application/json", accept: str = "*/*") -> bytes:
    """A POST as it goes over the wire."""
    parts = urlsplit(url)
    address = f"{parts.path}?{parts.query}" if parts.query else parts.path
    head = (
        f"POST {address} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: {content_type}\r\naccept: {accept}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def send(
    url: str, wire: bytes, connections: int, seconds: float, rate: float | None = None, most: int | None = None
) -> Load:
    """Send one request over several connections for some time.

    Args:
        url: where to connect.
        wire: what `request` made.
        connections: how many are kept open.
        seconds: for how long.
        rate: requests a second, over all connections; default: each connection as fast as it is answered.
        most: requests after which it ends sooner.
    """
    return asyncio.run(_send(url, wire, connections, seconds, rate, most))


async def _send(url: str, wire: bytes, connections: int, seconds: float, rate: float | None, most: int | None) -> Load:
    load, started = Load(), time.perf_counter()
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        turn = started + (number / rate if rate else 0.0)
        while time.perf_counter() - started < seconds and (most is None or len(load.milliseconds) < most):
            if rate:
                await asyncio.sleep(max(0.0, turn - time.perf_counter()))
                turn += connections / rate
            begun = time.perf_counter()
            writer.write(wire)
            head = await reader.readuntil(b"\r\n\r\n")
            found = LENGTH.search(head)
            assert found, head
            await reader.readexactly(int(found[1]))
            if head.startswith(b"HTTP/1.1 200"):
                load.milliseconds.append((time.perf_counter() - begun) * 1000)
            else:
                load.failures += 1
        writer.close()

    await asyncio.gather(*(one(number) for number in range(connections)))
    load.seconds = time.perf_counter() - started
    return load
