"""What happens next to a pipeline, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from croniter import croniter

from plugins.web import probations
from plugins.web.attention import PipelineSnapshot, as_utc, clause
from plugins.web.scheduled_runs import how_often, run_name
from tidewheel.ledger.releases import Status
from tidewheel.partitions import HOUR, Partitioning, day_key, day_of
from tidewheel.policies.verdict import Kind

if TYPE_CHECKING:
    from plugins.web.airflow_runs import NextNight
    from tidewheel.ledger.tables import ModelVersionRow
    from tidewheel.spec import Pipeline


@dataclass(frozen=True)
class ComingStep:
    """One thing that will happen.

    Attributes:
        when: a day or a time, or on what it depends.
        words: what.
    """

    when: str
    words: str


def outlook(
    pipeline: Pipeline, known: PipelineSnapshot, night: NextNight | None, champion: ModelVersionRow | None
) -> list[ComingStep]:
    """The next steps, those that are under way first.

    Args:
        pipeline: its file.
        known: what is known of it now.
        night: the next one, as Airflow has planned it; None where Airflow does not know.
        champion: the champion's row; None where there is none, or `train` did not make it.
    """
    return [
        *_release(known),
        *_approval(pipeline, known),
        *_training(pipeline.block, known),
        *_probation(pipeline, known),
        _night(pipeline, known.now, night),
        *_labels(pipeline, known),
        *_age(pipeline, champion),
    ]


def _release(known: PipelineSnapshot) -> list[ComingStep]:
    row = known.release
    if row is None or row.status != Status.RUNNING:
        return []
    return [ComingStep("now", f"The release of version {row.version} goes through its stages.")]


def _approval(pipeline: Pipeline, known: PipelineSnapshot) -> list[ComingStep]:
    row = known.waiting
    if row is None or pipeline.gate.approval != "manual":
        return []
    until = as_utc(row.decided_at) + timedelta(hours=pipeline.gate.approval_timeout_hours)
    return [
        ComingStep(
            f"until {until:%Y-%m-%d %H:%M} UTC",
            f"{row.subject.capitalize()} waits for an approval; no answer rejects it.",
        )
    ]


def _training(unit: Partitioning, known: PipelineSnapshot) -> list[ComingStep]:
    if known.request is not None:
        when = "now" if known.request.day else f"next {run_name(unit)}"
        return [ComingStep(when, "The training that was requested fits a challenger, and the gate judges it.")]
    trigger = (known.verdicts or {}).get(str(Kind.TRIGGER))
    if trigger is None:
        return []
    return [
        ComingStep(
            f"every {how_often(unit)}",
            f"The trigger decides whether to train. On {trigger.subject}: {clause(trigger)}.",
        )
    ]


def _night(pipeline: Pipeline, now: datetime, night: NextNight | None) -> ComingStep:
    if night is not None and night.paused:
        words = f"{pipeline.name}.features is paused in Airflow: no run begins until somebody unpauses it."
        return ComingStep("paused", words)
    if night is not None and night.at is not None:
        of = night.day or str(pipeline.partition.last_ended(night.at))
        words = f"The next {run_name(pipeline.partition)} lands, scores and monitors {of}."
        if pipeline.partition is HOUR:
            words = f"The next run lands and scores {of}; {day_key(of)} is monitored when it has all its hours."
        return ComingStep(f"{night.at:%Y-%m-%d %H:%M} UTC", words)
    due: datetime = croniter(pipeline.schedule, now.astimezone(UTC)).get_next(datetime)
    words = f"By the schedule, the next {run_name(pipeline.partition)} lands "
    words += f"{pipeline.partition.last_ended(due)}; Airflow has not planned it."
    return ComingStep(f"{due:%Y-%m-%d %H:%M} UTC", words)


def _probation(pipeline: Pipeline, known: PipelineSnapshot) -> list[ComingStep]:
    if (running := known.probation) is None:
        return []
    last = pipeline.block.after(day_of(running.as_of), probations.POLICY.maximum_nights)
    words = f"Probation of version {running.version} has ended, or version {running.predecessor} has returned before."
    return [ComingStep(f"{last} at the latest", words)]


def _labels(pipeline: Pipeline, known: PipelineSnapshot) -> list[ComingStep]:
    if not known.label_day:
        return []
    following = pipeline.block.after(day_of(known.label_day))
    due = pipeline.block.after(following, pipeline.labels.delay_days)
    if pipeline.source.end and following > pipeline.source.end:
        return []
    return [ComingStep(f"{due} at the earliest", f"Labels of {following} are known, and its predictions are measured.")]


def _age(pipeline: Pipeline, champion: ModelVersionRow | None) -> list[ComingStep]:
    if champion is None or pipeline.triggers.maximum_age_days is None:
        return []
    try:
        old = pipeline.block.after(day_of(champion.as_of), pipeline.triggers.maximum_age_days)
    except ValueError:  # adopted from elsewhere: nobody knows when it was trained
        return []
    return [ComingStep(str(old), f"Version {champion.version} has reached its maximum age, and a training is due.")]
