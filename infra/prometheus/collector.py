"""The ledger's state as Prometheus metrics. Times are Unix seconds, so that `time() - x` is an age in every query.

No label holds a run, a row or a key of the data: the number of series grows with pipelines and versions that serve.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from infra.prometheus.budget_left import BudgetLeft
from infra.prometheus.request_figures import request_families
from infra.prometheus.state import PipelineState, VerdictCounts, pipeline_states
from infra.prometheus.teams import team_families
from tidewheel.errors import TidewheelError
from tidewheel.hours import start_of
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Status
from tidewheel.ledger.tasks import TaskOutcome
from tidewheel.ledger.training_costs import month_costs
from tidewheel.partitions import HOUR, Partitioning, day_of, partition_of
from tidewheel.policies.lateness import expected_data, expected_day, expected_labels
from tidewheel.spec.load import declared_pipelines
from tidewheel.teams import TeamUse, team_uses

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from infra.prometheus.task_seconds import TaskSeconds
    from tidewheel.settings import Settings

log = logging.getLogger("tidewheel.exporter")
DAY = 86_400
POOLED = {
    "pooled_excess_loss": ("tidewheel_excess_loss", "Loss above what was expected of the model, over a window"),
    "pooled_excess_loss_error": ("tidewheel_excess_loss_standard_error", "Standard error of tidewheel_excess_loss"),
    "pooled_excess_loss_days": ("tidewheel_excess_loss_days", "Labelled days in the window of tidewheel_excess_loss"),
}


class LedgerCollector(Collector):
    """Reads the ledger anew at each scrape, in one session.

    Args:
        settings: of the installation.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ledger = Ledger.open(settings, patience_seconds=0)
        self._counts = VerdictCounts()

    def collect(self) -> Iterator[Metric]:
        """All metrics; only `tidewheel_ledger_up 0` where the ledger does not answer."""
        began = time.monotonic()
        states, uses = None, dict[str, TeamUse]()
        try:
            declared = declared_pipelines(self._settings.pipelines_folder)
            with self._ledger.session() as session:
                costs = month_costs(session, datetime.now(UTC))
                states = pipeline_states(session, declared, self._counts)
            uses = team_uses(filter(None, declared.values()), costs, self._settings)
        except TidewheelError as error:
            log.warning("%s", error)
        yield from ledger_families(states, time.monotonic() - began)
        if states is not None:
            yield from team_families(uses.values())

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering the collector must not read the ledger."""
        return iter(())


def ledger_families(states: list[PipelineState] | None, seconds: float) -> Iterator[Metric]:
    """All metrics of pipelines.

    Args:
        states: of the pipelines; None where the ledger does not answer.
        seconds: that reading them took.
    """
    yield _gauge("tidewheel_ledger_up", "1 where the ledger answers", float(states is not None))
    yield _gauge("tidewheel_exporter_collect_seconds", "Time that reading the ledger took", seconds)
    if states is None:
        return
    yield from _serving(states)
    yield from _freshness(states, datetime.now(UTC))
    yield from _quality(states)
    yield from _probation(states)
    yield from request_families(states)
    yield from _decisions(states)
    yield from _trainings(states)
    yield from _tasks(states)


def _serving(states: list[PipelineState]) -> Iterator[Metric]:
    pipelines = _family(
        "tidewheel_pipeline_info",
        "1 for each declared pipeline; the team is empty where its file cannot be read",
        "team",
    )
    models = _family(
        "tidewheel_model_info", "1 for the version that answers requests, and its colour", "model_version", "colour"
    )
    since = _family("tidewheel_endpoint_changed_timestamp_seconds", "When traffic was switched to the live version")
    for state in states:
        pipelines.add_metric([state.name, state.declared.owner.team if state.declared else ""], 1)
        if state.endpoint is not None:
            models.add_metric([state.name, state.endpoint.version, state.endpoint.colour], 1)
            since.add_metric([state.name], _seconds(state.endpoint.since))
    yield from (pipelines, models, since)


def _freshness(states: list[PipelineState], now: datetime) -> Iterator[Metric]:
    promoted = _family(
        "tidewheel_champion_promoted_timestamp_seconds", "When the champion was promoted", "model_version"
    )
    learned = _family(
        "tidewheel_champion_data_timestamp_seconds",
        "End of the newest day that the champion was trained on",
        "model_version",
    )
    monitored = _family("tidewheel_monitored_day_timestamp_seconds", "End of the newest day that was monitored")
    labelled = _family("tidewheel_labelled_day_timestamp_seconds", "End of the newest day whose labels have arrived")
    due = _family("tidewheel_expected_day_timestamp_seconds", "End of the newest day to be monitored by now")
    data = _family(
        "tidewheel_validated_hour_timestamp_seconds", "End of an hourly pipeline's newest hour that was validated"
    )
    due_data = _family(
        "tidewheel_expected_hour_timestamp_seconds", "End of an hourly pipeline's newest hour to be validated by now"
    )
    due_labels = _family("tidewheel_expected_labels_timestamp_seconds", "End of the newest day to have labels by now")
    delay = _family("tidewheel_label_delay_seconds", "Time after the end of a day at which its labels count as known")
    oldest = _family("tidewheel_champion_maximum_age_seconds", "Age of the champion at which a training is requested")
    for state in states:
        unit = state.declared.block if state.declared else Partitioning.DAY
        if state.champion is not None:
            labels = [state.name, state.champion.version]
            promoted.add_metric(labels, _seconds(state.champion.promoted_at))
            if state.champion.train_end:
                learned.add_metric(labels, _end_of(state.champion.train_end, unit))
        if state.monitored_day:
            monitored.add_metric([state.name], _end_of(state.monitored_day, unit))
        if state.labelled_day:
            labelled.add_metric([state.name], _end_of(state.labelled_day, unit))
        if state.validated_hour and state.declared is not None:
            data.add_metric([state.name], _end_of(state.validated_hour, HOUR))
            due_data.add_metric([state.name], _end_of(str(expected_data(state.declared, now)), HOUR))
        if state.declared is not None:
            due.add_metric([state.name], _end_of(str(expected_day(state.declared, now)), unit))
            if state.monitored_day:
                labelled_by_now = expected_labels(state.declared, day_of(state.monitored_day))
                due_labels.add_metric([state.name], _end_of(str(labelled_by_now), unit))
            delay.add_metric([state.name], state.declared.labels.delay_days * unit.days * DAY)
            if (days := state.declared.triggers.maximum_age_days) is not None:
                oldest.add_metric([state.name], days * unit.days * DAY)
    yield from (promoted, learned, data, due_data, monitored, labelled, due, due_labels, delay, oldest)


def _quality(states: list[PipelineState]) -> Iterator[Metric]:
    quality = _family("tidewheel_quality", "A figure of the newest labelled day", "model_version", "figure")
    pooled = {figure: _family(*named, "model_version") for figure, named in POOLED.items()}
    drifted = _family("tidewheel_drifted_columns", "Columns that had drifted on the newest monitored day")
    compared = _family("tidewheel_compared_columns", "Columns that were compared on the newest monitored day")
    for state in states:
        for row in state.quality:
            if row.name in pooled:
                pooled[row.name].add_metric([state.name, row.version], row.value)
            else:
                quality.add_metric([state.name, row.version, row.name], row.value)
        if state.drift is not None:
            drifted.add_metric([state.name], state.drift.drifted)
            compared.add_metric([state.name], state.drift.compared)
    yield from (quality, *pooled.values(), drifted, compared)


def _probation(states: list[PipelineState]) -> Iterator[Metric]:
    names = "model_version", "predecessor"
    days = _family("tidewheel_probation_days", "Labelled days that have judged the version on probation", *names)
    worse = _family("tidewheel_probation_loss_ratio", "Its mean loss against its predecessor's on these days", *names)
    for state in states:
        if (running := state.probation) is not None:
            labels = [state.name, running.version, running.predecessor]
            days.add_metric(labels, running.days)
            if running.loss is not None and running.predecessor_loss:
                worse.add_metric(labels, running.loss / running.predecessor_loss)
    yield from (days, worse)


def _decisions(states: list[PipelineState]) -> Iterator[Metric]:
    verdicts = CounterMetricFamily(
        "tidewheel_verdicts", "Decisions recorded in the ledger", labels=["pipeline", "kind", "outcome"]
    )
    releases = CounterMetricFamily(
        "tidewheel_releases", "Releases, by the status they ended with", labels=["pipeline", "status"]
    )
    names = "model_version", "colour"
    running = _family("tidewheel_release_started_timestamp_seconds", "Start of a running release", *names)
    requested = _family(
        "tidewheel_training_requested_timestamp_seconds", "When a training was requested that has not yet run"
    )
    waiting = _family("tidewheel_approvals_waiting", "Challengers that passed the gate and wait for approval")
    for state in states:
        for (kind, outcome), number in state.verdicts.items():
            verdicts.add_metric([state.name, kind, outcome], number)
        for status in Status:  # zeros too: a series that begins with 1 shows no increase
            releases.add_metric([state.name, str(status)], state.releases.get(str(status), 0))
        if state.release is not None:
            started = _seconds(state.release.since)
            running.add_metric([state.name, state.release.version, state.release.colour], started)
        if state.requested_at is not None:
            requested.add_metric([state.name], _seconds(state.requested_at))
        waiting.add_metric([state.name], state.approvals_waiting)
    yield from (verdicts, releases, running, requested, waiting)


def _trainings(states: list[PipelineState]) -> Iterator[Metric]:
    saved = _family("tidewheel_training_fits_saved", "Fits of the budget that were unused at the newest decision")
    most = _family("tidewheel_training_fits_maximum", "Most unused fits that the budget (triggers.budget) carries over")
    seconds = _family(
        "tidewheel_training_cpu_seconds_saved", "CPU seconds of the budget that were unused at the newest decision"
    )
    each = _family(
        "tidewheel_training_cpu_seconds_expected", "CPU seconds that the budget expects of the next training"
    )
    for state in states:
        if state.declared is None or (budget := state.declared.triggers.budget) is None:
            continue
        if budget.fits is not None:
            most.add_metric([state.name], budget.burst)
        left = state.left or BudgetLeft()
        for family, value in ((saved, left.fits), (seconds, left.cpu_seconds), (each, left.each)):
            if value is not None:
                family.add_metric([state.name], value)
    yield from (saved, most, seconds, each)


def _tasks(states: list[PipelineState]) -> Iterator[Metric]:
    labels = "dag", "task"
    names = ["pipeline", *labels, "outcome"]
    runs = CounterMetricFamily("tidewheel_task_runs", "Tasks that have finished, not counting retries", labels=names)
    seconds = CounterMetricFamily(
        "tidewheel_task_seconds", "Duration of the last attempt of each finished task, summed", labels=names
    )
    last = _family("tidewheel_task_last_seconds", "Duration of the newest run of a task", *labels)
    ended = _family("tidewheel_task_ended_timestamp_seconds", "When the newest run of a task ended", *labels)
    for state in states:
        newest: dict[tuple[str, str], TaskSeconds] = {}
        counted = {(one.dag, one.task, one.outcome): one for one in state.tasks}
        for one in state.tasks:
            newest[one.dag, one.task] = max(one, newest.get((one.dag, one.task), one), key=lambda of: of.last_ended_at)
        for (dag, task), one in newest.items():
            last.add_metric([state.name, dag, task], one.last_seconds)
            ended.add_metric([state.name, dag, task], _seconds(one.last_ended_at))
            for outcome in TaskOutcome:  # zeros too, as above
                of = counted.get((dag, task, str(outcome)))
                runs.add_metric([state.name, dag, task, str(outcome)], of.runs if of else 0)
                seconds.add_metric([state.name, dag, task, str(outcome)], of.seconds if of else 0.0)
    yield from (runs, seconds, last, ended)


def _family(name: str, help_text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, labels=["pipeline", *labels])


def _gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, value=value)


def _seconds(at: datetime) -> float:
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()  # SQLite has no time zones


def _end_of(key: str, unit: Partitioning) -> float:
    newest = partition_of(key)
    if not isinstance(newest, datetime):  # an hourly pipeline's range of whole days ends with its last hour
        newest = unit.ending(newest)
    return start_of(unit.after(newest)).timestamp()
