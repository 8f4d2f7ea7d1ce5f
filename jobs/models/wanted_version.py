"""Which version shall answer: as the registry or an operator wishes, if the gate, or somebody with a reason, allows it.

The champion alias is the wish as long as nothing has come of it. A version that is refused or fails on its way gives
the alias back to the version that answers: batch scoring and the next comparison follow the alias.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.models import registry
from tidewheel.errors import UsageError
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases
from tidewheel.policies.verdict import Kind, Outcome, Verdict

if TYPE_CHECKING:
    from jobs.job import Job
    from jobs.models.registry import ModelVersion
    from tidewheel.ledger.tables import EndpointRow


@dataclass(frozen=True)
class Wish:
    """A version that shall answer.

    Attributes:
        version: in the registry.
        refused: why it may not, for a person; empty where it may.
    """

    version: str
    refused: str = ""


def wanted_version(job: Job) -> Wish:
    """The version that shall answer: as asked, the one before the present one, or the champion.

    Unless it is a dry run, the champion alias names it afterwards, or the version that answers where it is refused.

    Raises:
        UsageError: there is none.
    """
    options, name = job.options, job.pipeline.name
    if options.rollback and options.version:
        raise UsageError("--rollback and --version exclude each other: a rollback goes to the version before")
    endpoint = _endpoint(job)
    if options.rollback:
        # It has answered before: what the gate said of it then, or whoever overruled the gate, still holds.
        return _agreed(job, _version_before(job, endpoint))
    if options.version:
        wanted = registry.model_version(job.settings, name, options.version)
    else:
        champion = registry.champion(job.settings, name)
        if champion is None:
            raise UsageError(f"{name} has no champion yet: train and promote a model, or name a --version")
        wanted = champion
    if endpoint is not None and endpoint.version == wanted.version:
        return _agreed(job, wanted.version)
    if against := objection(wanted):
        if not options.reason:
            return _refused(job, wanted, against)
        if not options.dry_run:
            _override(job, wanted, against)
    return _agreed(job, wanted.version)


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


def objection(wanted: ModelVersion) -> str:
    """What speaks against a version; empty where nothing does, or where somebody has answered for it already."""
    tags = wanted.tags
    if tags.get(registry.OVERRIDE_REASON):
        return ""
    if tags.get(registry.REVIEW) == registry.REJECTED:
        return f"was rejected in review by {tags.get(registry.REVIEWER) or 'nobody: there was no answer in time'}"
    if tags.get(registry.VERDICT) == Outcome.PASSED:
        return ""
    return f"has not passed the gate ({tags.get(registry.VERDICT_SENTENCE, 'it was never judged')})"


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
    registry.tag_version(settings, registry.model_version(settings, name, version), {registry.RELEASE: why})
    endpoint = _endpoint(job)
    if endpoint is None:
        return "nothing answers yet"
    champion = registry.champion(settings, name)
    if champion is None or champion.version != version or endpoint.version == version:
        return f"version {endpoint.version} answers"
    registry.set_alias(settings, name, registry.CHAMPION, endpoint.version)
    return f"version {endpoint.version} answers and is champion again"


def _agreed(job: Job, version: str) -> Wish:
    # The registry is the truth of what shall serve: left behind, the next release would undo this one.
    champion = registry.champion(job.settings, job.pipeline.name)
    if not job.options.dry_run and (champion is None or champion.version != version):
        registry.set_alias(job.settings, job.pipeline.name, registry.CHAMPION, version)
    return Wish(version)


def _refused(job: Job, wanted: ModelVersion, against: str) -> Wish:
    name, version = wanted.pipeline, wanted.version
    why = f"version {version} {against}, so it is not released"
    answers = ""
    if not job.options.dry_run:
        _record(job, f"version {version}", Verdict(Kind.RELEASE, Outcome.REFUSED, why, {"version": version}))
        answers = f"; {champion_again(job, version, why)}"
    return Wish(
        version,
        f"{name}: {why}{answers}. To release it all the same, start {name}.release with Version {version} and an "
        f"Override reason, or give `tidewheel release {name} --version {version} --reason ...`: "
        "the reason goes to the ledger",
    )


def _override(job: Job, wanted: ModelVersion, against: str) -> None:
    sentence = f"version {wanted.version} {against} and is released by hand: {job.options.reason}"
    inputs = {"version": wanted.version, "override": job.options.reason}
    _record(job, f"version {wanted.version} by hand", Verdict(Kind.RELEASE, Outcome.PASSED, sentence, inputs))
    # Whoever releases it again, after a crash or a rollback, need not answer for it again.
    registry.tag_version(job.settings, wanted, {registry.OVERRIDE_REASON: job.options.reason})


def _record(job: Job, subject: str, verdict: Verdict) -> None:
    Ledger.open(job.settings).record(job.pipeline.name, subject, job.run_id, verdict, datetime.now(UTC))


def _endpoint(job: Job) -> EndpointRow | None:
    return Releases(Ledger.open(job.settings)).endpoint(job.pipeline.name)
