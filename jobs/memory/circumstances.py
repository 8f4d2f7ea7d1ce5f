"""What speaks for or against a training on a day beside the model: a person's request, refused data, a later day."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from jobs.data.training_data import matured_until
from jobs.memory.protocol import Circumstances
from tidewheel.ledger import Ledger
from tidewheel.partitions import day_of
from tidewheel.policies.trigger.restraints import Role
from tidewheel.policies.verdict import Kind

if TYPE_CHECKING:
    from jobs.job import Job
    from tidewheel.lake import Lake
    from tidewheel.ledger.tables import RetrainRequestRow


def circumstances_of(job: Job, ledger: Ledger, day: date) -> Circumstances:
    """Gather them from ledger and lake."""
    return Circumstances(
        request=_request_of_a_person(ledger.open_request(job.pipeline.name), day),
        data_refused=refused_data(job.lake, day, matured_until(job.pipeline, day)),
        monitored_since=_monitored_since(job, ledger, day),
    )


def refused_data(lake: Lake, day: date, matured: date) -> str | None:
    """Why the newest data cannot be trained on: a batch of the day, or the newest labels, lie in quarantine."""
    for dataset, partition in (("features", day), ("features", matured), ("labels", matured)):
        if lake.published(dataset, str(partition)) is None and (
            reason := lake.quarantine_reason(dataset, str(partition))
        ):
            return f"{dataset} of {partition} were refused ({reason.splitlines()[0]})"
    return None


def _request_of_a_person(request: RetrainRequestRow | None, day: date) -> str | None:
    """The reason of a request that is to be reported, or was reported today by a run that did not come to its end."""
    if request is None or request.requested_by != Role.PERSON:
        return None
    return request.reason if request.day in (None, str(day)) else None


def _monitored_since(job: Job, ledger: Ledger, day: date) -> date | None:
    """The newest later day that monitoring has looked at, and that is there: one that never was decides nothing."""
    # monitoring alone writes a verdict on drift, for each day that it monitors
    later = ledger.judged_after(job.pipeline.name, Kind.DRIFT, str(day))
    newest = next((key for key in later if job.lake.published("features", key) is not None), None)
    return day_of(newest) if newest else None
