"""Make a challenger that has passed the gate the champion."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.job import Job, Result, run
from jobs.loop.promote import begin_probation
from jobs.memory.ledger import LedgerMemory
from jobs.models import registry
from jobs.models.reviews import GivenReview, record_review
from jobs.models.standing import objection_to, standing_before
from jobs.models.target_version import needs_approval, overrule
from tidewheel.errors import UsageError
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.options import PromoteOptions, Review, TrainOptions
from tidewheel.partitions import day_of
from tidewheel.policies.verdict import Kind
from tidewheel.runs import SKIPPED, Figure, read_record

if TYPE_CHECKING:
    from tidewheel.ledger.tables import ModelVersionRow


def work(job: Job[PromoteOptions]) -> Result:
    """Point the champion alias at a version that passed, and that the reviewer approved where a review is required.

    Doing it again changes nothing.
    """
    name, settings = job.pipeline.name, job.settings
    number = job.options.version or str(read_record(job.lake, job.run_id, TrainOptions.job).figures["version"])
    version = registry.trained_version(settings, name, number)
    if job.options.review:
        said = _record_review(job, version)
        if job.options.review is Review.REJECT:
            return _result(job, version, promoted=False, sentence=f"version {number} is {said}", skipped=True)
    champion = registry.champion(settings, name)
    if champion is not None and champion.version == number and not _against(job, number):
        _note(job, number)
        return _result(job, version, promoted=False, sentence=f"version {number} is the champion already")
    if gone := registry.lost(settings, version):
        raise UsageError(f"{name}: version {number} cannot be champion: it {gone}")
    before = standing_before(settings, job.pipeline, number)
    overridden = _check(job, number)
    if not overridden:
        _check_comparison(job, version, before.version)
    tags = {registry.PREVIOUS_VERSION: before.version}
    registry.tag_version(settings, version, tags)
    _note(job, number)  # before the alias moves, so that the way back is always known
    begin_probation(LedgerMemory(job), number, day_of(version.as_of), before.version)
    registry.set_alias(settings, name, registry.CHAMPION, number)
    instead = f" instead of version {before.version}" if before.version else ", the first"
    judged = "; the nights that follow judge it" if job.pipeline.on_probation and before.version else ""
    why = f" (override: {job.options.override_reason})" if overridden else ""
    return _result(job, version, promoted=True, sentence=f"version {number} is the champion now{instead}{why}{judged}")


def _record_review(job: Job[PromoteOptions], version: ModelVersionRow) -> str:
    """Write down what the reviewer said, in the ledger and on the version; returns it in words."""
    reviewer, reason = job.options.reviewer or "", job.options.review_reason or ""
    approved = job.options.review is Review.APPROVE
    outcome = registry.APPROVED if approved else registry.REJECTED
    actor = f"{reviewer} (Airflow)" if job.has_named_actor and reviewer else job.actor
    return record_review(job.settings, version, GivenReview(outcome, reviewer, reason, actor), job.run_id)


def _against(job: Job, number: str) -> str:
    return objection_to(Ledger.open(job.settings), job.pipeline, number)


def _check(job: Job[PromoteOptions], number: str) -> bool:
    """Whether the promotion is against the verdict, and allowed because somebody gave a reason.

    Raises:
        UsageError: the gate, or a reviewer, has not let the version through.
    """
    if not (against := _against(job, number)):
        return False
    reason = job.options.override_reason
    if reason and overrule(job, number, reason, Kind.GATE):
        return True
    raise UsageError(f"{job.pipeline.name}: version {number} {against}; {_way_out(job, number)}")


def _way_out(job: Job, number: str) -> str:
    if needs_approval(job, number):
        return (
            f"a reason is no approval: clear the task `approve` of its training run, or give `tidewheel approve "
            f"{job.pipeline.name} --version {number} --reason ...`"
        )
    return "evaluate it, or give --override-reason with the reason why it should be champion all the same"


def _check_comparison(job: Job, version: ModelVersionRow, champion: str) -> None:
    """See that the champion is still the one that the gate has held the version against.

    Raises:
        UsageError: another version became champion since, while a reviewer was thinking or by a rollback.
    """
    compared = version.compared_with
    if compared is not None and champion and compared != champion:
        against = f"version {compared}" if compared else "no champion"
        raise UsageError(
            f"{version.pipeline}: version {version.version} was compared with {against}, and version "
            f"{champion} is champion now: clear the run from `evaluate` on, or give --override-reason"
        )


def _note(job: Job[PromoteOptions], number: str) -> None:
    reason, models = job.options.override_reason or "", Models(Ledger.open(job.settings))
    models.promote(job.pipeline.name, number, reason, job.actor, job.run_id, datetime.now(UTC))


def _result(job: Job, version: ModelVersionRow, *, promoted: bool, sentence: str, skipped: bool = False) -> Result:
    figures: dict[str, Figure] = {"version": version.version or "", "promoted": promoted}
    return Result(
        figures=figures | ({SKIPPED: True} if skipped else {}),
        links=registry.pages(job.settings, version),
        sentence=sentence,
    )


if __name__ == "__main__":
    run(work, PromoteOptions)
