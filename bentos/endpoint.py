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
from starlette.requests import ClientDisconnect

from bentos.content_encoding import TooLarge, unpacked
from bentos.contract_counts import ContractCounts
from bentos.decoder import ARROW_FORM, JSON_FORM, PARQUET_FORM
from bentos.decoders import Decoders
from bentos.logs import FIELDS
from bentos.metrics import CONTENT_TYPE, Metrics
from bentos.openapi import document
from bentos.prediction_log import PredictionLog
from bentos.problems import RequestRefused
from bentos.replies import Reply, refusal_reply, without_redirects
from bentos.request_body import BodyReceiver
from bentos.request_head import ARROW, JSON, PARQUET, RequestHead

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from bentos.loaded_model import LoadedModel
    from bentos.request import CheckedRows
    from bentos.request_body import Body
    from bentos.settings import EndpointSettings
    from bentos.tracing import Tracing

log = logging.getLogger("tidewheel.endpoint")

CLIENT_CLOSED_REQUEST = 499
"""What proxies note where a caller went away before its request was complete."""
LARGE = 32 << 10
"""A body of this size would hold up the small ones while it is read: it is decoded in another process."""
AT_A_TIME = 2
"""Large bodies and tables."""
OPEN = frozenset({"/readyz", "/livez", "/healthz", "/metrics"})
"""Paths that are answered without a token: health checks and scrapes need none."""
FORMS = {JSON: JSON_FORM, ARROW: ARROW_FORM, PARQUET: PARQUET_FORM}
DOCS = Path(__file__).with_name("docs.html")
Page = tuple[bytes, bytes]


@dataclass(frozen=True)
class _Components:
    """What answers requests, once the model is loaded."""

    model: LoadedModel
    log: PredictionLog | None
    counts: ContractCounts
    metrics: Metrics
    tracing: Tracing | None
    decoders: Decoders

    def close(self) -> None:
        """Finish what runs in the background."""
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
        load: returns the model; called when it is first needed.
        settings: of this process.
    """

    def __init__(self, app: ASGIApp, load: Callable[[], LoadedModel], settings: EndpointSettings) -> None:
        self._app = app
        self._load = load
        self._settings = settings
        self._opened: _Components | None = None
        self._bodies = BodyReceiver()
        self._threads = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="predict")
        self._pages: dict[str, Callable[[], Page]] = {
            "/": lambda: (b"text/html; charset=utf-8", DOCS.read_bytes()),
            "/docs.json": lambda: (JSON, pydantic_core.to_json(document(self._components.model))),
            "/metrics": lambda: (CONTENT_TYPE.encode(), self._components.metrics.text()),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection's request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._closing(send))
            return
        if scope["type"] == "http" and scope["path"].endswith("/") and scope["path"] != "/":
            # As without the slash: a redirect would go to the host that the caller names, and lose the prefix.
            path = scope["path"].rstrip("/") or "/"
            scope = {**scope, "path": path, "raw_path": path.encode()}
        if scope["type"] == "http" and self._settings.tokens and not self._is_admitted(scope):
            refusal = RequestRefused(
                401, "this endpoint wants a token: send the header 'Authorization: Bearer <token>'"
            )
            self._components.metrics.refused(refusal.status)
            await refusal_reply(refusal, RequestHead.of(scope))(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == "/predict":
            await self._predict(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] in self._pages:
            content_type, content = self._pages[scope["path"]]()
            await Reply(200, content, content_type)(scope, receive, send)
        else:
            await self._app(scope, receive, without_redirects(send))

    @property
    def _components(self) -> _Components:
        if self._opened is None:
            model, folder = self._load(), self._settings.request_log
            log = self._prediction_log(model, folder) if folder else None
            counts = ContractCounts(model.packaged, model.colour, folder, self._settings.platform_token)
            decoders = Decoders(model.folder, model.packaged, AT_A_TIME)
            self._opened = _Components(model, log, counts, Metrics(model, log, counts), self._tracing(model), decoders)
        return self._opened

    def _prediction_log(self, model: LoadedModel, folder: Path) -> PredictionLog:
        settings = self._settings
        return PredictionLog(folder, model.packaged, model.colour, settings.log_limits, settings.platform_token)

    def _tracing(self, model: LoadedModel) -> Tracing | None:
        if not self._settings.traces:
            return None
        from bentos.tracing import Tracing  # OpenTelemetry's exporter, only where spans are sent

        tracing = Tracing(model)
        gc.freeze()  # as `bentos.service` does: what has just been imported is not searched for garbage either
        return tracing

    def _is_admitted(self, scope: Scope) -> bool:
        shown = dict(scope["headers"]).get(b"authorization", b"")
        scheme, _, token = shown.partition(b" ")
        # All are compared, each in constant time: how long a refusal takes says nothing.
        matches = [hmac.compare_digest(token.strip(), known) for known in self._settings.tokens]
        return scope["path"] in OPEN or (scheme.lower() == b"bearer" and any(matches))

    def _closing(self, send: Send) -> Send:
        """Write the prediction log to its end before the server learns that the application has shut down."""

        async def closing(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown") and self._opened:
                await asyncio.to_thread(self._opened.close)
            await send(message)

        return closing

    async def _predict(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        head, tracing = RequestHead.of(scope), self._components.tracing
        span = tracing.start(head) if tracing else None
        ids = {"request_id": head.request_id, **(tracing.ids(span) if tracing and span else {})}
        try:
            reply = await self._reply(head, receive, ids)
        except ClientDisconnect:
            reply = Reply(CLIENT_CLOSED_REQUEST, b"")
        else:
            reply.raw_headers.append((b"x-request-id", head.request_id.encode()))
            await reply(scope, receive, send)
        if tracing and span:
            tracing.end(span, reply.status_code, reply.rows)
        if log.isEnabledFor(logging.DEBUG):
            milliseconds = round((time.perf_counter() - started) * 1000, 3)
            fields = {**ids, "status": reply.status_code, "rows": reply.rows, "milliseconds": milliseconds}
            log.debug("answered", extra={FIELDS: fields})

    async def _reply(self, head: RequestHead, receive: Receive, ids: dict[str, str]) -> Reply:
        try:
            explains = head.explains  # refuses a wrong query before the body is received
            body = await self._bodies.receive(head, receive)
            try:
                small = _small(head, body)
                if small is not None and not explains:
                    return self._answer(head, lambda: self._components.model.reader.from_json(small))
                loop = asyncio.get_running_loop()
                # An explanation takes many times as long as a prediction: it must not hold up the others.
                read = (
                    partial(self._decoded, head, body)
                    if small is None
                    else partial(self._components.model.reader.from_json, small)
                )
                return await loop.run_in_executor(self._threads, self._answer, head, read, explains)
            finally:
                self._bodies.release(body)
        except RequestRefused as refusal:
            self._components.metrics.refused(refusal.status)
            return refusal_reply(refusal, head)
        except Exception:
            # Whatever else goes wrong, the caller gets an answer it can quote, and the log its traceback.
            log.exception("request %s failed", head.request_id, extra={FIELDS: ids})
            self._components.metrics.refused(500)
            return refusal_reply(RequestRefused(500, "the model failed; see the service's log"), head)

    def _decoded(self, head: RequestHead, body: Body) -> CheckedRows:
        return self._components.decoders.rows(FORMS[head.content_type], head.is_packed, body)

    def _answer(self, head: RequestHead, read: Callable[[], CheckedRows], explains: bool = False) -> Reply:
        started = time.perf_counter()
        components = self._components
        try:
            rows = read()
            answer = components.model.answer(rows, head.request_id)
        except RequestRefused as refusal:
            components.counts.refused(head, refusal)
            raise
        if explains:
            answer = replace(answer, explanation=components.model.explain(rows))
            components.metrics.explained(len(rows))
        if components.log:
            components.log.put(head, rows, answer.predictions)
        content, kind = (answer.to_arrow(), ARROW) if head.wants_arrow else (answer.to_json(), JSON)
        components.counts.answered(head, len(rows), answer.flags)
        components.metrics.answered(len(rows), len(answer.flags), time.perf_counter() - started)
        return Reply(200, content, kind, rows=len(rows))


def _small(head: RequestHead, body: Body) -> Body | None:
    """A body as JSON that is read at once, None where it is a table or large."""
    if head.content_type != JSON or len(body) >= LARGE:
        return None
    if not head.is_packed:
        return body
    try:
        return unpacked(body, LARGE)
    except TooLarge:
        return None
