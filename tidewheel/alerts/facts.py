"""What the ledger knows of a pipeline at this moment, as the alert rules need it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from tidewheel.alerts.fairness_conditions import DAYS as FAIRNESS_DAYS
from tidewheel.ledger.models import Models
from tidewheel.ledger.newest_days import validated_partition
from tidewheel.ledger.releases import Status
from tidewheel.ledger.tables import FigureRow, PromotionRow, ReleaseRow, VerdictRow
from tidewheel.policies.verdict import Kind, Outcome
from tidewheel.spec.alerts import Threshold
from tidewheel.spec.groups import group_name

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tidewheel.ledger import Ledger
    from tidewheel.ledger.alert_tables import TaskFailureRow
    from tidewheel.spec import Pipeline

Series = Sequence[tuple[str, float]]
"""A figure of days, newest first."""


@dataclass(frozen=True)
class Facts:
    """One pipeline.

    Attributes:
        pipeline: its file.
        drift: the verdict on the newest day's drift.
        trigger: the newest day's decision whether to train.
        requests: the verdict on what callers sent on the newest day.
        taken_over: the newest verdict on a release.
        release: the newest release that has ended.
        released: the newest release that was completed.
        promotion: the newest promotion.
        validated_partition: newest day, week or hour whose rows were landed and validated; empty before the first.
        monitored_day: newest day with any figure; empty before the first.
        labelled_day: newest day whose labels are in; empty before the first.
        waiting_version: version that waits for an approval; empty where none does.
        failures: tasks that failed and have not succeeded since.
        series: by figure and slice, values of the newest days, newest first.
    """

    pipeline: Pipeline
    drift: VerdictRow | None = None
    trigger: VerdictRow | None = None
    requests: VerdictRow | None = None
    taken_over: VerdictRow | None = None
    release: ReleaseRow | None = None
    released: ReleaseRow | None = None
    promotion: PromotionRow | None = None
    validated_partition: str = ""
    monitored_day: str = ""
    labelled_day: str = ""
    waiting_version: str = ""
    failures: Sequence[TaskFailureRow] = ()
    series: Mapping[tuple[str, str], Series] = field(default_factory=dict)


def read_facts(ledger: Ledger, pipeline: Pipeline, failures: Sequence[TaskFailureRow]) -> Facts:
    """Read what the rules of a pipeline need.

    Args:
        ledger: where it stands.
        pipeline: the pipeline's file.
        failures: tasks of all pipelines that failed and have not succeeded since.

    Raises:
        LedgerError: the ledger does not answer, or has not the tables of this version.
    """
    name = pipeline.name
    with ledger.session() as session:
        return Facts(
            pipeline=pipeline,
            drift=_newest_by_subject(session, name, Kind.DRIFT),
            trigger=_newest_by_subject(session, name, Kind.TRIGGER),
            requests=_newest_by_subject(session, name, Kind.REQUESTS),
            taken_over=session.scalars(
                select(VerdictRow)
                .where(VerdictRow.pipeline == name, VerdictRow.kind == str(Kind.RELEASE))
                .order_by(VerdictRow.decided_at.desc(), VerdictRow.id.desc())
                .limit(1)
            ).one_or_none(),
            release=_newest_release(session, name, Status.DONE, Status.FAILED),
            released=_newest_release(session, name, Status.DONE),
            promotion=session.scalars(
                select(PromotionRow).where(PromotionRow.pipeline == name).order_by(PromotionRow.id.desc()).limit(1)
            ).one_or_none(),
            validated_partition=validated_partition(session, name),
            monitored_day=_newest_day(session, name),
            labelled_day=_newest_day(session, name, FigureRow.name == pipeline.metric, FigureRow.slice == ""),
            waiting_version=_waiting(ledger, pipeline),
            failures=[row for row in failures if row.pipeline == name],
            series={
                (figure, part): figure_series(session, name, figure, part, days)
                for figure, part, days in _asked(pipeline)
            },
        )


def in_utc(at: datetime) -> datetime:
    """A time of the ledger with its time zone, which SQLite does not keep."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _asked(pipeline: Pipeline) -> set[tuple[str, str, int]]:
    """Figures that rules look at: name, slice, and how many days."""
    longest: dict[tuple[str, str], int] = {}
    for rule in pipeline.alerts.rules:
        threshold = Threshold.parse(rule.when)
        key = (threshold.figure, rule.slice)
        longest[key] = max(longest.get(key, 0), threshold.days)
    for limit in pipeline.gate.fairness:
        for name in (f"gap_{limit.figure}{end}" for end in ("", "_low", "_high")):
            key = (name, group_name(limit.column))
            longest[key] = max(longest.get(key, 0), FAIRNESS_DAYS)
    return {(figure, part, days) for (figure, part), days in longest.items()}


def figure_series(session: Session, pipeline: str, figure: str, part: str, days: int) -> Series:
    """A figure of the newest days that have it; of a day with several versions, that which predicted most rows.

    Args:
        session: of the ledger.
        pipeline: whose figure.
        figure: its name.
        part: slice; empty for all rows.
        days: at most so many.
    """
    about = (FigureRow.pipeline == pipeline, FigureRow.slice == part)
    sized = (FigureRow.pipeline == pipeline, FigureRow.name == "rows", FigureRow.slice.in_([part, ""]))
    newest = (
        select(FigureRow.partition)
        .where(*about, FigureRow.name == figure)
        .distinct()
        .order_by(FigureRow.partition.desc())
        .limit(days)
    )
    newest_first = list(session.scalars(newest))
    values = session.scalars(
        select(FigureRow).where(*about, FigureRow.partition.in_(newest_first), FigureRow.name == figure)
    ).all()
    rows = session.scalars(
        select(FigureRow).where(*sized, FigureRow.partition.in_(newest_first)).order_by(FigureRow.slice)
    )
    sizes = {(row.partition, row.version): row.value for row in rows}  # the slice's own where it has one
    main: dict[str, FigureRow] = {}
    for row in sorted(values, key=lambda row: (sizes.get((row.partition, row.version), 0.0), row.version)):
        main[row.partition] = row
    return [(day, main[day].value) for day in newest_first]


def _newest_by_subject(session: Session, pipeline: str, kind: Kind) -> VerdictRow | None:
    """The verdict on the newest day; of several, the one decided last."""
    query = select(VerdictRow).where(VerdictRow.pipeline == pipeline, VerdictRow.kind == str(kind))
    subject = session.scalar(query.with_only_columns(VerdictRow.subject).order_by(VerdictRow.subject.desc()).limit(1))
    newest = query.where(VerdictRow.subject == subject).order_by(VerdictRow.decided_at.desc(), VerdictRow.id.desc())
    return session.scalars(newest.limit(1)).one_or_none()


def _newest_release(session: Session, pipeline: str, *statuses: Status) -> ReleaseRow | None:
    query = select(ReleaseRow).where(ReleaseRow.pipeline == pipeline, ReleaseRow.status.in_([str(s) for s in statuses]))
    return session.scalars(query.order_by(ReleaseRow.id.desc()).limit(1)).one_or_none()


def _newest_day(session: Session, pipeline: str, *where: Any) -> str:
    query = select(FigureRow.partition).where(FigureRow.pipeline == pipeline, *where)
    return session.scalar(query.order_by(FigureRow.partition.desc()).limit(1)) or ""


def _waiting(ledger: Ledger, pipeline: Pipeline) -> str:
    """The newest version, where it has passed the gate and waits for a person."""
    if pipeline.gate.approval != "manual" or (newest := Models(ledger).newest(pipeline.name)) is None:
        return ""
    version = newest.version or ""
    decisions = Models(ledger).decisions(pipeline.name, version)
    passed = decisions.gate is not None and decisions.gate.outcome == Outcome.PASSED
    return version if passed and decisions.review is None and not decisions.promoted else ""
