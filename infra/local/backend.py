"""The local backend: `<pipeline>-blue` and `<pipeline>-green` under supervisord, behind Envoy."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from infra.embedded.layout import Layout
from infra.embedded.ports import HOST, LAST_PORT, MODEL_PORTS, Ports, can_bind
from infra.embedded.program import Program
from infra.embedded.supervise import State, Supervisor, last_lines
from infra.envoy.admin import EnvoyAdmin
from infra.envoy.routing import split
from infra.local.endpoints import Endpoint, Endpoints, Place
from tidewheel.errors import PlatformError, ReleaseError
from tidewheel.release import Colour
from tidewheel.release.traffic import Gone, Traffic

if TYPE_CHECKING:
    from tidewheel.release.artifact import Artifact
    from tidewheel.release.counted import Counted
    from tidewheel.settings import Settings

USUAL_PORTS = range(Ports().models, Ports().models + 2_000)
"""Where nobody has asked for other ports; below the range that the system takes for outgoing connections."""
START_SECONDS = 10
"""A service that ends sooner than this has failed to start; importing what it needs takes seconds."""
STOP_SECONDS = 60
"""A service may drain for 30 s and write its prediction log for 20 more before it is killed, 5 s before this."""
RUNS = frozenset({State.STARTING, State.RUNNING})
INHERITED = (
    *("PATH", "HOME", "LANG", "LC_*", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "MALLOC_*", "SUPERVISOR_*"),
    *("TIDEWHEEL_ENDPOINT_*", "OTEL_*"),
)
"""All that a model service has of the platform's environment, in which passwords and keys of other things lie."""


class LocalBackend:
    """One pipeline's colours on this machine; see `tidewheel.release.backend.Backend`.

    Args:
        settings: of an installation whose platform is up.
        pipeline: name of the pipeline.
    """

    def __init__(self, settings: Settings, pipeline: str) -> None:
        self._pipeline = pipeline
        self._layout = Layout(settings.home)
        self._supervisor = Supervisor(self._layout)
        self._endpoints = Endpoints(self._layout)
        self._envoy = EnvoyAdmin(settings.require("envoy_admin_url"))
        self._router_url = settings.require("endpoint_url").rstrip("/")
        self._ports = _ports(settings.models_port, self._layout)
        self._request_log = settings.request_log_folder.absolute() / pipeline

    def start(self, colour: Colour, artifact: Artifact) -> None:
        """Have this artifact, and nothing else, run in a colour; do not wait until it is ready."""
        name = self._name(colour)
        place = self._endpoints.get(self._pipeline).places.get(colour)
        if place and place.content_hash == artifact.content_hash and self._supervisor.status(name).state in RUNS:
            return
        self._refuse_routed(colour)
        self._supervisor.remove(name, STOP_SECONDS)

        def placed(endpoint: Endpoint) -> Endpoint:
            return endpoint.with_place(colour, Place(artifact.version, artifact.content_hash, self._free_port()))

        endpoint = self._endpoints.change(self._pipeline, placed)
        self._supervisor.add(self._program(colour, artifact, endpoint.places[colour].port))

    def stop(self, colour: Colour) -> None:
        """Have nothing run in a colour, to which nothing is routed."""
        self._refuse_routed(colour)
        self._endpoints.change(self._pipeline, lambda endpoint: endpoint.without(colour))
        self._supervisor.remove(self._name(colour), STOP_SECONDS)

    def version(self, colour: Colour) -> str | None:
        """Which version was started in a colour, None where none was."""
        place = self._endpoints.get(self._pipeline).places.get(colour)
        return place.version if place else None

    def problem(self, colour: Colour) -> str:
        """Why what was started in a colour does not run, with the end of its log; empty where it runs."""
        status = self._supervisor.status(self._name(colour))
        if status.state in RUNS:
            return ""
        log = self._layout.log(status.name)
        return f"{status.name} is {status.state}; the end of {log}:\n{last_lines(log) or '(empty)'}"

    def missing(self, colour: Colour) -> str:
        """Nothing: what was started answers as a whole, or not at all."""
        return ""

    def memory_mb(self, colour: Colour) -> float:
        """Resident memory of a colour's process, in MiB.

        Raises:
            ReleaseError: none runs.
        """
        status = self._supervisor.status(self._name(colour))
        try:
            return psutil.Process(status.pid or -1).memory_info().rss / 2**20
        except (psutil.NoSuchProcess, ValueError) as error:
            raise ReleaseError(f"{status.name} is {status.state}: {self.problem(colour)}") from error

    def address(self, colour: Colour) -> str:
        """URL of a colour itself, past the router.

        Raises:
            ReleaseError: nothing was started there.
        """
        place = self._endpoints.get(self._pipeline).places.get(colour)
        if place is None:
            raise ReleaseError(f"nothing was started as {self._name(colour)}")
        return f"http://{HOST}:{place.port}"

    def token(self) -> str:
        """What a release's requests show, so that the services know them from a caller's."""
        return self._endpoints.token()

    def endpoint(self) -> str:
        """URL of the pipeline through the router."""
        return f"{self._router_url}/{self._pipeline}"

    def routers(self) -> Sequence[str]:
        """URL of the pipeline through the one router there is."""
        return [self.endpoint()]

    def route(self, traffic: Traffic) -> None:
        """Tell Envoy where requests go."""

        def routed(endpoint: Endpoint) -> Endpoint:
            if missing := sorted(traffic.reached - endpoint.places.keys()):
                names = " and ".join(self._name(colour) for colour in missing)
                raise ReleaseError(f"nothing was started as {names}: it cannot be routed to")
            return replace(endpoint, traffic=traffic, gone=None if traffic.live else endpoint.gone)

        self._endpoints.change(self._pipeline, routed)

    def withdraw(self, gone: Gone) -> None:
        """Tell Envoy that nothing answers for this pipeline any more, and what callers are to be told."""
        self._endpoints.change(self._pipeline, lambda endpoint: replace(endpoint, traffic=Traffic(), gone=gone))

    def traffic(self) -> Traffic:
        """Where Envoy says it sends requests, by the routes it has accepted."""
        return _traffic(self._envoy.actions()).get(self._pipeline, Traffic())

    def objection(self) -> str:
        """Nothing: Envoy takes a table of routes that it can read, and `traffic` says which one it has."""
        return ""

    @classmethod
    def all_traffic(cls, settings: Settings) -> Mapping[str, Traffic]:
        """Where Envoy says it sends the requests of each pipeline that it has a route for."""
        return _traffic(EnvoyAdmin(settings.require("envoy_admin_url")).actions())

    def in_flight(self, colour: Colour) -> int:
        """Requests that Envoy waits for a colour to answer."""
        return self._envoy.active_requests(self._name(colour))

    def counted(self, colour: Colour) -> Counted:
        """What Envoy has counted of a colour so far."""
        return self._envoy.counted(self._name(colour))

    def _name(self, colour: Colour) -> str:
        """Name of the program, of its log and of its cluster."""
        return f"{self._pipeline}-{colour}"

    def _refuse_routed(self, colour: Colour) -> None:
        # A service that is told to stop resets what comes in meanwhile: nothing may be routed to it.
        if colour in self._endpoints.get(self._pipeline).traffic.reached | self.traffic().reached:
            raise ReleaseError(f"requests are routed to {self._name(colour)}: it must not be stopped")

    def _program(self, colour: Colour, artifact: Artifact, port: int) -> Program:
        return Program(
            name=self._name(colour),
            command=(sys.executable, "-m", "bentos.serve", "--port", str(port)),
            env={
                "TIDEWHEEL_COLOUR": str(colour),
                "TIDEWHEEL_REQUEST_LOG": str(self._request_log),
                "TIDEWHEEL_PLATFORM_TOKEN": self.token(),
                "BENTOML_DO_NOT_TRACK": "True",
                "OMP_NUM_THREADS": "1",  # one request, one thread: more only fight over the cores
            },
            inherits=INHERITED,
            directory=Path(artifact.path),
            start_seconds=START_SECONDS,
            start_retries=100,  # what is live is never given up
            stop_seconds=STOP_SECONDS - 5,
        )

    def _free_port(self) -> int:
        """A port that is free and in no file; asked while nobody else changes a file."""
        taken = {place.port for endpoint in self._endpoints.all() for place in endpoint.places.values()}
        for port in self._ports:
            if port not in taken and can_bind(port):
                return port
        raise PlatformError(
            f"no port from {min(self._ports)} to {max(self._ports)} is free on {HOST}: set TIDEWHEEL_MODELS_PORT to "
            "the "
            "first of other ports and run `tidewheel up` again"
        )


def _ports(first: int, layout: Layout) -> list[int]:
    """The ports of model services, in the order in which they are tried."""
    if first != USUAL_PORTS.start:
        return list(range(first, min(first + MODEL_PORTS, LAST_PORT + 1)))
    # Two installations on one machine begin at different places, so that they do not race for the same port.
    offset = zlib.crc32(str(layout.home).encode()) % len(USUAL_PORTS)
    return [*USUAL_PORTS[offset:], *USUAL_PORTS[:offset]]


def _traffic(actions: Mapping[str, Mapping[str, Any]]) -> dict[str, Traffic]:
    found = {pipeline: split(action) for pipeline, action in actions.items()}
    return {
        pipeline: Traffic(Colour(cluster.rpartition("-")[2]), share, mirrored)
        for pipeline, (cluster, share, mirrored) in found.items()
    }
