"""Figures of the past: each equals a naive computation, for any rows, in a range of days and for a day alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql import types as T

from jobs.as_of import add_last_values, as_of_join
from jobs.data.feature_inputs import FeatureInputs
from jobs.data.spark import spark_session
from jobs.trailing import add_trailing_counts, add_trailing_distinct_counts, add_trailing_sums
from tests.jobs.data.one_night import OneNight
from tidewheel.errors import SpecError
from tidewheel.partitions import PartitionRange

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.slow]
FIRST, DAYS, LOOK_BACK = date(2026, 3, 1), 8, 4
WINDOWS = (1, 4)
ALL: dict[str, list[str]] = {"all_": []}
SHOP, BOTH = {"shop_": ["shop"]}, {"both_": ["shop", "a.b"]}
SCHEMA = T.StructType(
    [
        T.StructField("id", T.LongType()),
        T.StructField("at", T.TimestampType()),
        T.StructField("shop", T.StringType()),
        T.StructField("a.b", T.LongType()),
        T.StructField("amount", T.DoubleType()),
        T.StructField("items", T.IntegerType()),
        T.StructField("partition", T.StringType()),
    ]
)
PRICES = T.StructType(
    [
        T.StructField("shop", T.StringType()),
        T.StructField("known", T.TimestampType()),
        T.StructField("price", T.LongType()),
    ]
)
Row = dict[str, Any]
# Few values, so that rows meet: the same time, the same group, nulls.
HOURS = [datetime(2026, 3, 1) + timedelta(hours=6 * n) for n in range(4 * DAYS)]
SHOPS = ["x", "y", None]
VALUES: dict[str, Sequence[Any]] = {
    "at": HOURS,
    "shop": SHOPS,
    "a.b": [1, 2, None],
    "amount": [0.1, 2.5, -1e9, None],
    "items": [1, 2, 3, None],
}
KNOWN: dict[str, Sequence[Any]] = {"shop": SHOPS, "known": [*HOURS, None], "price": [0, 1, 2, 3, 4, 5, None]}


def drawn(random: Random, values: dict[str, Sequence[Any]], count: int) -> list[Row]:
    """Rows of any of the values."""
    return [{name: random.choice(of) for name, of in values.items()} for _ in range(count)]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> OneNight:
    return OneNight(tmp_path_factory.mktemp("spark"), numeric=["amount"], look_back=LOOK_BACK)


@pytest.fixture(scope="module")
def spark(night: OneNight) -> Iterator[SparkSession]:
    session = spark_session(night.settings, "past")
    yield session
    session.stop()


def inputs_of(spark: SparkSession, night: OneNight, rows: list[Row], first: date, last: date) -> FeatureInputs:
    """What a transform is given for some days: their rows, and those of the look-back."""
    reach = PartitionRange(first, last).look_back(LOOK_BACK).keys
    frame = spark.createDataFrame(
        [tuple(row[name] for name in SCHEMA.names) for row in rows if row["partition"] in reach], SCHEMA
    )
    return FeatureInputs(spark, night.pipeline, PartitionRange(first, last), frame, frame)


def enriched(inputs: FeatureInputs, prices: DataFrame) -> list[Row]:
    """All figures, one after the other."""
    past = inputs.rows
    rows = add_trailing_counts(inputs, past, ALL | BOTH, WINDOWS, "rows")
    rows = add_trailing_sums(inputs, rows, SHOP, WINDOWS, "amount", "amount", past=past)
    rows = add_trailing_sums(inputs, rows, ALL, WINDOWS, "items", "items", past=past)
    rows = add_trailing_distinct_counts(inputs, rows, BOTH, WINDOWS, "kinds", "items", past=past)
    rows = add_last_values(inputs, rows, ["shop"], {"last_amount": "amount", "last_id": "id"}, past=past)
    rows = as_of_join(rows, prices, ["shop"], "at", "known", {"price": "price"})
    rows = as_of_join(
        rows, prices, ["shop"], "at", "known", {"new_price": "price"}, within=timedelta(hours=30), strictly_before=True
    )
    return sorted((row.asDict() for row in rows.collect()), key=lambda row: row["id"])


def naive(rows: list[Row], prices: list[Row], row: Row) -> Row:
    """The figures of a row, by going through all others."""
    day = date.fromisoformat(row["partition"])
    found: Row = dict(row)
    for w in WINDOWS:
        days = PartitionRange(day - timedelta(days=w), day - timedelta(days=1)).keys
        before = [r for r in rows if r["partition"] in days]
        shop = [r for r in before if r["shop"] == row["shop"]]
        both = [r for r in shop if r["a.b"] == row["a.b"]]
        found[f"all_rows_{w}d"], found[f"both_rows_{w}d"] = len(before), len(both)
        found[f"shop_amount_{w}d"] = pytest.approx(sum(r["amount"] or 0 for r in shop), abs=1e-4)
        found[f"all_items_{w}d"] = sum(r["items"] or 0 for r in before)
        found[f"both_kinds_{w}d"] = len({r["items"] for r in both} - {None})
    reach = str(day - timedelta(days=LOOK_BACK))
    earlier = [
        r for r in rows if r["shop"] == row["shop"] is not None and r["at"] < row["at"] and r["partition"] >= reach
    ]
    last = max(earlier, key=lambda r: (r["at"], least_first(r["amount"]), r["id"]), default={})
    found |= {"last_amount": last.get("amount"), "last_id": last.get("id")}
    known = [p for p in prices if p["shop"] == row["shop"] is not None and p["known"] and p["known"] <= row["at"]]
    found["price"] = newest_price(known)
    recent = [p for p in known if row["at"] - timedelta(hours=30) <= p["known"] < row["at"]]
    found["new_price"] = newest_price(recent)
    return found


def newest_price(prices: list[Row]) -> int | None:
    return max(prices, key=lambda p: (p["known"], least_first(p["price"])), default={}).get("price")


def least_first(value: float | None) -> tuple[bool, float]:
    """Null comes before every value, as in Spark."""
    return (value is not None, value or 0)


def test_every_figure_equals_a_naive_computation(spark: SparkSession, night: OneNight) -> None:
    random = Random(7)
    prices = drawn(random, KNOWN, 30)
    rows = [{"id": n, **row, "partition": str(row["at"].date())} for n, row in enumerate(drawn(random, VALUES, 120))]
    frame = spark.createDataFrame([tuple(price[name] for name in PRICES.names) for price in prices], PRICES)
    first, last = FIRST + timedelta(days=LOOK_BACK), FIRST + timedelta(days=DAYS - 1)
    asked = [row for row in rows if date.fromisoformat(row["partition"]) >= first]

    together = enriched(inputs_of(spark, night, rows, first, last), frame)
    alone = enriched(inputs_of(spark, night, rows, last, last), frame)

    assert together == [naive(rows, prices, row) for row in asked]
    assert alone == [row for row in together if row["partition"] == str(last)]


def test_a_window_beyond_the_look_back_is_refused(spark: SparkSession, night: OneNight) -> None:
    inputs = inputs_of(spark, night, [], FIRST, FIRST)
    with pytest.raises(SpecError, match=r"window of 5 days needs features\.look_back_days of at least 5, found 4"):
        add_trailing_counts(inputs, inputs.rows, SHOP, (1, 5), "rows")


def test_a_column_that_is_there_already_is_never_replaced(spark: SparkSession, night: OneNight) -> None:
    rows = inputs_of(spark, night, [], FIRST, FIRST).rows
    with pytest.raises(SpecError, match="have a column 'Amount' already"):
        as_of_join(rows, rows, ["shop"], "at", "at", {"Amount": "items"})
