"""The version to release: the one that the registry's alias or an operator names, if the ledger has no objection.

A version that is refused, or whose release fails, gives the champion alias back to the version that is live: batch
scoring and the next comparison follow the alias.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.models import registry
from jobs.models.standing import objection_to, standing
from tidewheel.actor import IN_MLFLOW
from tidewheel.errors import UsageError
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import OVERRIDE, Models, objection, override_subject, subject
from tidewheel.ledger.releases import Releases
from tidewheel.mlflow_api import NotInRegistry, Refused
from tidewheel.policies.verdict import Kind, Outcome, Verdict

if TYPE_CHECKING:
    from jobs.job import Job
    from tidewheel.ledger.tables import EndpointRow
    from tidewheel.options import ReleaseOptions

log = logging.getLogger("tidewheel.release")


@dataclass(frozen=True)
class TargetVersion:
    """A version to release.

    Attributes:
        version: in the registry; empty where there is none.
        refused: why it may not be released, for a person; empty where it may.
    """

    version: str
    refused: str = ""


def target_version(job: Job[ReleaseOptions]) -> TargetVersion:
    """The version to release: the one that is named, the one before the live one, or the champion.

    Unless it is a dry run, the champion alias names it afterwards, or the version that answers where it is refused.

    Raises:
        UsageError: there is none.
    """
    options, name = job.options, job.pipeline.name
    endpoint = _endpoint(job)
    if options.rollback:
        # It has answered before: what the gate said of it then, or an override of the gate, still holds.
        return _agreed(job, _version_before(job, endpoint), job.actor, must=False)
    if options.version:
        target, actor = options.version, job.actor
    else:
        champion = registry.champion(job.settings, name)
        if champion is None:
            return _alias_gone(job, endpoint)
        target, actor = champion.version, IN_MLFLOW  # where it was promoted, that is written down already
    if endpoint is not None and endpoint.version == target:
        return _agreed(job, target, actor, must=False)
    ledger = Ledger.open(job.settings)
    against, reason = objection_to(ledger, job.pipeline, target), options.reason
    if against and not (reason and overrule(job, target, reason, Kind.RELEASE, dry_run=options.dry_run)):
        return _refused(job, target, against, actor, way_out(job, target))
    if gone := registry.lost(job.settings, registry.trained_version(job.settings, name, target)):
        return _refused(job, target, gone, actor, "When it is restored, release it again")
    return _agreed(job, target, actor)


def overrule(job: Job, version: str, reason: str, kind: Kind, *, dry_run: bool = False) -> bool:
    """Write down that somebody overrules the gate with a reason.

    A reason is no approval, and no way for a version that the ledger does not know.

    Args:
        job: says who.
        version: that shall go on.
        reason: for the ledger.
        kind: `gate` where it is promoted, `release` where it is released.
        dry_run: write nothing.

    Returns:
        Whether nothing else speaks against the version.
    """
    ledger, name = Ledger.open(job.settings), job.pipeline.name
    models = Models(ledger)
    row = models.get(name, version)
    if row is None:
        return False
    decisions = models.decisions(name, version)
    manual, by_hand = job.pipeline.gate.approval == "manual", "released" if kind is Kind.RELEASE else "promoted"
    if objection(decisions, approval_needed=manual, overruled=True):
        return False
    if not dry_run:
        against = objection(decisions, approval_needed=manual)
        sentence = f"version {version} {against} and is {by_hand} by hand: {reason}"
        verdict = Verdict(kind, Outcome.PASSED, sentence, {"version": version, OVERRIDE: reason})
        ledger.record_once(name, override_subject(version), job.run_id, verdict, datetime.now(UTC), actor=job.actor)
        # Releasing it again, after a crash or a rollback, needs no reason again.
        registry.tag_version(job.settings, row, {registry.OVERRIDE_REASON: reason})
    return True


def _version_before(job: Job, endpoint: EndpointRow | None) -> str:
    """The version that a rollback goes to: the same however often its run is repeated, and never one rolled back from.

    Raises:
        UsageError: there is none.
    """
    name = job.pipeline.name
    decided = next((row for row in Releases(Ledger.open(job.settings)).newest(name) if row.run_id == job.run_id), None)
    if decided is not None:
        return decided.version
    if endpoint is None or not endpoint.previous_version:
        raise UsageError(f"{name}: no version answered before the present one, so there is no way back")
    if int(endpoint.previous_version) > int(endpoint.version):
        raise UsageError(
            f"{name}: version {endpoint.version} has taken over from version {endpoint.previous_version} in a rollback "
            f"already; to bring that back, or to go further, name the version with --version"
        )
    return endpoint.previous_version


def champion_again(job: Job, version: str, why: str) -> str:
    """Give the champion alias back to the version that answers, where it names one that could not be released.

    Args:
        job: of the pipeline.
        version: that could not be released.
        why: goes to that version's tags, for the reviewer who moved the alias.

    Returns:
        What answers and what is champion, in words.
    """
    settings, name = job.settings, job.pipeline.name
    try:
        registry.tag_version(settings, registry.model_version(settings, name, version), {registry.RELEASE: why})
    except NotInRegistry as error:
        log.warning("version %s is gone from MLflow: %s", version, error)
    endpoint = _endpoint(job)
    if endpoint is None:
        return "nothing answers yet"
    champion = registry.champion(settings, name)
    if (champion is not None and champion.version != version) or endpoint.version == version:
        return f"version {endpoint.version} answers"
    try:
        registry.set_alias(settings, name, registry.CHAMPION, endpoint.version)
    except NotInRegistry:
        return f"version {endpoint.version} answers, and is no longer in the registry"
    _promote(job, endpoint.version, why, job.actor)
    return f"version {endpoint.version} answers and is champion again"


def _alias_gone(job: Job[ReleaseOptions], endpoint: EndpointRow | None) -> TargetVersion:
    """Put the alias back where somebody has deleted it, and say what else is gone.

    Raises:
        UsageError: there was no champion yet.
    """
    name = job.pipeline.name
    champion = standing(job.settings, job.pipeline)
    if not champion.astray:
        raise UsageError(f"{name} has no champion yet: train and promote a model, or name a --version")
    row = champion.champion
    if row is not None and row.version and not registry.lost(job.settings, row):
        log.warning("%s: the alias champion was deleted in MLflow: version %s has it again", name, row.version)
        why = f"the alias champion was deleted in MLflow; version {row.version} has it again"
        if not job.options.dry_run:
            _note(job, row.version, Verdict(Kind.RELEASE, Outcome.PASSED, why, {"version": row.version}), IN_MLFLOW)
        return _agreed(job, row.version, job.actor)
    answers = f"; version {endpoint.version} goes on answering" if endpoint else ""
    why = f"{champion.astray}{answers}"
    if not job.options.dry_run:
        version = champion.version or (endpoint.version if endpoint else "")
        _note(job, version, Verdict(Kind.RELEASE, Outcome.REFUSED, why, {"version": version}), IN_MLFLOW)
    return TargetVersion(champion.version, f"{name}: {why}")


def _agreed(job: Job[ReleaseOptions], version: str, actor: str, *, must: bool = True) -> TargetVersion:
    """Have the alias name a version; where it `must` not, one that MLflow has lost goes without."""
    # The registry is the truth of what shall serve: left behind, the next release would undo this one.
    if job.options.dry_run:
        return TargetVersion(version)
    champion = registry.champion(job.settings, job.pipeline.name)
    if champion is None or champion.version != version:
        try:
            registry.set_alias(job.settings, job.pipeline.name, registry.CHAMPION, version)
        except NotInRegistry as error:
            gone = f"{job.pipeline.name}: version {version} is no longer in the registry"
            if must:
                raise UsageError(f"{gone}, so it cannot be champion ({error}); release another") from error
            # The way back does not depend on MLflow. Nobody may be champion then, least of all what is taken back.
            log.warning("%s, so the alias champion is taken away", gone)
            with suppress(Refused):  # the whole registered model may be gone
                registry.delete_alias(job.settings, job.pipeline.name, registry.CHAMPION)
    _promote(job, version, job.options.reason or "", actor)
    return TargetVersion(version)


def _refused(job: Job[ReleaseOptions], version: str, against: str, actor: str, then: str) -> TargetVersion:
    name = job.pipeline.name
    why = f"version {version} {against}, so it is not released"
    answers = ""
    if not job.options.dry_run:
        _note(job, version, Verdict(Kind.RELEASE, Outcome.REFUSED, why, {"version": version}), actor)
        answers = f"; {champion_again(job, version, why)}"
    return TargetVersion(version, f"{name}: {why}{answers}. {then}")


def way_out(job: Job, version: str) -> str:
    """What a person may do about a version that something speaks against."""
    name, models = job.pipeline.name, Models(Ledger.open(job.settings))
    if models.get(name, version) is None:
        return f"Train one with {name}.training, or name a version that the ledger knows"
    if needs_approval(job, version):
        return (
            f"To have it approved, clear the task `approve` of its training run, or give `tidewheel approve {name} "
            f"--version {version} --reason ...`: who approves goes to the ledger"
        )
    return (
        f"To release it all the same, start {name}.release with Version {version} and an Override reason, or give "
        f"`tidewheel release {name} --version {version} --reason ...`: the reason goes to the ledger"
    )


def needs_approval(job: Job, version: str) -> bool:
    """Whether a version waits for a reviewer, whatever the gate says: it was rejected, or nobody has approved it."""
    found = Models(Ledger.open(job.settings)).decisions(job.pipeline.name, version)
    return bool(objection(found, approval_needed=job.pipeline.gate.approval == "manual", overruled=True))


def _promote(job: Job, version: str, reason: str, actor: str) -> None:
    models = Models(Ledger.open(job.settings))
    models.promote(job.pipeline.name, version, reason, actor, job.run_id, datetime.now(UTC))


def _note(job: Job, version: str, verdict: Verdict, actor: str) -> None:
    ledger = Ledger.open(job.settings)
    ledger.record_once(job.pipeline.name, subject(version), job.run_id, verdict, datetime.now(UTC), actor=actor)


def _endpoint(job: Job) -> EndpointRow | None:
    return Releases(Ledger.open(job.settings)).endpoint(job.pipeline.name)
