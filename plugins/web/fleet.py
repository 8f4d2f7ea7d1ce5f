"""The front page: a line a pipeline, the one that needs somebody most at the top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from plugins.web.airflow_runs import NextNight
from plugins.web.attention import Concern, PipelineSnapshot, Urgency, approval_path, as_utc, concerns
from plugins.web.fleet_rows import FleetRows
from plugins.web.quality import Quality, quality
from plugins.web.sparkline import Sparkline, sparkline
from tidewheel.ledger.tables import EndpointRow
from tidewheel.partitions import DAY

if TYPE_CHECKING:
    from tidewheel.spec import Pipeline
    from tidewheel.teams import TeamUse

SPARK_DAYS = 30


@dataclass(frozen=True)
class FleetLine:
    """One pipeline.

    Attributes:
        name: of the pipeline.
        description: what its model predicts.
        owner: the team that answers for it.
        concerns: what is to be said of it, the most urgent first; at least one.
        quality: of the newest days.
        spark: the metric of the newest days as a line.
        champion: version; empty where there is none.
        champion_days: since it became champion; None where that is unknown.
        endpoint: what answers.
        data_partition: the newest partition with published features; empty where there is none.
        label_day: the newest day with labels; empty where there is none.
        night: the next one; None where Airflow has planned none.
    """

    name: str
    description: str
    owner: str
    concerns: Sequence[Concern]
    quality: Quality
    spark: Sparkline
    champion: str = ""
    champion_days: int | None = None
    endpoint: EndpointRow | None = None
    data_partition: str = ""
    label_day: str = ""
    night: NextNight | None = None

    @property
    def first(self) -> Concern:
        """The most urgent concern."""
        return self.concerns[0]


@dataclass(frozen=True)
class Approval:
    """A version that waits for a reviewer.

    Attributes:
        pipeline: its name.
        version: of the model.
        since: when the gate passed it, in UTC.
        until: no answer by then rejects it.
        link: Airflow's page of the action, a path.
    """

    pipeline: str
    version: str
    since: datetime
    until: datetime
    link: str


@dataclass(frozen=True)
class Fleet:
    """The whole page.

    Attributes:
        lines: one a pipeline, the most urgent first.
        silent: parts of the platform that did not answer, with the reason.
        unknown: names of these parts.
        stray: sentences about endpoints of pipelines that are no longer declared.
        approvals: versions that wait for a reviewer, the nearest deadline first.
        teams: what each has used this month; none where one team has all pipelines and no quota.
    """

    lines: Sequence[FleetLine]
    silent: Sequence[str] = ()
    unknown: frozenset[str] = frozenset()
    stray: Sequence[str] = ()
    approvals: Sequence[Approval] = ()
    teams: Sequence[TeamUse] = ()

    @property
    def counts(self) -> dict[Urgency, int]:
        """How many pipelines there are of each urgency, the most urgent first; only those that occur."""
        found = {urgency: sum(line.first.urgency is urgency for line in self.lines) for urgency in Urgency}
        return {urgency: count for urgency, count in found.items() if count}


def snapshot_of(known: PipelineSnapshot, rows: FleetRows, labels: str) -> PipelineSnapshot:
    """Add what the ledger holds of a pipeline to what is known of it.

    Args:
        known: name, file and what other parts have said.
        rows: of all pipelines.
        labels: the newest day with labels.
    """
    name, promotion = known.name, rows.promotions.get(known.name)
    return PipelineSnapshot(
        name=name,
        now=known.now,
        declared=known.declared,
        error=known.error,
        gone=known.gone,
        failed=known.failed,
        waiting=rows.waiting.get(name),
        release=rows.releases.get(name),
        rolled_back=name in rows.rolled_back,
        request=rows.requests.get(name),
        verdicts=rows.verdicts.get(name, {}),
        probation=rows.probations.get(name),
        champion=promotion.version if promotion else "",
        data_partition=known.data_partition,
        monitored_day=rows.newest_days.get(name, ""),
        label_day=labels,
        ledger_answers=known.ledger_answers,
    )


def approvals(declared: Mapping[str, Pipeline | str], rows: FleetRows) -> list[Approval]:
    """Versions that wait for a reviewer, the nearest deadline first.

    Args:
        declared: pipelines by name; of those that cannot be read, the reason.
        rows: of the ledger, of all pipelines.
    """
    waiting = []
    for name, row in rows.waiting.items():
        pipeline = declared.get(name)
        if pipeline is None or isinstance(pipeline, str) or pipeline.gate.approval != "manual":
            continue
        since, timeout = as_utc(row.decided_at), timedelta(hours=pipeline.gate.approval_timeout_hours)
        version = row.subject.removeprefix("version ")
        waiting.append(Approval(name, version, since, since + timeout, approval_path(name, row)))
    return sorted(waiting, key=lambda one: (one.until, one.pipeline))


def line(known: PipelineSnapshot, rows: FleetRows, night: NextNight | None, shown: Quality | None = None) -> FleetLine:
    """What the front page shows of a pipeline.

    Args:
        known: name, file and what other parts than the ledger have said.
        rows: of the ledger, of all pipelines.
        night: when its next night begins.
        shown: its quality; default: from the figures among the rows.
    """
    declared, promotion = known.declared, rows.promotions.get(known.name)
    if shown is None:
        metric, unit = (declared.metric, declared.block) if declared else ("", DAY)
        shown = quality(metric, rows.figures.get(known.name, ()), unit)
    labels = shown.newest.day if shown.newest else ""
    return FleetLine(
        name=known.name,
        description=declared.description if declared else "",
        owner=declared.owner.team if declared else "",
        concerns=concerns(snapshot_of(known, rows, labels)),
        quality=shown,
        spark=sparkline(shown.last_days(SPARK_DAYS)),
        champion=promotion.version if promotion else "",
        champion_days=days_since(promotion.promoted_at, known.now) if promotion else None,
        endpoint=rows.endpoints.get(known.name),
        data_partition=known.data_partition,
        label_day=labels,
        night=night,
    )


def worst_first(lines: Sequence[FleetLine]) -> list[FleetLine]:
    """Lines by urgency; of the same urgency, the one with more concerns of it first, then by name."""
    return sorted(lines, key=lambda one: (one.first.urgency, -_of_that_urgency(one), one.name))


def days_since(at: datetime, now: datetime) -> int:
    """Whole days from a time to now."""
    return max((now - as_utc(at)).days, 0)


def _of_that_urgency(one: FleetLine) -> int:
    return sum(concern.urgency is one.first.urgency for concern in one.concerns)
