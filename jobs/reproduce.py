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
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jobs.data.training_data import TRAINING_DATA_FILE, TrainingData, labelled_rows
from jobs.job import code_version
from jobs.models import registry
from jobs.models.lineage import LINEAGE_FILE, Lineage, environment
from jobs.models.prediction import model_frame, predict
from jobs.training.fitting import fit, read_lesson
from tidewheel.errors import LakeError, TidewheelError, UsageError
from tidewheel.lake import Lake
from tidewheel.settings import Settings, load_settings

if TYPE_CHECKING:
    from jobs.models.prediction import Array

log = logging.getLogger("tidewheel.reproduce")
SAME = 1e-9
"""Largest difference of predictions that is rounding and not another model."""


@dataclass(frozen=True)
class Reproduction:
    """How the model that was trained again differs from the registered one.

    Attributes:
        rows: rows it was trained on.
        golden_rows: rows of the contract that both were asked about.
        holdout_rows: rows of the days it was judged on; 0 where they are gone.
        max_difference: largest difference of a prediction.
        same: whether that is none, or rounding.
        differences: what is not as it was, in sentences; the first thing to look at where the models differ.
        notes: what could not be compared.
    """

    pipeline: str
    version: str
    rows: int
    golden_rows: int
    holdout_rows: int
    max_difference: float
    same: bool
    differences: tuple[str, ...]
    notes: tuple[str, ...]


def reproduce(settings: Settings, name: str, number: str) -> Reproduction:
    """Train a version again.

    Args:
        settings: of this installation.
        name: the pipeline.
        number: the version.

    Raises:
        RegistryError: there is no such version.
        UsageError: it was registered without its lineage.
        LakeError: a batch that it was trained on is gone.
    """
    version = registry.model_version(settings, name, number)
    lineage = Lineage.model_validate(_kept(settings, version, LINEAGE_FILE))
    chosen = TrainingData.model_validate(_kept(settings, version, TRAINING_DATA_FILE))
    pipeline, lake = lineage.declaration(), Lake.open(name, settings)
    last_day = version.tags[registry.TRAIN_END]
    days = [day for day in (*chosen.training, *chosen.holdout) if str(day.day) <= last_day]
    log.info("reading %s days, %s to %s", len(days), days[0].day, last_day)
    lesson = read_lesson(lake, pipeline, days)
    fitted = fit(pipeline.training, pipeline.features, pipeline.task, lesson.frame, lesson.truth)
    registered = registry.load_model(settings, name, number)
    contract = registry.contract(settings, name, number)
    golden = pd.DataFrame([row.row for row in contract.golden_rows], columns=lesson.frame.columns)
    asked = [golden.astype(lesson.frame.dtypes)]
    notes = []
    try:
        asked.append(model_frame(labelled_rows(lake, pipeline, chosen.holdout), pipeline.features))
    except LakeError as error:
        notes.append(f"the days it was judged on could not be read: {error}")
    found = [_largest(predict(fitted.model, f, pipeline.task), predict(registered, f, pipeline.task)) for f in asked]
    offline = np.array([row.prediction for row in contract.golden_rows])
    found.append(_largest(predict(fitted.model, asked[0], pipeline.task), offline))
    differences = lineage.environment.differences(environment(settings.project, code_version(settings.project)))
    if fitted.device != lineage.device:
        differences.append(f"device: {lineage.device}, now {fitted.device}")
    return Reproduction(
        pipeline=name,
        version=number,
        rows=len(lesson.frame),
        golden_rows=len(golden),
        holdout_rows=len(asked[1]) if len(asked) > 1 else 0,
        max_difference=max(found),
        same=max(found) <= SAME,
        differences=tuple(differences),
        notes=tuple(notes),
    )


def _kept(settings: Settings, version: registry.ModelVersion, file: str) -> dict[str, Any]:
    from mlflow.artifacts import load_dict
    from mlflow.exceptions import MlflowException

    registry.connect(settings)
    try:
        return dict(load_dict(f"runs:/{version.mlflow_run}/{file}"))
    except MlflowException as error:
        raise UsageError(
            f"{version.pipeline}: version {version.version} has no {file} in MLflow ({error.message}), so nobody can "
            "say what it was made of; it was registered by hand, or before lineage was kept"
        ) from error


def _largest(ours: Array, theirs: Array) -> float:
    """Largest difference, relative to the registered prediction where that is beyond 1."""
    return float(np.max(np.abs(ours - theirs) / np.maximum(1.0, np.abs(theirs)), initial=0.0))


def main() -> None:
    """Print what was found as JSON; an error of ours is one sentence on stderr and its exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
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
