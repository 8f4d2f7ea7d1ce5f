"""What the trigger policy is told: gathered from ledger, lake and registry, for one day."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from jobs.models import standing
from jobs.monitoring.day_quality import FIGURES, day_quality
from tidewheel.errors import LakeError
from tidewheel.ledger.ledger import LOST
from tidewheel.ledger.probations import RETURNED, Probations
from tidewheel.policies.change import LOOK_BACK_DAYS
from tidewheel.policies.trigger_facts import (
    Attempt,
    DayQuality,
    Ended,
    FeatureDrift,
    TriggerMeasurement,
    best_gain,
)
from tidewheel.policies.verdict import Kind, Outcome
from tidewheel.runs import read_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.job import Job
    from tidewheel.lake import Lake
    from tidewheel.ledger import Ledger
    from tidewheel.ledger.probation_tables import ProbationRow
    from tidewheel.ledger.tables import RetrainRequestRow, VerdictRow

PERIODS = 4
"""A budget's periods in which the fits of trainings are looked up; older trainings count as one fit each."""


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
    request, budget = ledger.open_request(job.pipeline.name), job.pipeline.triggers.budget
    told = attempts(
        job.lake, ledger, job.pipeline.name, now, day - PERIODS * timedelta(days=budget.days if budget else 0)
    )
    return TriggerMeasurement(
        today=day,
        champion_version=champion.version if champion else None,
        champion_as_of=as_of,
        known_rows=known,
        new_rows=new,
        quality=day_qualities(job, ledger, day),
        drift=drift,
        concept_alarms=tuple(concept_alarms),
        attempts=tuple(a for a in told if a.as_of != day or a.ended is not Ended.RUNNING),
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


def attempts(lake: Lake, ledger: Ledger, pipeline: str, now: datetime, counted_since: date) -> list[Attempt]:
    """Trainings so far, oldest first: those that the trigger asked for, and those of a person's or another's.

    All of them: a row of refused challengers, or of such as did not pay, may reach back for years.

    Args:
        lake: holds the records of the trainings' jobs.
        ledger: holds wishes and verdicts.
        pipeline: its name.
        now: says how long one that is not judged has been running.
        counted_since: the day from which on a budget wants to know the fits; older ones count as one.
    """
    # newest last, so that a reviewer's word stands in place of the gate's
    rows = ledger.verdicts(pipeline, (Kind.GATE, Kind.REVIEW), limit=None)[::-1]
    judged = {row.run_id: row for row in rows}
    gate = {row.run_id: row for row in rows if row.kind == Kind.GATE}
    tried = {row.run_id: row for row in Probations(ledger).all(pipeline)}
    fired = {row.subject: row for row in ledger.verdicts(pipeline, Kind.TRIGGER, None, Outcome.FIRED)[::-1]}
    found = []
    for request in ledger.requests(pipeline, limit=None):
        if request.day is None:
            continue
        run_id, verdict = request.closed_by or "", judged.pop(request.closed_by or "", None)
        told, known = fired.get(request.day), _as_of(lake, run_id, gate.get(run_id))
        ended, day = _after(_ended(request, verdict), tried.get(run_id)), date.fromisoformat(request.day)
        day = max(day, known or day)
        found.append(
            Attempt(
                as_of=day,
                ended=ended,
                fits=_fits(lake, run_id) if day >= counted_since else 1,
                best_gain=_gain(gate.get(run_id), tried.get(run_id)),
                waited_days=_waited_days(request, told, now) if ended is Ended.RUNNING else None,
            )
        )
    for run_id, verdict in judged.items():
        if as_of := _as_of(lake, run_id, gate.get(run_id, verdict)):
            fits = _fits(lake, run_id) if as_of >= counted_since else 1
            ended = _after(_judged(verdict), tried.get(run_id))
            found.append(Attempt(as_of, ended, fits=fits, best_gain=_gain(gate.get(run_id), tried.get(run_id))))
    return sorted(found, key=lambda attempt: attempt.as_of)


def refused_data(lake: Lake, day: date, matured: date) -> str | None:
    """Why the newest data cannot be trained on: a batch of the day, or the newest labels, lie in quarantine."""
    for dataset, partition in (("features", day), ("features", matured), ("labels", matured)):
        if lake.published(dataset, str(partition)) is None and (
            reason := lake.quarantine_reason(dataset, str(partition))
        ):
            return f"{dataset} of {partition} were refused ({reason.splitlines()[0]})"
    return None


def _request_of_a_person(request: RetrainRequestRow | None, day: date) -> str | None:
    """The reason of a wish that waits to be told, or was told today by a run that did not come to its end."""
    if request is None or request.reason.startswith(f"{Outcome.FIRED}: "):
        return None
    return request.reason if request.day in (None, str(day)) else None


def _ended(request: RetrainRequestRow, verdict: VerdictRow | None) -> Ended:
    if request.closed_at is None:
        return Ended.RUNNING
    return Ended.FAILED if verdict is None else _judged(verdict)


def _judged(verdict: VerdictRow) -> Ended:
    if "version" not in verdict.inputs and verdict.outcome == Outcome.INCONCLUSIVE:
        return Ended.FAILED  # there was no challenger to judge
    return Ended.PROMOTED if verdict.outcome == Outcome.PASSED else Ended.REJECTED


def _after(ended: Ended, probation: ProbationRow | None) -> Ended:
    """A version that was promoted and sent back has changed nothing."""
    return Ended.REJECTED if probation is not None and probation.outcome == RETURNED else ended


def _gain(verdict: VerdictRow | None, probation: ProbationRow | None) -> float | None:
    """What a challenger saves at best: by its probation where it had one, else by the gate."""
    if probation is not None:
        return probation.best_gain
    return None if verdict is None or verdict.thresholds.get("learned") else _best_gain(verdict)


def _waited_days(request: RetrainRequestRow, told: VerdictRow | None, now: datetime) -> int:
    """Whole days by the clock since monitoring has asked; a person's wish may have waited for it before."""
    asked = max(_in_utc(at) for at in (request.asked_at, told.decided_at if told else None) if at is not None)
    return (now - asked).days


def _in_utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)  # SQLite knows no time zones


def _monitored_since(job: Job, ledger: Ledger, day: date) -> date | None:
    """The newest later day that monitoring has looked at, and that is there: one that never was decides nothing."""
    # a verdict on drift is told of every day that is monitored, and by nobody else
    later = ledger.judged_after(job.pipeline.name, Kind.DRIFT, str(day))
    newest = next((key for key in later if job.lake.published("features", key) is not None), None)
    return date.fromisoformat(newest) if newest else None


def _best_gain(verdict: VerdictRow | None) -> float | None:
    """What the gate's comparison says of the challenger at best; None where it compared nothing."""
    if verdict is None:
        return None
    found, metric = verdict.inputs, str(verdict.thresholds.get("metric"))
    if not {"loss_difference", "upper_bound"} <= found.keys() or metric not in found.get("champion", {}):
        return None
    return best_gain(found["loss_difference"], found["upper_bound"], found["champion"][metric])


def _fits(lake: Lake, run_id: str) -> int:
    """Models that a training run fitted; one where it has left no record."""
    try:
        found = read_record(lake, run_id, "train").figures.get("fits", 1) if run_id not in ("", LOST) else 1
        return int(str(found))
    except LakeError:
        return 1


def _as_of(lake: Lake, run_id: str, verdict: VerdictRow | None) -> date | None:
    """The day a training run looked back from; None where the run has left no record (a version judged by hand)."""
    if verdict is None:
        return None
    try:
        said = verdict.inputs.get("as_of") or read_record(lake, run_id, "assemble").figures.get("as_of")
    except LakeError:
        return None
    return date.fromisoformat(str(said)) if said else None


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
