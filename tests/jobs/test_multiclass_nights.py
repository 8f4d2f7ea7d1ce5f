"""A pipeline of three classes from its labels to its nights, against a real MLflow server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from bentos.outputs import Outputs
from jobs.models import registry
from jobs.models.multiclass import log_losses
from tidewheel.errors import ExitCode
from tidewheel.ledger.probations import Probations

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
MakeParcels = Callable[..., "Parcels"]
CLASSES = ("early", "punctual", "late")
FIRST = date(2024, 1, 1)


def declare(parcels: Parcels) -> None:
    """Make the parcels' label one of some classes, and each class a slice of the gate."""
    file = parcels.settings.pipelines_folder / f"{parcels.name}.yaml"
    text = file.read_text().replace("  column: late\n", f"  column: late\n  classes: [{', '.join(CLASSES)}]\n")
    file.write_text(text.replace("gate:\n", "gate:\n  slices: {columns: [late], minimum_rows: 20}\n"))


def publish(parcels: Parcels, day: date) -> None:
    """A day of parcels whose class follows their weight."""
    manifest = parcels.publish_day(day, unlabelled=None, rows=150)
    rows = parcels.lake.read(manifest).to_pandas()
    rng = np.random.default_rng(day.toordinal())
    weight = rows["weight"].fillna(0).to_numpy()
    place = np.digitize(weight + rng.normal(size=len(rows)) / 2, [-0.7, 0.7])
    labels = pa.table({"parcel": rows["parcel"], "late": [CLASSES[n] for n in place]})
    parcels.lake.publish(parcels.lake.write_table("labels", str(day), labels, {}, "test"))


def publish_days(parcels: Parcels, count: int) -> list[date]:
    """So many days from the first; returns them."""
    days = [FIRST + timedelta(days=n) for n in range(count)]
    for day in days:
        publish(parcels, day)
    return days


def train(run_job: RunJob, parcels: Parcels, day: date, run_id: str) -> JobRecord:
    for job in ("assemble", "train"):
        run_job(parcels, job, day, run_id)
    return run_job(parcels, "evaluate", day, run_id)


@pytest.fixture
def parcels(registered_parcels: MakeParcels) -> Parcels:
    """A pipeline of three classes; each of them is a slice of the gate."""
    made = registered_parcels(
        task="multiclass", estimator="logistic_regression", floors="{macro_f1: 0.5, accuracy: 0.5}", mode="probation"
    )
    declare(made)
    return made


def score(run_job: RunJob, parcels: Parcels, day: date) -> None:
    for output in run_job(parcels, "score", day, f"score {day}", "--champion").outputs:
        parcels.lake.publish(parcels.lake.manifest("predictions", output.partition, output.content_hash))


def test_three_classes_from_training_to_probation(parcels: Parcels, run_job: RunJob) -> None:
    days = publish_days(parcels, 16)
    first = train(run_job, parcels, days[9], "first")
    assert first.figures["outcome"] == "passed", first.sentence
    assert not first.warnings
    assert {"log_loss", "brier", "accuracy", "macro_f1", "macro_recall"} <= first.figures.keys()
    run_job(parcels, "promote", days[9], "first")
    assert registry.contract(parcels.settings, parcels.name, "1").classes == CLASSES

    second = train(run_job, parcels, days[11], "second")
    slices = parcels.ledger.verdicts(parcels.name, None)[0].inputs["slices"]
    assert {part["name"] for part in slices} == {f"late={name}" for name in CLASSES}
    assert second.figures["outcome"] == "passed", second.sentence
    assert not second.warnings
    run_job(parcels, "promote", days[11], "second")
    probation = Probations(parcels.ledger).open(parcels.name)
    assert probation is not None
    assert (probation.version, probation.predecessor) == ("2", "1")

    for day in days[12:]:
        score(run_job, parcels, day)
    said = parcels.lake.read(parcels.lake.need("predictions", str(days[12]))).to_pandas()
    outputs = Outputs(CLASSES)
    assert list(said.columns) == ["parcel", "shipped_at", *outputs.columns, "model_version"]
    answers = outputs.read(said, len(said))
    assert np.allclose(answers.sum(axis=1), 1)
    assert said["prediction"].tolist() == [CLASSES[n] for n in answers.argmax(axis=1)]

    record = run_job(parcels, "monitor", days[15], "night")
    assert not record.warnings, record.warnings
    assert "probation continues" in record.sentence or "probation ends" in record.sentence
    truth = (
        parcels.lake.read(parcels.lake.need("labels", str(days[13])))
        .to_pandas()
        .merge(parcels.lake.read(parcels.lake.need("predictions", str(days[13]))).to_pandas(), on="parcel")
    )
    places = truth["late"].map({name: n for n, name in enumerate(CLASSES)}).to_numpy(float)
    expected = log_losses(places, outputs.read(truth, len(truth))).mean()
    figures = {
        (row.slice, row.name): row.value
        for row in parcels.ledger.figures_of_days(
            parcels.name, str(days[13]), str(days[13]), {"log_loss", "recall", "macro_f1", "excess_log_loss"}
        )
    }
    assert figures["", "log_loss"] == pytest.approx(expected)
    right = truth["prediction"] == truth["late"]
    assert figures["late=early", "recall"] == pytest.approx(right[truth["late"] == "early"].mean())
    assert ("late=early", "excess_log_loss") not in figures
    assert Probations(parcels.ledger).days(parcels.name, "2", "1")


def test_a_training_without_a_row_of_a_class_says_so(parcels: Parcels, run_job: RunJob) -> None:
    file = parcels.settings.pipelines_folder / f"{parcels.name}.yaml"
    file.write_text(file.read_text().replace("punctual, late]", "punctual, late, lost]"))
    day = publish_days(parcels, 8)[-1]
    run_job(parcels, "assemble", day, "first")
    with pytest.raises(SystemExit) as ended:
        run_job(parcels, "train", day, "first")
    assert ended.value.code == ExitCode.DATA_REFUSED
