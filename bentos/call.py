"""One request to `/predict`: what its headers say, and its body, both within bounds."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from bentos.content_encoding import is_packed
from bentos.problems import RequestRefused, problem, refused_body, shortened

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Body = bytes | bytearray
Application = Callable[[Message, Receive, Send], Awaitable[None]]

JSON, ARROW, PARQUET = b"application/json", b"application/vnd.apache.arrow.stream", b"application/vnd.apache.parquet"
CONTENT_TYPES = (JSON, ARROW, PARQUET)
LARGEST_BODY = 32 << 20
MOST_HELD = 8 * LARGEST_BODY
"""All bodies together that are being received or answered."""
BODY_SECONDS = 30.0
EXPLAIN = "explain"
TRUTHS = {"true": True, "false": False}
MOST_QUERY_FIELDS = 100
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class Disconnected(Exception):
    """The caller went away before the request was complete."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is known of a request before its body.

    Attributes:
        headers: by lower-case name; of several of one name the last.
        request_id: the caller's, or a new one.
        query: what follows the question mark of the address.
    """

    method: str
    headers: dict[bytes, bytes]
    request_id: str
    query: bytes = b""

    @classmethod
    def of(cls, scope: Message) -> Call:
        """The call of an ASGI scope."""
        headers = dict(scope["headers"])
        asked = headers.get(b"x-request-id", b"")
        request_id = asked.decode() if REQUEST_ID.fullmatch(asked) else os.urandom(16).hex()
        return cls(scope["method"], headers, request_id, scope.get("query_string", b""))

    @property
    def content_type(self) -> bytes:
        """Of the body, without parameters."""
        return self.headers.get(b"content-type", JSON).partition(b";")[0].strip().lower()

    @property
    def wants_arrow(self) -> bool:
        """Whether the answer shall be an Arrow stream."""
        return ARROW in self.headers.get(b"accept", b"")

    @property
    def explains(self) -> bool:
        """Whether the answer shall say what each field has added to the predictions.

        Raises:
            RequestRefused: the query says neither that it shall nor that it shall not.
        """
        if not self.query:
            return False
        try:
            found = parse_qs(self.query.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_QUERY_FIELDS)
        except ValueError:
            raise RequestRefused(422, f"the query has more than {MOST_QUERY_FIELDS} fields") from None
        values = {value.lower() for value in found.get(EXPLAIN, ["false"])}
        if len(values) == 1 and values <= TRUTHS.keys():
            return TRUTHS[values.pop()]
        shown = shortened(", ".join(found[EXPLAIN]))
        raise RequestRefused(
            422,
            f"{EXPLAIN} in the query is {shown!r}: expected true or false",
            [problem(None, EXPLAIN, shown, "true or false")],
        )

    @property
    def is_packed(self) -> bool:
        """Whether the body is compressed in a way that is accepted.

        Raises:
            RequestRefused: it is encoded in another way.
        """
        encoding = self.headers.get(b"content-encoding")
        return encoding is not None and is_packed(encoding.strip().lower())


class Bodies:
    """Receives bodies, and knows how much of them is held in memory."""

    def __init__(self) -> None:
        self._held = 0

    async def receive(self, call: Call, receive: Receive) -> Body:
        """The whole body of a request; `release` must follow.

        Raises:
            RequestRefused: it is not one that `/predict` takes, too large, or too slow.
            Disconnected: the caller went away.
        """
        if call.method != "POST":
            found = shortened(call.method)
            raise refused_body(405, f"/predict is asked with POST, not {found}", found, "POST")
        if call.content_type not in CONTENT_TYPES:
            found = shortened(call.content_type.decode(errors="replace"))
            expected = f"one of {b', '.join(CONTENT_TYPES).decode()}"
            raise refused_body(415, f"content type {found!r}: expected {expected}", found, expected)
        _ = call.is_packed  # refuses what is not accepted, before the body is received
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
                self._hold(len(part), size)
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
            self._held -= size
            raise

    def _hold(self, more: int, size: int) -> None:
        self._held += more
        if size > LARGEST_BODY:
            raise RequestRefused(413, f"the body is larger than {LARGEST_BODY >> 20} MiB; send its rows in several")
        if self._held > MOST_HELD:
            raise RequestRefused(503, "too many large requests at the same time; try again in a second")

    def release(self, body: Body) -> None:
        """A request with this body has been answered."""
        self._held -= len(body)


def _part(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise Disconnected
    part: bytes = message.get("body", b"")
    return part
