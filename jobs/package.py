"""Build the Bento of a registered model version, the same content for the same version; built already is built."""

from __future__ import annotations

from jobs.job import Job, Result, run
from jobs.models.standing import standing
from jobs.packaging.bento import bento_of
from tidewheel.errors import UsageError
from tidewheel.options import PackageOptions
from tidewheel.tracing import step


def work(job: Job[PackageOptions]) -> Result:
    """Package a version, by default the champion."""
    version = job.options.version
    if not version:
        champion = standing(job.settings, job.pipeline)
        if not champion.version:
            why = f" ({champion.astray})" if champion.astray else ""
            raise UsageError(f"{job.pipeline.name} has no champion{why}: train and promote one, or name a --version")
        version = champion.version
    with step("build"):
        built = bento_of(job.settings, job.pipeline, version)
    # Also where models are served on this machine: it is a file of the model's size, and any pod can then fetch it.
    with step("write"):
        published = built.artifact.publish(job.lake)
    how = "was built already" if built.reused else f"built in {built.seconds:.1f} s"
    return Result(
        figures={
            "version": version,
            "tag": built.artifact.tag,
            "path": built.artifact.path,
            "published": published,
            "content_hash": built.artifact.content_hash,
            "format": built.model_format,
            "max_difference": built.max_difference,
            "milliseconds": built.milliseconds,
            "build_seconds": built.seconds,
            "reused": built.reused,
            **{f"milliseconds_{form}": value for form, value in built.measured_forms.items()},
            **{f"refused_{form}": why for form, why in built.refused_forms.items()},
        },
        sentence=f"Bento {built.artifact.tag} {how}: {built.model_format}, "
        f"{built.milliseconds:.3f} ms a row, differs by {built.max_difference:.1g} at most",
    )


if __name__ == "__main__":
    run(work, PackageOptions)
