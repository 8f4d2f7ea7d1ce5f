"""The local backend: `<pipeline>-blue` and `<pipeline>-green` under supervisord, behind Envoy."""

from __future__ import annotations

import itertools
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from infra.embedded.layout import Layout
from infra.embedded.ports import HOST, LAST_PORT, MODEL_PORTS, Ports, can_bind
from infra.embedded.program import Program, ProgramState, ProgramStatus, last_lines, program_names
from infra.embedded.supervisor import Supervisor
from infra.envoy.admin import EnvoyAdmin
from infra.envoy.routing import split
from infra.local.endpoints import Endpoints, LocalEndpoint, Place
from tidewheel.errors import PlatformError, ReleaseError
from tidewheel.release import Colour
from tidewheel.release.probe import Probe
from tidewheel.release.traffic import Gone, Traffic

if TYPE_CHECKING:
    from tidewheel.policies.guard import RequestCounts
    from tidewheel.release.artifact import Artifact
    from tidewheel.settings import Settings

USUAL_PORTS = range(Ports().models, Ports().models + 2_000)
"""The ports unless others are configured; below the range that the system takes for outgoing connections."""
START_SECONDS = 10
"""A service that ends sooner than this has failed to start; importing what it needs takes seconds."""
STOP_SECONDS = 60
"""A service may drain for 30 s and write its prediction log for 20 more before it is killed, 5 s before this."""
RUNS = frozenset({ProgramState.STARTING, ProgramState.RUNNING})
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
        self._settings, self._pipeline = settings, pipeline
        self._layout = Layout(settings.home)
        self._supervisor = Supervisor(self._layout)
        self._endpoints = Endpoints(self._layout)
        self._ports = _ports(settings.models_port, self._layout)
        self._request_log = settings.request_log_folder.absolute() / pipeline

    def start(self, colour: Colour, artifact: Artifact, replicas: int) -> None:
        """Have this artifact, and nothing else, run in a colour as so many processes; do not wait for them."""
        place = self._endpoints.get(self._pipeline).places.get(colour)
        same = place is not None and (place.content_hash, len(place.ports)) == (artifact.content_hash, replicas)
        if same and all(status.state in RUNS for status in self._statuses(colour)):
            return
        self._refuse_routed(colour)
        self._remove(colour)

        def placed(endpoint: LocalEndpoint) -> LocalEndpoint:
            place = Place(artifact.version, artifact.content_hash, self._free_ports(replicas))
            return endpoint.with_place(colour, place)

        endpoint = self._endpoints.change(self._pipeline, placed)
        for name, port in zip(endpoint.programs(colour), endpoint.places[colour].ports, strict=True):
            self._supervisor.add(self._program(name, colour, artifact, port))

    def stop(self, colour: Colour) -> None:
        """Have nothing run in a colour, to which nothing is routed."""
        self._refuse_routed(colour)
        self._endpoints.change(self._pipeline, lambda endpoint: endpoint.without(colour))
        self._remove(colour)

    def version(self, colour: Colour) -> str | None:
        """Which version was started in a colour, None where none was."""
        place = self._endpoints.get(self._pipeline).places.get(colour)
        return place.version if place else None

    def problem(self, colour: Colour) -> str:
        """Why a process of what was started in a colour does not run, with the end of its log; empty where all do."""
        for status in self._statuses(colour):
            if status.state not in RUNS:
                log = self._layout.log(status.name)
                return f"{status.name} is {status.state}; the end of {log}:\n{last_lines(log) or '(empty)'}"
        return ""

    def missing(self, colour: Colour) -> str:
        """Which processes of a colour do not answer yet; empty where all do."""
        names = self._endpoints.get(self._pipeline).programs(colour)
        if not names:
            return self.problem(colour)
        lacking = []
        for name, address in zip(names, self.addresses(colour), strict=True):
            with Probe(address, platform_token=self.token()) as probe:
                if why := probe.unready():
                    lacking.append(f"{name} is not ready: {why}")
        return "; ".join(lacking)

    def memory_mb(self, colour: Colour) -> float:
        """Resident memory of all processes of a colour, in MiB.

        Raises:
            ReleaseError: one of them does not run.
        """
        bytes_ = 0
        for status in self._statuses(colour):
            try:
                bytes_ += psutil.Process(status.pid or -1).memory_info().rss
            except (psutil.NoSuchProcess, ValueError) as error:
                raise ReleaseError(f"{status.name} is {status.state}: {self.problem(colour)}") from error
        return bytes_ / 2**20

    def address(self, colour: Colour) -> str:
        """URL of a colour's first process, past the router.

        Raises:
            ReleaseError: nothing was started there.
        """
        return self.addresses(colour)[0]

    def addresses(self, colour: Colour) -> list[str]:
        """URL of each process of a colour, past the router.

        Raises:
            ReleaseError: nothing was started there.
        """
        place = self._endpoints.get(self._pipeline).places.get(colour)
        if place is None:
            raise ReleaseError(f"nothing was started as {self._name(colour)}")
        return [f"http://{HOST}:{port}" for port in place.ports]

    def replicas(self, colour: Colour) -> int:
        """How many processes were started in a colour."""
        return len(self._endpoints.get(self._pipeline).programs(colour))

    def maximum(self, colour: Colour) -> None:
        """Nothing scales: there are as many processes as were started."""

    def ready_replicas(self, colour: Colour) -> int:
        """To how many processes of a colour Envoy sends requests; it does not check one that is alone."""
        return self._envoy.healthy_members(self._name(colour))

    def token(self) -> str:
        """What a release's requests show, so that the services know them from a caller's."""
        return self._endpoints.token()

    def endpoint(self) -> str:
        """URL of the pipeline through the router."""
        return f"{self._settings.require('endpoint_url').rstrip('/')}/{self._pipeline}"

    def routers(self) -> Sequence[str]:
        """URL of the pipeline through the one router there is."""
        return [self.endpoint()]

    def route(self, traffic: Traffic) -> None:
        """Tell Envoy where requests go."""

        def routed(endpoint: LocalEndpoint) -> LocalEndpoint:
            if missing := sorted(traffic.reached - endpoint.places.keys()):
                names = " and ".join(self._name(colour) for colour in missing)
                raise ReleaseError(f"nothing was started as {names}: it cannot be routed to")
            return replace(endpoint, traffic=traffic, gone=None if traffic.live else endpoint.gone)

        self._endpoints.change(self._pipeline, routed)

    def withdraw(self, gone: Gone) -> None:
        """Tell Envoy that nothing answers for this pipeline any more, and what callers are to read."""
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

    def request_counts(self, colour: Colour) -> RequestCounts:
        """What Envoy has counted of a colour so far."""
        return self._envoy.request_counts(self._name(colour))

    @cached_property
    def _envoy(self) -> EnvoyAdmin:
        # When it is first needed: what was started is known without the router, also where no platform is up.
        return EnvoyAdmin(self._settings.require("envoy_admin_url"))

    def _name(self, colour: Colour) -> str:
        """Name of a colour's cluster."""
        return f"{self._pipeline}-{colour}"

    def _statuses(self, colour: Colour) -> list[ProgramStatus]:
        """State of each program of a colour; of its first where nothing was started."""
        names = self._endpoints.get(self._pipeline).programs(colour) or program_names(self._pipeline, colour, 1)
        known = {status.name: status for status in self._supervisor.statuses()}
        return [known.get(name, ProgramStatus(name, ProgramState.ABSENT)) for name in names]

    def _remove(self, colour: Colour) -> None:
        """Remove the programs of a colour, also those of which no file knows any more."""
        first = self._name(colour)
        others = {status.name for status in self._supervisor.statuses() if _is_replica(status.name, first)}
        for name in sorted({first, *others}):
            self._supervisor.remove(name, STOP_SECONDS)

    def _refuse_routed(self, colour: Colour) -> None:
        # A service that is stopped resets what comes in meanwhile: nothing may be routed to it.
        if colour in self._endpoints.get(self._pipeline).traffic.reached | self.traffic().reached:
            raise ReleaseError(f"requests are routed to {self._name(colour)}: it must not be stopped")

    def _program(self, name: str, colour: Colour, artifact: Artifact, port: int) -> Program:
        return Program(
            name=name,
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

    def _free_ports(self, count: int) -> tuple[int, ...]:
        """Ports that are free and in no file; called while nobody else changes a file."""
        places = [place for endpoint in self._endpoints.all() for place in endpoint.places.values()]
        taken = {port for place in places for port in place.ports}
        free = itertools.islice((port for port in self._ports if port not in taken and can_bind(port)), count)
        if len(ports := tuple(free)) < count:
            missing = "no port" if count == 1 else f"only {len(ports)} of the {count} ports that {count} replicas need"
            raise PlatformError(
                f"{missing} from {min(self._ports)} to {max(self._ports)} {'are' if ports else 'is'} free on {HOST}: "
                "set TIDEWHEEL_MODELS_PORT to the first of other ports and run `tidewheel up` again"
            )
        return ports


def _ports(first: int, layout: Layout) -> list[int]:
    """The ports of model services, in the order in which they are tried."""
    if first != USUAL_PORTS.start:
        return list(range(first, min(first + MODEL_PORTS, LAST_PORT + 1)))
    # Two installations on one machine begin at different places, so that they do not race for the same port.
    offset = zlib.crc32(str(layout.home).encode()) % len(USUAL_PORTS)
    return [*USUAL_PORTS[offset:], *USUAL_PORTS[:offset]]


def _is_replica(program: str, first: str) -> bool:
    """Whether a program is one of those whose first has this name."""
    number = program.removeprefix(f"{first}-")
    return program == first or (number != program and number.isdecimal())


def _traffic(actions: Mapping[str, Mapping[str, Any]]) -> dict[str, Traffic]:
    found = {pipeline: split(action) for pipeline, action in actions.items()}
    return {
        pipeline: Traffic(Colour(cluster.rpartition("-")[2]), share, mirrored)
        for pipeline, (cluster, share, mirrored) in found.items()
    }
