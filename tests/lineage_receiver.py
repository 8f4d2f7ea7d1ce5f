"""Takes OpenLineage events over HTTP, as a lineage service does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class LineageReceiver:
    """What was received.

    Attributes:
        url: for OPENLINEAGE_URL.
        events: oldest first.
    """

    url: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def receiving_lineage() -> Iterator[LineageReceiver]:
    """A receiver on a free port of this machine."""
    received = LineageReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.events.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(201)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        received.url = f"http://127.0.0.1:{server.server_port}"
        yield received
        server.shutdown()
