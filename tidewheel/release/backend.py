"""What a release needs of the place it releases to. One backend object serves one pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from tidewheel.errors import SettingsError
from tidewheel.policies.guard import RequestCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidewheel.release.artifact import Artifact
    from tidewheel.release.stages import Colour
    from tidewheel.release.traffic import Gone, Traffic
    from tidewheel.settings import Settings


class Backend(Protocol):
    """Two colours and a router. Every change may be repeated.

    Args:
        settings: of the installation.
        pipeline: name of the pipeline that is served.
    """

    def __init__(self, settings: Settings, pipeline: str) -> None: ...

    def start(self, colour: Colour, artifact: Artifact, replicas: int) -> None:
        """Have this artifact, and nothing else, run in a colour as so many replicas; do not wait until it is ready."""

    def stop(self, colour: Colour) -> None:
        """Have nothing run in a colour, to which nothing is routed."""

    def version(self, colour: Colour) -> str | None:
        """Which version was started in a colour, None where none was."""

    def problem(self, colour: Colour) -> str:
        """Why what was started in a colour does not run, with the end of its log; empty where it runs."""

    def missing(self, colour: Colour) -> str:
        """What a colour still lacks although some of it may answer, such as replicas; empty where all of it answers."""

    def memory_mb(self, colour: Colour) -> float:
        """Resident memory of all replicas of a colour, in MiB."""

    def address(self, colour: Colour) -> str:
        """URL of a colour itself, past the router."""

    def addresses(self, colour: Colour) -> Sequence[str]:
        """URLs past the router at which each replica of a colour can be reached by itself; `address` where none can."""

    def replicas(self, colour: Colour) -> int:
        """How many replicas a colour was started with, 0 where nothing was started."""

    def maximum(self, colour: Colour) -> int | None:
        """To how many replicas a colour may be scaled under load; None where nothing was started, or nothing scales."""

    def ready_replicas(self, colour: Colour) -> int:
        """How many replicas of a colour get requests now.

        Raises:
            PlatformError: the router does not say.
        """

    def token(self) -> str:
        """What a release's requests show, so that a service knows them from a caller's; empty where none does."""

    def endpoint(self) -> str:
        """URL of the pipeline through the router."""

    def routers(self) -> Sequence[str]:
        """URL of the pipeline through each process of the router: callers may reach any of them."""

    def route(self, traffic: Traffic) -> None:
        """Tell the router where requests go."""

    def withdraw(self, gone: Gone) -> None:
        """Tell the router that nothing answers for this pipeline any more, and what callers are answered instead."""

    def traffic(self) -> Traffic:
        """Where the router says it sends requests, by what it has accepted and not by what was requested."""

    def objection(self) -> str:
        """Why the router has not applied the last request, as far as it reports it; empty where it has."""

    @classmethod
    def all_traffic(cls, settings: Settings) -> Mapping[str, Traffic]:
        """The same of each pipeline that the router has a route for, in one question.

        Raises:
            PlatformError: the router does not say.
        """

    def in_flight(self, colour: Colour) -> int:
        """Requests that the router waits for a colour to answer."""

    def request_counts(self, colour: Colour) -> RequestCounts:
        """What the router has counted of a colour so far.

        Raises:
            PlatformError: the router does not say.
        """


def open_backend(settings: Settings, pipeline: str) -> Backend:
    """The backend that the settings name, for one pipeline.

    Raises:
        SettingsError: there is none of that name.
    """
    return _backend(settings)(settings, pipeline)


def all_traffic(settings: Settings) -> Mapping[str, Traffic]:
    """Where the router says it sends the requests of each pipeline that it has a route for.

    Raises:
        SettingsError: there is no such backend, or it is not said where its router is.
        PlatformError: the router does not say.
    """
    return _backend(settings).all_traffic(settings)


def _backend(settings: Settings) -> type[Backend]:
    # By name, so that the core never depends on where it runs.
    module, _, name = settings.release_backend.partition(":")
    try:
        backend: type[Backend] = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"TIDEWHEEL_RELEASE_BACKEND is {settings.release_backend!r}: {error}; expected module:class, such as "
            "infra.local:LocalBackend"
        ) from error
    return backend
