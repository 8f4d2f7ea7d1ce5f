"""Make a challenger that has passed the gate the champion."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from jobs.job import Job, Result, run
from jobs.models import registry
from jobs.models.wanted_version import objection
from tidewheel.errors import UsageError
from tidewheel.ledger import Ledger
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.runs import Figure, read_record

APPROVE, REJECT = "approve", "reject"


def work(job: Job) -> Result:
    """Point the champion alias at a version that passed, and that the reviewer approved where one was asked.

    Doing it again changes nothing.
    """
    name, settings = job.pipeline.name, job.settings
    number = job.options.version or str(read_record(job.lake, job.run_id, "train").figures["version"])
    version = registry.model_version(settings, name, number)
    if job.options.review:
        said = _keep_review(job, version)
        if job.options.review == REJECT:
            return _result(job, version, promoted=False, sentence=f"version {number} is {said}", skipped=True)
        version = registry.model_version(settings, name, number)
    champion = registry.champion(settings, name)
    if champion is not None and champion.version == number:
        return _result(job, version, promoted=False, sentence=f"version {number} is the champion already")
    overridden = _check(job, version)
    if not overridden:
        _check_comparison(job, version, champion)
    tags = {registry.PREVIOUS_VERSION: champion.version if champion else ""}
    if overridden:
        tags[registry.OVERRIDE_REASON] = job.options.override_reason
    registry.tag_version(settings, version, tags)  # before the alias moves, so that the way back is always known
    registry.set_alias(settings, name, registry.CHAMPION, number)
    instead = f" instead of version {champion.version}" if champion else ", the first"
    why = f" (override: {job.options.override_reason})" if overridden else ""
    return _result(job, version, promoted=True, sentence=f"version {number} is the champion now{instead}{why}")


def _keep_review(job: Job, version: registry.ModelVersion) -> str:
    """Write down what the reviewer said, in the ledger and on the version; returns it in words."""
    reviewer, reason = job.options.reviewer or "", job.options.review_reason or ""
    approved = job.options.review == APPROVE
    said = registry.APPROVED if approved else registry.REJECTED
    by = f" by {reviewer}" if reviewer else ": nobody answered in time"
    sentence = f"{said}{by}" + (f": {reason}" if reason else "")
    verdict = Verdict(
        Kind.REVIEW,
        Outcome.PASSED if approved else Outcome.REFUSED,
        sentence,
        {"version": version.version, "reviewer": reviewer, "reason": reason},
    )
    subject = f"version {version.version}"
    Ledger.open(job.settings).record(version.pipeline, subject, job.run_id, verdict, datetime.now(UTC))
    tags = {registry.REVIEW: said, registry.REVIEWER: reviewer, registry.REVIEW_REASON: reason}
    registry.tag_version(job.settings, version, tags)
    return sentence


def _check(job: Job, version: registry.ModelVersion) -> bool:
    """Whether the promotion is against the verdict, and allowed because somebody gave a reason.

    Raises:
        UsageError: the gate, or a reviewer, has not let the version through.
    """
    if not (against := objection(version)):
        return False
    if not job.options.override_reason:
        raise UsageError(
            f"{version.pipeline}: version {version.version} {against}; evaluate it, or give --override-reason with the "
            "reason why it should be champion all the same"
        )
    sentence = f"passed by hand, though it {against}: {job.options.override_reason}"
    verdict = Verdict(
        Kind.GATE, Outcome.PASSED, sentence, {"version": version.version, "override": job.options.override_reason}
    )
    subject = f"version {version.version} by hand"
    Ledger.open(job.settings).record(version.pipeline, subject, job.run_id, verdict, datetime.now(UTC))
    return True


def _check_comparison(job: Job, version: registry.ModelVersion, champion: registry.ModelVersion | None) -> None:
    """See that the champion is still the one that the gate has held the version against.

    Raises:
        UsageError: another version became champion since, while a reviewer was thinking or by a rollback.
    """
    compared = version.tags.get(registry.COMPARED_WITH)
    if compared is not None and champion is not None and compared != champion.version:
        against = f"version {compared}" if compared else "no champion"
        raise UsageError(
            f"{version.pipeline}: version {version.version} was compared with {against}, and version "
            f"{champion.version} is champion now: clear the run from `evaluate` on, or give --override-reason"
        )


def _result(
    job: Job, version: registry.ModelVersion, *, promoted: bool, sentence: str, skipped: bool = False
) -> Result:
    figures: dict[str, Figure] = {"version": version.version, "promoted": promoted}
    return Result(
        figures=figures | ({"skipped": True} if skipped else {}),
        links=registry.pages(job.settings, version),
        sentence=sentence,
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """What only this job can be told."""
    parser.add_argument("--version", help="the version to promote; default: the one this run has trained")
    parser.add_argument("--review", choices=[APPROVE, REJECT], help="what the reviewer said, where one was asked")
    parser.add_argument("--reviewer", help="who said it; left out where nobody answered in time")
    parser.add_argument("--review-reason", help="why; goes to the ledger and to MLflow")
    parser.add_argument("--override-reason", help="promote without a passed verdict; the reason goes to the ledger")


if __name__ == "__main__":
    run("promote", work, add_options)
