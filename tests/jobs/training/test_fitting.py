"""What a model may learn from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from jobs.data.training_data import choose_training_data
from jobs.training.fitting import read_training_rows
from tidewheel.errors import DataRefused
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from tests.jobs.conftest import Parcels


def test_a_feature_that_is_infinite_is_refused_with_its_day(make_parcels: Callable[..., Parcels]) -> None:
    parcels = make_parcels()
    days = parcels.publish_days(8)
    table = parcels.lake.read(parcels.lake.need("features", str(days[1])))
    place = table.column_names.index("distance")
    distance = [float("inf"), *table["distance"].to_pylist()[1:]]
    spoiled = table.set_column(place, "distance", pa.array(distance))
    parcels.lake.publish(parcels.lake.write_table("features", str(days[1]), spoiled, {}, "test"))

    pipeline = find_pipeline(parcels.settings.pipelines_folder, parcels.name)
    chosen = choose_training_data(parcels.lake, pipeline, days[-1])
    with pytest.raises(DataRefused, match="feature distance is infinite in 1 of 360 rows, first on 2024-01-02"):
        read_training_rows(parcels.lake, pipeline, chosen.training)
