"""Twenty days of parcels before the night that is monitored, predictions of them, and what the night wrote down."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import select

from jobs.job import Job
from jobs.models import registry, standing
from tests.known_versions import know
from tidewheel.ledger.tables import RetrainRequestRow, VerdictRow
from tidewheel.ledger.training_tables import TrainingRow
from tidewheel.options import MonitorOptions
from tidewheel.partitions import PartitionRange
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from tests.parcels import Parcels

DAY = date(2024, 1, 10)
MATURED = DAY - timedelta(days=2)
"""The newest day of which the labels are known on `DAY`."""


@pytest.fixture
def parcels(make_parcels: Callable[..., Parcels], monkeypatch: pytest.MonkeyPatch) -> Parcels:
    """Twenty days; who is champion is told in place of a registry's answer."""
    made = make_parcels()
    declare(made, "triggers: {data: null}")
    made.publish_days(20, first=DAY - timedelta(days=19))
    weights = {"weight": 0.02, "distance": 0.01, "carrier": 0.01}
    version = registry.ModelVersion(made.name, "4", "run", {})
    champion = standing.Standing(know(made, version, as_of="2024-01-03", importances=weights))
    monkeypatch.setattr(standing, "standing", lambda settings, pipeline: champion)
    return made


def declare(parcels: Parcels, section: str) -> None:
    """Put a section into the pipeline's file, in place of the one of that name."""
    file = parcels.settings.pipelines_folder / f"{parcels.name}.yaml"
    name = section.split(":")[0]
    kept = [line for line in file.read_text().splitlines() if not line.startswith(f"{name}:")]
    file.write_text("\n".join([*kept, section, ""]))


def predict_day(parcels: Parcels, day: date, version: str = "4", spread: float = 1.0) -> dict[str, float]:
    """Publish predictions of a day that follow the weight; returns prediction by key."""
    features = parcels.lake.read(parcels.lake.need("features", str(day))).to_pandas()
    said = 1 / (1 + np.exp(-spread * features["weight"].fillna(0)))
    table = pa.table({"parcel": features["parcel"], "prediction": said, "model_version": [version] * len(said)})
    parcels.lake.publish(parcels.lake.write_table("predictions", str(day), table, {}, "test"))
    return dict(zip(features["parcel"], said, strict=True))


def monitor_job(parcels: Parcels, day: date) -> Job:
    """What job `monitor` is called with, for parts of it."""
    pipeline = find_pipeline(parcels.settings.pipelines_folder, parcels.name)
    days, options = PartitionRange.parse(str(day)), MonitorOptions()
    return Job("monitor", pipeline, days, "night", parcels.settings, parcels.lake, options, "test")


def let_a_day_pass(parcels: Parcels) -> None:
    """Make all that the ledger has been told of trainings a day older, by the clock."""
    with parcels.ledger.session() as session:
        for request in session.scalars(select(RetrainRequestRow)):
            request.asked_at -= timedelta(days=1)
        for training in session.scalars(select(TrainingRow).where(TrainingRow.requested_at.is_not(None))):
            training.requested_at -= timedelta(days=1)
        for verdict in session.scalars(select(VerdictRow)):
            verdict.decided_at -= timedelta(days=1)


def figure(parcels: Parcels, name: str) -> dict[str, float]:
    """A figure's value on each day that has it."""
    return {row.partition: row.value for row in parcels.ledger.figures(parcels.name, name)}
