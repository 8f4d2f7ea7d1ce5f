"""Score published features with the champion, and stage the predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.job import Job, Result, run
from jobs.models import registry
from jobs.models.scorer import Scorer, packed, score_files
from tidewheel.errors import LakeError

if TYPE_CHECKING:
    from jobs.models.contract import Contract
    from tidewheel.lake import Manifest


def work(job: Job) -> Result:
    """Score each day of the partition; `validate --stage predictions` publishes what keeps its rules."""
    champion = registry.champion(job.settings, job.pipeline.name)
    if champion is None:
        return Result(
            figures={"skipped": True},
            sentence=f"no champion of {job.pipeline.name} yet, so nothing was scored; train and promote one first",
        )
    contract = registry.contract(job.settings, job.pipeline.name, champion.version)
    features = [_features(job, day, contract, champion.version) for day in _days(job)]
    model = registry.load_model(job.settings, job.pipeline.name, champion.version)
    folder = job.lake.fresh_folder("predictions")
    scorer = Scorer(
        model=packed(model),
        columns=contract,
        task=job.pipeline.task,
        version=champion.version,
        kept=(*job.pipeline.key, job.pipeline.source.event_time),
        lake_root=job.settings.lake_root,
        lake_options=job.settings.lake_options,
        folder=folder,
    )
    sources = [path for manifest in features for path in _paths(manifest)]
    name = f"{job.pipeline.name} score {job.partitions}"
    written = score_files(job.settings, name, scorer, sources, rows=sum(manifest.rows for manifest in features))
    staged = [
        job.lake.stage(
            "predictions",
            manifest.partition,
            [written[path] for path in _paths(manifest)],
            {manifest.key: manifest.content_hash, "model": f"version {champion.version}"},
            job.code_version,
        )
        for manifest in features
    ]
    rows = sum(manifest.rows for manifest in staged)
    return Result(
        inputs={m.key: m.content_hash for m in features} | {"model": f"version {champion.version}"},
        outputs=staged,
        figures={"version": champion.version, "rows": rows, "days": len(staged)},
        links=registry.pages(job.settings, champion),
        sentence=f"{rows:,} rows of {job.partitions} scored by version {champion.version}",
    )


def _days(job: Job) -> list[str]:
    source = job.pipeline.source
    days = job.partitions.clamp(source.start, source.end)
    if days is None:
        raise LakeError(
            f"{job.pipeline.name}: {job.partitions} lies outside the source's days ({source.start} to {source.end})"
        )
    return days.keys


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


def _paths(manifest: Manifest) -> list[str]:
    return [f"{manifest.pipeline}/{manifest.dataset}/{file.path}" for file in manifest.files]


if __name__ == "__main__":
    run("score", work)
