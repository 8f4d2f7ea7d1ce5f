"""Whether a training goes on from its predecessor, by `training.warm_start`: from which model, or why from none."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from jobs.models import files, registry
from jobs.models.lineage import Lineage, WarmStarted
from jobs.models.standing import standing
from jobs.training.beginning import FROM_NOTHING, Beginning
from jobs.training.going_on import Start, can_go_on
from tidewheel.errors import RegistryError
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models

if TYPE_CHECKING:
    from jobs.data.training_data import TrainingData
    from jobs.job import Job
    from tidewheel.ledger.tables import ModelVersionRow
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

SAME = ("estimator", "parameters", "loss", "quantile", "sample_weight", "class_weight")
"""Keys of `training` that a predecessor must have had the same values of."""
log = logging.getLogger("tidewheel.train")


class _Cold(Exception):
    """Why there is no predecessor to go on from, as the end of a sentence."""


def beginning(job: Job, chosen: TrainingData) -> Beginning:
    """Where a training begins.

    A warm start is no better than a fit from nothing until the gate, or the nights of its probation, have shown it. One
    that did not become champion is followed by a fit from nothing, and so are `in_a_row` of them, and an alarm.

    Args:
        job: of the training.
        chosen: the days that it learns from, and those that judge it.
    """
    asked = job.pipeline.training.warm_start
    if asked is None:
        return FROM_NOTHING
    try:
        start = _start(job, chosen)
    except _Cold as cold:
        sentence = f"fitted from the start: {cold}"
        log.info("%s", sentence)
        return Beginning(sentence=sentence)
    return Beginning(start, f"went on from version {start.version} by {start.rounds} rounds")


def restored(settings: Settings, pipeline: Pipeline, warm: WarmStarted) -> Start:
    """The start of a version that was made by a warm start, from its lineage.

    Args:
        settings: of this installation.
        pipeline: as the version was declared.
        warm: from its lineage.

    Raises:
        RegistryError: the predecessor is gone, or its file is not the one that was registered.
    """
    row = registry.trained_version(settings, pipeline.name, warm.version)
    model = (
        registry.load_judged_model(settings, row)
        if warm.judged
        else registry.load_model(settings, pipeline.name, warm.version)
    )
    return Start(warm.version, model, warm.rounds, warm.number, warm.judged)


def _start(job: Job, chosen: TrainingData) -> Start:
    asked, settings, pipeline = job.pipeline.training.warm_start, job.settings, job.pipeline
    assert asked is not None
    before = standing(settings, pipeline).champion
    if before is None:
        raise _Cold("there is no champion to go on from")
    if chosen.changed or chosen.fallen or chosen.tried:
        raise _Cold("an alarm called for this training, and the champion is what the alarm is about")
    us = f"version {before.version}"
    try:
        lineage = _lineage(settings, before)
        _check_last(job, before)
        _check_same(settings, pipeline, before, lineage)
        number = (lineage.warm.number if lineage.warm else 0) + 1
        if number > asked.in_a_row:
            raise _Cold(f"{us} ended {asked.in_a_row} warm starts in a row (training.warm_start.in_a_row)")
        warm = WarmStarted(
            version=before.version or "", rounds=asked.rounds, number=number, judged=_from_twin(chosen, before)
        )
        start = restored(settings, pipeline, warm)
    except (RegistryError, ValueError) as error:
        raise _Cold(f"{us}, the champion, cannot be opened ({error})") from error
    if not can_go_on(start.model):
        raise _Cold(f"{us} is of a kind that cannot learn on")
    return start


def _lineage(settings: Settings, version: ModelVersionRow) -> Lineage:
    return Lineage.model_validate_json(files.read(settings, version, files.LINEAGE_FILE))


def _check_last(job: Job, champion: ModelVersionRow) -> None:
    """See that no warm start has failed since the champion was made."""
    last = Models(Ledger.open(job.settings)).newest(job.pipeline.name)
    if last is None or last.version in (None, champion.version) or last.run_id == job.run_id:
        return
    if _lineage(job.settings, last).warm:
        raise _Cold(f"version {last.version}, a warm start, is not the champion")


def _check_same(settings: Settings, pipeline: Pipeline, version: ModelVersionRow, lineage: Lineage) -> None:
    """See that the predecessor is a model of the same rows and by the same declaration."""
    us, contract = f"version {version.version}", registry.contract(settings, pipeline.name, version.version or "")
    ours = (pipeline.features.numeric, pipeline.features.categorical)
    if (contract.numeric, contract.categorical) != ours:
        now, then = set(pipeline.features.columns), {*contract.numeric, *contract.categorical}
        changes = [*(f"{name} is new" for name in sorted(now - then)), *(f"{n} is gone" for n in sorted(then - now))]
        raise _Cold(f"{us} has other features ({', '.join(changes) or 'in another order, or of another kind'})")
    if list(contract.classes) != list(pipeline.labels.classes) or contract.task != pipeline.task:
        raise _Cold(f"{us} predicts other classes or another kind of label")
    declared = lineage.declaration().training
    if other := [name for name in SAME if getattr(declared, name) != getattr(pipeline.training, name)]:
        raise _Cold(f"{us} was declared with other training.{' and training.'.join(other)}")


def _from_twin(chosen: TrainingData, version: ModelVersionRow) -> bool:
    """Whether to go on from the twin that the gate judged, since the version itself knows the days that will judge."""
    if not chosen.holdout:
        return False
    first = str(chosen.holdout[0].day)
    if version.train_end < first:
        return False
    if version.judged_train_end and version.judged_train_end < first:
        return True
    raise _Cold(f"version {version.version} learned from {version.train_end}, a day that the gate holds out")
