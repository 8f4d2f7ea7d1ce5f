"""Put a version behind the endpoint, a stage at a time or all at once; see `tidewheel.release`."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.job import Job, Result, run
from tidewheel.errors import LakeError, ReleaseError
from tidewheel.ledger import Ledger
from tidewheel.ledger.probations import RETURNED, Probations
from tidewheel.ledger.releases import Releases, Status
from tidewheel.options import ReleaseOptions
from tidewheel.options.jobs import ALL_STAGES
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.release.backend import open_backend
from tidewheel.release.executor import Executor
from tidewheel.release.reconcile import MoveAlias, ReleaseVersion
from tidewheel.release.record import RecordedRelease
from tidewheel.release.stages import PLAN
from tidewheel.runs import read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidewheel.release.artifact import Artifact
    from tidewheel.release.stages import StageResult

log = logging.getLogger("tidewheel.release")

NEWEST_SCORES = 5_000
"""As many of a version's predictions tell where its scores lie."""


def work(job: Job[ReleaseOptions]) -> Result:
    """Plan a release, run one stage of it, or run it from begin to end."""
    executor = executor_of(job)
    links = {"Endpoint": f"{job.settings.require('endpoint_url').rstrip('/')}/{job.pipeline.name}/"}
    stage = job.options.stage
    if stage not in (PLAN, ALL_STAGES):
        number = read_record(job.lake, job.run_id, ReleaseOptions(stage=PLAN).record).figures["release"]
        assert isinstance(number, int)
        return _attempt(job, number, links, lambda: _stage_result(executor.run_stage(number, stage), number, links))
    from jobs.models.target_version import champion_again, target_version  # and with it pandas, for one step of ten

    if job.options.rollback and not job.options.dry_run:
        taken_back = executor.roll_back(f"{job.options.reason or 'by hand'} ({job.actor})")
        if taken_back is not None and taken_back.answers:
            champion_again(job, taken_back.release.version, str(taken_back))
            release = executor.begin(taken_back.answers, job.run_id)
            _note_rollback(job, taken_back.answers, taken_back.release.version, release.number)
            figures = _figures(release, rolled_back_from=taken_back.release.version)
            return Result(figures=figures, links=links, sentence=str(taken_back))
    if job.options.reconcile:
        repaired = _reconcile(job, executor)
        if repaired is not None:
            return Result(links=links, sentence=repaired)
    target = target_version(job)
    if target.refused:
        return Result(figures={"version": target.version}, links=links, sentence=target.refused, refused=target.refused)
    if job.options.dry_run:
        stages, sentence = executor.plan(target.version)
        sys.stdout.writelines(f"{n:>2}. {step.name:<9} {step}\n" for n, step in enumerate(stages, start=1))
        return Result(figures={"version": target.version, "stages": len(stages)}, sentence=f"{sentence} (dry run)")
    release = executor.begin(target.version, job.run_id)
    if replaced := _rolled_back_from(release):
        _note_rollback(job, release.version, replaced, release.number)
    planned = Result(figures=_figures(release, rolled_back_from=replaced), links=links, sentence=release.sentence)
    if stage == PLAN:
        return planned

    def run_all() -> Result:
        executor.run(release.number)
        return planned

    return _attempt(job, release.number, links, run_all)


def _reconcile(job: Job[ReleaseOptions], executor: Executor) -> str | None:
    """Bring registry, ledger and router into agreement; None where that takes a release of the champion."""
    from jobs.models import registry
    from jobs.models.target_version import champion_again

    found = registry.champion(job.settings, job.pipeline.name)
    champion = found.version if found else None
    repairs = executor.differences(champion) if job.options.dry_run else executor.reconcile(champion)
    sys.stdout.writelines(f"{repair}\n" for repair in repairs)
    for repair in repairs:
        match repair:
            case MoveAlias(_, reason) if champion is not None and not job.options.dry_run:
                champion_again(job, champion, reason)
            case ReleaseVersion(version) if version == champion:
                return None
    return "; ".join(map(str, repairs)) or "registry, ledger and router agree"


def _attempt(job: Job, number: int, links: Mapping[str, str], act: Callable[[], Result]) -> Result:
    """Run stages. A release that fails is over: it is not tried again, and the alias goes back to what answers.

    Raises:
        ReleaseError: a stage failed that may be tried again.
    """
    try:
        return act()
    except ReleaseError as error:
        ended = Releases(Ledger.open(job.settings)).get(number)
        if ended.status != Status.FAILED:
            raise
        from jobs.models.target_version import champion_again

        answers = champion_again(job, ended.version, f"release {number} failed: {ended.reason}")
        refused = f"{error}; {answers}. When the cause is gone, release version {ended.version} again"
        return Result(figures={"release": number, "version": ended.version}, links=links, refused=refused)


def _stage_result(stage_result: StageResult, number: int, links: Mapping[str, str]) -> Result:
    figures = {name: value for name, value in stage_result.figures.items() if not isinstance(value, dict)}
    return Result(figures={"release": number, **figures}, links=links, sentence=stage_result.sentence)


def _note_rollback(job: Job[ReleaseOptions], version: str, replaced: str, number: int) -> None:
    """Write down that an older version takes over from a newer one."""
    by_hand = job.options.rollback or job.options.version
    cause = "by hand" if by_hand else _why_moved_back(job, version, replaced)
    sentence = f"version {version} takes over again from version {replaced}: {cause}"
    sentence += f" ({job.options.reason})" if job.options.reason else ""
    verdict = Verdict(Kind.RELEASE, Outcome.ROLLED_BACK, sentence, {"version": version, "instead_of": replaced})
    subject = f"version {replaced} back to {version}"
    # By the run that began it: another that joins the release, at the same moment or later, would write the same line.
    ledger = Ledger.open(job.settings)
    run_id = Releases(ledger).get(number).run_id
    ledger.record_once(job.pipeline.name, subject, run_id, verdict, datetime.now(UTC), actor=job.actor)


def _why_moved_back(job: Job[ReleaseOptions], version: str, replaced: str) -> str:
    """Who moved the alias back: the comparison on probation, or somebody else."""
    ended = [row for row in Probations(Ledger.open(job.settings)).all(job.pipeline.name) if row.version == replaced]
    if ended and (ended[-1].predecessor, ended[-1].outcome) == (version, RETURNED):
        return f"version {replaced} was worse on probation"
    return "the champion alias was moved back to it"


def _rolled_back_from(release: RecordedRelease) -> str | None:
    """The newer version that a release takes out of service; None where it brings a newer one."""
    before = release.before
    return before.version if before and release.stages and int(before.version) > int(release.version) else None


def executor_of(job: Job) -> Executor:
    """What releases the pipeline of a job, to where its settings say."""

    def build(version: str) -> Artifact:
        from jobs.packaging.bento import bento_of  # the compiler and its libraries, for one step of ten

        artifact = bento_of(job.settings, job.pipeline, version).artifact
        artifact.publish(job.lake)  # from where a pod fetches it
        return artifact

    def scores(version: str, since: datetime, until: datetime) -> list[float]:
        from jobs.data.request_log import RequestLog

        try:
            return RequestLog(job.settings, job.pipeline.name, unit=job.pipeline.block).scores(version, since, until)[
                -NEWEST_SCORES:
            ]
        except LakeError as error:  # the guard judges by what else it measures
            log.warning("what callers were answered is not known: %s", error)
            return []

    backend = open_backend(job.settings, job.pipeline.name)
    releases = Releases(Ledger.open(job.settings), job.actor)
    return Executor(job.pipeline, backend, releases, build, scores)


def _figures(release: RecordedRelease, rolled_back_from: str | None) -> dict[str, int | str | None]:
    return {
        "release": release.number,
        "version": release.version,
        "colour": str(release.colour),
        "stages": ", ".join(stage.name for stage in release.stages),
        "rolled_back_from": rolled_back_from,
    }


if __name__ == "__main__":
    run(work, ReleaseOptions)
