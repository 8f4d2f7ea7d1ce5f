"""The weather at New York's three airports, as it was known some hours before a departure."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from jobs.pipelines.flight_delay.package_data import package_data

# The newest observation that is surely complete: the departure's hour and the one before it may still be running when
# the request is made, an hour before departure.
AGE_HOURS = 2
ORIGINS = ("EWR", "JFK", "LGA")
OBSERVED = {
    "temp": "temperature",
    "dewp": "dew_point",
    "humid": "humidity",
    "wind_dir": "wind_direction",
    "wind_speed": "wind_speed",
    "wind_gust": "wind_gust",
    "precip": "precipitation",
    "pressure": "pressure",
    "visib": "visibility",
}
WIND_LIMIT = 150.0
"""In mph; the station at Newark once reported 1,048."""

_FIRST = datetime(2012, 12, 31, tzinfo=UTC)
_HOURS = 368 * 24
Grid = npt.NDArray[np.float64]
"""Values by airport (rows, as in `ORIGINS`) and hour since `_FIRST` (columns); NaN where nothing was observed."""


def known_before(origins: pa.ChunkedArray, departures: pa.ChunkedArray) -> dict[str, pa.Array]:
    """The conditions known before departure.

    Args:
        origins: airport of each flight.
        departures: hour of its departure in UTC.

    Returns:
        One column a condition, null where the station was silent.
    """
    airport = np.searchsorted(ORIGINS, origins.to_numpy())
    hour = _hour(departures) - AGE_HOURS
    return {name: pa.array(grid[airport, hour], from_pandas=True) for name, grid in _conditions().items()}


@lru_cache(maxsize=1)
def _conditions() -> dict[str, Grid]:
    """Each condition at each hour: the observation itself, what the last hours were like, and the worst of the city."""
    now = _observations()
    lately = {
        "precipitation_3h": _total(now["precipitation"], 3),
        "precipitation_6h": _total(now["precipitation"], 6),
        "visibility_3h": _lowest(now["visibility"], 3),
        "visibility_6h": _lowest(now["visibility"], 6),
        "wind_speed_6h": _highest(now["wind_speed"], 6),
        "pressure_change_6h": now["pressure"] - _earlier(now["pressure"], 6),
        "temperature_change_6h": now["temperature"] - _earlier(now["temperature"], 6),
    }
    # The three airports share one sky: what holds up one of them is felt at the others.
    city = {
        f"city_{name}": np.broadcast_to(worst.reduce(lately[name], axis=0), (len(ORIGINS), _HOURS))
        for name, worst in {
            "precipitation_3h": np.fmax,
            "precipitation_6h": np.fmax,
            "visibility_3h": np.fmin,
            "visibility_6h": np.fmin,
            "wind_speed_6h": np.fmax,
        }.items()
    }
    return {**now, **lately, **city}


def _observations() -> dict[str, Grid]:
    columns = dict.fromkeys(OBSERVED, pa.float64())
    options = csv.ConvertOptions(null_values=["NA"], column_types={**columns, "time_hour": pa.timestamp("s", "UTC")})
    table = csv.read_csv(package_data("weather.csv"), convert_options=options)
    airport, hour = np.searchsorted(ORIGINS, table["origin"].to_numpy()), _hour(table["time_hour"])
    grids = {name: np.full((len(ORIGINS), _HOURS), np.nan) for name in OBSERVED.values()}
    for column, name in OBSERVED.items():
        grids[name][airport, hour] = table[column].to_numpy()
    for name in ("wind_speed", "wind_gust"):
        grids[name][grids[name] > WIND_LIMIT] = np.nan
    return grids


def _hour(times: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    seconds: npt.NDArray[np.int64] = times.cast(pa.timestamp("s", "UTC")).cast(pa.int64()).to_numpy()
    return (seconds - int(_FIRST.timestamp())) // 3600


def _earlier(grid: Grid, hours: int) -> Grid:
    """The value some hours before."""
    return np.pad(grid, ((0, 0), (hours, 0)), constant_values=np.nan)[:, :_HOURS]


def _last(grid: Grid, hours: int) -> Grid:
    """The values of the last hours, along a new first axis."""
    return np.stack([_earlier(grid, n) for n in range(hours)])


def _total(grid: Grid, hours: int) -> Grid:
    values = _last(grid, hours)
    return np.where(np.isnan(values).all(axis=0), np.nan, np.nansum(values, axis=0))


def _lowest(grid: Grid, hours: int) -> Grid:
    lowest: Grid = np.fmin.reduce(_last(grid, hours), axis=0)
    return lowest


def _highest(grid: Grid, hours: int) -> Grid:
    highest: Grid = np.fmax.reduce(_last(grid, hours), axis=0)
    return highest
