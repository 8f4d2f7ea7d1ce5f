"""Whether a training would only repeat an earlier one: the same batches, declaration and code give the same model."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from jobs.data.training_data import data_hash
from tidewheel.errors import LakeError
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.policies.trigger.restraints import Role
from tidewheel.runs import read_record

if TYPE_CHECKING:
    from jobs.data.training_data import TrainingData
    from jobs.job import Job
    from tidewheel.ledger.tables import ModelVersionRow, RetrainRequestRow
    from tidewheel.spec import Pipeline

DECIDING = ("task", "labels", "features", "training", "gate")
"""Sections of a declaration that decide what a training gives and how it is judged."""
DIRTY = "-dirty"


def fingerprint(job: Job, chosen: TrainingData) -> dict[str, str]:
    """What decides a training's outcome, as the record of `assemble` keeps it."""
    return {
        "data_hash": chosen.data_hash,
        "holdout_hash": data_hash(chosen.holdout),
        "declaration_hash": _hash_of(job.pipeline),
    }


def repeated(job: Job, chosen: TrainingData, *, forced: bool) -> str:
    """Which training a new one would repeat, in a sentence; empty where it would not, or where somebody requested one.

    The last version that was judged counts, whether it became champion or not.

    Args:
        job: of the training.
        chosen: what it would learn from and be judged on.
        forced: whether the run was started to train in any case.
    """
    if forced or _asked_by_a_person(Ledger.open(job.settings).open_request(job.pipeline.name)):
        return ""
    name, models = job.pipeline.name, Models(Ledger.open(job.settings))
    newest_first = reversed(models.all(name))
    last = next((row for row in newest_first if models.decisions(name, row.version or "").gate), None)
    if last is None or not _is_same(job, chosen, last):
        return ""
    return (
        f"nothing new since version {last.version}, trained as of {last.as_of}: no day's labels have become known "
        "since, and data, declaration and code are the same. To train all the same, "
        f"start {name}.training with *Train all the same*"
    )


def _asked_by_a_person(request: RetrainRequestRow | None) -> bool:
    """Whether a request is more than monitoring's own: a calendar or a drift does not make old labels new."""
    return request is not None and request.requested_by == Role.PERSON


def _is_same(job: Job, chosen: TrainingData, last: ModelVersionRow) -> bool:
    run_id = last.run_id
    if run_id == job.run_id:  # a run that is cleared goes on with its own version
        return False
    try:
        before = read_record(job.lake, run_id, "assemble")
    except LakeError:
        return False
    # What changed in a working tree that differs from its commit cannot be known: then it counts as changed.
    same_code = before.code_version == job.code_version and not job.code_version.endswith(DIRTY)
    return same_code and fingerprint(job, chosen).items() <= before.figures.items()


def _hash_of(pipeline: Pipeline) -> str:
    declared = pipeline.model_dump(mode="json", include=set(DECIDING))
    return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()
