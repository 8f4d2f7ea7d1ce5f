"""Make a challenger that has passed the gate the champion."""

from __future__ import annotations

import argparse
import logging
from datetime import UTC, datetime

from jobs import registry
from jobs.job import Job, Result, run
from tidewheel.errors import UsageError
from tidewheel.ledger import Ledger
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.runs import read_record

log = logging.getLogger("tidewheel.promote")


def work(job: Job) -> Result:
    """Point the champion alias at a version with a passed verdict; doing it again changes nothing."""
    name, settings = job.pipeline.name, job.settings
    number = job.options.version or str(read_record(job.lake, job.run_id, "train").figures["version"])
    version = registry.model_version(settings, name, number)
    champion = registry.champion(settings, name)
    if champion is not None and champion.version == number:
        return _result(job, version, promoted=False, sentence=f"version {number} is the champion already")
    overridden = _check(job, version)
    tags = {registry.PREVIOUS_VERSION: champion.version if champion else ""}
    if overridden:
        tags[registry.OVERRIDE_REASON] = job.options.override_reason
    registry.tag_version(settings, version, tags)  # before the alias moves, so that the way back is always known
    registry.set_alias(settings, name, registry.CHAMPION, number)
    instead = f" instead of version {champion.version}" if champion else ", the first"
    why = f" (override: {job.options.override_reason})" if overridden else ""
    return _result(job, version, promoted=True, sentence=f"version {number} is the champion now{instead}{why}")


def _check(job: Job, version: registry.ModelVersion) -> bool:
    """Whether the promotion is against the verdict, and allowed because somebody gave a reason.

    Raises:
        UsageError: the gate has not let the version through.
    """
    if version.tags.get(registry.VERDICT) == Outcome.PASSED:
        return False
    said = version.tags.get(registry.VERDICT_SENTENCE, "it was never judged")
    if not job.options.override_reason:
        raise UsageError(
            f"{version.pipeline}: version {version.version} has not passed the gate ({said}); evaluate it, or give "
            "--override-reason with the reason why it should be champion all the same"
        )
    sentence = f"passed by hand, against the gate ({said}): {job.options.override_reason}"
    verdict = Verdict(
        Kind.GATE, Outcome.PASSED, sentence, {"version": version.version, "override": job.options.override_reason}
    )
    subject = f"version {version.version} by hand"
    Ledger.open(job.settings).record(version.pipeline, subject, job.run_id, verdict, datetime.now(UTC))
    return True


def _result(job: Job, version: registry.ModelVersion, *, promoted: bool, sentence: str) -> Result:
    return Result(
        figures={"version": version.version, "promoted": promoted},
        links=registry.pages(job.settings, version),
        sentence=sentence,
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """What only this job can be told."""
    parser.add_argument("--version", help="the version to promote; default: the one this run has trained")
    parser.add_argument("--override-reason", help="promote without a passed verdict; the reason goes to the ledger")


if __name__ == "__main__":
    run("promote", work, add_options)
