"""Write down that a person approves or rejects a version, at a terminal instead of in Airflow."""

from __future__ import annotations

from jobs.job import Job, Result, run
from jobs.models import registry
from jobs.models.reviews import GivenReview, record_review
from tidewheel.options import ReviewOptions


def work(job: Job[ReviewOptions]) -> Result:
    """Record a review in the ledger, with the name of the user who gives it; nothing is promoted by it."""
    version = registry.trained_version(job.settings, job.pipeline.name, job.options.version)
    review = GivenReview(job.options.say, reviewer=job.actor, reason=job.options.reason, actor=job.actor)
    said = record_review(job.settings, version, review, job.run_id)
    return Result(
        figures={"version": job.options.version},
        links=registry.pages(job.settings, version),
        sentence=f"version {job.options.version} is {said}",
    )


if __name__ == "__main__":
    run(work, ReviewOptions)
