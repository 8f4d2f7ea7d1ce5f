"""Put a version behind the endpoint, a stage at a time or all at once; see `tidewheel.release`."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.job import Job, Result, run
from tidewheel.errors import UsageError
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.release.backend import open_backend
from tidewheel.release.executor import Executor, Release
from tidewheel.release.stages import PLAN, STAGE_NAMES
from tidewheel.runs import read_record

if TYPE_CHECKING:
    from jobs.registry import ModelVersion
    from tidewheel.release.artifact import Artifact

ALL = "all"


def work(job: Job) -> Result:
    """Plan a release, run one stage of it, or run it from begin to end."""
    executor = _executor(job)
    links = {"Endpoint": f"{job.settings.require('endpoint_url').rstrip('/')}/{job.pipeline.name}/"}
    stage = job.options.stage
    if stage not in (PLAN, ALL):
        number = read_record(job.lake, job.run_id, f"release-{PLAN}").figures["release"]
        assert isinstance(number, int)
        found = executor.run_stage(number, stage)
        figures = {name: value for name, value in found.figures.items() if not isinstance(value, dict)}
        return Result(figures={"release": number, **figures}, links=links, sentence=found.sentence)
    version = _wanted(job)
    if job.options.dry_run:
        stages, sentence = executor.plan(version)
        sys.stdout.writelines(f"{n:>2}. {step.name:<9} {step}\n" for n, step in enumerate(stages, start=1))
        return Result(figures={"version": version, "stages": len(stages)}, sentence=f"{sentence} (dry run)")
    release = executor.begin(version, job.run_id)
    if stage == ALL:
        executor.run(release.number)
    return Result(figures=_figures(release), links=links, sentence=release.sentence)


def _executor(job: Job) -> Executor:
    def build(version: str) -> Artifact:
        from jobs.bento import bento_of  # the compiler and its libraries, for one step of ten

        return bento_of(job.settings, job.pipeline, version).artifact

    backend = open_backend(job.settings, job.pipeline.name)
    return Executor(job.pipeline, backend, Releases(Ledger.open(job.settings)), build)


def _wanted(job: Job) -> str:
    """The version that shall answer: as asked, the one before the present one, or the champion.

    Raises:
        UsageError: there is none, or it may not be released.
    """
    from jobs import registry  # and with it MLflow and pandas, for one step of ten

    name, options = job.pipeline.name, job.options
    if options.rollback and options.version:
        raise UsageError("--rollback and --version exclude each other: a rollback goes to the version before")
    if options.rollback:
        endpoint = Releases(Ledger.open(job.settings)).endpoint(name)
        if endpoint is None or not endpoint.previous_version:
            raise UsageError(f"{name}: no version answered before the present one, so there is no way back")
        if not options.dry_run:
            # The registry is the truth of what shall serve: left behind, the next release would undo this one.
            registry.set_alias(job.settings, name, registry.CHAMPION, endpoint.previous_version)
        return endpoint.previous_version
    champion = registry.champion(job.settings, name)
    if options.version:
        wanted = registry.model_version(job.settings, name, options.version)
    elif champion is not None:
        wanted = champion
    else:
        raise UsageError(f"{name} has no champion yet: train and promote a model, or name a --version")
    _check_verdict(job, wanted)
    return wanted.version


def _check_verdict(job: Job, wanted: ModelVersion) -> None:
    """Refuse a version that the gate has not passed, unless somebody answers for it with a reason."""
    from jobs import registry

    if wanted.tags.get(registry.VERDICT) == Outcome.PASSED or wanted.tags.get(registry.OVERRIDE_REASON):
        return
    said = wanted.tags.get(registry.VERDICT_SENTENCE, "it was never judged")
    subject = f"version {wanted.version}"
    if not job.options.reason:
        raise UsageError(
            f"{wanted.pipeline}: {subject} has not passed the gate ({said}); give --reason to release it all the same"
        )
    if not job.options.dry_run:
        sentence = f"released without a passed verdict ({said}): {job.options.reason}"
        verdict = Verdict(Kind.RELEASE, Outcome.PASSED, sentence, {"version": wanted.version})
        Ledger.open(job.settings).record(wanted.pipeline, subject, job.run_id, verdict, datetime.now(UTC))


def _figures(release: Release) -> dict[str, int | str]:
    return {
        "release": release.number,
        "version": release.version,
        "colour": str(release.colour),
        "stages": ", ".join(stage.name for stage in release.stages),
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    """What only this job can be told."""
    parser.add_argument("--stage", default=ALL, choices=[*STAGE_NAMES, ALL], help="one stage, or all (the default)")
    parser.add_argument("--version", help="registered model version; default: the champion")
    parser.add_argument("--rollback", nargs="?", const="yes", help="release the version that answered before")
    parser.add_argument("--reason", help="release a version without a passed verdict; goes to the ledger")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and do nothing")


if __name__ == "__main__":
    run("release", work, add_options, record_name=lambda options: f"release-{options.stage}")
