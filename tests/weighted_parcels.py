"""Parcels that count as often as they have items: a pipeline's file with more in `training`, and days with a weight."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from jobs.models.prediction import Array
from tests.parcels import START

if TYPE_CHECKING:
    from tests.parcels import Parcels


def declare(parcels: Parcels, *lines: str) -> None:
    """Add lines to the section `training` of the parcels' file."""
    file = parcels.settings.pipelines_folder / f"{parcels.name}.yaml"
    more = "".join(f"  {line}\n" for line in lines)
    file.write_text(file.read_text().replace("training:\n", f"training:\n{more}"))


def publish_day(parcels: Parcels, day: date, weigh: Callable[[Array], Array] | None = None) -> None:
    """A day whose rows have 0 to 3 items, or what `weigh` makes of their labels."""
    manifest = parcels.publish_day(day)
    rows = parcels.lake.read(manifest)
    late = parcels.lake.read(parcels.lake.need("labels", str(day)))["late"].to_numpy()
    drawn = np.random.default_rng(day.toordinal()).integers(0, 4, size=rows.num_rows).astype(float)
    items = pa.array(drawn if weigh is None else weigh(late))
    parcels.lake.publish(parcels.lake.write_table("features", str(day), rows.append_column("items", items), {}, "test"))


def publish_days(parcels: Parcels, count: int, weigh: Callable[[Array], Array] | None = None) -> list[date]:
    """So many days from the first; returns them."""
    days = [START + timedelta(days=n) for n in range(count)]
    for day in days:
        publish_day(parcels, day, weigh)
    return days
