"""What runs where, a file a pipeline below `<home>/endpoints`, and the Envoy files that follow from all of them."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from infra.embedded.ports import ports_of
from infra.embedded.program import program_names
from infra.envoy.files import CLUSTER, ROUTES, EnvoyFiles, publish
from infra.envoy.routing import Target, clusters, routes
from tidewheel.atomic_file import write_private
from tidewheel.file_lock import file_lock
from tidewheel.release import Colour
from tidewheel.release.traffic import Gone, Traffic

if TYPE_CHECKING:
    from infra.embedded.layout import Layout


@dataclass(frozen=True)
class Place:
    """What was started in a colour.

    Attributes:
        ports: where it listens, one a replica.
    """

    version: str
    content_hash: str
    ports: tuple[int, ...]


@dataclass(frozen=True)
class LocalEndpoint:
    """One pipeline's colours.

    Attributes:
        traffic: where requests shall go.
        places: what was started, by colour.
        gone: what callers are answered since the pipeline was given up; None for one that was not.
    """

    pipeline: str
    traffic: Traffic = field(default_factory=Traffic)
    places: Mapping[Colour, Place] = field(default_factory=dict)
    gone: Gone | None = None

    def with_place(self, colour: Colour, place: Place) -> LocalEndpoint:
        """The same with something started in a colour."""
        return replace(self, places={**self.places, colour: place})

    def without(self, colour: Colour) -> LocalEndpoint:
        """The same with nothing in a colour."""
        return replace(self, places={c: place for c, place in self.places.items() if c is not colour})

    def targets(self) -> list[Target]:
        """What can be routed to."""
        targets = []
        for colour, place in sorted(self.places.items()):
            live = colour is self.traffic.live
            share, mirrored = (0, False) if live else (self.traffic.share, self.traffic.mirrored)
            targets.append(Target(self.pipeline, colour, place.version, place.ports, live, share, mirrored))
        return targets

    def programs(self, colour: Colour) -> list[str]:
        """Names of the supervised programs of a colour, one a replica; empty where nothing was started."""
        place = self.places.get(colour)
        return program_names(self.pipeline, colour, len(place.ports)) if place else []

    def to_json(self) -> str:
        """As `from_json` reads it."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> LocalEndpoint:
        """Read what `to_json` wrote."""
        document: dict[str, Any] = json.loads(text)
        return cls(
            pipeline=document["pipeline"],
            traffic=Traffic(Colour(live) if (live := document["traffic"].pop("live")) else None, **document["traffic"]),
            places={
                Colour(colour): Place(place["version"], place["content_hash"], ports_of(place))
                for colour, place in document["places"].items()
            },
            gone=Gone(**gone) if (gone := document.get("gone")) else None,
        )


class Endpoints:
    """The endpoints of an installation."""

    def __init__(self, layout: Layout) -> None:
        self._folder = layout.home / "endpoints"
        self._lock = layout.run / "endpoints.lock"
        self._token = self._folder / "token"
        self._envoy = EnvoyFiles(layout.envoy)

    def get(self, pipeline: str) -> LocalEndpoint:
        """One pipeline's colours; empty before its first release."""
        path = self._folder / f"{pipeline}.json"
        return LocalEndpoint.from_json(path.read_text(encoding="utf-8")) if path.exists() else LocalEndpoint(pipeline)

    def all(self) -> list[LocalEndpoint]:
        """All of them, by name."""
        return [
            LocalEndpoint.from_json(path.read_text(encoding="utf-8")) for path in sorted(self._folder.glob("*.json"))
        ]

    def token(self) -> str:
        """What this installation's own requests show to the services; made when it is first needed."""
        with contextlib.suppress(FileNotFoundError):
            return self._token.read_text(encoding="utf-8").strip()
        with file_lock(self._lock):
            if not self._token.exists():
                self._folder.mkdir(mode=0o700, exist_ok=True)
                write_private(self._token, f"{secrets.token_urlsafe(32)}\n")
        return self.token()

    def routed(self) -> set[str]:
        """Names of the services, one a replica, that requests are sent to."""
        return {
            name for endpoint in self.all() for colour in endpoint.traffic.reached for name in endpoint.programs(colour)
        }

    def change(self, pipeline: str, changed: Callable[[LocalEndpoint], LocalEndpoint]) -> LocalEndpoint:
        """Change one pipeline's colours, and tell Envoy.

        Args:
            pipeline: its name.
            changed: from what is, to what shall be; nobody else changes anything meanwhile.

        Returns:
            What is now.
        """
        token = self.token()
        # Envoy's files hold all pipelines: two releases at once would each undo the other's half.
        with file_lock(self._lock):
            endpoint = changed(self.get(pipeline))
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_private(self._folder / f"{pipeline}.json", endpoint.to_json())
            endpoints = self.all()
            targets = [target for each in endpoints for target in each.targets()]
            gone = {each.pipeline: each.gone for each in endpoints if each.gone and each.traffic.live is None}
            # A route must never name a cluster that is not there yet; a cluster leaves only after its route has.
            publish(self._envoy.clusters, CLUSTER, clusters(targets))
            publish(self._envoy.routes, ROUTES, [routes(targets, gone, token)])
            return endpoint
