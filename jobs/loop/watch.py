"""The nightly comparison of a version on probation with its predecessor, and what comes of it."""

from __future__ import annotations

import logging
from datetime import date
from typing import TYPE_CHECKING

from jobs.data.training_data import matured_until
from jobs.models.files import Untrusted
from jobs.partial_failures import RAISING, PartialFailures
from tidewheel.mlflow_api import NotInRegistry
from tidewheel.partitions import Partitioning
from tidewheel.policies.probation import ProbationMeasurement, ProbationPolicy, best_gain
from tidewheel.policies.verdict import Kind, Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from jobs.memory.protocol import Memory, Probation

log = logging.getLogger("tidewheel.probation")


def judge_probation(
    memory: Memory, today: date, measured: Collection[date], failures: PartialFailures = RAISING
) -> Verdict | None:
    """Compare the version on probation with its predecessor on the days that have matured, and decide.

    Where the predecessor returns, it becomes champion again, which is what a release follows.

    Args:
        memory: of the pipeline.
        today: the partition that monitoring looks at.
        measured: days whose performance this night has measured: those that are new, or were corrected.
        failures: takes note of a day that cannot be compared.

    Returns:
        The verdict; None where no version is on probation.
    """
    running = memory.probation()
    if running is None:
        return None
    if (ended := _ended_otherwise(memory, running)) is not None:
        return _close(memory, running, ended, None)
    version, predecessor = running.version, running.predecessor
    try:
        memory.open_predecessor(predecessor)
    except (Untrusted, NotInRegistry) as error:
        sentence = (
            f"version {predecessor}, the predecessor of version {version}, cannot be opened ({error}): nothing "
            f"can be compared, and version {version} stays"
        )
        return _close(memory, running, _verdict(running, Outcome.INCONCLUSIVE, sentence), None)
    before = {day.day for day in memory.paired_days(version, predecessor)}
    matured = matured_until(memory.pipeline, today)
    pairs = []
    for day in _days_to_compare(memory.pipeline.block, running, matured, measured, before):
        with failures.named(f"comparison of versions {version} and {predecessor} on {day}"):
            if pair := memory.compared_day(running, day, matured):
                pairs.append(pair)
    if all(day > running.as_of for day in before):
        with failures.named(f"how far the days of versions {version} and {predecessor} differ"):
            pairs += memory.usual_days(running)
    memory.keep_paired_days(version, predecessor, pairs)
    evidence = _evidence(memory, running, today, matured)
    verdict = ProbationPolicy().decide(evidence)
    if verdict.outcome is Outcome.NO_ACTION:
        memory.record_probation(running, verdict)
        return verdict
    if verdict.outcome is Outcome.ROLLED_BACK:
        memory.give_back(predecessor, verdict.sentence)
    return _close(memory, running, verdict, best_gain(evidence))


def _days_to_compare(
    unit: Partitioning, running: Probation, matured: date, measured: Collection[date], before: Collection[date]
) -> list[date]:
    """The days since the promotion that were not compared yet, or were measured again."""
    since = unit.newest(matured, unit.between(running.as_of, matured))
    return [day for day in since if day in measured or day not in before]


def _evidence(memory: Memory, running: Probation, today: date, matured: date) -> ProbationMeasurement:
    known = memory.paired_days(running.version, running.predecessor)
    return ProbationMeasurement(
        running.version,
        running.predecessor,
        tuple(day for day in known if running.as_of < day.day <= matured),
        tuple(day for day in known if day.day <= running.as_of),
        memory.pipeline.block.between(running.as_of, today),
        memory.pipeline.block,
    )


def _ended_otherwise(memory: Memory, running: Probation) -> Verdict | None:
    """What ended probation beside the days: somebody made another version champion."""
    champion = memory.champion()
    now = champion.version if champion else ""
    if now == running.version:
        return None
    if now == running.predecessor:
        sentence = f"version {running.version} was taken back to version {now} by hand while it was on probation"
        return _verdict(running, Outcome.ROLLED_BACK, sentence)
    sentence = f"version {now or 'none'} is champion now, and not version {running.version}, which was on probation"
    return _verdict(running, Outcome.INCONCLUSIVE, sentence)


def _close(memory: Memory, running: Probation, verdict: Verdict, gain: float | None) -> Verdict:
    log.info("%s", verdict.sentence)
    memory.record_probation(running, verdict)
    memory.close_probation(running, verdict, gain)
    return verdict


def _verdict(running: Probation, outcome: Outcome, sentence: str) -> Verdict:
    inputs = {"version": running.version, "predecessor": running.predecessor}
    return Verdict(Kind.PROBATION, outcome, f"{outcome.words}: {sentence}", inputs)
