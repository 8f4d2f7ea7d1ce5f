"""What the ledger knows of each pipeline at this moment, as the exporter publishes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, or_, select

from tidewheel.ledger.models import Models
from tidewheel.ledger.releases import Status
from tidewheel.ledger.tables import (
    EndpointRow,
    FigureRow,
    ModelVersionRow,
    PromotionRow,
    ReleaseRow,
    RetrainRequestRow,
    VerdictRow,
)
from tidewheel.policies.verdict import Outcome
from tidewheel.spec.load import declared_pipelines

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tidewheel.ledger import Ledger
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

DRIFT, DRIFTED = "feature_drift", "drifted_columns"
OF_REQUESTS = ("skew_row_share", "skewed_columns", "live_drifted_columns", "refused_share", "unusual_share")
"""Figures of all requests of a day."""
OF_COLUMNS = ("skew_share", "refused_share")
"""The same by column."""


@dataclass(frozen=True)
class PipelineState:
    """One pipeline.

    Attributes:
        name: of the pipeline.
        declared: its file; None where that cannot be read.
        endpoint: what answers.
        promotion: the newest promotion, which made the champion.
        champion: the champion's row.
        monitored_day: the newest day that monitoring has looked at, YYYY-MM-DD; empty before the first.
        labelled_day: the newest day whose labels are in, YYYY-MM-DD; empty before the first.
        figures: of those two days.
        release: the release that runs.
        request: the request for a training that nobody has answered.
        approvals_waiting: challengers that wait for a person.
        verdicts: how many, by kind and outcome.
        releases: how many, by status.
    """

    name: str
    declared: Pipeline | None = None
    endpoint: EndpointRow | None = None
    promotion: PromotionRow | None = None
    champion: ModelVersionRow | None = None
    monitored_day: str = ""
    labelled_day: str = ""
    figures: Sequence[FigureRow] = ()
    release: ReleaseRow | None = None
    request: RetrainRequestRow | None = None
    approvals_waiting: int = 0
    verdicts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    releases: Mapping[str, int] = field(default_factory=dict)

    @property
    def quality(self) -> list[FigureRow]:
        """Figures of all rows of the newest labelled day, of each version that answered then."""
        return [row for row in self.figures if row.partition == self.labelled_day and row.version and not row.slice]

    @property
    def compared_columns(self) -> int:
        """Columns whose drift was measured on the newest monitored day."""
        return sum(row.name == DRIFT and row.partition == self.monitored_day for row in self.figures)

    @property
    def of_requests(self) -> list[FigureRow]:
        """Figures of the requests of the newest monitored day, of all and by column."""
        names = {*OF_REQUESTS, *OF_COLUMNS}
        return [row for row in self.figures if row.name in names and row.partition == self.monitored_day]

    @property
    def drifted_columns(self) -> float | None:
        """Of them, those that had drifted; None where drift was not measured."""
        found = (row.value for row in self.figures if row.name == DRIFTED and row.partition == self.monitored_day)
        return next(found, None)


def pipeline_states(settings: Settings, ledger: Ledger) -> list[PipelineState]:
    """The state of each declared pipeline, by name.

    Raises:
        LedgerError: the ledger does not answer, or has not the tables of this version.
    """
    declared = declared_pipelines(settings.pipelines_folder)
    with ledger.session() as session:
        newest = select(func.max(PromotionRow.id)).group_by(PromotionRow.pipeline)
        promotions = _by_pipeline(session, select(PromotionRow).where(PromotionRow.id.in_(newest)))
        champion = and_(
            ModelVersionRow.pipeline == PromotionRow.pipeline, ModelVersionRow.version == PromotionRow.version
        )
        champions = _by_pipeline(
            session, select(ModelVersionRow).join(PromotionRow, champion).where(PromotionRow.id.in_(newest))
        )
        endpoints = _by_pipeline(session, select(EndpointRow))
        running = _by_pipeline(session, select(ReleaseRow).where(ReleaseRow.status == str(Status.RUNNING)))
        requests = _by_pipeline(session, select(RetrainRequestRow).where(RetrainRequestRow.closed_at.is_(None)))
        verdicts = _counts(session, VerdictRow.pipeline, VerdictRow.kind, VerdictRow.outcome)
        releases = _counts(session, ReleaseRow.pipeline, ReleaseRow.status)
        days = {name: _days(session, name, pipeline.metric if pipeline else "") for name, pipeline in declared.items()}
        figures = {name: _figures(session, name, *of) for name, of in days.items()}
    return [
        PipelineState(
            name=name,
            declared=pipeline,
            endpoint=endpoints.get(name),
            promotion=promotions.get(name),
            champion=champions.get(name),
            monitored_day=days[name][0],
            labelled_day=days[name][1],
            figures=figures[name],
            release=running.get(name),
            request=requests.get(name),
            approvals_waiting=_waiting(ledger, pipeline) if pipeline else 0,
            verdicts={(kind, outcome): n for (of, kind, outcome), n in verdicts.items() if of == name},
            releases={status: n for (of, status), n in releases.items() if of == name},
        )
        for name, pipeline in declared.items()
    ]


def _by_pipeline(session: Session, query: Any) -> dict[str, Any]:
    return {row.pipeline: row for row in session.scalars(query)}


def _counts(session: Session, *columns: Any) -> dict[tuple[str, ...], int]:
    rows = session.execute(select(*columns, func.count()).group_by(*columns))
    return {tuple(key): n for *key, n in rows}


def _days(session: Session, pipeline: str, metric: str) -> tuple[str, str]:
    """The newest day with any figure, and the newest one with this figure; empty where there is none."""
    query = select(FigureRow.partition).where(FigureRow.pipeline == pipeline)
    newest = query.order_by(FigureRow.partition.desc()).limit(1)
    labelled = newest.where(FigureRow.name == metric, FigureRow.slice == "")
    return session.scalar(newest) or "", session.scalar(labelled) or ""


def _figures(session: Session, pipeline: str, monitored: str, labelled: str) -> list[FigureRow]:
    if not monitored:
        return []
    of_all_rows = and_(FigureRow.partition == labelled, FigureRow.slice == "")
    of_drift = and_(FigureRow.partition == monitored, FigureRow.name.in_([DRIFT, DRIFTED, *OF_REQUESTS, *OF_COLUMNS]))
    query = select(FigureRow).where(FigureRow.pipeline == pipeline, or_(of_all_rows, of_drift))
    return list(session.scalars(query))


def _waiting(ledger: Ledger, pipeline: Pipeline) -> int:
    """Whether the newest challenger waits for a person: 0 or 1."""
    if pipeline.gate.approval != "manual" or (newest := Models(ledger).newest(pipeline.name)) is None:
        return 0
    found = Models(ledger).decisions(pipeline.name, newest.version or "")
    passed = found.gate is not None and found.gate.outcome == Outcome.PASSED
    return int(passed and found.review is None and not found.promoted)
