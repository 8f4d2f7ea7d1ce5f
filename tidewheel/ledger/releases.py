"""What the ledger knows of releases: attempts, their stages, and which version each endpoint shall answer with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from tidewheel.errors import LedgerError
from tidewheel.ledger.alone import Alone, alone
from tidewheel.ledger.ledger import Ledger
from tidewheel.ledger.tables import EndpointRow, ReleaseRow, ReleaseStageRow


class Status(StrEnum):
    """What became of a release, or of one of its stages."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SUPERSEDED = "superseded"


class Releases:
    """The releases of all pipelines."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._alone = Alone(None)

    # --- releases --------------------------------------------------------------------------------------------------

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
        except IntegrityError:
            raise LedgerError(f"{pipeline}: a release is running already; wait for it, or resume it") from None
        return row

    def end(self, release_id: int, status: Status, reason: str, at: datetime) -> None:
        """Close a release."""
        self._alone.verify()
        with self.ledger.session() as session:
            row = session.get_one(ReleaseRow, release_id)
            row.status, row.reason, row.ended_at = status, reason, at

    def ask_back(self, release_id: int, reason: str) -> None:
        """Note that somebody wants a release taken back; who works on it will see."""
        with self.ledger.session() as session:
            session.get_one(ReleaseRow, release_id).asked_back = reason

    def asked_back(self, release_id: int) -> str:
        """Why somebody wants a release taken back, empty while nobody does."""
        return self.get(release_id).asked_back

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

    def running(self, pipeline: str) -> ReleaseRow | None:
        """The release that has not ended."""
        query = select(ReleaseRow).where(ReleaseRow.pipeline == pipeline, ReleaseRow.status == Status.RUNNING)
        with self.ledger.session() as session:
            return session.scalars(query).one_or_none()

    def all_running(self, began_before: datetime | None = None) -> list[ReleaseRow]:
        """The releases of all pipelines that have not ended, or those of them that began before a moment."""
        query = select(ReleaseRow).where(ReleaseRow.status == Status.RUNNING)
        if began_before is not None:
            query = query.where(ReleaseRow.started_at < began_before)
        with self.ledger.session() as session:
            return list(session.scalars(query))

    def newest(self, pipeline: str, limit: int = 20) -> list[ReleaseRow]:
        """The newest releases, newest first."""
        query = select(ReleaseRow).where(ReleaseRow.pipeline == pipeline).order_by(ReleaseRow.id.desc()).limit(limit)
        with self.ledger.session() as session:
            return list(session.scalars(query))

    # --- stages ----------------------------------------------------------------------------------------------------

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
        self._alone.verify()
        with self.ledger.session() as session:
            session.merge(row)

    def stage_ended(
        self, release_id: int, position: int, status: Status, detail: Mapping[str, Any], at: datetime
    ) -> None:
        """Note how a stage ended, and what it found."""
        self._alone.verify()
        with self.ledger.session() as session:
            row = session.get_one(ReleaseStageRow, (release_id, position))
            row.status, row.detail, row.ended_at = status, dict(detail), at

    def stages(self, release_id: int) -> list[ReleaseStageRow]:
        """The stages that have begun, in order."""
        query = (
            select(ReleaseStageRow).where(ReleaseStageRow.release_id == release_id).order_by(ReleaseStageRow.position)
        )
        with self.ledger.session() as session:
            return list(session.scalars(query))

    # --- endpoints -------------------------------------------------------------------------------------------------

    def endpoint(self, pipeline: str) -> EndpointRow | None:
        """What shall answer for a pipeline; None before the first release."""
        with self.ledger.session() as session:
            return session.get(EndpointRow, pipeline)

    def endpoints(self) -> list[EndpointRow]:
        """What shall answer for each pipeline, by name."""
        with self.ledger.session() as session:
            return list(session.scalars(select(EndpointRow).order_by(EndpointRow.pipeline)))

    def point(self, pipeline: str, colour: str, version: str, previous_version: str | None, at: datetime) -> None:
        """Say what shall answer from now on; saying it again changes nothing."""
        self._alone.verify()
        with self.ledger.session() as session:
            row = session.get(EndpointRow, pipeline)
            if row is not None and (row.colour, row.version) == (colour, version):
                return
            session.merge(
                EndpointRow(
                    pipeline=pipeline,
                    colour=colour,
                    version=version,
                    previous_version=previous_version,
                    changed_at=at,
                )
            )

    def forget_endpoint(self, pipeline: str) -> None:
        """Say that nothing answers for a pipeline."""
        self._alone.verify()
        with self.ledger.session() as session:
            session.execute(delete(EndpointRow).where(EndpointRow.pipeline == pipeline))

    # --- one at a time ---------------------------------------------------------------------------------------------

    @contextmanager
    def exclusively(self, pipeline: str, patience_seconds: float) -> Iterator[None]:
        """Be the only process that works on a pipeline's release; what is written inside is written by no one else.

        Raises:
            Busy: another process works on it for longer than `patience_seconds`.
            LedgerError: the ledger is lost.
        """
        with alone(self.ledger.engine, f"release of {pipeline}", patience_seconds) as self._alone:
            try:
                yield
            finally:
                self._alone = Alone(None)
