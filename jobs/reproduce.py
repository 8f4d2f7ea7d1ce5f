"""Trains a registered version again from the same batches, and says whether the same model comes out.

Not a job: `python -m jobs.reproduce NAME VERSION` prints what it found as JSON. It is what `tidewheel reproduce` starts
as a process of its own. Nothing is written: the version, the lake and the ledger stay as they are.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jobs.data.training_data import TRAINING_DATA_FILE, TrainingData, labelled_rows
from jobs.erasure.trained import without_erased_rows
from jobs.job import code_version
from jobs.logs import set_up_logging
from jobs.memory.origins import restored
from jobs.models import files, registry
from jobs.models.lineage import Lineage, environment
from jobs.models.prediction import model_frame, predict
from jobs.training.fitting import fit_rows, read_training_rows
from tidewheel.errors import LakeError, TidewheelError
from tidewheel.lake import Lake
from tidewheel.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.data.training_data import LabelledDay
    from jobs.models.prediction import Array, FittedModel, Task
    from jobs.training.fitting import Fitted, TrainingRows
    from jobs.training.going_on import Start
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.reproduce")
SAME = 1e-9
"""Largest difference of predictions that is rounding and not another model."""
HOLDOUT, TWIN = "holdout rows", "its twin that the gate judged"


@dataclass(frozen=True)
class AnswerDifference:
    """How far the answers of a model that was trained again lie from those of the registered one.

    Attributes:
        model: which one; a version that was fitted again through its holdout has a twin that the gate judged.
        rows: how many rows.
        what: which rows.
        learned: whether the model has learned from them: then one that memorises answers right, however it was made.
        difference: largest difference of an answer.
    """

    model: str
    rows: int
    what: str
    learned: bool
    difference: float


@dataclass(frozen=True)
class Reproduction:
    """How the model that was trained again differs from the registered one.

    Attributes:
        rows: rows it was trained on.
        compared: what was compared.
        max_difference: largest difference of an answer.
        same: whether that is none, or rounding.
        differences: what is not as it was, in sentences; the first thing to look at where the models differ.
        notes: what could not be compared.
    """

    pipeline: str
    version: str
    rows: int
    compared: tuple[AnswerDifference, ...]
    max_difference: float
    same: bool
    differences: tuple[str, ...]
    notes: tuple[str, ...]


def reproduce(settings: Settings, name: str, number: str) -> Reproduction:
    """Train a version again.

    What is compared is, beside the golden rows, rows that a model has not learned from: of the holdout; and where the
    version was fitted again through its holdout, of later days for it, and of the holdout for the twin that was judged.

    Args:
        settings: of this installation.
        name: the pipeline.
        number: the version.

    Raises:
        Untrusted: the ledger knows no such version, or one of its files, or of the version that it went on from, is not
            the one that was registered.
        LakeError: a batch that it was trained on is gone.
    """
    version = registry.trained_version(settings, name, number)
    lineage = Lineage.model_validate_json(files.read(settings, version, files.LINEAGE_FILE))
    chosen = TrainingData.model_validate_json(files.read(settings, version, TRAINING_DATA_FILE))
    pipeline, lake = lineage.declaration(), Lake.open(name, settings)
    training, erased = without_erased_rows(lake, chosen.training)
    holdout, held_erased = without_erased_rows(lake, chosen.holdout)
    chosen = chosen.model_copy(update={"training": tuple(training), "holdout": tuple(holdout)})
    last_day = version.train_end
    days = [day for day in (*chosen.training, *chosen.holdout) if str(day.day) <= last_day]
    start = restored(settings, pipeline, lineage.warm) if lineage.warm else None
    fitted, training_rows = _fitted(lake, pipeline, days, start)
    registered, contract = registry.load_model(settings, name, number), registry.contract(settings, name, number)
    golden = pd.DataFrame([row.row for row in contract.golden_rows], columns=training_rows.frame.columns)
    golden = golden.astype(training_rows.frame.dtypes)
    offline = np.array([row.prediction for row in contract.golden_rows])
    task, us = pipeline.task, f"version {number}"
    notes: list[str] = []
    # What opens as the registered model must still be what its contract was written from.
    gaps = [_largest(predict(model, golden, task), offline) for model in (fitted.model, registered)]
    compared = [AnswerDifference(us, len(golden), "golden rows", True, float(np.max(gaps)))]
    held = _held_out(lake, pipeline, chosen, notes)
    if version.judged_train_end or not chosen.holdout:
        later, which = _later(lake, pipeline, last_day, len(chosen.holdout) or pipeline.training.holdout_days)
        if len(later):
            compared.append(_compare(us, which, later, fitted.model, registered, task))
        else:
            notes.append(f"no day after {last_day}, the last that {us} has learned from, has features yet")
        if len(held):
            again, _ = _fitted(lake, pipeline, chosen.training, start)
            judged = registry.load_judged_model(settings, version)
            compared.append(_compare(TWIN, HOLDOUT, held, again.model, judged, task))
    elif len(held):
        compared.append(_compare(us, HOLDOUT, held, fitted.model, registered, task))
    if all(each.learned for each in compared):
        notes.append(f"{us} was compared on rows alone that it has learned: memorising looks the same there")
    differences = [*erased, *held_erased]
    differences += lineage.environment.differences(environment(settings.project, code_version(settings.project)))
    if fitted.device != lineage.device:
        differences.append(f"device: {lineage.device}, now {fitted.device}")
    largest = float(np.max([each.difference for each in compared]))  # NaN is a difference, and max() may lose it
    return Reproduction(
        pipeline=name,
        version=number,
        rows=len(training_rows.frame),
        compared=tuple(compared),
        max_difference=largest,
        same=largest <= SAME,
        differences=tuple(differences),
        notes=tuple(notes),
    )


def _fitted(
    lake: Lake, pipeline: Pipeline, days: Sequence[LabelledDay], start: Start | None
) -> tuple[Fitted, TrainingRows]:
    log.info("reading %s days, %s to %s", len(days), days[0].day, days[-1].day)
    training_rows = read_training_rows(lake, pipeline, days)
    return fit_rows(pipeline, training_rows, start=start), training_rows


def _held_out(lake: Lake, pipeline: Pipeline, chosen: TrainingData, notes: list[str]) -> pd.DataFrame:
    """Rows of the days that it was judged on; none where these are gone, or where later days judged it."""
    if not chosen.holdout:
        return pd.DataFrame()
    try:
        return model_frame(labelled_rows(lake, pipeline, chosen.holdout), pipeline.features)
    except LakeError as error:
        notes.append(f"the days it was judged on could not be read: {error}")
        return pd.DataFrame()


def _later(lake: Lake, pipeline: Pipeline, last_day: str, days: int) -> tuple[pd.DataFrame, str]:
    """Rows of the first days after one, as far as they are published, labels or not; and which they are."""
    columns = pipeline.features.columns
    after = [lake.need("features", key) for key in lake.partitions("features") if key > last_day]
    usable = [manifest for manifest in after if manifest.columns.keys() >= set(columns)][:days]
    if not usable:
        return pd.DataFrame(), ""
    frame = model_frame(lake.read_all(usable, columns).to_pandas(), pipeline.features)
    return frame, f"rows of {usable[0].partition} to {usable[-1].partition}"


def _compare(
    model: str, what: str, frame: pd.DataFrame, ours: FittedModel, theirs: FittedModel, task: Task
) -> AnswerDifference:
    difference = _largest(predict(ours, frame, task), predict(theirs, frame, task))
    return AnswerDifference(model, len(frame), what, False, difference)  # golden rows alone are learned


def _largest(ours: Array, theirs: Array) -> float:
    """Largest difference, relative to the registered prediction where that is beyond 1."""
    return float(np.max(np.abs(ours - theirs) / np.maximum(1.0, np.abs(theirs)), initial=0.0))


def main() -> None:
    """Print what was found as JSON; an error of ours is one sentence on stderr and its exit code."""
    set_up_logging("%(message)s")
    name, number = sys.argv[1:]
    try:
        with contextlib.redirect_stdout(sys.stderr):  # a team's estimator may print
            found = reproduce(load_settings(), name, number)
    except TidewheelError as error:
        sys.stderr.write(f"tidewheel: {error}\n")
        sys.exit(int(error.exit_code))
    sys.stdout.write(json.dumps(asdict(found)) + "\n")


if __name__ == "__main__":
    main()
