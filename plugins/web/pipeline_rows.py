"""What the ledger holds of one pipeline: three years of quality, and the newest weeks of everything else."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import case, func, select
from sqlalchemy.orm import defer, load_only

from plugins.web import figures
from plugins.web.callers import OF_COLUMN, OF_DAY
from plugins.web.fleet_rows import FIGURE_COLUMNS, OF_VERSIONS, FleetRows, NewestFigure, days_until, fleet_rows
from plugins.web.quality import ROWS, quality_names
from plugins.web.slices import slice_names
from tidewheel.ledger.probation_tables import ProbationRow
from tidewheel.ledger.probations import paired_days
from tidewheel.ledger.tables import (
    FigureRow,
    ModelVersionRow,
    PromotionRow,
    ReleaseRow,
    ReleaseStageRow,
    VerdictRow,
)
from tidewheel.ledger.traffic import TrafficPoint
from tidewheel.ledger.training_tables import TrainingRow
from tidewheel.policies.verdict import Kind, Outcome
from tidewheel.release.rollback import rolled_back

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tidewheel.policies.probation import PairedDay
    from tidewheel.spec import Pipeline

QUALITY_DAYS = 3 * 366
DRIFT_DAYS, RANKED_DAYS, DRIFT_COLUMNS = 60, 14, 30
SLICE_DAYS = 14
RELEASES, DECISIONS = 8, 12
DRIFT, DRIFT_LIMIT = "feature_drift", "feature_drift_limit"
PREDICTION_DRIFT, PREDICTION_LIMIT = "prediction_drift", "prediction_drift_limit"
SENTENCES = load_only(
    VerdictRow.pipeline,
    VerdictRow.kind,
    VerdictRow.subject,
    VerdictRow.run_id,
    VerdictRow.outcome,
    VerdictRow.sentence,
    VerdictRow.actor,
    VerdictRow.decided_at,
)


@dataclass(frozen=True)
class PipelineRows:
    """Rows of one pipeline.

    Attributes:
        fleet: what the front page reads of it.
        quality: figures of all rows, of up to three years.
        promotions: all, oldest first.
        versions: all numbered versions, oldest first.
        trainings: those that have made them.
        releases: all, oldest first, without their plans.
        rolled_back: numbers of those that failed after callers had been answered by them.
        stages: of the newest releases, in order.
        triggers: decisions by which a training was requested or held back, oldest first.
        decided: time and day of every decision of the trigger.
        gates: decisions of gate and reviewers about versions, oldest first.
        decisions: the newest of all kinds but validation, newest first.
        probations: all, oldest first.
        paired_days: of the newest of them.
        drift: figures of the most restless columns, and of the predictions.
        restless: the most restless columns first.
        columns: how many columns drift is measured of.
        slices: figures of slices and groups of the newest labelled days.
        drawn: like `quality`, for the figure that is to be drawn.
        figures: all figures of all rows, of the newest labelled days.
        requests: figures of what callers sent on the newest day that was looked at.
        traffic: of the endpoint over the last sixty days, by minutes, hours and days as they are rolled up.
    """

    fleet: FleetRows = field(default_factory=FleetRows)
    quality: Sequence[NewestFigure] = ()
    promotions: Sequence[PromotionRow] = ()
    versions: Sequence[ModelVersionRow] = ()
    trainings: Sequence[TrainingRow] = ()
    releases: Sequence[ReleaseRow] = ()
    rolled_back: Collection[int] = ()
    stages: Sequence[ReleaseStageRow] = ()
    triggers: Sequence[VerdictRow] = ()
    decided: Sequence[tuple[datetime, str]] = ()
    gates: Sequence[VerdictRow] = ()
    decisions: Sequence[VerdictRow] = ()
    probations: Sequence[ProbationRow] = ()
    paired_days: Sequence[PairedDay] = ()
    drift: Sequence[NewestFigure] = ()
    restless: Sequence[str] = ()
    columns: int = 0
    slices: Sequence[NewestFigure] = ()
    drawn: Sequence[NewestFigure] = ()
    figures: Sequence[NewestFigure] = ()
    requests: Sequence[NewestFigure] = ()
    traffic: Sequence[TrafficPoint] = ()


def pipeline_rows(session: Session, pipeline: Pipeline, drawn: str = "") -> PipelineRows:
    """Read what a pipeline's page shows.

    Args:
        session: of the ledger.
        pipeline: its file.
        drawn: the figure to be drawn; default: the pipeline's metric.
    """
    name = pipeline.name
    fleet = fleet_rows(session, {name: pipeline.metric}, 1)
    newest = fleet.newest_days.get(name, "")
    quality = _figures(
        session, name, days_until(newest, QUALITY_DAYS, pipeline.block), quality_names(pipeline.metric), [""]
    )
    labelled = max((row.partition for row in quality if row.name == pipeline.metric), default="")
    chosen = quality_names(drawn) if drawn and drawn != pipeline.metric else []
    restless, columns = _restless(session, name, days_until(newest, RANKED_DAYS, pipeline.block))
    drift_days = days_until(newest, DRIFT_DAYS, pipeline.block)
    drift = _figures(session, name, drift_days, [DRIFT, DRIFT_LIMIT], restless)
    drift += _figures(session, name, drift_days, [PREDICTION_DRIFT, PREDICTION_LIMIT], [""])
    releases = list(
        session.scalars(
            select(ReleaseRow)
            .where(ReleaseRow.pipeline == name)
            .order_by(ReleaseRow.id)
            .options(defer(ReleaseRow.plan))
        )
    )
    probations = list(
        session.scalars(select(ProbationRow).where(ProbationRow.pipeline == name).order_by(ProbationRow.id))
    )
    return PipelineRows(
        fleet=fleet,
        quality=quality,
        promotions=list(
            session.scalars(select(PromotionRow).where(PromotionRow.pipeline == name).order_by(PromotionRow.id))
        ),
        versions=_versions(session, name),
        trainings=_trainings(session, name),
        releases=releases,
        rolled_back=rolled_back(session, [row.id for row in releases]),
        stages=_stages(session, [row.id for row in releases[-RELEASES:]]),
        triggers=_verdicts(session, name, [Kind.TRIGGER], [Outcome.FIRED, Outcome.SUPPRESSED]),
        decided=_decided(session, name),
        gates=_verdicts(session, name, [Kind.GATE, Kind.REVIEW]),
        decisions=_newest_decisions(session, name),
        probations=probations,
        paired_days=_paired_days(session, probations),
        drift=drift,
        restless=restless,
        columns=columns,
        slices=_slices(session, pipeline, days_until(labelled, SLICE_DAYS, pipeline.block)),
        drawn=_figures(session, name, days_until(newest, QUALITY_DAYS, pipeline.block), chosen, [""])
        if chosen
        else quality,
        figures=_figures(
            session, name, days_until(labelled, figures.DAYS, pipeline.block), {*figures.TITLES, ROWS}, [""]
        ),
        requests=_requests(session, name, fleet.verdicts.get(name, {}).get(str(Kind.REQUESTS))),
    )


def _figures(
    session: Session, name: str, days: Collection[str], names: Collection[str], slices: Collection[str]
) -> list[NewestFigure]:
    query = select(*FIGURE_COLUMNS).where(
        FigureRow.pipeline == name,
        FigureRow.partition.in_(days),
        FigureRow.name.in_(names),
        FigureRow.slice.in_(slices),
    )
    return [NewestFigure(*row) for row in session.execute(query)] if days and slices else []


def _restless(session: Session, name: str, days: Collection[str]) -> tuple[list[str], int]:
    """Columns by the days on which they were beyond their limit, then by how far; and how many columns there are."""
    value = func.max(case((FigureRow.name == DRIFT, FigureRow.value)))
    limit = func.max(case((FigureRow.name == DRIFT_LIMIT, FigureRow.value)))
    by_day = (
        select(FigureRow.slice, value.label("value"), limit.label("limit"))
        .where(
            FigureRow.pipeline == name,
            FigureRow.partition.in_(days),
            FigureRow.name.in_([DRIFT, DRIFT_LIMIT]),
            FigureRow.slice != "",
        )
        .group_by(FigureRow.slice, FigureRow.partition)
        .subquery()
    )
    beyond = func.sum(case((by_day.c.value > by_day.c.limit, 1), else_=0))
    ratio = by_day.c.value / case((by_day.c.limit > 0, by_day.c.limit))
    query = (
        select(by_day.c.slice, func.count().over())
        .group_by(by_day.c.slice)
        .order_by(beyond.desc(), func.coalesce(func.max(ratio), 0.0).desc(), by_day.c.slice)
        .limit(DRIFT_COLUMNS)
    )
    rows = session.execute(query).all() if days else []
    return [column for column, _ in rows], rows[0][1] if rows else 0


def _paired_days(session: Session, probations: Sequence[ProbationRow]) -> list[PairedDay]:
    if not probations:
        return []
    newest = probations[-1]
    return paired_days(session, newest.pipeline, newest.version, newest.predecessor)


def _versions(session: Session, name: str) -> list[ModelVersionRow]:
    query = select(ModelVersionRow).where(ModelVersionRow.pipeline == name, ModelVersionRow.version.is_not(None))
    return list(session.scalars(query.order_by(ModelVersionRow.id).options(OF_VERSIONS)))


def _trainings(session: Session, name: str) -> list[TrainingRow]:
    query = select(TrainingRow).where(TrainingRow.pipeline == name, TrainingRow.version.is_not(None))
    unread = defer(TrainingRow.holdout), defer(TrainingRow.meaning)
    return list(session.scalars(query.order_by(TrainingRow.id).options(*unread)))


def _stages(session: Session, releases: Sequence[int]) -> list[ReleaseStageRow]:
    query = select(ReleaseStageRow).where(ReleaseStageRow.release_id.in_(releases))
    return list(session.scalars(query.order_by(ReleaseStageRow.release_id, ReleaseStageRow.position)))


def _verdicts(session: Session, name: str, kinds: Sequence[Kind], outcomes: Sequence[Outcome] = ()) -> list[VerdictRow]:
    query = select(VerdictRow).where(VerdictRow.pipeline == name, VerdictRow.kind.in_([str(kind) for kind in kinds]))
    if outcomes:
        query = query.where(VerdictRow.outcome.in_([str(outcome) for outcome in outcomes]))
    return list(session.scalars(query.order_by(VerdictRow.decided_at, VerdictRow.id).options(SENTENCES)))


def _decided(session: Session, name: str) -> list[tuple[datetime, str]]:
    query = select(VerdictRow.decided_at, VerdictRow.subject).where(
        VerdictRow.pipeline == name, VerdictRow.kind == str(Kind.TRIGGER)
    )
    return [(at, day) for at, day in session.execute(query)]


def _newest_decisions(session: Session, name: str) -> list[VerdictRow]:
    kinds = [str(kind) for kind in Kind if kind is not Kind.VALIDATION]
    query = select(VerdictRow).where(VerdictRow.pipeline == name, VerdictRow.kind.in_(kinds)).limit(DECISIONS)
    return list(session.scalars(query.order_by(VerdictRow.decided_at.desc(), VerdictRow.id.desc()).options(SENTENCES)))


def _slices(session: Session, pipeline: Pipeline, days: Collection[str]) -> list[NewestFigure]:
    query = select(*FIGURE_COLUMNS).where(
        FigureRow.pipeline == pipeline.name,
        FigureRow.partition.in_(days),
        FigureRow.name.in_(slice_names(pipeline.metric)),
        FigureRow.slice != "",
    )
    return [NewestFigure(*row) for row in session.execute(query.order_by(FigureRow.partition))] if days else []


def _requests(session: Session, name: str, verdict: VerdictRow | None) -> list[NewestFigure]:
    query = select(*FIGURE_COLUMNS).where(
        FigureRow.pipeline == name,
        FigureRow.partition == (verdict.subject if verdict else ""),
        FigureRow.name.in_({*OF_DAY, *OF_COLUMN}),
    )
    return [NewestFigure(*row) for row in session.execute(query)] if verdict else []
