"""One request to `/predict`: what its headers say, and its body, both within bounds."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from bentos.request import RequestRefused

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

JSON, ARROW, PARQUET = b"application/json", b"application/vnd.apache.arrow.stream", b"application/vnd.apache.parquet"
CONTENT_TYPES = (JSON, ARROW, PARQUET)
LARGEST_BODY = 32 << 20
MOST_HELD = 8 * LARGEST_BODY
"""All bodies together that are being received or answered."""
BODY_SECONDS = 30.0
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class Disconnected(Exception):
    """The caller went away before the request was complete."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is known of a request before its body.

    Attributes:
        headers: by lower-case name; of several of one name the last.
        request_id: the caller's, or a new one.
    """

    method: str
    headers: dict[bytes, bytes]
    request_id: str

    @classmethod
    def of(cls, scope: Message) -> Call:
        """The call of an ASGI scope."""
        headers = dict(scope["headers"])
        asked = headers.get(b"x-request-id", b"")
        return cls(scope["method"], headers, asked.decode() if REQUEST_ID.fullmatch(asked) else os.urandom(16).hex())

    @property
    def content_type(self) -> bytes:
        """Of the body, without parameters."""
        return self.headers.get(b"content-type", JSON).partition(b";")[0].strip().lower()

    @property
    def wants_arrow(self) -> bool:
        """Whether the answer shall be an Arrow stream."""
        return ARROW in self.headers.get(b"accept", b"")


class Bodies:
    """Receives bodies, and knows how much of them is held in memory."""

    def __init__(self) -> None:
        self._held = 0

    async def receive(self, call: Call, receive: Receive) -> bytes:
        """The whole body of a request; `release` must follow.

        Raises:
            RequestRefused: it is not one that `/predict` takes, too large, or too slow.
            Disconnected: the caller went away.
        """
        if call.method != "POST":
            raise RequestRefused(405, f"/predict is asked with POST, not {call.method}")
        if call.content_type not in CONTENT_TYPES:
            found, expected = call.content_type.decode(errors="replace"), b", ".join(CONTENT_TYPES).decode()
            raise RequestRefused(415, f"content type {found!r}: expected one of {expected}")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._whole(receive)
        except TimeoutError:
            raise RequestRefused(408, f"the body was not complete within {BODY_SECONDS:g} seconds") from None

    async def _whole(self, receive: Receive) -> bytes:
        parts, size = [], 0
        try:
            while True:
                message = await receive()
                part = _part(message)
                size += len(part)
                self._hold(len(part), size)
                parts.append(part)
                if not message.get("more_body"):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
        except BaseException:
            self._held -= size
            raise

    def _hold(self, more: int, size: int) -> None:
        self._held += more
        if size > LARGEST_BODY:
            raise RequestRefused(413, f"the body is larger than {LARGEST_BODY >> 20} MiB; send its rows in several")
        if self._held > MOST_HELD:
            raise RequestRefused(503, "too many large requests at the same time; try again in a second")

    def release(self, body: bytes) -> None:
        """A request with this body has been answered."""
        self._held -= len(body)


def _part(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise Disconnected
    part: bytes = message.get("body", b"")
    return part
