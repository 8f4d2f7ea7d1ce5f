"""The quick path: `/predict`, `/metrics` and the documentation are answered here, the rest by BentoML.

BentoML's own way from request to method and back costs several times what a small model does, so this stands in
front of it, as middleware that works under any server. The answers are the same.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pydantic_core

from bentos.call import ARROW, JSON, PARQUET, Application, Bodies, Call, Disconnected, Message, Receive, Send
from bentos.measures import CONTENT_TYPE, Measures
from bentos.openapi import document
from bentos.prediction_log import Entry, PredictionLog
from bentos.request import RequestRefused
from bentos.settings import EndpointSettings

if TYPE_CHECKING:
    from bentos.request import Rows
    from bentos.served import Served

log = logging.getLogger("tidewheel.endpoint")

IN_THREAD_FROM = 64 << 10
"""A body of this size would hold up the small ones while it is read: it is answered in a thread."""
DOCS = Path(__file__).with_name("docs.html")
Page = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back to a caller of `/predict`."""

    status: int
    content: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True)
class _Desk:
    """What it takes to answer, once the model is loaded."""

    served: Served
    log: PredictionLog | None
    measures: Measures


class Endpoint:
    """ASGI middleware that answers predictions.

    Args:
        app: BentoML's application.
        served: gives the model, once it is loaded.
        settings: of this process.
    """

    def __init__(self, app: Application, served: Callable[[], Served], settings: EndpointSettings) -> None:
        self._app = app
        self._open = served
        self._settings = settings
        self._opened: _Desk | None = None
        self._bodies = Bodies()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="predict")
        self._pages: dict[str, Callable[[], Page]] = {
            "/": lambda: (b"text/html; charset=utf-8", DOCS.read_bytes()),
            "/docs.json": lambda: (JSON, pydantic_core.to_json(document(self._desk.served))),
            "/metrics": lambda: (CONTENT_TYPE.encode(), self._desk.measures.text()),
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one connection's request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._closing(send))
        elif scope["type"] == "http" and scope["path"] == "/predict":
            await self._predict(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] in self._pages:
            content_type, content = self._pages[scope["path"]]()
            await _send(send, Reply(200, content, content_type))
        else:
            await self._app(scope, receive, send)

    @property
    def _desk(self) -> _Desk:
        if self._opened is None:
            served, folder = self._open(), self._settings.request_log
            kept = PredictionLog(folder, served.packaged, served.colour) if folder else None
            self._opened = _Desk(served, kept, Measures(served, kept))
        return self._opened

    def _closing(self, send: Send) -> Send:
        """Before the server hears that all is over, the prediction log is written to its end."""

        async def closing(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown") and self._opened and self._opened.log:
                await asyncio.to_thread(self._opened.log.close)
            await send(message)

        return closing

    async def _predict(self, scope: Message, receive: Receive, send: Send) -> None:
        call = Call.of(scope)
        try:
            reply = await self._reply(call, receive)
        except Disconnected:
            return
        await _send(send, reply, (b"x-request-id", call.request_id.encode()))

    async def _reply(self, call: Call, receive: Receive) -> Reply:
        try:
            body = await self._bodies.receive(call, receive)
            try:
                if len(body) < IN_THREAD_FROM:
                    return self._answer(call, body)
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, self._answer, call, body)
            finally:
                self._bodies.release(body)
        except RequestRefused as refusal:
            self._desk.measures.refused(refusal.status)
            return _refusal(refusal, call)
        except Exception:
            # Whatever else goes wrong, the caller gets an answer it can quote, and the log its traceback.
            log.exception("request %s failed", call.request_id)
            self._desk.measures.refused(500)
            return _refusal(RequestRefused(500, "the model failed; see the service's log"), call)

    def _answer(self, call: Call, body: bytes) -> Reply:
        started = time.perf_counter()
        desk = self._desk
        rows = _rows(desk.served, call.content_type, body)
        answer = desk.served.answer(rows, call.request_id)
        if desk.log and desk.log.wants(call.request_id) and not call.probing:
            entry = Entry(
                request_id=call.request_id,
                at=time.time(),
                mirrored=call.mirrored,
                columns=rows.columns,
                key=rows.key,
                predictions=answer.predictions,
            )
            desk.log.put(entry)
        reply = Reply(200, answer.to_arrow(), ARROW) if call.wants_arrow else Reply(200, answer.to_json())
        desk.measures.answered(len(rows), len(answer.flags), time.perf_counter() - started)
        return reply


def _rows(served: Served, content_type: bytes, body: bytes) -> Rows:
    if content_type == ARROW:
        return served.tables.from_stream(body)
    if content_type == PARQUET:
        return served.tables.from_parquet(body)
    return served.reader.from_json(body)


def _refusal(refusal: RequestRefused, call: Call) -> Reply:
    problem = {"error": str(refusal), "details": refusal.details, "request_id": call.request_id}
    headers = {405: ((b"allow", b"POST"),), 503: ((b"retry-after", b"1"),)}
    return Reply(refusal.status, pydantic_core.to_json(problem), headers=headers.get(refusal.status, ()))


async def _send(send: Send, reply: Reply, *more: tuple[bytes, bytes]) -> None:
    headers = [
        (b"content-type", reply.content_type),
        (b"content-length", str(len(reply.content)).encode()),
        *reply.headers,
        *more,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.content})
