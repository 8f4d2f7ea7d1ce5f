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
from tidewheel.errors import PlatformError, ReleaseError
from tidewheel.ledger import Ledger, migrate
from tidewheel.ledger.releases import Releases
from tidewheel.policies.guard import RequestCounts
from tidewheel.release.actions import Actions
from tidewheel.release.artifact import Artifact
from tidewheel.release.executor import Executor
from tidewheel.release.stages import Colour, Stage, StageResult
from tidewheel.release.traffic import Gone, Traffic
from tidewheel.settings import Settings
from tidewheel.spec import Pipeline
from tidewheel.spec.release import Release

SCORES = [n / 20 for n in range(20)]
GUARD = {"window_seconds": 0.2, "minimum_requests": 20, "patience_seconds": 20}


@dataclass
class MemoryBackend:
    """Two colours that are entries of a dictionary."""

    url: str = ""
    running: dict[Colour, str] = field(default_factory=dict)
    routes: Traffic = field(default_factory=Traffic)
    ill: set[Colour] = field(default_factory=set)
    scores: dict[str, list[float]] = field(default_factory=dict)
    ranking: set[str] = field(default_factory=set)
    figures: bool = True
    happened: list[str] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)
    objects: str = ""
    scales_to: int | None = None
    astray: dict[str, Colour] = field(default_factory=dict)
    started: dict[Colour, int] = field(default_factory=dict)
    cuts: int = 0
    """Requests for predictions that get no answer from now on."""
    lag: int = 0
    """Looks at whether a colour is ready that get no answer, since its address is behind its state."""

    def start(self, colour: Colour, artifact: Artifact, replicas: int) -> None:
        self.happened.append(f"start {colour}")
        self.running[colour] = artifact.version
        self.started[colour] = replicas

    def stop(self, colour: Colour) -> None:
        assert colour not in self.routes.reached, "a colour must not be stopped while it is routed to"
        self.happened.append(f"stop {colour}")
        self.running.pop(colour, None)

    def version(self, colour: Colour) -> str | None:
        return self.running.get(colour)

    def problem(self, colour: Colour) -> str:
        return "" if colour in self.running else f"{colour} does not run"

    def missing(self, colour: Colour) -> str:
        if self.lacks:
            return self.lacks.pop(0)
        return f"{colour} does not answer" if colour in self.ill else ""

    def address(self, colour: Colour) -> str:
        return f"{self.url}/{colour}"

    def addresses(self, colour: Colour) -> list[str]:
        return [self.address(colour)]

    def replicas(self, colour: Colour) -> int:
        return self.started.get(colour, int(colour in self.running))

    def maximum(self, colour: Colour) -> int | None:
        return self.scales_to

    def ready_replicas(self, colour: Colour) -> int:
        return self.replicas(colour)

    def token(self) -> str:
        return "ours"

    def endpoint(self) -> str:
        return f"{self.url}/endpoint"

    def routers(self) -> list[str]:
        return [self.endpoint(), *(f"{self.url}{router}" for router in self.astray)]

    def objection(self) -> str:
        return self.objects

    def memory_mb(self, colour: Colour) -> float:
        return 100.0

    def route(self, traffic: Traffic) -> None:
        self.happened.append(f"route to {traffic}")
        self.routes = traffic

    def withdraw(self, gone: Gone) -> None:
        self.route(Traffic())

    def traffic(self) -> Traffic:
        return self.routes

    @classmethod
    def all_traffic(cls, settings: Settings) -> dict[str, Traffic]:
        raise PlatformError("each of these has a router of its own")

    def request_counts(self, colour: Colour) -> RequestCounts:
        if not self.figures:
            raise PlatformError("the router is silent")
        return RequestCounts()

    def in_flight(self, colour: Colour) -> int:
        return 0


@dataclass
class Stand:
    """What a test needs.

    `fails_at` names a stage that fails when it has done its work, `falls_ill_after` one that the new colour errs after.
    """

    backend: MemoryBackend
    releases: Releases
    pipeline: Pipeline
    folder: Path
    fails_at: str = ""
    falls_ill_after: str = ""
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

    def bakes_for(self, seconds: float) -> None:
        """From the next plan on."""
        release = self.pipeline.release.model_copy(update={"bake_seconds": seconds})
        self.pipeline = self.pipeline.model_copy(update={"release": release})

    def write_golden(self, predictions: list[float]) -> None:
        """What the versions that are built from now on said offline."""
        rows = [{"row": {"amount": score}, "prediction": p} for score, p in zip(SCORES, predictions, strict=True)]
        (self.folder / "contract.json").write_text(json.dumps({"golden_rows": rows}), encoding="utf-8")

    def _build(self, version: str) -> Artifact:
        return Artifact(version, f"orders:{version}", str(self.folder), f"content of {version}")


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    url = f"sqlite:///{tmp_path}/ledger.db"
    migrate(url)
    spec = pipeline(tmp_path)
    release = {"drain_seconds": 0, "bake_seconds": 0.3, "guard": GUARD}
    serving = spec.serving.model_copy(update={"latency_budget_ms": 5000})  # this is no test of speed
    spec = spec.model_copy(update={"release": Release.model_validate(release), "serving": serving})
    stand = Stand(MemoryBackend(), Releases(Ledger(url)), spec, tmp_path)
    stand.write_golden(SCORES)
    perform = Actions.perform

    def perform_or_fail(actions: Actions, stage: Stage) -> StageResult:
        found = perform(actions, stage)
        if stage.name == stand.fails_at:
            raise stand.failure
        if stage.name == stand.falls_ill_after:
            stand.backend.ill.add(stage.colour)
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
            if backend.lag:
                backend.lag -= 1
                self.close_connection = True
                return
            self._answer(503 if self._colour() in backend.ill else 200, {})

        def do_POST(self) -> None:
            rows = json.loads(self.rfile.read(int(self.headers["content-length"])))["rows"]
            colour = self._colour()
            if backend.cuts:
                backend.cuts -= 1
                self.close_connection = True
                return None
            if colour is None:
                return self._answer(404, {})
            if colour in backend.ill:
                return self._answer(500, {})
            version = backend.running[colour]
            scores = backend.scores.get(version, SCORES)
            predictions = [scores[SCORES.index(row["amount"])] for row in rows]
            if version in backend.ranking:
                predictions = [(n + 1) / len(rows) for n in range(len(rows))]
            return self._answer(200, {"predictions": predictions, "model_version": version, "colour": str(colour)})

        def _colour(self) -> Colour | None:
            name = self.path.split("/")[1]
            return backend.routes.live if name == "endpoint" else backend.astray.get(f"/{name}") or Colour(name)

        def _answer(self, status: int, document: dict[str, object]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    return Handler
