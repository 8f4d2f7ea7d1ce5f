"""Score published features, and stage the predictions: with the champion, or with the version that scored the day."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from jobs.data.executors import executors
from jobs.job import Job, Result, run
from jobs.models import registry
from jobs.models.files import Untrusted
from jobs.models.scorer import Scorer, packed, score_files
from jobs.models.standing import standing
from tidewheel.errors import LakeError
from tidewheel.mlflow_api import NotInRegistry
from tidewheel.options import ScoreOptions
from tidewheel.partitions import HOUR, day_key
from tidewheel.quantities import listing, quantity
from tidewheel.runs import SKIPPED
from tidewheel.spec.source_days import source_days
from tidewheel.tracing import step

if TYPE_CHECKING:
    from bentos.contract import Contract
    from jobs.models.prediction import FittedModel
    from jobs.packaging.top_contributions import TopContributions
    from tidewheel.lake import Manifest
    from tidewheel.ledger.tables import ModelVersionRow
    from tidewheel.partitions import PartitionRange

log = logging.getLogger("tidewheel.score")
NAMED = 3  # hours in a message
VERSION = "version "
"""Before a version's number, among the inputs of predictions."""


def work(job: Job[ScoreOptions]) -> Result:
    """Score each day of the partition; `validate --stage predictions` publishes what keeps its rules."""
    if not (days := _days(job)):
        return Result(figures={SKIPPED: True}, sentence=f"skipped: the source has no rows for {job.partitions}")
    scoring, astray = _version(job, days)
    if scoring is None and astray:
        why = f"{job.pipeline.name}: {astray}; there is no other champion, so {job.partitions} is not scored"
        return Result(sentence=why, refused=why)
    if scoring is None or scoring.version is None:
        return Result(
            figures={SKIPPED: True},
            sentence=f"no champion of {job.pipeline.name} yet, so nothing was scored; train and promote one first",
        )
    with step("read"):
        contract = registry.contract(job.settings, job.pipeline.name, scoring.version)
        features = [_features(job, day, contract, scoring.version) for day in days]
        model = registry.load_model(job.settings, job.pipeline.name, scoring.version)
    folder, explain = job.lake.fresh_folder("predictions"), _explain(job, model, contract)
    scorer = Scorer(
        model=packed(model),
        columns=contract,
        task=job.pipeline.task,
        version=scoring.version,
        key=(*job.pipeline.key, job.pipeline.source.event_time),
        lake_root=job.settings.lake_root,
        lake_options=job.settings.lake_options,
        folder=folder,
        explain=explain,
    )
    sources = [file for manifest in features for file in job.lake.files(manifest)]
    spread = executors(job.pipeline, job.name, job.settings, sum(source.rows for source in sources))
    name = f"{job.pipeline.name} score {job.partitions}"
    with step("predict and write", rows=sum(source.rows for source in sources)):
        written = score_files(job.settings, name, scorer, sources, spread, job.pipeline.spark.options)
    staged = [
        job.lake.stage(
            "predictions",
            manifest.partition,
            [written[file.path] for file in job.lake.files(manifest)],
            {manifest.key: manifest.content_hash, "model": f"{VERSION}{scoring.version}"},
            job.code_version,
        )
        for manifest in features
    ]
    rows = sum(manifest.rows for manifest in staged)
    return Result(
        inputs={m.key: m.content_hash for m in features} | {"model": f"{VERSION}{scoring.version}"},
        outputs=staged,
        figures={
            "version": scoring.version,
            "rows": rows,
            "days": len(staged),
            **({"explained_in": explain.unit or "nothing"} if explain else {}),
        },
        links=registry.pages(job.settings, scoring),
        sentence=f"{quantity(rows, 'row')} of {job.partitions} scored by version {scoring.version}"
        + (f", which answers, for {astray}" if astray else "")
        + (f"; its predictions cannot be explained: {explain.reason}" if explain and explain.reason else ""),
    )


def _explain(job: Job, model: FittedModel, contract: Contract) -> TopContributions | None:
    """What names the fields that add most to each prediction, where the pipeline declares so."""
    if not job.pipeline.scoring.explain:
        return None
    from jobs.packaging.compile import comparison_frame
    from jobs.packaging.explanation import explanation_of
    from jobs.packaging.top_contributions import TopContributions

    explanation = explanation_of(model, contract, comparison_frame(contract), job.pipeline.release.parity_tolerance)
    return TopContributions(explanation, contract, job.pipeline.scoring.explain)


def _version(job: Job[ScoreOptions], days: list[str]) -> tuple[ModelVersionRow | None, str]:
    """The champion, and why it is not the alias's where it is not.

    A single day that has been scored before keeps its version, unless somebody asks otherwise. Hours of one day get
    that of the newest of them.

    What is scored again was corrected, or is cleared: its predictions then differ by the data alone, and no model is
    measured on days that it has learned from since.
    """
    champion = standing(job.settings, job.pipeline)
    if champion.astray:
        log.warning("%s: %s", job.pipeline.name, champion.astray)
    if champion.champion is None or job.options.champion or len({day_key(day) for day in days}) > 1:
        return champion.champion, champion.astray
    before = next((scored for day in reversed(days) if (scored := _scored_before(job, day))), None)
    if before is None:
        return champion.champion, champion.astray
    version = before.inputs["model"].removeprefix(VERSION)
    try:
        registry.model_version(job.settings, job.pipeline.name, version)
        return registry.trained_version(job.settings, job.pipeline.name, version), ""
    except (NotInRegistry, Untrusted) as error:
        log.warning(
            "version %s, which scored %s before, cannot do so again, the champion does: %s",
            version,
            before.partition,
            error,
        )
        return champion.champion, champion.astray


def _scored_before(job: Job, day: str) -> Manifest | None:
    """The published predictions of a day; None where there are none, or where they are broken and made again now."""
    try:
        return job.lake.published("predictions", day)
    except LakeError as error:
        log.warning("which version scored %s before is not known, so the champion does: %s", day, error)
        return None


def _days(job: Job) -> list[str]:
    source = job.pipeline.source
    days = source_days(source, job.partitions)
    if days is None:
        raise LakeError(
            f"{job.pipeline.name}: {job.partitions} lies outside the source's days ({source.start} to {source.end})"
        )
    return days.keys if days.unit is not HOUR else _hours(job, days)


def _hours(job: Job, hours: PartitionRange) -> list[str]:
    """The hours that have features: of a day that is not over, or that lacks an hour, the others are scored.

    Raises:
        LakeError: none has, though none may be without rows.
    """
    found = [key for key in hours.keys if job.lake.published("features", key) is not None]
    if not found and job.pipeline.source.empty_days == "refuse":
        job.lake.need("features", hours.keys[-1])
    if found and (missing := sorted(set(hours.keys) - set(found))):
        log.info("%d hours of %s have no features and are not scored: %s", len(missing), hours, listing(missing, NAMED))
    return found


def _features(job: Job, day: str, contract: Contract, version: str) -> Manifest:
    """The published features of a day, which must have what the model wants.

    Raises:
        LakeError: they are not there, or lack a column.
    """
    manifest = job.lake.need("features", day)
    if lacking := [column.name for column in contract.columns if column.name not in manifest.columns]:
        raise LakeError(
            f"{job.pipeline.name}: {manifest.key} has no column {', '.join(lacking)}, which version {version} was "
            "trained with; put it back into the transform and build the features again, or promote a version trained "
            "without it"
        )
    return manifest


if __name__ == "__main__":
    run(work, ScoreOptions)
