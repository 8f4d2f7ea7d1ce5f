"""What callers of the parcels' endpoint asked and were answered, as job `requests` publishes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from bentos.segments import FEATURE, KEY, log_schema

if TYPE_CHECKING:
    from tests.parcels import Parcels

SCHEMA = log_schema(["weight", "distance"], ["carrier"], ["parcel"])


def asked_rows(parcels: Parcels, day: date, *, version: str = "4", of: date | None = None) -> pd.DataFrame:
    """One request for each row that the night has computed features of, with these features.

    Args:
        parcels: the pipeline.
        day: on which it is asked.
        version: that answers: the heavier, the likelier late.
        of: the day of the rows, where it is another.
    """
    rows = parcels.lake.read(parcels.lake.need("features", str(of or day))).to_pandas()
    count = len(rows)
    return pd.DataFrame(
        {
            "request_id": [f"{day}-{n}" for n in range(count)],
            "row": 0,
            "time": datetime(day.year, day.month, day.day, 9, tzinfo=UTC),
            "model_version": version,
            "colour": "blue",
            "mirrored": False,
            "prediction": 1 / (1 + np.exp(-rows["weight"].fillna(0))),
            f"{KEY}parcel": rows["parcel"],
            **{f"{FEATURE}{name}": rows[name] for name in ("weight", "distance", "carrier")},
        }
    )


def publish_requests(parcels: Parcels, day: date, rows: pd.DataFrame) -> None:
    """Make rows the published requests of a day."""
    table = pa.Table.from_pandas(rows, preserve_index=False)
    names = [name for name in SCHEMA.names if name in table.column_names]
    table = table.select(names).cast(pa.schema([SCHEMA.field(name) for name in names]))
    table = table.append_column("segment", pa.repeat("file", table.num_rows))
    parcels.lake.publish(parcels.lake.write_table("requests", str(day), table, {}, "test"))


def ask(parcels: Parcels, days: Sequence[date], **how: Any) -> None:
    """Ask for all rows of some days, each once and on its own day."""
    for day in days:
        publish_requests(parcels, day, asked_rows(parcels, day, **how))
