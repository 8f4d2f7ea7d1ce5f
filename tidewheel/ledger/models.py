"""What the ledger knows of models: the versions that `train` made, what was decided about each, and who is champion.

MLflow has a copy of most of this as tags and aliases, for the eye. A user who may edit a model there may edit those, so
nothing is decided by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, select, update

from tidewheel.actor import operating_system_user
from tidewheel.errors import LedgerError
from tidewheel.ledger.audit import Act, VersionOf, append, version_act
from tidewheel.ledger.chain import Entry, record_hash
from tidewheel.ledger.locks import one_at_a_time
from tidewheel.ledger.outage import idempotent
from tidewheel.ledger.section import LedgerSection
from tidewheel.ledger.tables import ModelVersionRow, PromotionRow, VerdictRow
from tidewheel.policies.verdict import Kind, Outcome

OVERRIDE = "override"
"""Input of a verdict by which somebody overrules the gate: the reason."""


@dataclass(frozen=True)
class Decisions:
    """What was decided about a version, the newest of each.

    Attributes:
        gate: the gate's verdict.
        override: somebody's, against the gate's.
        review: a reviewer's.
        promoted: whether it has been champion.
    """

    gate: VerdictRow | None = None
    override: VerdictRow | None = None
    review: VerdictRow | None = None
    promoted: bool = False


class Models(LedgerSection):
    """The model versions of all pipelines."""

    # --- versions --------------------------------------------------------------------------------------------------

    def add(self, row: ModelVersionRow) -> ModelVersionRow:
        """Keep a model whose files are uploaded; its version may be given later."""
        with self.ledger.session() as session:
            session.add(row)
            if row.adopted_by:
                sentence = f"version {row.version} is taken into the ledger, with its files as MLflow has them now"
                of = VersionOf(row.pipeline, row.version or "")
                append(session, version_act(Act.ADOPTION, of, "adopted", sentence, row.adopted_by, row.run_id))
        return row

    @idempotent
    def number(self, row_id: int, version: str) -> ModelVersionRow:
        """Note which version MLflow has made of a model.

        Raises:
            LedgerError: the ledger knows another model by that version.
        """
        with self.ledger.session() as session:
            row = session.get_one(ModelVersionRow, row_id)
            same = ModelVersionRow.pipeline == row.pipeline, ModelVersionRow.version == version
            other = session.scalars(select(ModelVersionRow).where(*same)).one_or_none()
            if other is not None and other.id != row_id:
                raise LedgerError(
                    f"{row.pipeline}: MLflow has given version {version} a second time (the ledger knows it from run "
                    f"{other.run_id}): was the registered model deleted there, or made anew? Restore it, or register "
                    "versions by hand until its numbers go on after the ledger's"
                )
            row.version = version
        return row

    @idempotent
    def get(self, pipeline: str, version: str) -> ModelVersionRow | None:
        """A version by its number; None where `train` made none of that number."""
        query = select(ModelVersionRow).where(ModelVersionRow.pipeline == pipeline, ModelVersionRow.version == version)
        with self.ledger.session() as session:
            return session.scalars(query).one_or_none()

    @idempotent
    def all(self, pipeline: str) -> list[ModelVersionRow]:
        """All numbered versions of a pipeline, in the order in which they were made."""
        query = select(ModelVersionRow).where(
            ModelVersionRow.pipeline == pipeline, ModelVersionRow.version.is_not(None)
        )
        with self.ledger.session() as session:
            return list(session.scalars(query.order_by(ModelVersionRow.id)))

    @idempotent
    def newest(self, pipeline: str) -> ModelVersionRow | None:
        """The version that was made last."""
        query = select(ModelVersionRow).where(
            ModelVersionRow.pipeline == pipeline, ModelVersionRow.version.is_not(None)
        )
        with self.ledger.session() as session:
            return session.scalars(query.order_by(ModelVersionRow.id.desc()).limit(1)).one_or_none()

    @idempotent
    def of_run(self, pipeline: str, run_id: str, data_hash: str) -> ModelVersionRow | None:
        """The newest model that a run has made of that data."""
        query = select(ModelVersionRow).where(
            ModelVersionRow.pipeline == pipeline,
            ModelVersionRow.run_id == run_id,
            ModelVersionRow.data_hash == data_hash,
        )
        with self.ledger.session() as session:
            return session.scalars(query.order_by(ModelVersionRow.id.desc()).limit(1)).one_or_none()

    def judged(self, row: ModelVersionRow, compared_with: str) -> None:
        """Note which champion the gate has held a version against; empty where there was none."""
        self._update(row, {"compared_with": compared_with})

    def keep_importances(self, row: ModelVersionRow, importances: Mapping[str, float]) -> None:
        """Keep how much each feature matters to a version."""
        self._update(row, {"importances": dict(importances)})

    def keep_bento(self, row: ModelVersionRow, bento: Mapping[str, str]) -> None:
        """Keep what was built of a version: its tag, its form and its digest."""
        self._update(row, {"bento": dict(bento)})

    @idempotent
    def forget(self, pipeline: str) -> None:
        """Note that a pipeline's models were deleted on purpose: none is champion, and their numbers stay taken."""
        with self.ledger.session() as session:
            gone = update(ModelVersionRow).where(ModelVersionRow.pipeline == pipeline).values(source="", files={})
            session.execute(gone)
            promotions = list(session.scalars(select(PromotionRow).where(PromotionRow.pipeline == pipeline)))
            session.execute(delete(PromotionRow).where(PromotionRow.pipeline == pipeline))
            now, actor = datetime.now(UTC), operating_system_user()
            for row in promotions:
                said = f"version {row.version} was deleted on purpose, with all models of {pipeline}"
                append(session, _entry(row, "deleted", said, actor, now, deleted=True))

    # --- decisions -------------------------------------------------------------------------------------------------

    @idempotent
    def decisions(self, pipeline: str, version: str) -> Decisions:
        """The newest decisions about a version."""
        about = VerdictRow.subject.in_([subject(version), override_subject(version)])
        kinds = VerdictRow.kind.in_([str(kind) for kind in (Kind.GATE, Kind.REVIEW, Kind.RELEASE)])
        query = select(VerdictRow).where(VerdictRow.pipeline == pipeline, about, kinds)
        been = select(func.count()).where(PromotionRow.pipeline == pipeline, PromotionRow.version == version)
        with self.ledger.session() as session:
            rows = list(session.scalars(query.order_by(VerdictRow.decided_at, VerdictRow.id)))
            promoted = bool(session.scalar(been))
        newest: dict[str, VerdictRow] = {}
        for row in rows:
            if row.inputs.get(OVERRIDE):
                newest[OVERRIDE] = row
            elif row.subject == subject(version):
                newest[row.kind] = row
        return Decisions(
            newest.get(str(Kind.GATE)), newest.get(OVERRIDE), newest.get(str(Kind.REVIEW)), promoted=promoted
        )

    # --- the champion ----------------------------------------------------------------------------------------------

    @idempotent
    def promote(self, pipeline: str, version: str, reason: str, actor: str, run_id: str, at: datetime) -> None:
        """Note that a version becomes the champion; one that is already is left alone."""
        with self.ledger.session() as session:
            one_at_a_time(session, f"{pipeline} promotion")
            newest = session.scalars(_promotions(pipeline).limit(1)).one_or_none()
            if newest is not None and newest.version == version:
                return
            row = PromotionRow(
                pipeline=pipeline,
                version=version,
                previous_version=newest.version if newest else "",
                reason=reason,
                actor=actor,
                run_id=run_id,
                promoted_at=at,
            )
            session.add(row)
            session.flush()
            instead = f" instead of version {row.previous_version}" if row.previous_version else ", the first"
            said = f"version {version} is the champion{instead}" + (f": {reason}" if reason else "")
            append(session, _entry(row, "promoted", said, actor, at))

    @idempotent
    def promotion(self, pipeline: str, version: str | None = None) -> PromotionRow | None:
        """The newest promotion of a pipeline, or that of one of its versions."""
        query = _promotions(pipeline)
        if version is not None:
            query = query.where(PromotionRow.version == version)
        with self.ledger.session() as session:
            return session.scalars(query.limit(1)).one_or_none()

    @idempotent
    def _update(self, row: ModelVersionRow, values: Mapping[str, Any]) -> None:
        with self.ledger.session() as session:
            found = session.get_one(ModelVersionRow, row.id)
            for name, value in values.items():
                setattr(found, name, value)
        for name, value in values.items():
            setattr(row, name, value)


def subject(version: str) -> str:
    """What verdicts about a version name."""
    return f"version {version}"


def override_subject(version: str) -> str:
    """What verdicts name by which somebody overrules the gate."""
    return f"version {version} by hand"


def objection(decisions: Decisions, *, approval_needed: bool, overruled: bool = False) -> str:
    """What speaks against a version that the ledger knows; empty where nothing does.

    A reason given by hand overrules the gate, never a reviewer: a version that was rejected waits for another approval.

    Args:
        decisions: about the version.
        approval_needed: whether the pipeline wants a person's approval. A version that has been champion under an
            earlier rule needs none.
        overruled: whether somebody overrules the gate now.
    """
    gate, review = decisions.gate, decisions.review
    if review is not None and review.outcome != Outcome.PASSED:
        by = review.inputs.get("reviewer") or "nobody: there was no answer in time"
        return f"was rejected in review by {by}"
    if not (overruled or decisions.override) and (gate is None or gate.outcome != Outcome.PASSED):
        return f"has not passed the gate ({gate.sentence if gate else 'it was never judged'})"
    if approval_needed and review is None and not decisions.promoted:
        return "waits for an approval (`gate.approval` is `manual`)"
    return ""


def _entry(row: PromotionRow, outcome: str, sentence: str, actor: str, at: datetime, *, deleted: bool = False) -> Entry:
    table = PromotionRow.__tablename__
    columns = {column.name: getattr(row, column.name) for column in PromotionRow.__table__.columns}
    return Entry(
        pipeline=row.pipeline,
        kind=Act.PROMOTION,
        subject=subject(row.version),
        outcome=outcome,
        sentence=sentence,
        actor=actor,
        run_id=row.run_id,
        at=at,
        source=table,
        source_id=row.id,
        record="" if deleted else record_hash(table, columns),
    )


def _promotions(pipeline: str) -> Any:
    return select(PromotionRow).where(PromotionRow.pipeline == pipeline).order_by(PromotionRow.id.desc())
