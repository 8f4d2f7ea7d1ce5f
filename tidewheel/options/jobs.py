"""The options of each job. A job is added by adding its model here; see `docs/inside/add-a-job.md`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from tidewheel.options.option import Expected, JobOptions, Option

ALL_STAGES = "all"
Version = Annotated[
    str, StringConstraints(pattern=r"^[1-9][0-9]*$"), Expected("the number of a registered version, for example 3")
]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), Expected("a finite number above 0")]


class ValidationStage(StrEnum):
    """Batches of a run that are judged together."""

    RAW = "raw"
    FEATURES = "features"
    PREDICTIONS = "predictions"


class Review(StrEnum):
    """What a reviewer may do about a challenger."""

    APPROVE = "approve"
    REJECT = "reject"


class Reviewed(StrEnum):
    """What a version is after its review."""

    APPROVED = "approved"
    REJECTED = "rejected"


class LandOptions(JobOptions):
    """Of `jobs.land`."""

    job: ClassVar[str] = "land"
    by_hour: ClassVar[bool] = True
    unfinished: Annotated[
        bool, Option("land what the source has by now of a day that is not over (UTC)", title="Unfinished day")
    ] = False


class ValidateOptions(JobOptions):
    """Of `jobs.validate`."""

    job: ClassVar[str] = "validate"
    by_hour: ClassVar[bool] = True
    record_for_each: ClassVar[str] = "stage"
    stage: Annotated[ValidationStage, Option("which batches of the run to judge")]


class FeaturesOptions(JobOptions):
    """Of `jobs.features`."""

    job: ClassVar[str] = "features"
    by_hour: ClassVar[bool] = True


class ScoreOptions(JobOptions):
    """Of `jobs.score`."""

    job: ClassVar[str] = "score"
    by_hour: ClassVar[bool] = True
    champion: Annotated[bool, Option("score with the champion, whichever version has scored the day before")] = False


class CompactOptions(JobOptions):
    """Of `jobs.compact`."""

    job: ClassVar[str] = "compact"
    by_hour: ClassVar[bool] = True
    scored: Annotated[
        bool, Option("write predictions too, so that a day waits until its last hour has been scored")
    ] = False


class RequestsOptions(JobOptions):
    """Of `jobs.requests`."""

    job: ClassVar[str] = "requests"


class MonitorOptions(JobOptions):
    """Of `jobs.monitor`."""

    job: ClassVar[str] = "monitor"


class AssembleOptions(JobOptions):
    """Of `jobs.assemble`."""

    job: ClassVar[str] = "assemble"
    force: Annotated[
        bool,
        Option(
            "train even where neither data, nor declaration, nor code have changed, or the team's quota is used up",
            title="Train all the same",
        ),
    ] = False


class TrainOptions(JobOptions):
    """Of `jobs.train`."""

    job: ClassVar[str] = "train"


class EvaluateOptions(JobOptions):
    """Of `jobs.evaluate`."""

    job: ClassVar[str] = "evaluate"


class PromoteOptions(JobOptions):
    """Of `jobs.promote`; in a form it is the reviewer's, not the run's."""

    job: ClassVar[str] = "promote"
    version: Annotated[
        Version | None, Option("registered model version to promote", if_empty="the one this run has trained")
    ] = None
    review: Annotated[Review | None, Option("what the reviewer said, if one had to")] = None
    reviewer: Annotated[str | None, Option("who said it", if_empty="nobody, the time for an answer ran out")] = None
    review_reason: Annotated[
        str | None, Option("why; recorded with the verdict, in the ledger and in MLflow", title="Reason")
    ] = None
    override_reason: Annotated[
        str | None, Option("why to promote a version without a passed verdict; recorded in the ledger")
    ] = None


class PackageOptions(JobOptions):
    """Of `jobs.package`."""

    job: ClassVar[str] = "package"
    of_data: ClassVar[bool] = False
    version: Annotated[Version | None, Option("registered model version to build", if_empty="the champion")] = None


class ReleaseOptions(JobOptions):
    """Of `jobs.release`."""

    job: ClassVar[str] = "release"
    of_data: ClassVar[bool] = False
    record_for_each: ClassVar[str] = "stage"
    stage: Annotated[str, Option("one stage by its name, `plan`, or `all`", if_empty="all")] = ALL_STAGES
    version: Annotated[
        Version | None, Option("registered model version to release", if_empty="the champion", title="Version")
    ] = None
    rollback: Annotated[bool, Option("release the version that answered before the present one", title="Roll back")] = (
        False
    )
    reason: Annotated[
        str | None,
        Option(
            "why to release a version that the gate has not passed, or to roll back; recorded in the ledger, "
            "no approval",
            title="Override reason",
        ),
    ] = None
    reconcile: Annotated[bool, Option("repair what registry, ledger and router disagree about, no more")] = False
    dry_run: Annotated[bool, Option("print the plan and do nothing")] = False

    @model_validator(mode="after")
    def _one_version(self) -> Self:
        if self.rollback and self.version:
            raise ValueError("--rollback and --version exclude each other: a rollback goes to the version before")
        return self


class ReviewOptions(JobOptions):
    """Of `jobs.review`."""

    job: ClassVar[str] = "review"
    of_data: ClassVar[bool] = False
    version: Annotated[Version, Option("registered model version that was reviewed")]
    say: Annotated[Reviewed, Option("what the reviewer says")]
    reason: Annotated[str, Option("why; goes to the ledger with your user name, and to MLflow")]


class AdoptOptions(JobOptions):
    """Of `jobs.adopt`."""

    job: ClassVar[str] = "adopt"
    of_data: ClassVar[bool] = False
    version: Annotated[Version | None, Option("one version", if_empty="all that the gate has judged")] = None


class EraseOptions(JobOptions):
    """Of `jobs.erase`."""

    job: ClassVar[str] = "erase"
    of_data: ClassVar[bool] = False
    key: Annotated[
        tuple[str, ...],
        Option("value of the entity's key; again for each column that says whose", metavar="[COLUMN=]VALUE"),
    ]
    dry_run: Annotated[bool, Option("say what would be erased and change nothing")] = False


class LoadOptions(JobOptions):
    """Of `jobs.load`."""

    job: ClassVar[str] = "load"
    of_data: ClassVar[bool] = False
    rps: Annotated[Positive, Option("rate", unit="requests a second")] = 30.0
    seconds: Annotated[Positive, Option("for how long", unit="seconds")] = 40.0
    batch: Annotated[Count, Option("size of each request", unit="rows")] = 1
    url: Annotated[
        str | None,
        Option("of the pipeline's endpoint, without /predict", if_empty="this installation's"),
    ] = None


class ReplayOptions(JobOptions):
    """Of `jobs.replay`."""

    job: ClassVar[str] = "replay"
    policy: Annotated[
        tuple[str, ...],
        Option(
            "spec (what the pipeline declares), frozen, weekly, daily, every:<n>d, equal (a calendar with as many fits "
            "as spec), or a pipeline file to try; may be given several times",
            if_empty="spec, frozen, equal, weekly",
        ),
    ] = ("spec", "frozen", "equal", "weekly")
    seeds: Annotated[Count, Option("how often each is played, with other seeds")] = 3
    workers: Annotated[Count | None, Option("plays at once", if_empty="one a core")] = None


JOBS: dict[str, type[JobOptions]] = {
    model.job: model
    for model in (
        LandOptions,
        ValidateOptions,
        FeaturesOptions,
        ScoreOptions,
        CompactOptions,
        RequestsOptions,
        MonitorOptions,
        AssembleOptions,
        TrainOptions,
        EvaluateOptions,
        PromoteOptions,
        PackageOptions,
        ReleaseOptions,
        ReviewOptions,
        AdoptOptions,
        EraseOptions,
        LoadOptions,
        ReplayOptions,
    )
}
"""Every job by its name."""
