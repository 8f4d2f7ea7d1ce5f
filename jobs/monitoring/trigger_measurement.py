"""What the trigger policy is given: gathered from ledger, lake and registry, for one day."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from jobs.models import standing
from jobs.monitoring.attempts import attempts
from jobs.monitoring.day_quality import FIGURES, day_quality
from tidewheel.policies.change import LOOK_BACK_DAYS
from tidewheel.policies.trigger.attempts import Ended
from tidewheel.policies.trigger.measurement import FeatureDrift, TriggerMeasurement
from tidewheel.policies.trigger.quality import DayQuality
from tidewheel.policies.trigger.restraints import Role
from tidewheel.policies.verdict import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.job import Job
    from tidewheel.lake import Lake
    from tidewheel.ledger import Ledger
    from tidewheel.ledger.tables import RetrainRequestRow


def trigger_measurement(
    job: Job, ledger: Ledger, day: date, drift: FeatureDrift | None, concept_alarms: Sequence[str], now: datetime
) -> TriggerMeasurement:
    """Gather what is known on a day.

    Args:
        job: names pipeline, lake and settings.
        ledger: holds the figures of measured days, wishes and verdicts.
        day: the partition; no later data is looked at.
        drift: the day's drift alarm; None where drift is unknown.
        concept_alarms: sentences of the concept-drift alarms.
        now: says how long a training that was asked for has been running.

    Returns:
        The measurement.
    """
    champion = standing.standing(job.settings, job.pipeline).champion
    as_of = date.fromisoformat(champion.as_of) if champion else None
    known, new = _matured_rows(job, day, as_of)
    request = ledger.open_request(job.pipeline.name)
    earlier = attempts(ledger, job.pipeline.name, now)
    return TriggerMeasurement(
        today=day,
        champion_version=champion.version if champion else None,
        champion_as_of=as_of,
        known_rows=known,
        new_rows=new,
        quality=day_qualities(job, ledger, day),
        drift=drift,
        concept_alarms=tuple(concept_alarms),
        attempts=tuple(a for a in earlier if a.as_of != day or a.ended is not Ended.RUNNING),
        request=_request_of_a_person(request, day),
        data_refused=refused_data(job.lake, day, day - timedelta(days=job.pipeline.labels.delay_days)),
        monitored_since=_monitored_since(job, ledger, day),
    )


def day_qualities(job: Job, ledger: Ledger, day: date, days: int | None = None) -> tuple[DayQuality, ...]:
    """How the predictions of the days turned out whose labels had matured by a day, from the ledger's figures.

    Args:
        job: names pipeline and settings.
        ledger: holds the figures.
        day: the partition.
        days: the newest that are looked at; None: as many as any reason looks back to.
    """
    matured = day - timedelta(days=job.pipeline.labels.delay_days)
    first = matured - timedelta(days=(days or max(pooled_days(job), LOOK_BACK_DAYS)) - 1)
    found: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for row in ledger.figures_of_days(job.pipeline.name, str(first), str(matured), set(FIGURES[job.pipeline.task])):
        if not row.slice:
            found[row.partition, row.version][row.name] = row.value
    qualities = (
        day_quality(job.pipeline.task, date.fromisoformat(partition), version, figures)
        for (partition, version), figures in found.items()
    )
    return tuple(quality for quality in qualities if quality)


def refused_data(lake: Lake, day: date, matured: date) -> str | None:
    """Why the newest data cannot be trained on: a batch of the day, or the newest labels, lie in quarantine."""
    for dataset, partition in (("features", day), ("features", matured), ("labels", matured)):
        if lake.published(dataset, str(partition)) is None and (
            reason := lake.quarantine_reason(dataset, str(partition))
        ):
            return f"{dataset} of {partition} were refused ({reason.splitlines()[0]})"
    return None


def _request_of_a_person(request: RetrainRequestRow | None, day: date) -> str | None:
    """The reason of a request that is to be reported, or was reported today by a run that did not come to its end."""
    if request is None or request.requested_by != Role.PERSON:
        return None
    return request.reason if request.day in (None, str(day)) else None


def _monitored_since(job: Job, ledger: Ledger, day: date) -> date | None:
    """The newest later day that monitoring has looked at, and that is there: one that never was decides nothing."""
    # monitoring alone writes a verdict on drift, for each day that it monitors
    later = ledger.judged_after(job.pipeline.name, Kind.DRIFT, str(day))
    newest = next((key for key in later if job.lake.published("features", key) is not None), None)
    return date.fromisoformat(newest) if newest else None


def _matured_rows(job: Job, day: date, as_of: date | None) -> tuple[int, int]:
    """Labelled rows that had matured when the champion was trained (inside its window), and since then."""
    delay, window = job.pipeline.labels.delay_days, job.pipeline.training.window_days
    until = str(day - timedelta(days=delay))
    trained = "" if as_of is None else str(as_of - timedelta(days=delay))
    # a window's first day lies before its holdout, which is new to nobody
    held = 0 if job.pipeline.on_probation else job.pipeline.training.holdout_days
    since = "" if window is None or as_of is None else str(as_of - timedelta(days=delay + held + window - 1))
    known = new = 0
    for key in job.lake.partitions("labels"):
        if since <= key <= until:
            rows = job.lake.need("labels", key).rows
            known, new = (known + rows, new) if key <= trained else (known, new + rows)
    return known, new


def pooled_days(job: Job) -> int:
    """Days that the longest of the reasons pools."""
    triggers = job.pipeline.triggers
    return max((part.window_days for part in (triggers.performance, triggers.concept_drift) if part), default=14)
