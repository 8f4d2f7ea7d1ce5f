"""The quick path: `/predict`, `/metrics` and the documentation are answered here, the rest by BentoML.

BentoML's own way from request to method and back costs several times what a small model does, so this stands in
front of it, as middleware that works under any server. The answers are the same.
"""

from __future__ import annotations

import asyncio
import gc
import hmac
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pydantic_core

from bentos.call import ARROW, JSON, PARQUET, Application, Bodies, Body, Call, Disconnected, Message, Receive, Send
from bentos.content_encoding import ACCEPTED, TooLarge, unpacked
from bentos.contract_counts import ContractCounts
from bentos.decoder import ARROW_FORM, JSON_FORM, PARQUET_FORM
from bentos.decoders import Decoders
from bentos.logs import FIELDS
from bentos.measures import CONTENT_TYPE, Measures
from bentos.openapi import document
from bentos.prediction_log import PredictionLog
from bentos.problems import RequestRefused
from bentos.settings import EndpointSettings

if TYPE_CHECKING:
    from bentos.request import Rows
    from bentos.served import Served
    from bentos.tracing import Tracing

log = logging.getLogger("tidewheel.endpoint")

CLIENT_CLOSED_REQUEST = 499
"""What proxies note where a caller went away before its request was complete."""
LARGE = 32 << 10
"""A body of this size would hold up the small ones while it is read: it is decoded in another process."""
AT_A_TIME = 2
"""Large bodies and tables."""
OPEN = frozenset({"/readyz", "/livez", "/healthz", "/metrics"})
"""Paths that are answered without a token: whoever watches over the process needs none."""
FORMS = {JSON: JSON_FORM, ARROW: ARROW_FORM, PARQUET: PARQUET_FORM}
DOCS = Path(__file__).with_name("docs.html")
Page = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back to a caller of `/predict`."""

    status: int
    content: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    rows: int = 0


@dataclass(frozen=True)
class _Desk:
    """What it takes to answer, once the model is loaded."""

    served: Served
    log: PredictionLog | None
    counts: ContractCounts
    measures: Measures
    tracing: Tracing | None
    decoders: Decoders

    def close(self) -> None:
        """Bring to its end what goes on in the background."""
        if self.log:
            self.log.close()
        self.counts.close()
        self.decoders.close()
        if self.tracing:
            self.tracing.close()


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
        self._threads = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="predict")
        self._pages: dict[str, Callable[[], Page]] = {
            "/": lambda: (b"text/html; charset=utf-8", DOCS.read_bytes()),
            "/docs.json": lambda: (JSON, pydantic_core.to_json(document(self._desk.served))),
            "/metrics": lambda: (CONTENT_TYPE.encode(), self._desk.measures.text()),
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one connection's request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._closing(send))
            return
        if scope["type"] == "http" and scope["path"].endswith("/") and scope["path"] != "/":
            # As without the slash: a redirect would go to the host that the caller names, and lose the prefix.
            path = scope["path"].rstrip("/") or "/"
            scope = {**scope, "path": path, "raw_path": path.encode()}
        if scope["type"] == "http" and self._settings.tokens and not self._let_in(scope):
            call = Call.of(scope)
            refusal = RequestRefused(
                401, "this endpoint wants a token: send the header 'Authorization: Bearer <token>'"
            )
            self._desk.measures.refused(refusal.status)
            await _send(send, _refusal(refusal, call))
        elif scope["type"] == "http" and scope["path"] == "/predict":
            await self._predict(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] in self._pages:
            content_type, content = self._pages[scope["path"]]()
            await _send(send, Reply(200, content, content_type))
        else:
            await self._app(scope, receive, _without_redirects(send))

    @property
    def _desk(self) -> _Desk:
        if self._opened is None:
            served, folder = self._open(), self._settings.request_log
            kept = self._prediction_log(served, folder) if folder else None
            decoders = Decoders(served.folder, served.packaged, AT_A_TIME)
            counts = ContractCounts(served.packaged, served.colour, folder, self._settings.platform_token)
            self._opened = _Desk(served, kept, counts, Measures(served, kept, counts), self._tracing(served), decoders)
        return self._opened

    def _prediction_log(self, served: Served, folder: Path) -> PredictionLog:
        settings = self._settings
        return PredictionLog(folder, served.packaged, served.colour, settings.log_limits, settings.platform_token)

    def _tracing(self, served: Served) -> Tracing | None:
        if not self._settings.traces:
            return None
        from bentos.tracing import Tracing  # OpenTelemetry's exporter, for those who want it

        tracing = Tracing(served)
        gc.freeze()  # as `bentos.service` does: what has just been imported is not searched for garbage either
        return tracing

    def _let_in(self, scope: Message) -> bool:
        shown = dict(scope["headers"]).get(b"authorization", b"")
        scheme, _, token = shown.partition(b" ")
        # All are compared, each in constant time: how long a refusal takes says nothing.
        right = [hmac.compare_digest(token.strip(), known) for known in self._settings.tokens]
        return scope["path"] in OPEN or (scheme.lower() == b"bearer" and any(right))

    def _closing(self, send: Send) -> Send:
        """Before the server hears that all is over, the prediction log is written to its end."""

        async def closing(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown") and self._opened:
                await asyncio.to_thread(self._opened.close)
            await send(message)

        return closing

    async def _predict(self, scope: Message, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        call, tracing = Call.of(scope), self._desk.tracing
        span = tracing.start(call) if tracing else None
        ids = {"request_id": call.request_id, **(tracing.ids(span) if tracing and span else {})}
        try:
            reply = await self._reply(call, receive, ids)
        except Disconnected:
            reply = Reply(CLIENT_CLOSED_REQUEST, b"")
        else:
            await _send(send, reply, (b"x-request-id", call.request_id.encode()))
        if tracing and span:
            tracing.end(span, reply.status, reply.rows)
        if log.isEnabledFor(logging.DEBUG):
            milliseconds = round((time.perf_counter() - started) * 1000, 3)
            said = {**ids, "status": reply.status, "rows": reply.rows}
            log.debug("answered", extra={FIELDS: {**said, "milliseconds": milliseconds}})

    async def _reply(self, call: Call, receive: Receive, ids: dict[str, str]) -> Reply:
        try:
            explains = call.explains  # refuses a wrong query before the body is received
            body = await self._bodies.receive(call, receive)
            try:
                small = _small(call, body)
                if small is not None and not explains:
                    return self._answer(call, lambda: self._desk.served.reader.from_json(small))
                loop = asyncio.get_running_loop()
                # An explanation takes many times as long as a prediction: it must not hold up the others.
                read = (
                    partial(self._decoded, call, body)
                    if small is None
                    else partial(self._desk.served.reader.from_json, small)
                )
                return await loop.run_in_executor(self._threads, self._answer, call, read, explains)
            finally:
                self._bodies.release(body)
        except RequestRefused as refusal:
            self._desk.measures.refused(refusal.status)
            return _refusal(refusal, call)
        except Exception:
            # Whatever else goes wrong, the caller gets an answer it can quote, and the log its traceback.
            log.exception("request %s failed", call.request_id, extra={FIELDS: ids})
            self._desk.measures.refused(500)
            return _refusal(RequestRefused(500, "the model failed; see the service's log"), call)

    def _decoded(self, call: Call, body: Body) -> Rows:
        return self._desk.decoders.rows(FORMS[call.content_type], call.is_packed, body)

    def _answer(self, call: Call, read: Callable[[], Rows], explains: bool = False) -> Reply:
        started = time.perf_counter()
        desk = self._desk
        try:
            rows = read()
            answer = desk.served.answer(rows, call.request_id)
        except RequestRefused as refusal:
            desk.counts.refused(call, refusal)
            raise
        if explains:
            answer = replace(answer, explanation=desk.served.explain(rows))
            desk.measures.explained(len(rows))
        if desk.log:
            desk.log.put(call, rows, answer.predictions)
        content, kind = (answer.to_arrow(), ARROW) if call.wants_arrow else (answer.to_json(), JSON)
        desk.counts.answered(call, len(rows), answer.flags)
        desk.measures.answered(len(rows), len(answer.flags), time.perf_counter() - started)
        return Reply(200, content, kind, rows=len(rows))


def _small(call: Call, body: Body) -> Body | None:
    """A body as JSON that is read at once, None where it is a table or large."""
    if call.content_type != JSON or len(body) >= LARGE:
        return None
    if not call.is_packed:
        return body
    try:
        return unpacked(body, LARGE)
    except TooLarge:
        return None


def _refusal(refusal: RequestRefused, call: Call) -> Reply:
    problem = {"error": str(refusal), "details": refusal.details, "request_id": call.request_id}
    headers = {
        401: ((b"www-authenticate", b"Bearer"),),
        405: ((b"allow", b"POST"),),
        415: ((b"accept-encoding", ACCEPTED.encode()),),
        503: ((b"retry-after", b"1"),),
    }
    return Reply(refusal.status, pydantic_core.to_json(problem), headers=headers.get(refusal.status, ()))


def _without_redirects(send: Send) -> Send:
    """Instead of a redirect, whose address is made from what the caller says of the host, nothing is there."""
    hidden = False

    async def sent(message: Message) -> None:
        nonlocal hidden
        if message["type"] == "http.response.start":
            hidden = any(name.lower() == b"location" for name, _ in message.get("headers", ()))
            if hidden:
                message = {**message, "status": 404, "headers": [(b"content-length", b"0")]}
        elif hidden:
            message = {**message, "body": b""}
        await send(message)

    return sent


async def _send(send: Send, reply: Reply, *more: tuple[bytes, bytes]) -> None:
    headers = [
        (b"content-type", reply.content_type),
        (b"content-length", str(len(reply.content)).encode()),
        *reply.headers,
        *more,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.content})
