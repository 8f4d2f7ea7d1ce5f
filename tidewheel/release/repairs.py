"""Finding out what registry, ledger and router say of a pipeline, and making the repairs that follow from it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tidewheel.ledger.releases import Status
from tidewheel.release.reconcile import Point, Route, Situation, Stop
from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Traffic, drain, reroute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidewheel.ledger.releases import Releases
    from tidewheel.release.backend import Backend
    from tidewheel.release.reconcile import Repair
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.release")


def situation(pipeline: str, champion: str | None, backend: Backend, releases: Releases) -> Situation:
    """What each of them says now.

    Args:
        pipeline: its name.
        champion: version that the registry's alias names.
        backend: knows the router and what was started.
        releases: the ledger.
    """
    endpoint, running = releases.endpoint(pipeline), releases.running(pipeline)
    newest = {row.version: row for row in reversed(releases.newest(pipeline))}
    return Situation(
        champion=champion,
        colour=Colour(endpoint.colour) if endpoint else None,
        version=endpoint.version if endpoint else None,
        traffic=backend.traffic(),
        started={colour: version for colour in Colour if (version := backend.version(colour)) is not None},
        release=running.id if running else None,
        given_up={version: row.reason for version, row in newest.items() if row.status == Status.FAILED},
    )


def make(repairs: Sequence[Repair], pipeline: Pipeline, backend: Backend, releases: Releases) -> None:
    """Make the repairs of ledger, router and colours; the others are not ours to make.

    Raises:
        ReleaseError: the router does not accept where requests shall go.
    """
    name = pipeline.name
    for repair in repairs:
        match repair:
            case Route(colour):
                reroute(backend, Traffic(colour))
            case Point(colour, version):
                endpoint = releases.endpoint(name)
                releases.point(name, colour, version, endpoint.version if endpoint else None, datetime.now(UTC))
            case Stop(colour):
                drain(backend, colour, pipeline.release.drain_seconds)
                backend.stop(colour)
            case _:
                continue
        log.warning("%s: %s", name, repair)
