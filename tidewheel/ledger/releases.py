"""What the ledger knows of releases: attempts, their stages, and which version each endpoint shall answer with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from tidewheel.actor import operating_system_user
from tidewheel.errors import LedgerError
from tidewheel.ledger.audit import Act, VersionOf, append, release_entry, version_act
from tidewheel.ledger.ledger import Ledger
from tidewheel.ledger.locks import Busy, LedgerLock, exclusively
from tidewheel.ledger.outage import idempotent
from tidewheel.ledger.tables import EndpointRow, ReleaseRow, ReleaseStageRow


class TakenOver(LedgerError):
    """Another process works on the release, or has."""


class Status(StrEnum):
    """What became of a release, or of one of its stages."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SUPERSEDED = "superseded"


class Releases:
    """The releases of all pipelines.

    Args:
        ledger: that holds them.
        actor: who works on them, for the audit log; default: the user of this process.
    """

    def __init__(self, ledger: Ledger, actor: str = "") -> None:
        self.ledger = ledger
        self.actor = actor or operating_system_user()
        self._lock: LedgerLock | None = None
        self._written: _Written | None = None
        self._lost = False

    @property
    def patience_seconds(self) -> float:
        """How long to wait for a ledger that is away."""
        return self.ledger.patience_seconds

    # --- releases --------------------------------------------------------------------------------------------------

    @idempotent
    def begin(
        self, pipeline: str, version: str, colour: str, plan: Mapping[str, Any], run_id: str, at: datetime
    ) -> ReleaseRow:
        """Open a release.

        Raises:
            LedgerError: one of this pipeline is running.
        """
        row = ReleaseRow(
            pipeline=pipeline,
            version=version,
            colour=colour,
            plan=dict(plan),
            status=Status.RUNNING,
            reason="",
            run_id=run_id,
            started_at=at,
        )
        try:
            with self.ledger.session() as session:
                session.add(row)
                session.flush()
                append(session, release_entry(row, "begun", row.plan.get("sentence", ""), self.actor, at))
        except IntegrityError:
            running = self.running(pipeline)
            if running is None or (running.run_id, running.started_at) != (run_id, at):  # else it was heard twice
                raise LedgerError(f"{pipeline}: a release is running already; wait for it, or resume it") from None
            row = running
        self._written = _Written(row.id, Status.RUNNING)
        return row

    @idempotent
    def end(self, release_id: int, status: Status, reason: str, at: datetime) -> None:
        """Close a release."""
        self.hold()
        with self.ledger.session() as session:
            row = session.get_one(ReleaseRow, release_id)
            row.status, row.reason, row.ended_at = status, reason, at
            append(session, release_entry(row, str(status), reason, self.actor, at))
        self._written = _Written(release_id, status)

    @idempotent
    def ask_back(self, release_id: int, reason: str) -> None:
        """Note that somebody wants a release taken back; who works on it will see."""
        with self.ledger.session() as session:
            row = session.get_one(ReleaseRow, release_id)
            if row.asked_back == reason:
                return
            row.asked_back = reason
            sentence = f"release {row.id} is to be taken back: {reason}"
            of = VersionOf(row.pipeline, row.version)
            append(session, version_act(Act.ROLLBACK, of, "requested", sentence, self.actor, row.run_id))

    @idempotent
    def asked_back(self, release_id: int) -> str:
        """Why somebody wants a release taken back, empty while nobody does."""
        return self.get(release_id).asked_back

    @idempotent
    def get(self, release_id: int) -> ReleaseRow:
        """A release by its number.

        Raises:
            LedgerError: there is none.
        """
        with self.ledger.session() as session:
            row = session.get(ReleaseRow, release_id)
        if row is None:
            raise LedgerError(f"there is no release {release_id} in the ledger")
        return row

    @idempotent
    def running(self, pipeline: str) -> ReleaseRow | None:
        """The release that has not ended."""
        query = select(ReleaseRow).where(ReleaseRow.pipeline == pipeline, ReleaseRow.status == Status.RUNNING)
        with self.ledger.session() as session:
            return session.scalars(query).one_or_none()

    @idempotent
    def all_running(self, began_before: datetime | None = None) -> list[ReleaseRow]:
        """The releases of all pipelines that have not ended, or those of them that began before a moment."""
        query = select(ReleaseRow).where(ReleaseRow.status == Status.RUNNING)
        if began_before is not None:
            query = query.where(ReleaseRow.started_at < began_before)
        with self.ledger.session() as session:
            return list(session.scalars(query))

    @idempotent
    def newest(self, pipeline: str, limit: int = 20) -> list[ReleaseRow]:
        """The newest releases, newest first."""
        query = select(ReleaseRow).where(ReleaseRow.pipeline == pipeline).order_by(ReleaseRow.id.desc()).limit(limit)
        with self.ledger.session() as session:
            return list(session.scalars(query))

    # --- stages ----------------------------------------------------------------------------------------------------

    @idempotent
    def stage_began(self, release_id: int, position: int, name: str, at: datetime) -> None:
        """Note that a stage runs; one that runs again begins anew."""
        row = ReleaseStageRow(
            release_id=release_id,
            position=position,
            name=name,
            status=Status.RUNNING,
            detail={},
            started_at=at,
            ended_at=None,
        )
        self.hold()
        with self.ledger.session() as session:
            session.merge(row)
        self._written = _Written(release_id, Status.RUNNING, position, Status.RUNNING, at)

    @idempotent
    def stage_ended(
        self, release_id: int, position: int, status: Status, detail: Mapping[str, Any], at: datetime
    ) -> None:
        """Note how a stage ended, and what it found."""
        self.hold()
        with self.ledger.session() as session:
            row = session.get_one(ReleaseStageRow, (release_id, position))
            row.status, row.detail, row.ended_at = status, dict(detail), at
            began = row.started_at
        self._written = _Written(release_id, Status.RUNNING, position, status, began)

    @idempotent
    def stages(self, release_id: int) -> list[ReleaseStageRow]:
        """The stages that have begun, in order."""
        query = (
            select(ReleaseStageRow).where(ReleaseStageRow.release_id == release_id).order_by(ReleaseStageRow.position)
        )
        with self.ledger.session() as session:
            return list(session.scalars(query))

    # --- endpoints -------------------------------------------------------------------------------------------------

    @idempotent
    def endpoint(self, pipeline: str) -> EndpointRow | None:
        """What shall answer for a pipeline; None before the first release."""
        with self.ledger.session() as session:
            return session.get(EndpointRow, pipeline)

    @idempotent
    def endpoints(self) -> list[EndpointRow]:
        """What shall answer for each pipeline, by name."""
        with self.ledger.session() as session:
            return list(session.scalars(select(EndpointRow).order_by(EndpointRow.pipeline)))

    @idempotent
    def point(self, pipeline: str, colour: str, version: str, previous_version: str | None, at: datetime) -> None:
        """Say what shall answer from now on; saying it again changes nothing."""
        self.hold()
        with self.ledger.session() as session:
            row = session.get(EndpointRow, pipeline)
            if row is not None and (row.colour, row.version) == (colour, version):
                return
            instead = f" instead of version {row.version} as {row.colour}" if row is not None else ""
            session.merge(
                EndpointRow(
                    pipeline=pipeline,
                    colour=colour,
                    version=version,
                    previous_version=previous_version,
                    changed_at=at,
                )
            )
            sentence = f"version {version} is to answer as {colour}{instead}"
            append(session, version_act(Act.ENDPOINT, VersionOf(pipeline, version), "pointed", sentence, self.actor))

    @idempotent
    def forget_endpoint(self, pipeline: str) -> None:
        """Say that nothing answers for a pipeline."""
        self.hold()
        with self.ledger.session() as session:
            row = session.get(EndpointRow, pipeline)
            if row is None:
                return
            session.delete(row)
            sentence = f"nothing is to answer any more; version {row.version} did as {row.colour}"
            of = VersionOf(pipeline, row.version)
            append(session, version_act(Act.ENDPOINT, of, "withdrawn", sentence, self.actor))

    # --- one at a time ---------------------------------------------------------------------------------------------

    @contextmanager
    def exclusively(self, pipeline: str, patience_seconds: float) -> Iterator[None]:
        """Be the only process that works on a pipeline's release; what is written inside is written by no one else.

        Raises:
            Busy: another process works on it for longer than `patience_seconds`.
            LedgerError: the ledger is lost.
        """
        what = f"release of {pipeline}"
        with exclusively(self.ledger.engine, what, patience_seconds, self.patience_seconds) as self._lock:
            try:
                yield
            finally:
                self._lock, self._written, self._lost = None, None, False

    def hold(self) -> None:
        """See that this process is still the only one that works on the release, also after an outage.

        Raises:
            TakenOver: it is not, or was not for a while and another has written meanwhile.
            LedgerAway: the ledger cannot be reached.
        """
        if self._lock is None:
            return
        try:
            self._lost |= not self._lock.hold()
        except Busy as error:
            raise TakenOver(str(error)) from error
        if self._lost:
            self._see_nothing_changed()
            self._lost = False

    def _see_nothing_changed(self) -> None:
        ours = self._written
        if ours is None:
            raise TakenOver(
                "the connection to the ledger was lost, and with it the right to work on this release alone; nothing "
                "more is written: resume the release"
            )
        with self.ledger.session() as session:
            release = session.get(ReleaseRow, ours.release)
            stage = session.get(ReleaseStageRow, (ours.release, ours.position)) if ours.position is not None else None
        found = (release.status if release else None, *((stage.status, stage.started_at) if stage else ()))
        expected = (ours.status, *((ours.stage, ours.began) if ours.position is not None else ()))
        if found != expected:
            raise TakenOver(
                f"the connection to the ledger was lost, and another process has worked on release {ours.release} "
                "meanwhile; nothing more is written"
            )


@dataclass(frozen=True)
class _Written:
    """What this process has written last of a release; while it stands there, nobody else has worked on it."""

    release: int
    status: Status
    position: int | None = None
    stage: Status | None = None
    began: datetime | None = None
