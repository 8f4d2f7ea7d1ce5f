"""The quick path: `/predict`, `/metrics` and the documentation are answered here, the rest by BentoML.

BentoML's own way from request to method and back costs several times what a small model does, so this stands in
front of it, as middleware that works under any server. The answers are the same.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic_core

from bentos.measures import CONTENT_TYPE, Measures
from bentos.openapi import document
from bentos.request import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from bentos.served import Served

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[[Message, Receive, Send], Awaitable[None]]

log = logging.getLogger("tidewheel.endpoint")

LARGEST_BODY = 32 << 20
IN_THREAD_FROM = 64 << 10
"""A body of this size would hold up the small ones while it is read: it is answered in a thread."""
DOCS = Path(__file__).with_name("docs.html")
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
JSON = b"application/json"


class Disconnected(Exception):
    """The caller went away before the request was complete."""


class Endpoint:
    """ASGI middleware that answers predictions.

    Args:
        app: BentoML's application.
        served: gives the model, once it is loaded.
    """

    def __init__(self, app: Application, served: Callable[[], Served]) -> None:
        self._app = app
        self._open = served
        self._opened: tuple[Served, Measures] | None = None
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="predict")
        self._pages: dict[str, Callable[[], tuple[bytes, bytes]]] = {
            "/": lambda: (b"text/html; charset=utf-8", DOCS.read_bytes()),
            "/docs.json": lambda: (JSON, pydantic_core.to_json(document(self._model[0]))),
            "/metrics": lambda: (CONTENT_TYPE.encode(), self._model[1].text()),
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one connection's request, or pass it on."""
        if scope["type"] != "http" or scope["path"] not in ("/predict", *self._pages):
            await self._app(scope, receive, send)
        elif scope["path"] == "/predict":
            await self._predict(scope, receive, send)
        else:
            content_type, body = self._pages[scope["path"]]()
            await _send(send, 200, body, [(b"content-type", content_type)])

    @property
    def _model(self) -> tuple[Served, Measures]:
        if self._opened is None:
            served = self._open()
            self._opened = served, Measures(served)
        return self._opened

    async def _predict(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        asked_id = headers.get(b"x-request-id", b"")
        request_id = asked_id.decode() if REQUEST_ID.fullmatch(asked_id) else uuid.uuid4().hex
        extra: list[tuple[bytes, bytes]] = [(b"content-type", JSON), (b"x-request-id", request_id.encode())]
        try:
            body = await _body(scope["method"], headers, receive)
            if len(body) < IN_THREAD_FROM:
                answer = self._answer(body, request_id)
            else:
                loop = asyncio.get_running_loop()
                answer = await loop.run_in_executor(self._threads, self._answer, body, request_id)
            await _send(send, 200, answer, extra)
        except Disconnected:
            return
        except RequestRefused as refusal:
            self._model[1].refused(refusal.status)
            if refusal.status == 405:
                extra.append((b"allow", b"POST"))
            problem = {"error": str(refusal), "details": refusal.details, "request_id": request_id}
            await _send(send, refusal.status, pydantic_core.to_json(problem), extra)
        except Exception:
            # Whatever else goes wrong, the caller gets an answer it can quote, and the log its traceback.
            log.exception("request %s failed", request_id)
            self._model[1].refused(500)
            problem = {"error": "the model failed; see the service's log", "details": [], "request_id": request_id}
            await _send(send, 500, pydantic_core.to_json(problem), extra)

    def _answer(self, body: bytes, request_id: str) -> bytes:
        started = time.perf_counter()
        served, measures = self._model
        rows = served.reader.from_json(body)
        answer = served.answer(rows, request_id)
        content = pydantic_core.to_json(answer)
        measures.answered(len(rows), len(answer["flags"]), time.perf_counter() - started)
        return content


async def _body(method: str, headers: dict[bytes, bytes], receive: Receive) -> bytes:
    if method != "POST":
        raise RequestRefused(405, f"/predict is asked with POST, not {method}")
    content_type = headers.get(b"content-type", JSON).split(b";")[0].strip().lower()
    if content_type != JSON:
        found = content_type.decode(errors="replace")
        raise RequestRefused(415, f"content type {found!r}: expected application/json")
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        size += len(part)
        if size > LARGEST_BODY:
            raise RequestRefused(413, f"the body is larger than {LARGEST_BODY >> 20} MiB; send its rows in several")
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
