"""Small histories in memory: parcels whose weight makes them late, a linear model, some forty days."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from jobs.data.training_data import PARTITION, LabelledDay
from jobs.replay.history import History
from tidewheel.runs import BatchReference
from tidewheel.spec import Pipeline

FIRST = date(2024, 1, 1)
DECLARED = {
    "name": "parcels",
    "description": "Will the parcel be late?",
    "owner": {"team": "parcels"},
    "source": {
        "reader": {"kind": "parquet", "path": "unused/{partition}.parquet"},
        "event_time": "shipped_at",
        "entity_key": ["parcel"],
    },
    "labels": {"reader": {"kind": "parquet", "path": "unused/{partition}.parquet"}, "column": "late", "delay_days": 2},
    "features": {"transform": "unused:unused", "numeric": ["weight"], "categorical": ["carrier"]},
    "training": {"estimator": "logistic_regression", "holdout_days": 3, "minimum_rows": 300},
    "triggers": {"every_days": 5, "cool_down_days": 3, "budget": None},
    "gate": {"margin": 0.05, "mode": "before"},
}


@pytest.fixture
def parcels() -> Pipeline:
    """A pipeline whose trigger is due every five days."""
    return Pipeline.model_validate(DECLARED)


@pytest.fixture
def make_history(parcels: Pipeline) -> Callable[..., History]:
    """Makes a history; of a day, `signal` is how much weight matters, `seed` its parcels, `closed` that it has none."""

    def make(
        pipeline: Pipeline = parcels,
        days: int = 40,
        rows: int = 60,
        signal: Callable[[date], float] = lambda day: 2.0,
        seed: Callable[[date], int] = lambda day: 0,
        closed: Callable[[date], bool] = lambda day: False,
    ) -> History:
        frames, batches = [], []
        for day in (FIRST + timedelta(days=n) for n in range(days)):
            if closed(day):
                continue
            rng = np.random.default_rng([day.toordinal(), seed(day)])
            weight = rng.normal(size=rows)
            chance = 1 / (1 + np.exp(-signal(day) * weight))
            frame = pd.DataFrame(
                {
                    PARTITION: str(day),
                    "weight": weight,
                    "carrier": rng.choice(["fast", "slow"], size=rows),
                    "late": (rng.random(rows) < chance).astype("float64"),
                }
            )
            frames.append(frame)
            content = hashlib.sha256(frame.to_csv().encode()).hexdigest()
            batch = {"partition": str(day), "content_hash": content, "rows": rows}
            named = [BatchReference(dataset=dataset, **batch) for dataset in ("features", "labels")]
            batches.append(LabelledDay(day=day, features=named[0], labels=named[1]))
        return History.of(pipeline, batches, pd.concat(frames, ignore_index=True))

    return make
