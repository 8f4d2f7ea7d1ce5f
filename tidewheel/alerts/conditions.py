"""The rules: which conditions hold, given what the ledger knows. Each says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING
from urllib.parse import quote

from tidewheel.actor import IN_MLFLOW
from tidewheel.alerts.facts import Facts, in_utc
from tidewheel.alerts.fairness_conditions import fairness_events
from tidewheel.alerts.request_conditions import Found, request_events
from tidewheel.console_route import drift_report_page, pipeline_page
from tidewheel.ledger.releases import Status
from tidewheel.partitions import day_of
from tidewheel.policies.lateness import expected_labels, late_data
from tidewheel.policies.verdict import Outcome, clause
from tidewheel.quantities import listing, quantity
from tidewheel.spec.alerts import DEFAULTS, Event, Threshold

if TYPE_CHECKING:
    from tidewheel.ledger.alert_tables import TaskFailureRow

THRESHOLD = "threshold"
"""Event of the rules that a file writes itself."""
PURPOSES = {"training": Event.TRAINING_FAILED, "release": Event.RELEASE_FAILED}
"""Which event a failed task is, by what its DAG is for; tasks of any other DAG are the night's."""
IN_AIRFLOW = frozenset({Event.NIGHT_FAILED, *PURPOSES.values(), Event.APPROVAL_WAITING, Event.DATA_LATE})
"""Events to which one answers on the page of a DAG."""
FREE_SHARE = 0.1
"""Of the disk that holds the platform's state."""
NAMED_DAYS = 5


@dataclass(frozen=True)
class Condition:
    """Something that needs attention, and holds now.

    Attributes:
        pipeline: its name; empty for the platform.
        event: an `Event`, or `THRESHOLD`.
        subject: what tells it from others of the same event; empty where there is one at a time.
        severity: how severe it is.
        sentence: what is wrong.
        action: what to do.
        path: page below Airflow's address, of the console or of a DAG, that shows more.
    """

    pipeline: str
    event: str
    subject: str
    severity: str
    sentence: str
    action: str
    path: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies it."""
        return self.pipeline, self.event, self.subject


def conditions(facts: Facts, now: datetime) -> list[Condition]:
    """All conditions of a pipeline that hold.

    Args:
        facts: what the ledger knows.
        now: the time, in UTC.
    """
    held = []
    for event, subject, sentence, action, purpose in _events(facts, now):
        if (severity := facts.pipeline.alerts.severity(event)) is not None:
            path = _page(event, purpose, facts)
            held.append(Condition(facts.pipeline.name, str(event), subject, severity, sentence, action, path))
    return [*held, *_thresholds(facts)]


def disk_conditions(folders: Sequence[Path]) -> list[Condition]:
    """Which disks that hold the platform's state are nearly full.

    Args:
        folders: what lies on them; a disk is named by the first of its folders.
    """
    there = (next(folder for folder in (each, *each.absolute().parents) if folder.exists()) for each in folders)
    disks: dict[int, tuple[Path, Path]] = {}
    for folder, existing in zip(folders, there, strict=True):
        disks.setdefault(existing.stat().st_dev, (folder, existing))
    held = []
    for folder, existing in disks.values():
        usage = disk_usage(existing)
        if usage.free < FREE_SHARE * usage.total:
            held.append(_nearly_full(folder, usage.free, usage.total))
    return held


def _nearly_full(folder: Path, free: int, total: int) -> Condition:
    return Condition(
        pipeline="",
        event=str(Event.DISK_NEARLY_FULL),
        subject=str(folder),
        severity=DEFAULTS[Event.DISK_NEARLY_FULL],
        sentence=f"The disk of {folder} has {free / 1e9:.1f} GB left, {free / total:.0%} of it.",
        action="Free some space: `tidewheel gc` shows what may go. A full disk stops every job and the databases.",
        path="",
    )


def _page(event: Event, purpose: str, facts: Facts) -> str:
    """What shows more, below Airflow's address: a DAG where Airflow is where to act, else the console."""
    if event in IN_AIRFLOW:
        return f"/dags/{quote(f'{facts.pipeline.name}.{purpose}')}"
    if event is Event.DRIFT and facts.drift is not None:
        return drift_report_page(facts.pipeline.name, facts.drift.subject)
    return pipeline_page(facts.pipeline.name)


def _events(facts: Facts, now: datetime) -> Iterator[Found]:
    yield from _monitoring(facts)
    yield from fairness_events(facts)
    yield from request_events(facts.pipeline.name, facts.requests)
    yield from _lateness(facts, now)
    yield from _people(facts)
    yield from _failures(facts)
    yield from _releases(facts)


def _monitoring(facts: Facts) -> Iterator[Found]:
    name = facts.pipeline.name
    if facts.drift is not None and facts.drift.outcome == Outcome.FIRED:
        words = clause(facts.drift.sentence, facts.drift.outcome)
        yield (
            Event.DRIFT,
            "",
            f"Drift on {facts.drift.subject}: {words}.",
            "Open the drift report of that day and compare the distributions. If a source has changed, correct it; if "
            "the world has, the next training learns it.",
            "monitoring",
        )
    due = facts.trigger.inputs.get("due", []) if facts.trigger is not None else []
    if facts.trigger is not None and {"performance", "concept drift"} & set(due):
        yield (
            Event.PERFORMANCE,
            "",
            f"The model performs worse than expected on {facts.trigger.subject}: {facts.trigger.sentence}.",
            f"`tidewheel why {name} --kind trigger` shows the figures and whether a training was started; if it was "
            f"held back, a run of {name}.training starts one.",
            "monitoring",
        )


def _lateness(facts: Facts, now: datetime) -> Iterator[Found]:
    pipeline = facts.pipeline
    if late := late_data(pipeline, facts.validated_partition, now):
        yield (
            Event.DATA_LATE,
            "",
            f"The rows of {late.expected} have not arrived: the newest validated {pipeline.partition} is "
            f"{late.newest}.",
            f"Look at the last runs of {pipeline.name}.features: either no run was started, or the source has not "
            "delivered.",
            "features",
        )
    if not (facts.labelled_day and facts.monitored_day):
        return
    due = expected_labels(pipeline, day_of(facts.monitored_day))
    if facts.labelled_day < str(due):
        yield (
            Event.LABELS_LATE,
            "",
            f"The newest {pipeline.block} with labels is {facts.labelled_day}; {facts.monitored_day} has been "
            f"monitored, and labels come {quantity(pipeline.labels.delay_days, pipeline.block)} after their "
            f"{pipeline.block}.",
            "Ask the owner of the labels. Until they arrive, the quality of the model is unknown and no training "
            f"learns from those {pipeline.block}s.",
            "monitoring",
        )


def _people(facts: Facts) -> Iterator[Found]:
    if version := facts.waiting_version:
        name, patience = facts.pipeline.name, quantity(facts.pipeline.gate.approval_timeout_hours, "hour")
        yield (
            Event.APPROVAL_WAITING,
            f"version {version}",
            f"Version {version} has passed the gate and waits for an approval.",
            f"Answer in Airflow (Required actions), or by `tidewheel approve {name} --version {version} --reason …` or "
            f"`tidewheel reject …`. Without an answer in {patience} it is rejected.",
            "training",
        )


def _failures(facts: Facts) -> Iterator[Found]:
    for row in facts.failures:
        event = PURPOSES.get(row.purpose, Event.NIGHT_FAILED)
        if event is not Event.RELEASE_FAILED or not _release_failed(facts):  # the release says more than its task
            yield event, f"{row.purpose} {row.task_id}", *_failed_task(facts.pipeline.name, row), row.purpose


def _failed_task(pipeline: str, row: TaskFailureRow) -> tuple[str, str]:
    dag = f"{pipeline}.{row.purpose}"
    return (
        f"Task {row.task_id} of {dag} failed: {row.error}",
        f"Remove the cause and clear the task of run {row.run_id} in Airflow. This alert ends when the same task "
        "succeeds.",
    )


def _release_failed(facts: Facts) -> bool:
    return facts.release is not None and facts.release.status == Status.FAILED


def _releases(facts: Facts) -> Iterator[Found]:
    name, release, verdict = facts.pipeline.name, facts.release, facts.taken_over
    if release is not None and _release_failed(facts):
        yield (
            Event.RELEASE_FAILED,
            f"version {release.version}",
            f"The release of version {release.version} failed: {release.reason}",
            f"The version before it answers. `tidewheel why {name} --kind release` shows the measurements; when the "
            f"cause is gone, `tidewheel release {name} --version {release.version}` tries again.",
            "release",
        )
    if verdict is None or _released_since(facts, verdict.decided_at):
        return
    if verdict.outcome == Outcome.ROLLED_BACK and "instead_of" in verdict.inputs:
        yield (
            Event.ROLLED_BACK,
            verdict.subject,
            f"Rolled back: {verdict.sentence}.",
            f"Find out why version {verdict.inputs['instead_of']} was taken back before another is released. This "
            "alert ends with the next release of another version.",
            "release",
        )
    if (
        verdict.outcome == Outcome.REFUSED
        and verdict.actor == IN_MLFLOW
        and not _promoted_since(facts, verdict.decided_at)
    ):
        yield (
            Event.VERSION_DELETED,
            verdict.subject,
            f"A model version was deleted or moved in MLflow: {verdict.sentence}",
            f"Restore it in MLflow, or promote another: `tidewheel release {name} --version N --reason …`.",
            "release",
        )


def _released_since(facts: Facts, at: datetime) -> bool:
    """Whether another version than the one a rollback returned to has been released since."""
    done, verdict = facts.released, facts.taken_over
    if done is None or verdict is None or in_utc(done.started_at) <= in_utc(at):
        return False
    return done.version != verdict.inputs.get("version") or verdict.outcome == Outcome.REFUSED


def _promoted_since(facts: Facts, at: datetime) -> bool:
    return facts.promotion is not None and in_utc(facts.promotion.promoted_at) > in_utc(at)


def _thresholds(facts: Facts) -> Iterator[Condition]:
    name = facts.pipeline.name
    for rule in facts.pipeline.alerts.rules:
        threshold = Threshold.parse(rule.when)
        series = facts.series.get((threshold.figure, rule.slice), ())[: threshold.days]
        if len(series) < threshold.days or not all(threshold.broken_by(value) for _, value in series):
            continue
        days = listing([f"{value:.4g} on {day}" for day, value in series], NAMED_DAYS, rest=", …")
        part = f" of {rule.slice}" if rule.slice else ""
        yield Condition(
            pipeline=name,
            event=THRESHOLD,
            subject=f"{rule.when}{part}",
            severity=rule.severity,
            sentence=f"{threshold.figure}{part} was {days}; the rule is `{rule.when}`.",
            action=f"`tidewheel why {name}` shows what was decided; the day's report shows which slices are worse.",
            path=pipeline_page(name),
        )
