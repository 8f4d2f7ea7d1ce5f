"""The body of a request, received within limits of size, memory and time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from bentos.content_encoding import LARGEST_BODY
from bentos.problems import RequestRefused, refused_body, shortened
from bentos.request_head import CONTENT_TYPES

if TYPE_CHECKING:
    from starlette.types import Message, Receive

    from bentos.request_head import RequestHead

Body = bytes | bytearray
LARGEST_TOTAL = 8 * LARGEST_BODY
"""All bodies together that are being received or answered."""
BODY_SECONDS = 30.0


class BodyReceiver:
    """Receives bodies, and counts how much memory they take together."""

    def __init__(self) -> None:
        self._total = 0

    async def receive(self, head: RequestHead, receive: Receive) -> Body:
        """The whole body of a request; `release` must follow.

        Raises:
            RequestRefused: it is not one that `/predict` takes, too large, or too slow.
            ClientDisconnect: the caller went away.
        """
        if head.method != "POST":
            method = shortened(head.method)
            raise refused_body(405, f"/predict takes POST, not {method}", method, "POST")
        if head.content_type not in CONTENT_TYPES:
            content_type = shortened(head.content_type.decode(errors="replace"))
            expected = f"one of {b', '.join(CONTENT_TYPES).decode()}"
            raise refused_body(415, f"content type {content_type!r}: expected {expected}", content_type, expected)
        _ = head.is_packed  # refuses what is not accepted, before the body is received
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._whole(receive)
        except TimeoutError:
            raise RequestRefused(408, f"the body was not complete within {BODY_SECONDS:g} seconds") from None

    async def _whole(self, receive: Receive) -> Body:
        size, body = 0, b""
        grown: bytearray | None = None  # not a list of parts, which would be there twice when they are joined
        try:
            while True:
                message = await receive()
                part = _part(message)
                size += len(part)
                self._reserve(len(part), size)
                if grown is not None:
                    grown += part
                elif not body:
                    body = part
                else:
                    grown = bytearray(body)
                    grown += part
                if not message.get("more_body"):
                    return body if grown is None else grown
        except BaseException:
            self._total -= size
            raise

    def _reserve(self, more: int, size: int) -> None:
        self._total += more
        if size > LARGEST_BODY:
            raise RequestRefused(413, f"the body is larger than {LARGEST_BODY >> 20} MiB; send its rows in several")
        if self._total > LARGEST_TOTAL:
            raise RequestRefused(503, "too many large requests at the same time; try again in a second")

    def release(self, body: Body) -> None:
        """A request with this body has been answered."""
        self._total -= len(body)


def _part(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    part: bytes = message.get("body", b"")
    return part
