"""Going back: requests go where they went before a release, and what it has started is stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from tidewheel.ledger.releases import Status, TakenOver
from tidewheel.ledger.tables import ReleaseRow, ReleaseStageRow
from tidewheel.release.stages import (
    AskedBack,
    CanaryStage,
    Confirm,
    Drain,
    GuardBreach,
    GuardedStage,
    Retire,
    Stage,
    Switch,
)
from tidewheel.release.traffic import drain, reroute

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tidewheel.release.backend import Backend
    from tidewheel.release.record import RecordedRelease, ReleaseRecord
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.release")

RECORD_SECONDS = 600.0
"""How long what a stage did, or that a release was taken back, waits for a ledger that is away."""
ANSWERING = (CanaryStage.kind, Switch.kind)
"""Stages from whose begin on callers may be answered by the new version."""


@dataclass(frozen=True)
class TakenBack:
    """A release that an operator has taken back.

    Attributes:
        release: what was under way.
        seconds: from the request until the router had acknowledged.
    """

    release: RecordedRelease
    seconds: float

    @property
    def answers(self) -> str | None:
        """The version that answers again."""
        return self.release.before.version if self.release.before else None

    def __str__(self) -> str:
        now = f"version {self.answers} answers" if self.answers else "nothing answers"
        return f"version {self.release.version} is taken back: {now} after {self.seconds:.1f} s"


@dataclass(frozen=True)
class Rollback:
    """Takes releases of one pipeline back. The caller sees to it that nobody else works on them.

    Attributes:
        pipeline: its declaration.
        backend: where it is released to.
        record: the state of its releases.
    """

    pipeline: Pipeline
    backend: Backend
    record: ReleaseRecord

    def after_failure(self, release: RecordedRelease, position: int, error: Exception) -> None:
        """Take a release back because of a stage that failed; once the old colour drains, it is only noted."""
        stage = release.stages[position]
        log.error("%s: %s", stage.name, error)
        if isinstance(stage, Drain | Retire):  # the new colour has proven itself and stays: only tried again
            self.record.stage_failed(release, position, error, {})
            return
        # Requests first: nothing that could fail by itself, such as the ledger, comes before them.
        seconds = self._route_back(release)
        with self.record.patient(RECORD_SECONDS):
            self.record.stage_failed(release, position, error, {"back_after_seconds": seconds})
            self._undo(release, f"{stage.name}: {error}")
            if isinstance(error, GuardBreach | AskedBack):
                self.record.judged(release, stage.name, error.verdict)

    def without_ledger(self, release: RecordedRelease, stage: Stage) -> None:
        """Send all requests to the old version, where the ledger has been away for so long that nobody would watch.

        Raises:
            ReleaseError: the router does not accept it.
        """
        if isinstance(stage, Switch | Confirm | GuardedStage) and release.before and release.before.healthy:
            self._route_back(release)

    def by_hand(self, release: RecordedRelease, reason: str) -> None:
        """Take a release back that no process works on."""
        verdict = AskedBack(reason).verdict
        self._route_back(release)
        self._undo(release, verdict.sentence)
        self.record.judged(release, "between two stages", verdict)

    def overtaken(self, release: RecordedRelease, version: str) -> None:
        """End a release before its switch, in favour of another version."""
        self._route_back(release)
        self._undo(release, f"overtaken by version {version}", Status.SUPERSEDED)

    def _route_back(self, release: RecordedRelease) -> float:
        """Send all requests where they went before; returns the seconds until the router had acknowledged.

        Raises:
            TakenOver: another process works on the release, or has brought it to its end.
            ReleaseError: the router does not accept it.
        """
        began, before = time.monotonic(), release.before
        if not self.record.is_held():
            # Nobody can have taken a release over while the ledger is away, but somebody may have before.
            if before and self.backend.version(before.colour) != before.version:
                raise TakenOver(
                    f"{before.colour} no longer runs version {before.version}: another process has brought release "
                    f"{release.number} to its end"
                )
            log.warning("%s: requests are routed back while the ledger is away", self.pipeline.name)
        reroute(self.backend, release.traffic_before)
        return round(time.monotonic() - began, 3)

    def _undo(self, release: RecordedRelease, reason: str, status: Status = Status.FAILED) -> None:
        """Make ledger and colours as they were before the release, to which requests are no longer routed."""
        before = release.before
        self.record.switch_back(release)
        drain(self.backend, release.colour, self.pipeline.release.drain_seconds)
        self.backend.stop(release.colour)
        now = f"version {before.version} answers as {before.colour}" if before else "nothing answers yet"
        self.record.end(release, status, f"{reason} ({release.colour} is stopped; {now})")


def rolled_back(session: Session, releases: Collection[int]) -> set[int]:
    """Of releases, those that failed after callers had been answered by them; another version answers again.

    Args:
        session: of the ledger.
        releases: their numbers.
    """
    query = (
        select(ReleaseRow.id)
        .join(ReleaseStageRow, ReleaseStageRow.release_id == ReleaseRow.id)
        .where(
            ReleaseRow.id.in_(releases),
            ReleaseRow.status == str(Status.FAILED),
            ReleaseStageRow.name.in_(ANSWERING),
            ReleaseRow.plan["before"]["version"].as_string().is_not(None),
        )
    )
    return set(session.scalars(query))
