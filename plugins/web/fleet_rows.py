"""What the ledger holds of all pipelines, in a dozen queries however many they are.

The table of figures has millions of rows and one index: pipeline, day, name, slice, version. So days are listed one by
one, which makes each figure one look into that index, and the newest day is looked up per pipeline.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import String, column, func, select, tuple_, values
from sqlalchemy.orm import defer, load_only

from tidewheel.ledger.models import subject
from tidewheel.ledger.newest_days import newest_days
from tidewheel.ledger.probations import running_probations
from tidewheel.ledger.tables import (
    EndpointRow,
    FigureRow,
    ModelVersionRow,
    PromotionRow,
    ReleaseRow,
    RetrainRequestRow,
    VerdictRow,
)
from tidewheel.ledger.training_costs import TrainingCost, month_costs
from tidewheel.partitions import DAY, Partitioning, day_or_none
from tidewheel.policies.verdict import Kind, Outcome
from tidewheel.release.rollback import rolled_back

if TYPE_CHECKING:
    from sqlalchemy import CTE
    from sqlalchemy.orm import Session

    from tidewheel.ledger.probations import RunningProbation

FIGURE_COLUMNS = (
    FigureRow.pipeline,
    FigureRow.partition,
    FigureRow.name,
    FigureRow.slice,
    FigureRow.version,
    FigureRow.value,
)
ROWS = "rows"
NIGHTLY = (Kind.TRIGGER, Kind.DRIFT, Kind.REQUESTS)
"""Verdicts about a day; of each kind the newest day's is read."""
OF_VERSIONS = load_only(
    ModelVersionRow.pipeline,
    ModelVersionRow.version,
    ModelVersionRow.mlflow_run,
    ModelVersionRow.run_id,
    ModelVersionRow.as_of,
    ModelVersionRow.train_end,
    ModelVersionRow.refit,
    ModelVersionRow.created_at,
    ModelVersionRow.created_by,
)
"""Files and importances of a version are large, and no page shows them."""


class NewestFigure(NamedTuple):
    """One measured number; see `FigureRow`."""

    pipeline: str
    partition: str
    name: str
    slice: str
    version: str
    value: float


@dataclass(frozen=True)
class FleetRows:
    """Rows of all pipelines, each by the pipeline's name.

    Attributes:
        endpoints: what answers.
        promotions: the newest promotion, which made the champion.
        champions: the champion's row.
        newest_models: the version that was made last.
        waiting: the verdict of the gate on that version, where it passed and no reviewer has answered.
        rejected: pipelines whose newest version the gate or a reviewer has turned down.
        releases: the newest release.
        rolled_back: pipelines whose newest release failed after callers had been answered by it.
        requests: the request for a training that nobody has answered.
        verdicts: the newest verdicts, by kind.
        probations: versions on probation.
        newest_days: the newest day with any figure.
        figures: of all rows, of the newest days with labels.
        costs: of the trainings of this month.
    """

    endpoints: Mapping[str, EndpointRow] = field(default_factory=dict)
    promotions: Mapping[str, PromotionRow] = field(default_factory=dict)
    champions: Mapping[str, ModelVersionRow] = field(default_factory=dict)
    newest_models: Mapping[str, ModelVersionRow] = field(default_factory=dict)
    waiting: Mapping[str, VerdictRow] = field(default_factory=dict)
    rejected: Collection[str] = ()
    releases: Mapping[str, ReleaseRow] = field(default_factory=dict)
    rolled_back: Collection[str] = ()
    requests: Mapping[str, RetrainRequestRow] = field(default_factory=dict)
    verdicts: Mapping[str, Mapping[str, VerdictRow]] = field(default_factory=dict)
    probations: Mapping[str, RunningProbation] = field(default_factory=dict)
    newest_days: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, Sequence[NewestFigure]] = field(default_factory=dict)
    costs: Mapping[str, TrainingCost] = field(default_factory=dict)


def fleet_rows(
    session: Session, metrics: Mapping[str, str], days: int, units: Mapping[str, Partitioning] | None = None
) -> FleetRows:
    """Read what the front page shows.

    Args:
        session: of the ledger.
        metrics: the figure that each declared pipeline is judged by; empty where its file cannot be read.
        days: how many partitions of it to read, up to the newest one with labels.
        units: what a pipeline's partition holds, where it is not a day.

    Returns:
        Rows; a pipeline without any is absent.
    """
    days_of = newest_days(session, metrics)
    labelled = {name: found.labelled for name, found in days_of.items() if found.labelled}
    newest = select(func.max(PromotionRow.id)).group_by(PromotionRow.pipeline)
    promotions = by_pipeline(session.scalars(select(PromotionRow).where(PromotionRow.id.in_(newest))))
    made = (
        select(func.max(ModelVersionRow.id))
        .where(ModelVersionRow.version.is_not(None))
        .group_by(ModelVersionRow.pipeline)
    )
    released = select(func.max(ReleaseRow.id)).group_by(ReleaseRow.pipeline)
    models = by_pipeline(
        session.scalars(select(ModelVersionRow).where(ModelVersionRow.id.in_(made)).options(OF_VERSIONS))
    )
    waiting, rejected = _judged(session, models)
    releases = by_pipeline(
        session.scalars(select(ReleaseRow).where(ReleaseRow.id.in_(released)).options(defer(ReleaseRow.plan)))
    )
    back = rolled_back(session, [row.id for row in releases.values()])
    return FleetRows(
        endpoints=by_pipeline(session.scalars(select(EndpointRow))),
        promotions=promotions,
        champions=_champions(session, promotions),
        newest_models=models,
        waiting=waiting,
        rejected=rejected,
        releases=releases,
        rolled_back={name for name, row in releases.items() if row.id in back},
        requests=by_pipeline(session.scalars(select(RetrainRequestRow).where(RetrainRequestRow.closed_at.is_(None)))),
        verdicts=_newest_verdicts(session, list(metrics)),
        probations=running_probations(session),
        costs=month_costs(session, datetime.now(UTC)),
        newest_days={name: found.monitored for name, found in days_of.items() if found.monitored},
        figures=_figures(
            session,
            {name: days_until(day, days, (units or {}).get(name, DAY)) for name, day in labelled.items()},
            {*metrics.values(), ROWS},
        ),
    )


def by_pipeline(rows: Iterable[Any]) -> dict[str, Any]:
    """Rows by the pipeline they are about."""
    return {row.pipeline: row for row in rows}


def days_until(newest: str, count: int, unit: Partitioning = DAY) -> list[str]:
    """Keys of so many partitions up to and with the newest, oldest first; empty for a key that is no day."""
    if (last := day_or_none(newest)) is None:
        return []
    return [str(day) for day in unit.newest(last, min(count, last.toordinal() // unit.days))]


def _names(pipelines: Sequence[str]) -> CTE:
    rows = [(name,) for name in pipelines]
    return values(column("pipeline", String), name="listed").data(rows).cte("listed")


def _newest_verdicts(session: Session, pipelines: Sequence[str]) -> dict[str, dict[str, VerdictRow]]:
    verdicts: dict[str, dict[str, VerdictRow]] = {}
    for kind in NIGHTLY if pipelines else ():
        listed = _names(pipelines)
        newest = (
            select(VerdictRow.id)
            .where(VerdictRow.pipeline == listed.c.pipeline, VerdictRow.kind == str(kind))
            .order_by(VerdictRow.subject.desc(), VerdictRow.decided_at.desc(), VerdictRow.id.desc())
            .limit(1)
            .correlate(listed)
        ).scalar_subquery()
        query = select(VerdictRow).where(VerdictRow.id.in_(select(newest).select_from(listed)))
        for row in session.scalars(query.options(defer(VerdictRow.thresholds))):
            verdicts.setdefault(row.pipeline, {})[row.kind] = row
    return verdicts


def _champions(session: Session, promotions: Mapping[str, PromotionRow]) -> dict[str, ModelVersionRow]:
    keys = [(row.pipeline, row.version) for row in promotions.values()]
    if not keys:
        return {}
    query = select(ModelVersionRow).where(tuple_(ModelVersionRow.pipeline, ModelVersionRow.version).in_(keys))
    return by_pipeline(session.scalars(query.options(OF_VERSIONS)))


def _judged(session: Session, models: Mapping[str, ModelVersionRow]) -> tuple[dict[str, VerdictRow], set[str]]:
    """What became of the newest versions.

    Returns:
        The gate's verdict on those that passed, were never champion, and have no reviewer's answer; and the pipelines
        whose newest version was turned down.
    """
    keys = [(row.pipeline, row.version or "") for row in models.values()]
    if not keys:
        return {}, set()
    been = select(PromotionRow.pipeline).where(tuple_(PromotionRow.pipeline, PromotionRow.version).in_(keys))
    promoted = set(session.scalars(been))
    query = select(VerdictRow).where(
        VerdictRow.kind.in_([str(Kind.GATE), str(Kind.REVIEW)]),
        tuple_(VerdictRow.pipeline, VerdictRow.subject).in_([(name, subject(version)) for name, version in keys]),
    )
    rows = list(session.scalars(query.order_by(VerdictRow.decided_at, VerdictRow.id)))
    gates = by_pipeline(row for row in rows if row.kind == Kind.GATE)
    reviews = by_pipeline(row for row in rows if row.kind == Kind.REVIEW)
    passed = {name: row for name, row in gates.items() if row.outcome == Outcome.PASSED}
    rejected = {name for name, row in (gates | reviews).items() if row.outcome != Outcome.PASSED}
    return {name: row for name, row in passed.items() if name not in promoted | reviews.keys()}, rejected


def _figures(
    session: Session, windows: Mapping[str, Sequence[str]], names: Collection[str]
) -> dict[str, list[NewestFigure]]:
    query = select(*FIGURE_COLUMNS).where(
        FigureRow.pipeline.in_(list(windows)),
        FigureRow.partition.in_({day for window in windows.values() for day in window}),
        FigureRow.name.in_(names),
        FigureRow.slice == "",
    )
    figures: dict[str, list[NewestFigure]] = {}
    for row in session.execute(query.order_by(FigureRow.pipeline, FigureRow.partition)):
        figures.setdefault(row.pipeline, []).append(NewestFigure(*row))
    return figures
