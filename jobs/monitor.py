"""Look at a day: has its data moved, how good were the predictions whose labels are known now, is it time to train?"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from jobs import registry
from jobs.drift import PREDICTION, day_drift
from jobs.job import Job, Result, run
from jobs.performance import day_performance
from tidewheel.ledger import Ledger
from tidewheel.policies.trigger import TriggerMeasurement, TriggerPolicy
from tidewheel.policies.verdict import Outcome

if TYPE_CHECKING:
    from jobs.drift import Drift
    from jobs.performance import DayPerformance
    from tidewheel.policies.verdict import Verdict
    from tidewheel.runs import Figure

NAMED = 3


def work(job: Job) -> Result:
    """Measure drift and performance, keep the figures in the ledger, and decide whether to train again.

    Of a range of days, each day's performance is measured, and the last day's drift.
    """
    now, ledger, day = datetime.now(UTC), Ledger.open(job.settings), job.partitions.last
    drift = day_drift(job.lake, job.pipeline, day)
    _keep_drift(job, ledger, drift, now)
    matured = job.partitions.back(job.pipeline.labels.delay_days)
    performances = [day_performance(job.lake, job.pipeline, key) for key in matured.keys]
    for found in performances:
        for version, figures in found.by_version.items():
            ledger.put_figures(job.pipeline.name, found.day, figures, now, version=version)
    verdict = _decide(job, ledger, day)
    ledger.record(job.pipeline.name, str(day), job.run_id, verdict, now)
    if verdict.outcome is Outcome.FIRED:
        ledger.request_training(job.pipeline.name, verdict.sentence, now)
    return Result(
        inputs={**drift.inputs, **{k: v for found in performances for k, v in found.inputs.items()}},
        figures={"outcome": str(verdict.outcome), **_figures(drift, performances[-1])},
        links=_keep_report(job, drift),
        sentence="; ".join([_drift_words(drift), _performance_words(job, performances[-1]), verdict.sentence]),
    )


def _decide(job: Job, ledger: Ledger, day: date) -> Verdict:
    champion = registry.champion(job.settings, job.pipeline.name)
    request = ledger.open_request(job.pipeline.name)
    as_of = champion.tags.get(registry.AS_OF) if champion else None
    measured = TriggerMeasurement(
        today=day,
        champion_version=champion.version if champion else None,
        champion_as_of=date.fromisoformat(as_of) if as_of else None,
        open_request=request.reason if request else None,
    )
    return TriggerPolicy(maximum_age_days=job.pipeline.triggers.maximum_age_days).decide(measured)


def _keep_drift(job: Job, ledger: Ledger, drift: Drift, now: datetime) -> None:
    key = str(job.partitions.last)
    for column, score in drift.scores.items():
        name = "prediction_drift" if column == PREDICTION else "feature_drift"
        ledger.put_figures(job.pipeline.name, key, {name: score}, now, slice="" if column == PREDICTION else column)
    if drift.scores:
        ledger.put_figures(job.pipeline.name, key, {"drifted_columns": float(len(drift.drifted))}, now)


def _keep_report(job: Job, drift: Drift) -> dict[str, str]:
    """Keep Evidently's page in the lake, where there is one; returns the record's links."""
    if not drift.page:
        return {}
    path = f"{job.pipeline.name}/reports/{job.partitions.last}/drift.html"
    job.lake.store.replace(path, drift.page.encode())
    return {"Report": path}


def _figures(drift: Drift, performance: DayPerformance) -> dict[str, Figure]:
    figures: dict[str, Figure] = {
        "drifted_columns": len(drift.drifted),
        "compared_columns": len(drift.scores),
        "prediction_drift": drift.scores.get(PREDICTION),
        "performance_day": performance.day,
    }
    if performance.by_version:
        version = _main_version(performance)
        known = {name: value for name, value in performance.by_version[version].items() if value == value}
        figures |= {"version": version, **known}  # NaN is unknown
    return figures


def _main_version(performance: DayPerformance) -> str:
    return max(performance.by_version, key=lambda version: performance.by_version[version]["rows"])


def _drift_words(drift: Drift) -> str:
    if drift.missing:
        return f"drift unknown: {drift.missing}"
    words = f"{len(drift.drifted)} of {len(drift.scores)} columns drifted"
    if drift.drifted:
        named = ", ".join(f"{name} {drift.scores[name]:.2f}" for name in drift.drifted[:NAMED])
        words = f"{words} ({named}{', ...' if len(drift.drifted) > NAMED else ''})"
    unseen = [f"{name} ({why})" for name, why in drift.left_out.items() if name != PREDICTION]
    return f"{words}, not compared: {', '.join(unseen)}" if unseen else words


def _performance_words(job: Job, performance: DayPerformance) -> str:
    if performance.missing:
        return f"performance unknown: {performance.missing}"
    version = _main_version(performance)
    figures = performance.by_version[version]
    metric = job.pipeline.metric
    return (
        f"{metric} of {performance.day} {figures[metric]:.4f} (version {version}, {figures['rows']:,.0f} labelled rows)"
    )


if __name__ == "__main__":
    run("monitor", work)
