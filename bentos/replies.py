"""What goes back to a caller of the endpoint: an answer, or a refusal that says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pydantic_core
from starlette.responses import Response

from bentos.content_encoding import ACCEPTED
from bentos.request_head import JSON

if TYPE_CHECKING:
    from starlette.types import Message, Send

    from bentos.problems import RequestRefused
    from bentos.request_head import RequestHead

Header = tuple[bytes, bytes]
REFUSAL_HEADERS: dict[int, tuple[Header, ...]] = {
    401: ((b"www-authenticate", b"Bearer"),),
    405: ((b"allow", b"POST"),),
    415: ((b"accept-encoding", ACCEPTED.encode()),),
    503: ((b"retry-after", b"1"),),
}


class Reply(Response):
    """A response whose headers are bytes from the start: encoding text would cost a third more.

    Args:
        status_code: of HTTP.
        content: the body.
        content_type: of the body.
        headers: further ones.
        rows: how many rows were predicted; for the log.
    """

    def __init__(
        self,
        status_code: int,
        content: bytes,
        content_type: bytes = JSON,
        headers: tuple[Header, ...] = (),
        rows: int = 0,
    ) -> None:
        super().__init__(content, status_code)
        self.raw_headers += [(b"content-type", content_type), *headers]
        self.rows = rows


def refusal_reply(refusal: RequestRefused, head: RequestHead) -> Reply:
    """What a caller gets whose request was refused."""
    problem = {"error": str(refusal), "details": refusal.details, "request_id": head.request_id}
    return Reply(refusal.status, pydantic_core.to_json(problem), headers=REFUSAL_HEADERS.get(refusal.status, ()))


def without_redirects(send: Send) -> Send:
    """A 404 instead of each redirect, whose address would be made from the host that the caller names."""
    hidden = False

    async def send_without_redirects(message: Message) -> None:
        nonlocal hidden
        if message["type"] == "http.response.start":
            hidden = any(name.lower() == b"location" for name, _ in message.get("headers", ()))
            if hidden:
                message = {**message, "status": 404, "headers": [(b"content-length", b"0")]}
        elif hidden:
            message = {**message, "body": b""}
        await send(message)

    return send_without_redirects
