"""Weighted rows and a Poisson loss from training to probation, against a real MLflow server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from jobs.models import registry
from jobs.models.metrics import log_losses
from jobs.models.regression_losses import poisson_deviances
from jobs.reproduce import reproduce
from tests.weighted_parcels import declare, publish_days
from tidewheel.ledger.probations import Probations

if TYPE_CHECKING:
    import pandas as pd

    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
MakeParcels = Callable[..., "Parcels"]


def train(run_job: RunJob, parcels: Parcels, day: date, run_id: str) -> JobRecord:
    for job in ("assemble", "train"):
        run_job(parcels, job, day, run_id)
    return run_job(parcels, "evaluate", day, run_id)


def score(run_job: RunJob, parcels: Parcels, day: date) -> None:
    for output in run_job(parcels, "score", day, f"score {day}", "--champion").outputs:
        parcels.lake.publish(parcels.lake.manifest("predictions", output.partition, output.content_hash))


def two_versions(run_job: RunJob, parcels: Parcels, days: list[date]) -> JobRecord:
    """Train and promote two versions, score the days since the second, and monitor; the record of that night."""
    for day, run_id in ((days[9], "first"), (days[11], "second")):
        judged = train(run_job, parcels, day, run_id)
        assert judged.figures["outcome"] == "passed", judged.sentence
        assert not judged.warnings, judged.warnings
        run_job(parcels, "promote", day, run_id)
    for day in days[12:]:
        score(run_job, parcels, day)
    record = run_job(parcels, "monitor", days[15], "night")
    assert not record.warnings, record.warnings
    return record


def rows_of(parcels: Parcels, day: date) -> pd.DataFrame:
    """Labels, predictions and features of a day."""
    names = {"labels": ["parcel", "late"], "predictions": ["parcel", "prediction"], "features": None}
    frames = [
        parcels.lake.read(parcels.lake.need(name, str(day)), columns).to_pandas() for name, columns in names.items()
    ]
    return frames[0].merge(frames[1], on="parcel").merge(frames[2], on="parcel")


def figures_of(parcels: Parcels, day: date, *names: str) -> dict[tuple[str, str], float]:
    rows = parcels.ledger.figures_of_days(parcels.name, str(day), str(day), set(names))
    return {(row.slice, row.name): row.value for row in rows}


@pytest.mark.slow
def test_weights_decide_from_the_fit_to_the_nights(registered_parcels: MakeParcels, run_job: RunJob) -> None:
    parcels = registered_parcels(estimator="logistic_regression", mode="probation")
    declare(parcels, "sample_weight: items", "class_weight: {0: 1, 1: 1.5}")
    days = publish_days(parcels, 16)
    two_versions(run_job, parcels, days)

    rows = rows_of(parcels, days[13])
    losses = log_losses(rows["late"].to_numpy(), rows["prediction"].to_numpy())
    found = figures_of(parcels, days[13], "log_loss", "rows", "excess_log_loss", "expected_log_loss", "accuracy")
    assert found["", "log_loss"] == pytest.approx(np.average(losses, weights=rows["items"]))
    assert found["", "log_loss"] != pytest.approx(losses.mean())
    assert found["", "rows"] == len(rows)
    slow = (rows["carrier"] == "slow").to_numpy()
    expected = np.average(losses[slow], weights=rows["items"][slow])
    assert found.get(("carrier=slow", "log_loss"), expected) == pytest.approx(expected)
    [pair] = [d for d in Probations(parcels.ledger).days(parcels.name, "2", "1") if d.day == days[13]]
    assert pair.loss == pytest.approx(np.average(losses, weights=rows["items"]))

    card = registry.connect(parcels.settings).get_model_version(parcels.name, "2").description
    assert "- rows count as `items` says, in the fit and in the figures" in card
    assert "- class weights, in the fit alone: `{0: 1.0, 1: 1.5}`" in card

    again = reproduce(parcels.settings, parcels.name, "2")
    assert again.same, again


@pytest.mark.slow
def test_counts_are_judged_by_their_deviance(registered_parcels: MakeParcels, run_job: RunJob) -> None:
    parcels = registered_parcels(
        task="regression", estimator="hist_gradient_boosting", floors="{d2: 0.05}", mode="probation"
    )
    declare(parcels, "loss: poisson")
    days = parcels.publish_days(16)
    for day in days:
        features = parcels.lake.read(parcels.lake.need("features", str(day))).to_pandas()
        mean = np.exp(0.7 * features["weight"].fillna(0).to_numpy())
        counts = np.random.default_rng(day.toordinal()).poisson(mean)
        labels = pa.table({"parcel": features["parcel"], "late": counts})
        parcels.lake.publish(parcels.lake.write_table("labels", str(day), labels, {}, "test"))
    two_versions(run_job, parcels, days)

    verdict = parcels.ledger.verdicts(parcels.name, None)
    assert any("Poisson deviance" in one.sentence for one in verdict)
    rows = rows_of(parcels, days[13])
    expected = poisson_deviances(rows["late"].to_numpy(dtype=float), rows["prediction"].to_numpy()).mean()
    found = figures_of(parcels, days[13], "poisson_deviance", "d2", "rmse")
    assert found["", "poisson_deviance"] == pytest.approx(expected)
    assert found["", "d2"] > 0.05
    [pair] = [d for d in Probations(parcels.ledger).days(parcels.name, "2", "1") if d.day == days[13]]
    assert pair.loss == pytest.approx(expected)
