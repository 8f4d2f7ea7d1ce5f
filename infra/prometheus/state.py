"""What the ledger knows of each pipeline at this moment, as the exporter publishes it.

A scrape must stay cheap with hundreds of pipelines: columns instead of rows of the ORM, which would parse each JSON
document, and one query for all pipelines.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sqlalchemy import func, select, tuple_

from infra.prometheus.budget_left import BudgetLeft, budget_left
from infra.prometheus.figures import (
    DriftedColumns,
    QualityFigure,
    RequestFigure,
    newest_drift,
    newest_quality,
    newest_requests,
)
from infra.prometheus.task_seconds import TaskSeconds, task_seconds
from tidewheel.ledger.models import subject
from tidewheel.ledger.newest_days import newest_days, validated_partition
from tidewheel.ledger.probations import RunningProbation, running_probations
from tidewheel.ledger.releases import Status
from tidewheel.ledger.tables import (
    EndpointRow,
    ModelVersionRow,
    PromotionRow,
    ReleaseRow,
    RetrainRequestRow,
    VerdictRow,
)
from tidewheel.partitions import HOUR
from tidewheel.policies.verdict import Kind, Outcome

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tidewheel.spec import Pipeline

Counts = defaultdict[str, dict[tuple[str, ...], int]]
"""How many rows there are of a pipeline, by the columns that tell them apart."""
Fact = TypeVar("Fact")


class Deployed(NamedTuple):
    """A version behind an endpoint, or on its way there, and since when."""

    version: str
    colour: str
    since: datetime


class PromotedChampion(NamedTuple):
    """The champion, and when it was promoted; `train_end` is empty where the ledger has no row of its training."""

    version: str
    promoted_at: datetime
    train_end: str


@dataclass(frozen=True)
class PipelineState:
    """One pipeline.

    Attributes:
        name: of the pipeline.
        declared: its file; None where that cannot be read.
        endpoint: what answers.
        champion: the champion.
        monitored_day: the newest day that monitoring has looked at, YYYY-MM-DD; empty before the first.
        labelled_day: the newest day whose labels are in, YYYY-MM-DD; empty before the first.
        validated_hour: the newest hour whose rows were validated, of an hourly pipeline; empty before the first.
        quality: figures of all rows of that day, of each version that answered then.
        drift: of the newest monitored day; None where drift was not measured.
        of_requests: figures of that day's requests, of all and by column.
        probation: of the version that serves; None where it is not on probation.
        release: the release that runs.
        requested_at: when the training was requested that nobody has answered.
        approvals_waiting: challengers that wait for a person: 0 or 1.
        left: what the newest decision says of the budget; None without a budget or a decision.
        verdicts: how many, by kind and outcome.
        releases: how many, by status.
        tasks: what the tasks of its DAGs took.
    """

    name: str
    declared: Pipeline | None = None
    endpoint: Deployed | None = None
    champion: PromotedChampion | None = None
    monitored_day: str = ""
    labelled_day: str = ""
    validated_hour: str = ""
    quality: Sequence[QualityFigure] = ()
    drift: DriftedColumns | None = None
    of_requests: Sequence[RequestFigure] = ()
    probation: RunningProbation | None = None
    release: Deployed | None = None
    requested_at: datetime | None = None
    approvals_waiting: int = 0
    left: BudgetLeft | None = None
    verdicts: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    releases: Mapping[str, int] = field(default_factory=dict)
    tasks: Sequence[TaskSeconds] = ()


class VerdictCounts:
    """Counts verdicts, anew only when one has been added: the table has a row for each day, kind and pipeline.

    A verdict that its own run replaces is counted with the next new one.
    """

    def __init__(self) -> None:
        self._newest: int | None = None
        self._counted: tuple[Counts, dict[str, str]] = defaultdict(dict), {}

    def read(self, session: Session) -> tuple[Counts, dict[str, str]]:
        """How many verdicts, and the day of each pipeline's newest decision of the trigger."""
        newest = session.scalar(select(func.max(VerdictRow.id)))
        if newest != self._newest:
            self._counted, self._newest = self._count(session), newest
        return self._counted

    def _count(self, session: Session) -> tuple[Counts, dict[str, str]]:
        columns = VerdictRow.pipeline, VerdictRow.kind, VerdictRow.outcome
        query = select(*columns, func.count(), func.max(VerdictRow.subject)).group_by(*columns)
        counts: Counts = defaultdict(dict)
        days: dict[str, str] = {}
        for name, kind, outcome, count, last in session.execute(query):
            counts[name][kind, outcome] = count
            if kind == Kind.TRIGGER:
                days[name] = max(last, days.get(name, ""))
        return counts, days


def pipeline_states(
    session: Session, declared: Mapping[str, Pipeline | None], counts: VerdictCounts
) -> list[PipelineState]:
    """The state of each declared pipeline, by name.

    Args:
        session: of the ledger.
        declared: the pipelines; None where a file cannot be read.
        counts: what an earlier reading has counted.
    """
    endpoints = _facts(
        session, Deployed, EndpointRow.pipeline, EndpointRow.version, EndpointRow.colour, EndpointRow.changed_at
    )
    running = _facts(
        session,
        Deployed,
        ReleaseRow.pipeline,
        ReleaseRow.version,
        ReleaseRow.colour,
        ReleaseRow.started_at,
        where=ReleaseRow.status == str(Status.RUNNING),
    )
    requests = select(RetrainRequestRow.pipeline, RetrainRequestRow.asked_at)
    requested = dict(session.execute(requests.where(RetrainRequestRow.closed_at.is_(None))).all())
    champions = _champions(session)
    verdicts, decided = counts.read(session)
    releases = _releases(session)
    days = newest_days(session, {name: pipeline.metric if pipeline else "" for name, pipeline in declared.items()})
    quality = newest_quality(session, {name: of.labelled for name, of in days.items()})
    monitored = {name: of.monitored for name, of in days.items()}
    drift = newest_drift(session, monitored)
    of_requests = newest_requests(session, monitored)
    probations = running_probations(session)
    waiting = _waiting(session)
    saved = budget_left(session, decided)
    tasks = task_seconds(session)
    return [
        PipelineState(
            name=name,
            declared=pipeline,
            endpoint=endpoints.get(name),
            champion=champions.get(name),
            monitored_day=days[name].monitored,
            labelled_day=days[name].labelled,
            validated_hour=validated_partition(session, name) if _by_hour(pipeline) else "",
            quality=quality.get(name, ()),
            drift=drift.get(name),
            of_requests=of_requests.get(name, ()),
            probation=probations.get(name),
            release=running.get(name),
            requested_at=requested.get(name),
            approvals_waiting=int(pipeline is not None and pipeline.gate.approval == "manual" and name in waiting),
            left=saved.get(name),
            verdicts=verdicts[name],
            releases={status: count for (status,), count in releases[name].items()},
            tasks=tasks.get(name, ()),
        )
        for name, pipeline in declared.items()
    ]


def _facts(session: Session, fact: type[Fact], pipeline: Any, *columns: Any, where: Any = True) -> dict[str, Fact]:
    rows = session.execute(select(pipeline, *columns).where(where))
    return {name: fact(*values) for name, *values in rows}


def _by_hour(pipeline: Pipeline | None) -> bool:
    return pipeline is not None and pipeline.partition is HOUR


def _champions(session: Session) -> dict[str, PromotedChampion]:
    newest = select(func.max(PromotionRow.id)).group_by(PromotionRow.pipeline)
    same = (ModelVersionRow.pipeline == PromotionRow.pipeline) & (ModelVersionRow.version == PromotionRow.version)
    query = (
        select(PromotionRow.pipeline, PromotionRow.version, PromotionRow.promoted_at, ModelVersionRow.train_end)
        .outerjoin(ModelVersionRow, same)
        .where(PromotionRow.id.in_(newest))
    )
    return {name: PromotedChampion(version, at, end or "") for name, version, at, end in session.execute(query)}


def _waiting(session: Session) -> set[str]:
    """Pipelines whose newest version has passed the gate, and that no reviewer has judged and nobody has promoted."""
    newest = select(func.max(ModelVersionRow.id)).where(ModelVersionRow.version.is_not(None))
    versions = select(ModelVersionRow.pipeline, ModelVersionRow.version).where(
        ModelVersionRow.id.in_(newest.group_by(ModelVersionRow.pipeline))
    )
    newest_versions = dict(session.execute(versions).all())
    promoted = set(session.execute(select(PromotionRow.pipeline, PromotionRow.version)).all())
    open_versions = {
        name: version for name, version in newest_versions.items() if version and (name, version) not in promoted
    }
    candidates = {name: subject(version) for name, version in open_versions.items()}
    decided = (
        select(VerdictRow.pipeline, VerdictRow.kind, VerdictRow.outcome)
        .where(
            VerdictRow.pipeline.in_(candidates),
            VerdictRow.kind.in_([str(Kind.GATE), str(Kind.REVIEW)]),
            tuple_(VerdictRow.pipeline, VerdictRow.subject).in_(candidates.items()),
        )
        .order_by(VerdictRow.decided_at, VerdictRow.id)
    )
    last = {(name, kind): outcome for name, kind, outcome in session.execute(decided)}
    passed = {name for name in candidates if last.get((name, str(Kind.GATE))) == Outcome.PASSED}
    return {name for name in passed if (name, str(Kind.REVIEW)) not in last}


def _releases(session: Session) -> Counts:
    counts: Counts = defaultdict(dict)
    query = select(ReleaseRow.pipeline, ReleaseRow.status, func.count())
    for name, status, count in session.execute(query.group_by(ReleaseRow.pipeline, ReleaseRow.status)):
        counts[name][status,] = count
    return counts
