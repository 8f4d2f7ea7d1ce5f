"""The nightly comparison of a version on probation with its predecessor, and what comes of it."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from typing import TYPE_CHECKING

from jobs.data.training_data import labelled_days, labelled_rows, matured_until
from jobs.evaluation.judging import Judged
from jobs.evaluation.usual_days import newest_days, pairs
from jobs.models import registry, standing
from jobs.models.files import Untrusted
from jobs.models.paired_losses import paired_day
from jobs.models.prediction import answers_of
from jobs.models.row_weights import weights_of
from jobs.monitoring.labelled_day import labelled_day
from jobs.monitoring.labelled_predictions import MAIN, ONLINE, SOURCE
from jobs.monitoring.predictions import predictions_of
from tidewheel.ledger.models import Models
from tidewheel.ledger.probations import RETURNED, Probations
from tidewheel.mlflow_api import NotInRegistry
from tidewheel.policies.probation import ProbationMeasurement, ProbationPolicy, best_gain
from tidewheel.policies.verdict import Kind, Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bentos.contract import Contract
    from jobs.job import Job
    from jobs.models.prediction import Model
    from jobs.partial_failures import PartialFailures
    from tidewheel.ledger import Ledger
    from tidewheel.ledger.probation_tables import ProbationRow
    from tidewheel.policies.probation import PairedDay

log = logging.getLogger("tidewheel.probation")
VERSION = "model_version"


def judge_probation(
    job: Job, ledger: Ledger, measured: Sequence[str], now: datetime, failures: PartialFailures
) -> Verdict | None:
    """Compare the version on probation with its predecessor on the days that have matured, and decide.

    Where the predecessor returns, the alias champion is moved to it, which is what a release follows.

    Args:
        job: of the night.
        ledger: keeps the comparison and the verdict.
        measured: days whose performance this run has measured: those that are new, or were corrected.
        now: the time written beside them.
        failures: takes note of a day that cannot be compared.

    Returns:
        The verdict; None where no version is on probation.
    """
    probations, name = Probations(ledger), job.pipeline.name
    if (row := probations.open(name)) is None:
        return None
    if (ended := _ended_otherwise(job, row)) is not None:
        return _close(job, ledger, row, ended, None, now)
    try:
        predecessor = _Predecessor(job, row.predecessor)
    except (Untrusted, NotInRegistry) as error:
        sentence = (
            f"version {row.predecessor}, the predecessor of version {row.version}, cannot be opened ({error}): nothing "
            f"can be compared, and version {row.version} stays"
        )
        return _close(job, ledger, row, _verdict(row, Outcome.INCONCLUSIVE, sentence), None, now)
    before = {day.day for day in probations.days(name, row.version, row.predecessor)}
    matured = job.partitions.last - timedelta(days=job.pipeline.labels.delay_days)
    days = _days_of(job, row, matured, {date.fromisoformat(day) for day in measured}, before)
    found = []
    for day in days:
        with failures.named(f"comparison of versions {row.version} and {row.predecessor} on {day}"):
            if pair := _compare(job, row, predecessor, day, matured):
                found.append(pair)
    if all(str(day) > row.as_of for day in before):
        with failures.named(f"how far the days of versions {row.version} and {row.predecessor} differ"):
            found += _usual_days(job, row, predecessor)
    probations.keep_days(name, row.version, row.predecessor, found, now)
    known = probations.days(name, row.version, row.predecessor)
    evidence = ProbationMeasurement(
        row.version,
        row.predecessor,
        tuple(day for day in known if row.as_of < str(day.day) <= str(matured)),
        tuple(day for day in known if str(day.day) <= row.as_of),
        (job.partitions.last - date.fromisoformat(row.as_of)).days,
    )
    verdict = ProbationPolicy().decide(evidence)
    if verdict.outcome is RETURNED:
        registry.set_alias(job.settings, name, registry.CHAMPION, row.predecessor)
        Models(ledger).promote(name, row.predecessor, verdict.sentence, job.actor, job.run_id, now)
    if verdict.outcome is Outcome.NO_ACTION:
        ledger.record(name, _subject(row), job.run_id, verdict, now)
        return verdict
    return _close(job, ledger, row, verdict, best_gain(evidence), now)


class _Predecessor:
    """The version whose place was taken, ready to predict."""

    def __init__(self, job: Job, version: str) -> None:
        settings, name = job.settings, job.pipeline.name
        if gone := registry.lost(settings, registry.trained_version(settings, name, version)):
            raise Untrusted(f"it {gone}")
        self.contract: Contract = registry.contract(settings, name, version)
        self.model: Model = registry.load_model(settings, name, version)


def _days_of(job: Job, row: ProbationRow, matured: date, measured: set[date], before: set[date]) -> list[date]:
    """Days to compare on: those since the promotion that were not compared yet, or were measured again."""
    first = date.fromisoformat(row.as_of) + timedelta(days=1)
    since = [first + timedelta(days=n) for n in range((matured - first).days + 1)]
    return [day for day in since if day in measured or day not in before]


def _usual_days(job: Job, row: ProbationRow, predecessor: _Predecessor) -> list[PairedDay]:
    """Both versions on days before the promotion, where `evaluate` has compared the version with another one."""
    pipeline = job.pipeline
    known, _ = labelled_days(job.lake, pipeline, matured_until(pipeline, date.fromisoformat(row.as_of)))
    rows = labelled_rows(job.lake, pipeline, newest_days(known))
    ours = registry.load_model(job.settings, pipeline.name, row.version)
    contract = registry.contract(job.settings, pipeline.name, row.version)
    said = answers_of(ours, contract, rows, pipeline)
    theirs = answers_of(predecessor.model, predecessor.contract, rows, pipeline)
    truth = rows[pipeline.labels.column].to_numpy(dtype="float64")
    return pairs(pipeline, Judged(rows, truth, said, theirs, row.predecessor, weights=weights_of(rows, pipeline)))


def _compare(job: Job, row: ProbationRow, predecessor: _Predecessor, day: date, matured: date) -> PairedDay | None:
    """Both versions on the rows that the version on probation predicted, in the batch and online."""
    pipeline, weight = job.pipeline, job.pipeline.training.sample_weight
    columns = dict.fromkeys([*(column.name for column in predecessor.contract.columns), *([weight] if weight else [])])
    labelled = labelled_day(job, str(day), str(matured), list(columns))
    if labelled.missing:
        return None
    rows = labelled.rows[labelled.rows[SOURCE].isin((MAIN, ONLINE)) & (labelled.rows[VERSION] == row.version)]
    rows = rows[rows[pipeline.labels.column].notna()]
    if pipeline.scoring.enabled:  # what was answered beside the batch is about the same rows
        rows = rows.drop_duplicates(pipeline.key)
    if rows.empty:
        return None
    theirs = answers_of(predecessor.model, predecessor.contract, rows, pipeline)
    truth = rows[pipeline.labels.column].to_numpy(dtype="float64")
    ours, weights = predictions_of(rows, pipeline), weights_of(rows, pipeline)
    return paired_day(day, pipeline.metric, truth, ours, theirs, weights=weights, loss=pipeline.loss)


def _ended_otherwise(job: Job, row: ProbationRow) -> Verdict | None:
    """What ended probation beside the days: somebody made another version champion."""
    champion = standing.standing(job.settings, job.pipeline).version
    if champion == row.version:
        return None
    if champion == row.predecessor:
        sentence = f"version {row.version} was taken back to version {champion} by hand while it was on probation"
        return _verdict(row, RETURNED, sentence)
    sentence = f"version {champion or 'none'} is champion now, and not version {row.version}, which was on probation"
    return _verdict(row, Outcome.INCONCLUSIVE, sentence)


def _close(job: Job, ledger: Ledger, row: ProbationRow, verdict: Verdict, gain: float | None, now: datetime) -> Verdict:
    log.info("%s", verdict.sentence)
    ledger.record(job.pipeline.name, _subject(row), job.run_id, verdict, now)
    Probations(ledger).close(row.id, verdict.outcome, verdict.sentence, gain, now)
    return verdict


def _verdict(row: ProbationRow, outcome: Outcome, sentence: str) -> Verdict:
    inputs = {"version": row.version, "predecessor": row.predecessor}
    return Verdict(Kind.PROBATION, outcome, f"{outcome.words}: {sentence}", inputs)


def _subject(row: ProbationRow) -> str:
    return f"version {row.version} on probation"
