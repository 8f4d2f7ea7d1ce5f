"""An executor over a backend in memory, whose colours answer over real HTTP, and a ledger in SQLite."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.small_models import pipeline
from tidewheel.errors import ReleaseError
from tidewheel.ledger import Ledger, migrate
from tidewheel.ledger.releases import Releases
from tidewheel.release.actions import Actions, Found
from tidewheel.release.artifact import Artifact
from tidewheel.release.executor import Executor
from tidewheel.release.stages import Colour, Stage
from tidewheel.spec import Pipeline

GOLDEN = {"golden_rows": [{"row": {"amount": 1.0}, "prediction": 0.5}]}


@dataclass
class MemoryBackend:
    """Two colours that are entries of a dictionary."""

    url: str = ""
    running: dict[Colour, str] = field(default_factory=dict)
    live: Colour | None = None
    ill: set[Colour] = field(default_factory=set)
    happened: list[str] = field(default_factory=list)

    def start(self, colour: Colour, artifact: Artifact) -> None:
        self.happened.append(f"start {colour}")
        self.running[colour] = artifact.version

    def stop(self, colour: Colour) -> None:
        assert self.live is not colour, "a colour must not be stopped while it is routed to"
        self.happened.append(f"stop {colour}")
        self.running.pop(colour, None)

    def version(self, colour: Colour) -> str | None:
        return self.running.get(colour)

    def problem(self, colour: Colour) -> str:
        return "" if colour in self.running else f"{colour} does not run"

    def address(self, colour: Colour) -> str:
        return f"{self.url}/{colour}"

    def endpoint(self) -> str:
        return f"{self.url}/endpoint"

    def route_to(self, colour: Colour | None) -> None:
        self.happened.append(f"route to {colour}")
        self.live = colour

    def routed(self) -> Colour | None:
        return self.live

    def in_flight(self, colour: Colour) -> int:
        return 0


@dataclass
class Stand:
    """What a test needs; `fails_at` names a stage that fails when it has done its work."""

    backend: MemoryBackend
    releases: Releases
    pipeline: Pipeline
    folder: Path
    fails_at: str = ""
    failure: Exception = field(default_factory=lambda: ReleaseError("as told"))
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def executor(self) -> Executor:
        """A new one, as a new process would have."""
        return Executor(self.pipeline, self.backend, self.releases, self._build)

    def release(self, version: str) -> int:
        """From plan to end."""
        number = self.executor().begin(version, f"release {version}").number
        self.executor().run(number)
        return number

    def _build(self, version: str) -> Artifact:
        return Artifact(version, f"orders:{version}", str(self.folder), f"content of {version}")


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    (tmp_path / "contract.json").write_text(json.dumps(GOLDEN), encoding="utf-8")
    url = f"sqlite:///{tmp_path}/ledger.db"
    migrate(url)
    spec = pipeline(tmp_path)
    spec = spec.model_copy(update={"release": spec.release.model_copy(update={"drain_seconds": 0})})
    stand = Stand(MemoryBackend(), Releases(Ledger(url)), spec, tmp_path)
    perform = Actions.perform

    def perform_or_fail(actions: Actions, stage: Stage) -> Found:
        found = perform(actions, stage)
        if stage.name == stand.fails_at:
            raise stand.failure
        return found

    monkeypatch.setattr(Actions, "perform", perform_or_fail)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(stand.backend)) as server:
        stand.backend.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield stand
        server.shutdown()
        thread.join()


def handler(backend: MemoryBackend) -> type[BaseHTTPRequestHandler]:
    """Answers for the colours and for the router, as what runs in the backend would."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer(503 if self._colour() in backend.ill else 200, {})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            colour = self._colour()
            if colour is None:
                return self._answer(404, {})
            version = backend.running[colour]
            return self._answer(200, {"predictions": [0.5], "model_version": version, "colour": str(colour)})

        def _colour(self) -> Colour | None:
            name = self.path.split("/")[1]
            return backend.live if name == "endpoint" else Colour(name)

        def _answer(self, status: int, document: dict[str, object]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    return Handler
