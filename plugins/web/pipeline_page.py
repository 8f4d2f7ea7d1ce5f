"""Gathers the page of one pipeline: ledger, lake and Airflow are read at once, none longer than a page may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from plugins.web import answers
from plugins.web.airflow_runs import AirflowState, airflow_state
from plugins.web.answers import AIRFLOW, LAKE, LEDGER, QUESTIONS_AT_ONCE, Answers
from plugins.web.attention import PipelineSnapshot
from plugins.web.callers import Callers, callers
from plugins.web.figures import TITLES, Measured, measured
from plugins.web.fleet import FleetLine, line, snapshot_of
from plugins.web.fleet_page import newest_data
from plugins.web.heat_map import HeatMap, heat_map
from plugins.web.outlook import ComingStep, outlook
from plugins.web.pipeline_rows import RELEASES, PipelineRows, pipeline_rows
from plugins.web.probations import ProbationView, probation
from plugins.web.quality import Quality, quality
from plugins.web.slices import Slices, slices
from plugins.web.timeline import TimelineEvent, chart_data, timeline
from plugins.web.traffic import DAYS, TrafficSummary, traffic
from plugins.web.trainings import SHOWN, Spent, TrainedVersion, spent, trainings
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger
from tidewheel.ledger.traffic import TrafficLog, TrafficPoint
from tidewheel.policies.verdict import Kind
from tidewheel.spec.groups import group_name

if TYPE_CHECKING:
    from tidewheel.ledger.tables import ReleaseRow, ReleaseStageRow, VerdictRow
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline


@dataclass(frozen=True)
class ReleaseStages:
    """A release with its stages, in order."""

    row: ReleaseRow
    stages: Sequence[ReleaseStageRow]


@dataclass(frozen=True)
class PipelinePage:
    """The whole page.

    Attributes:
        line: what the front page says of it.
        quality: of three years, by the pipeline's metric.
        drawn: likewise, by the figure that is drawn.
        figures: all that are measured of a day.
        events: on the same axis, oldest first.
        chart: both, for the script that draws them.
        heat: drift of columns by days.
        probation: of the version that serves, and of earlier ones.
        slices: parts of the rows, and gaps between groups.
        callers: what they sent on the newest day.
        trainings: the newest, newest first.
        spent: what the trainings of the budget's period cost.
        traffic: of the endpoint, over the last day and sixty days.
        releases: the newest, newest first.
        steps: what happens next.
        decisions: the newest of all kinds, newest first.
        silent: parts of the platform that did not answer, with the reason.
        unknown: names of these parts.
    """

    line: FleetLine
    quality: Quality
    drawn: Quality
    figures: Sequence[Measured]
    events: Sequence[TimelineEvent]
    chart: Mapping[str, Any]
    heat: HeatMap
    probation: ProbationView
    slices: Slices
    callers: Callers
    trainings: Sequence[TrainedVersion]
    spent: Spent
    traffic: TrafficSummary
    releases: Sequence[ReleaseStages]
    steps: Sequence[ComingStep]
    decisions: Sequence[VerdictRow]
    silent: Sequence[str]
    unknown: frozenset[str]


@dataclass(frozen=True)
class BesideLedger:
    """What Airflow and the lake have answered, and who has not.

    Attributes:
        airflow: its runs and nights.
        reports: days with a report of drift.
        silent: a sentence for each part that has not answered, by its name.
    """

    airflow: AirflowState
    reports: Sequence[str]
    silent: Mapping[str, str]


def pipeline_page(
    settings: Settings, pipeline: Pipeline, now: datetime | None = None, figure: str = ""
) -> PipelinePage:
    """Look at one pipeline.

    Args:
        settings: where everything is.
        pipeline: its file.
        now: the time, in UTC; default: by the clock.
        figure: to be drawn; default, and where there is none of that name: the pipeline's metric.
    """
    figure = figure if figure in TITLES else pipeline.metric
    now, name = now or datetime.now(UTC), pipeline.name
    pool, parts = ThreadPoolExecutor(QUESTIONS_AT_ONCE), Answers(answers.PAGE_PATIENCE_SECONDS)
    ledger = pool.submit(_rows, settings, pipeline, figure)
    points = pool.submit(_traffic, settings, name, now)
    airflow = pool.submit(airflow_state, [name], now)
    newest = pool.submit(newest_data, settings, name, pipeline.partition)
    rows = parts.of(LEDGER, ledger) or PipelineRows()
    lake = Lake.open(name, settings)
    drift_days = sorted({figure.partition for figure in rows.drift})
    reports = {key: pool.submit(_has_report, lake, key) for key in drift_days}
    state = parts.of(AIRFLOW, airflow) or AirflowState()
    known = PipelineSnapshot(
        name=name,
        now=now,
        declared=pipeline,
        failed=state.failed.get(name, ()),
        data_partition=parts.of(LAKE, newest) or "",
        ledger_answers=LEDGER not in parts.silent,
    )
    page = assemble(
        pipeline,
        known,
        replace(rows, traffic=parts.of(LEDGER, points) or ()),
        BesideLedger(state, [key for key, report in reports.items() if parts.of(LAKE, report)], parts.silent),
        figure,
    )
    pool.shutdown(wait=False, cancel_futures=True)
    return page


def assemble(
    pipeline: Pipeline, known: PipelineSnapshot, rows: PipelineRows, beside: BesideLedger, figure: str
) -> PipelinePage:
    """Make the page of what the parts have answered; without any, it says that nothing is known."""
    name, night = pipeline.name, beside.airflow.nights.get(pipeline.name)
    shown, drawn = (
        quality(metric, found, pipeline.block)
        for metric, found in ((pipeline.metric, rows.quality), (figure, rows.drawn))
    )
    labels = shown.newest.day if shown.newest else ""
    snapshot = snapshot_of(known, rows.fleet, labels)
    events = timeline(rows)
    verdicts, day = rows.fleet.verdicts.get(name, {}), rows.fleet.newest_days.get(name, "")
    done = trainings(rows.versions, rows.gates, rows.promotions, rows.trainings)
    return PipelinePage(
        line=line(known, rows.fleet, night, shown),
        quality=shown,
        drawn=drawn,
        figures=measured(rows.figures, pipeline.block),
        events=events,
        chart=chart_data(drawn, events),
        heat=heat_map(rows.drift, rows.restless, rows.columns, beside.reports, pipeline.block),
        probation=probation(pipeline, rows.probations, rows.paired_days, day),
        slices=slices(pipeline.metric, rows.slices, lower_is_better=shown.lower_is_better, limits=_limits(pipeline)),
        callers=callers(verdicts.get(str(Kind.REQUESTS)), rows.requests),
        trainings=done[:SHOWN],
        spent=spent(pipeline, day, done, verdicts.get(str(Kind.TRIGGER))),
        traffic=traffic(rows.traffic, known.now),
        releases=[
            ReleaseStages(row, [stage for stage in rows.stages if stage.release_id == row.id])
            for row in reversed(rows.releases[-RELEASES:])
        ],
        steps=outlook(pipeline, snapshot, night, rows.fleet.champions.get(name)),
        decisions=rows.decisions,
        silent=list(beside.silent.values()),
        unknown=frozenset(beside.silent),
    )


def report_path(pipeline: str, day: str) -> str:
    """Where monitoring leaves the report of a day's drift, relative to the lake's root."""
    return f"{pipeline}/reports/{day}/drift.html"


def _limits(pipeline: Pipeline) -> dict[tuple[str, str], float]:
    """The largest gaps that the gate allows, by groups and figure."""
    return {(group_name(limit.column), limit.figure): limit.maximum_gap for limit in pipeline.gate.fairness}


def _rows(settings: Settings, pipeline: Pipeline, figure: str) -> PipelineRows:
    with Ledger.briefly(settings) as ledger, ledger.session() as session:
        return pipeline_rows(session, pipeline, figure)


def _traffic(settings: Settings, name: str, now: datetime) -> Sequence[TrafficPoint]:
    with Ledger.briefly(settings) as ledger:
        return TrafficLog(ledger).series(name, now - timedelta(days=DAYS), now)


def _has_report(lake: Lake, day: str) -> bool:
    return bool(lake.store.fs.exists(lake.store.local(report_path(lake.pipeline, day))))
