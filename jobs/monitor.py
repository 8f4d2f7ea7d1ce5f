"""Look at a day: has its data moved, how good were the predictions whose labels are known now, is it time to train?"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from jobs.data.training_data import matured_until
from jobs.job import Job, Result, run
from jobs.loop.decide import decide
from jobs.loop.watch import judge_probation
from jobs.memory.ledger import LedgerMemory
from jobs.monitoring.concept import slice_alarms
from jobs.monitoring.daily_performance import measure_days
from jobs.monitoring.daily_rows import PREDICTION
from jobs.monitoring.drift import DayDrift, day_drift
from jobs.monitoring.drift_verdict import champion_importances, drift_verdict, drift_words, feature_drift
from jobs.monitoring.expectation import UNKNOWN, expectations
from jobs.monitoring.labelled_day import day_predictions
from jobs.monitoring.performance import estimate
from jobs.monitoring.predictions import predictions_of
from jobs.monitoring.qualities import day_qualities, pooled_days
from jobs.monitoring.request_checks import check_requests
from jobs.monitoring.streams import stream_alarms
from jobs.partial_failures import PartialFailures
from tidewheel.ledger import Ledger
from tidewheel.options import MonitorOptions
from tidewheel.partitions import day_of
from tidewheel.policies.trigger.quality import excess_loss
from tidewheel.policies.verdict import clause
from tidewheel.quantities import quantity
from tidewheel.runs import OUTCOME, REQUEST
from tidewheel.tracing import step

if TYPE_CHECKING:
    from jobs.monitoring.performance import DayPerformance
    from tidewheel.policies.trigger.measurement import FeatureDrift
    from tidewheel.policies.verdict import Verdict
    from tidewheel.runs import Figure


def work(job: Job) -> Result:
    """Measure drift and performance, keep the figures in the ledger, and decide whether to train again.

    Of a range of days, each day's performance is measured, and the last day's drift.
    """
    now, ledger, day = datetime.now(UTC), Ledger.open(job.settings), job.partitions.last
    failures, memory = PartialFailures(), LedgerMemory(job)
    drift = DayDrift(missing="it could not be measured")
    with failures.named(f"drift of {day}"), step("drift"):
        drift = day_drift(job.lake, job.pipeline, day, failures)
    _keep_drift(job, ledger, drift, now)
    moved = _judge_drift(job, ledger, drift, now)
    with step("performance"):
        performances = measure_days(job, ledger, now, failures)
    tried = None
    with failures.named("the version on probation"), step("probation"):
        measured = {day_of(day_performance.day) for day_performance in performances}
        tried = judge_probation(memory, day, measured, failures)
    with failures.named("the pooled excess loss"):
        _keep_pooled(job, ledger, day, now)
    with failures.named("the estimate from predictions alone"):
        _keep_estimate(job, ledger, day, now)
    alarms: list[str] = []
    with failures.named("alarms of slices"):
        alarms += slice_alarms(ledger, job.pipeline, day)
    with failures.named("detectors of error streams"):
        alarms += stream_alarms(job, day, failures)
    with step("requests"):
        checked = check_requests(job, ledger, now, failures)
    verdict = decide(memory, day, moved, alarms)
    ledger.record(job.pipeline.name, str(day), job.run_id, verdict, now)
    request = None
    if verdict.role is not None:
        request = ledger.fire_request(job.pipeline.name, str(day), verdict.sentence, now, verdict.role)
    return Result(
        inputs={
            **drift.inputs,
            **{k: v for day_performance in performances for k, v in day_performance.inputs.items()},
        },
        figures={**_figures(verdict, drift, performances[-1]), **({REQUEST: request} if request else {})},
        links=_keep_report(job, drift),
        warnings=failures.sentences,
        sentence="; ".join(
            [
                drift_words(drift),
                _performance_words(job, performances[-1]),
                *([clause(checked.sentence, checked.outcome)] if checked else []),
                *([tried.sentence] if tried else []),
                verdict.sentence,
            ]
        ),
    )


def _keep_pooled(job: Job, ledger: Ledger, day: date, now: datetime) -> None:
    """Keep the excess loss over the trigger's window with its error, under the newest matured day."""
    matured = matured_until(job.pipeline, day)
    qualities = day_qualities(ledger, job.pipeline, day, pooled_days(job.pipeline))
    for version in {quality.version for quality in qualities if quality.day == matured}:
        pooled = excess_loss([quality for quality in qualities if quality.version == version])
        figures = {
            "pooled_excess_loss": pooled.value,
            "pooled_excess_loss_error": pooled.standard_error,
            "pooled_excess_loss_days": float(pooled.days),
        }
        ledger.put_figures(job.pipeline.name, str(matured), figures, now, version=version)


def _keep_estimate(job: Job, ledger: Ledger, day: date, now: datetime) -> None:
    """Keep what the day's predictions say of themselves, as long as nobody knows better."""
    said = day_predictions(job, str(day))
    if said is None:
        return
    expected = expectations(ledger, job.pipeline.name)
    for version, rows in said.groupby("model_version"):
        line = expected.get(str(version), UNKNOWN).line
        figures = estimate(predictions_of(rows, job.pipeline), job.pipeline.task, line)
        ledger.put_figures(job.pipeline.name, str(day), figures, now, version=str(version))


def _keep_drift(job: Job, ledger: Ledger, drift: DayDrift, now: datetime) -> None:
    name, key = job.pipeline.name, str(job.partitions.last)
    for column, finding in drift.findings.items():
        figure, part = ("prediction_drift", "") if column == PREDICTION else ("feature_drift", column)
        measured = {figure: finding.value, f"{figure}_limit": finding.limit}
        known = {figure: value for figure, value in measured.items() if math.isfinite(value)}
        ledger.put_figures(name, key, known, now, slice=part)
    for column, figures in drift.quality.items():
        ledger.put_figures(name, key, figures, now, slice=column)
    if drift.findings:
        ledger.put_figures(name, key, {"drifted_columns": float(len(drift.drifted))}, now)


def _judge_drift(job: Job, ledger: Ledger, drift: DayDrift, now: datetime) -> FeatureDrift | None:
    """Weigh what has moved by what the champion leans on, and write the verdict down."""
    importances = champion_importances(job.settings, job.pipeline) if drift.drifted else {}
    moved = feature_drift(drift, importances, job.pipeline.features.columns)
    verdict = drift_verdict(job.pipeline, drift, moved)
    ledger.record(job.pipeline.name, str(job.partitions.last), job.run_id, verdict, now)
    return moved


def _keep_report(job: Job, drift: DayDrift) -> dict[str, str]:
    """Keep Evidently's page in the lake, where there is one; returns the record's links."""
    if not drift.page:
        return {}
    path = f"{job.pipeline.name}/reports/{job.partitions.last}/drift.html"
    job.lake.store.replace(path, drift.page.encode())
    return {"Report": path}


def _figures(verdict: Verdict, drift: DayDrift, performance: DayPerformance) -> dict[str, Figure]:
    figures: dict[str, Figure] = {
        OUTCOME: str(verdict.outcome),
        "drifted_columns": len(drift.drifted),
        "suspected_columns": len(drift.suspected),
        "compared_columns": len(drift.findings),
        "prediction_drift": drift.findings[PREDICTION].value if PREDICTION in drift.findings else None,
        "performance_day": performance.day,
    }
    if main := performance.main:
        known = {name: value for name, value in performance.figures[main].items() if value == value}
        figures |= {"version": main.version, **known}  # NaN is unknown
    return figures


def _performance_words(job: Job, performance: DayPerformance) -> str:
    main = performance.main
    if main is None:
        return f"performance unknown: {performance.missing or f'nothing is known of {performance.day}'}"
    figures, metric = performance.figures[main], job.pipeline.metric
    other = f"; {performance.elsewhere:,} answers given online that day are about rows of other days"
    return (
        f"{metric} of {performance.day} {figures[metric]:.4f} "
        f"(version {main.version}, {quantity(figures['rows'], 'labelled row')}{other if performance.elsewhere else ''})"
    )


if __name__ == "__main__":
    run(work, MonitorOptions)
