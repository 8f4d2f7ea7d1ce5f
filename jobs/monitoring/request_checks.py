"""What callers sent, day by day: measured, recorded in the ledger, and judged for the newest day."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from jobs.data.request_log import COUNTS, DATASET
from jobs.models import registry
from jobs.models.files import Untrusted
from jobs.monitoring.answered_rows import answered_day
from jobs.monitoring.contract_shares import ContractShares, contract_shares
from jobs.monitoring.drift_verdict import champion_importances, feature_drift
from jobs.monitoring.live_drift import live_drift
from jobs.monitoring.requests_verdict import RequestsOfDay, requests_verdict, skewed
from jobs.monitoring.skew import Skew, day_skew, worst
from jobs.partial_failures import RAISING, PartialFailures
from tidewheel.mlflow_api import NotInRegistry
from tidewheel.policies.verdict import Kind, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from jobs.job import Job
    from jobs.monitoring.drift import DayDrift
    from tidewheel.ledger import Ledger
    from tidewheel.policies.verdict import Verdict

LOOKED_AT = (DATASET, COUNTS.dataset, "features")
MOST_COLUMNS = 100
"""Of a figure by column, so many of the worst are recorded."""
FIGURES = ("skew_share", "skew_size", "refused_share", "unusual_share")
"""By column; `live_drift` besides."""


def check_requests(job: Job, ledger: Ledger, at: datetime, failures: PartialFailures = RAISING) -> Verdict | None:
    """Measure the days of the partition, and those before them whose requests or features have changed since.

    Args:
        job: names the partition.
        ledger: keeps the figures, and the verdict on the last day.
        at: the time written beside them.
        failures: takes note of what cannot be measured.

    Returns:
        The verdict on the last day; None where no training was requested anything that day, and that is nothing new.
    """
    if all(job.lake.newest(dataset) is None for dataset in (DATASET, COUNTS.dataset)):
        return None
    last = str(job.partitions.last)
    for day in job.partitions.look_back(job.pipeline.monitoring.catch_up_days).keys:
        if day < str(job.partitions.first) and _is_up_to_date(job, day):
            continue
        measured = _measured(job, day, failures)
        _keep(job, ledger, measured, at)
        if day != last:
            continue
        if measured.answers is None and measured.contract is None and not _was_asked(ledger, job.pipeline.name):
            return None
        if job.pipeline.scoring.enabled and measured.answers is not None:
            measured = _with_drift(job, ledger, measured, at, failures)
        verdict = requests_verdict(job.pipeline, measured)
        ledger.record(job.pipeline.name, day, job.run_id, verdict, at)
    return verdict


def _was_asked(ledger: Ledger, pipeline: str) -> bool:
    """Whether the newest verdict is about requests, so that it must be followed by one that says there are none."""
    newest = ledger.verdicts(pipeline, Kind.REQUESTS, limit=1)
    return bool(newest) and newest[0].outcome != Outcome.INCONCLUSIVE


def _measured(job: Job, day: str, failures: PartialFailures) -> RequestsOfDay:
    answered, skew, contract = None, Skew(missing=f"the requests of {day} could not be compared"), None
    with failures.named(f"requests of {day}"):
        answered = answered_day(job.lake, job.pipeline, day)
        skew = Skew(missing=f"no requests of {day}")
        if answered is not None:
            skew = day_skew(job.lake, job.pipeline, answered, _columns_of(job))
    with failures.named(f"requests outside the contract of {day}"):
        contract = contract_shares(job.lake, day)
    return RequestsOfDay(day, answered.answers if answered else None, skew, contract)


def _columns_of(job: Job) -> Callable[[str], frozenset[str] | None]:
    @cache
    def columns(version: str) -> frozenset[str] | None:
        try:
            contract = registry.contract(job.settings, job.pipeline.name, version)
        except (NotInRegistry, Untrusted):  # it was deleted: what it took is known by what was sent, at best
            return None
        return frozenset(column.name for column in contract.columns)

    return columns


def _with_drift(
    job: Job, ledger: Ledger, measured: RequestsOfDay, at: datetime, failures: PartialFailures
) -> RequestsOfDay:
    with failures.named(f"drift of live input on {measured.day}"):
        drift = live_drift(job.lake, job.pipeline, job.partitions.last, failures)
        importances = champion_importances(job.settings, job.pipeline) if drift.drifted else {}
        moved = feature_drift(drift, importances, job.pipeline.features.columns)
        _keep_drift(job, ledger, drift, at)
        return replace(measured, drift=drift, moved=moved)
    return measured


def _keep_drift(job: Job, ledger: Ledger, drift: DayDrift, at: datetime) -> None:
    name, day = job.pipeline.name, str(job.partitions.last)
    for column, finding in drift.findings.items():
        measured = {"live_drift": finding.value, "live_drift_limit": finding.limit}
        known = {figure: value for figure, value in measured.items() if math.isfinite(value)}
        ledger.put_figures(name, day, known, at, slice=column)
    if drift.findings:
        ledger.put_figures(name, day, {"live_drifted_columns": float(len(drift.drifted))}, at)


def _keep(job: Job, ledger: Ledger, measured: RequestsOfDay, at: datetime) -> None:
    """Replace what the ledger had of the day, and leave a report of it in the lake."""
    name, skew, contract = job.pipeline.name, measured.skew, measured.contract
    whole: dict[str, float] = {}
    if measured.answers is not None:
        whole |= {"answers": float(measured.answers), "answers_elsewhere": float(skew.elsewhere)}
    if skew.rows:
        whole |= {
            "skew_rows": float(skew.rows),
            "skew_row_share": skew.row_share,
            "skewed_columns": float(len(skewed(job.pipeline, skew))),
        }
    if contract is not None:
        whole |= {
            "counted_requests": float(contract.requests),
            "refused_share": contract.refused,
            "unusual_share": contract.unusual,
        }
    columns = _by_column(skew, contract)
    ledger.put_figures(name, measured.day, whole, at)
    for column, figures in columns.items():
        ledger.put_figures(name, measured.day, figures, at, slice=column)
    if whole:
        ledger.forget_figures(name, measured.day, {*whole, *FIGURES}, before=at)
    inputs = {**skew.inputs, **(contract.inputs if contract else {})}
    said = {"day": measured.day, "inputs": inputs, "missing": skew.missing, "figures": whole, "columns": columns}
    job.lake.store.replace(_path(job, measured.day), json.dumps(said, indent=2).encode())


def _by_column(skew: Skew, contract: ContractShares | None) -> Mapping[str, dict[str, float]]:
    by_column: dict[str, dict[str, float]] = {}
    for name in worst(skew.columns)[:MOST_COLUMNS]:
        column = skew.columns[name]
        by_column[name] = {
            "skew_share": column.share,
            **({} if math.isnan(column.size) else {"skew_size": column.size}),
        }
    if contract is not None:
        for name in sorted(contract.columns, key=lambda name: -contract.columns[name].largest)[:MOST_COLUMNS]:
            share = contract.columns[name]
            by_column.setdefault(name, {}).update(refused_share=share.refused, unusual_share=share.unusual)
    return by_column


def _is_up_to_date(job: Job, day: str) -> bool:
    """Whether there is nothing of a day, or what was measured of it is of the batches that are published now."""
    published = [job.lake.published(dataset, day) for dataset in LOOKED_AT]
    if published[0] is None and published[1] is None:
        return True
    content = job.lake.store.read(_path(job, day))
    try:
        before = json.loads(content or b"{}").get("inputs")
    except (ValueError, AttributeError):  # cut off or changed: the day is measured again
        return False
    needed = published if published[0] is not None else published[1:2]
    return bool(before == {manifest.key: manifest.content_hash for manifest in needed if manifest is not None})


def _path(job: Job, day: str) -> str:
    return f"{job.pipeline.name}/reports/{day}/requests.json"
