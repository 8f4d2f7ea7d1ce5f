"""Any type and any name of a column in features: read beside its past, computed with, and refused where it must be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from jobs.data.feature_inputs import FeatureInputs, column
from jobs.data.spark import spark_session
from jobs.lookback import add_trailing_rates
from tests.jobs.data.one_night import SOURCE, OneNight, through
from tidewheel.errors import DataRefused, SpecError, TidewheelError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.slow]
FIRST = date(2026, 1, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(3)]
VALUES: dict[str, pa.Array] = {
    "text": pa.array(["a", None]),
    "number": pa.array([1.5, None]),
    "integer": pa.array([1, None]),
    "boolean": pa.array([True, None]),
    "date": pa.array([date(2026, 2, 1), None]),
    "time": pa.array([time(8, 15), None], pa.time64("us")),
    "timestamp": pa.array([datetime(2026, 2, 1, 8), None], pa.timestamp("us", "UTC")),
    "decimal": pa.array([Decimal("1.50"), None]),
    "binary": pa.array([b"\xff", None]),
    "list": pa.array([["a"], None]),
}
NAMES = ["user.age", "b`q", "a b", "100%", 'it\'s "x"', "größe_😀", "x" * 128, "_metadata", "*", "a[0]", "n", "_value"]


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    session = spark_session(OneNight(tmp_path_factory.mktemp("spark")).settings, "types")
    yield session
    session.stop()


def _put(day: date, columns: dict[str, pa.Array], rows: int = 2, **more: Any) -> None:
    start = datetime(day.year, day.month, day.day)
    ids = [f"{day}-{n}" for n in range(rows)]
    SOURCE["rows", day] = pa.table({"id": ids, "at": [start] * rows, **columns})
    SOURCE["labels", day] = pa.table({"id": ids, "label": [n % 2 for n in range(rows)], **more})


def _empty(values: dict[str, pa.Array]) -> dict[str, pa.Array]:
    return {name: pa.nulls(len(array)) for name, array in values.items()}


def _used(inputs: FeatureInputs) -> DataFrame:
    """Something of each column that only its type, or none at all, can give; and the most of its past."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    past = Window.orderBy("at", "id").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    made = {
        "text": F.upper("text"),
        "number": F.col("number") + 1,
        "integer": F.col("integer") + 1,
        "boolean": F.when(F.col("boolean").cast("boolean"), 1),  # a condition is nothing but a boolean, to Spark
        "date": F.dayofyear("date"),
        "time": F.hour("time"),
        "timestamp": F.hour("timestamp"),
        "decimal": F.col("decimal") * 2,
        "binary": F.length("binary"),
        "list": F.size(F.col("list").cast("array<string>")),  # Spark's functions of lists take nothing but a list
    }
    computed = {name: F.last(value, ignorenulls=True).over(past) for name, value in made.items()}
    return inputs.rows.withColumns(computed).where(inputs.is_asked)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("typed, empty", ["A", 2.5, 2, 1, 32, 8, 8, 3.0, 1, 1]),
        ("empty, typed", ["A", 2.5, 2, 1, 32, 8, 8, 3.0, 1, 1]),
        ("empty, empty", [None] * 10),
    ],
)
@pytest.mark.parametrize("one_run", [False, True])
def test_a_column_that_is_empty_on_a_day_is_computed_with(
    spark: SparkSession, tmp_path: Path, days: str, expected: list[object], one_run: bool
) -> None:
    night = OneNight(tmp_path, numeric=[name for name in VALUES if name != "text"], categorical=["text"])
    for day, filled in zip(DAYS, days.split(", "), strict=False):
        _put(day, VALUES if filled == "typed" else _empty(VALUES))
    for first, last in [(DAYS[0], DAYS[1])] if one_run else [(day, day) for day in DAYS[:2]]:
        assert night.land(first, last).refused is None
    (made,) = night.features(spark, [DAYS[1]], _used)
    row = night.lake.read(made).to_pylist()[-1]
    found = [row[name] for name in VALUES]
    if expected[-1] is None:
        found = [None if value == -1 else value for value in found]  # the size of no list
    assert found == expected


def test_any_name_of_a_column_is_a_feature_or_stands_beside_one(spark: SparkSession, tmp_path: Path) -> None:
    night = OneNight(tmp_path, numeric=NAMES[:6], categorical=NAMES[6:])
    columns = {name: pa.array([n, n + 1]) for n, name in enumerate(NAMES[:6])}
    columns |= {name: pa.array([f"v{n}", None]) for n, name in enumerate(NAMES[6:])}
    columns |= {f"{name}.unused": pa.array([1, 2]) for name in NAMES}
    for day in DAYS[:2]:
        _put(day, columns)
        night.land(day)

    def rates(inputs: FeatureInputs) -> DataFrame:
        rates = add_trailing_rates(inputs, inputs.rows, {"p.q`": [NAMES[0], "n"]}, (1,), "rate", 1)
        return rates.withColumn("a b", column("a b"))

    (made,) = night.features(spark, [DAYS[1]], rates)
    table = night.lake.read(made, NAMES)
    for name in NAMES:
        assert table[name].to_pylist() == columns[name].to_pylist(), name


WRONG: dict[str, tuple[pa.Array, str, type[TidewheelError], list[str]]] = {
    "a date": (VALUES["date"], "numeric", SpecError, ["'x' is DATE", "F.dayofyear"]),
    "a timestamp": (VALUES["timestamp"], "numeric", SpecError, ["'x' is TIMESTAMP", "F.hour"]),
    "a time": (VALUES["time"], "numeric", SpecError, ["'x' is TIME", "F.hour"]),
    "a list": (VALUES["list"], "numeric", SpecError, ["'x' is ARRAY<STRING>"]),
    "bytes": (VALUES["binary"], "categorical", SpecError, ["'x' is BINARY", "one text"]),
    "a list as a category": (VALUES["list"], "categorical", SpecError, ["'x' is ARRAY<STRING>", "one text"]),
    "text": (pa.array(["1.5", "twelve"]), "numeric", DataRefused, ["'x' holds 'twelve'", str(FIRST), "null"]),
    "text of too many digits": (
        pa.array(["9007199254740993", None]),
        "numeric",
        DataRefused,
        ["'x' holds '9007199254740993'"],
    ),
    "an empty text": (pa.array(["1.5", ""]), "numeric", DataRefused, ["'x' holds ''", "convert it in the transform"]),
    "infinity": (pa.array([1.0, float("-inf")]), "numeric", DataRefused, ["'x' holds -inf", "finite"]),
    "a large integer": (pa.array([1, 2**53 + 1]), "numeric", DataRefused, ["'x' holds 9007199254740993", "scale it"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_feature_that_would_change_a_value_is_refused_by_name(spark: SparkSession, tmp_path: Path, case: str) -> None:
    values, kind, error, words = WRONG[case]
    night = OneNight(tmp_path, **{kind: ["x"]})  # type: ignore[arg-type]
    _put(FIRST, {"x": values})
    night.land(FIRST)
    with pytest.raises(error) as refused:
        night.features(spark, [FIRST], through)
    assert all(word in str(refused.value) for word in words), refused.value


def test_numbers_of_any_type_are_features_with_their_values(spark: SparkSession, tmp_path: Path) -> None:
    columns = {
        "boolean": pa.array([True, None]),
        "decimal": pa.array([Decimal("0.10"), None]),
        "text": pa.array([" 12.5", None]),
        "small": pa.array([-5, None], pa.int8()),
        "nothing": pa.nulls(2),
        "float32": pa.array([0.25, None], pa.float32()),
    }
    night = OneNight(tmp_path, numeric=list(columns))
    _put(FIRST, columns)
    night.land(FIRST)
    (made,) = night.features(spark, [FIRST], through)
    assert night.lake.read(made, list(columns)).to_pylist()[0] == {
        "boolean": 1.0,
        "decimal": 0.1,
        "text": 12.5,
        "small": -5.0,
        "nothing": None,
        "float32": 0.25,
    }


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        (pa.array([Decimal("0.5"), Decimal(2)]), None, ""),
        (pa.array([1, None]), DataRefused, "sample_weight w has no value in 1 of 2 rows, first on 2026-01-01"),
        (pa.array([-1, 2]), DataRefused, "sample_weight w is negative in 1 of 2 rows, first on 2026-01-01 (for exa"),
        (pa.array([0.0, 0.0]), DataRefused, "sample_weight w is 0 in every row of 2026-01-01, so that nothing"),
        (pa.array([float("inf"), 1.0]), DataRefused, "'w' holds inf"),
        (pa.array([date(2026, 2, 1)] * 2), SpecError, "training.sample_weight: column 'w' is DATE"),
        (None, SpecError, "returned no column w"),
    ],
    ids=["numbers", "one is missing", "one is negative", "all are 0", "one is infinite", "dates", "no column"],
)
def test_the_weights_of_rows_stand_beside_the_features_or_the_day_is_refused(
    spark: SparkSession, tmp_path: Path, weights: pa.Array | None, error: type[TidewheelError] | None, words: str
) -> None:
    night = OneNight(tmp_path, numeric=["x"], training={"sample_weight": "w"})
    _put(FIRST, {"x": pa.array([1.0, 2.0]), **({} if weights is None else {"w": weights})})
    night.land(FIRST)
    if error is None:
        (made,) = night.features(spark, [FIRST], through)
        assert night.lake.read(made, ["w"])["w"].to_pylist() == [0.5, 2.0]
        return
    with pytest.raises(error) as refused:
        night.features(spark, [FIRST], through)
    assert words in str(refused.value)


def _twice(rows: DataFrame) -> DataFrame:
    return rows.union(rows)


def _key_as_text(inputs: FeatureInputs) -> DataFrame:
    return through(inputs).withColumn("id", column("id").cast("long"))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (lambda inputs: through(inputs).toPandas(), ["returned a pandas.", "expected a DataFrame of Spark"]),
        (lambda inputs: None, ["returned a builtins.NoneType", "expected a DataFrame of Spark"]),
        (
            lambda inputs: through(inputs).withColumn("id", column("id").substr(2, 99)),
            ["returned rows for 2026-01-01 whose id, at were not landed"],
        ),
        (
            lambda inputs: through(inputs).withColumn("at", column("at") + timedelta(hours=1)),
            ["whose id, at were not landed", "each row once, with its key and its event time as they were"],
        ),
        (lambda inputs: _twice(through(inputs).where("x = 1")), ["whose id, at were not landed"]),
        (lambda inputs: inputs.rows.select("colour"), ["cannot be computed", "colour"]),
        (
            lambda inputs: through(inputs).withColumn("x", column("id").cast("date") + column("x")),
            ["cannot be computed"],
        ),
        (lambda inputs: through(inputs).drop("x"), ["returned no column x"]),
        (lambda inputs: through(inputs).select("*", column("x").alias("X")), ["returned column x more than once"]),
        (lambda inputs: through(inputs).withColumn("id", column("x")), ["column 'id' as BIGINT, landed was STRING"]),
        (
            lambda inputs: through(inputs).withColumn("x", column("id").cast("int")),
            ["cannot be computed", "CAST_INVALID"],
        ),
    ],
)
def test_a_transform_that_cannot_be_computed_is_a_sentence(
    spark: SparkSession, tmp_path: Path, how: Any, words: list[str]
) -> None:
    night = OneNight(tmp_path, numeric=["x"])
    _put(FIRST, {"x": pa.array([1, 2])})
    night.land(FIRST)
    with pytest.raises(SpecError) as refused:
        night.features(spark, [FIRST], how)
    assert all(word in str(refused.value) for word in words), refused.value


LABELS = {
    "regression": st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=12, max_size=12),
    "classification": st.lists(st.booleans(), min_size=12, max_size=12),
}


@pytest.mark.parametrize("task", LABELS)
@settings(max_examples=2, deadline=None, derandomize=True, phases=[Phase.generate])
@given(data=st.data())
def test_trailing_means_are_those_of_the_known_labels(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, task: str, data: st.DataObject
) -> None:
    drawn = data.draw(LABELS[task])
    kind = data.draw(
        st.sampled_from([pa.bool_()] if task == "classification" else [pa.float64(), pa.decimal128(38, 9)])
    )
    night = OneNight(tmp_path_factory.mktemp("rates"), numeric=["m_2d", "g_m_2d"], task=task)
    groups = ["a", "b", "a", "b"]
    for n, day in enumerate(DAYS):
        _put(day, {"group": pa.array(groups)}, rows=4)
        values: list[Any] = drawn[4 * n : 4 * n + 4]
        if pa.types.is_decimal(kind):
            values = [Decimal(repr(value)).quantize(Decimal(10) ** -9) for value in values]
        SOURCE["labels", day] = pa.table({"id": SOURCE["rows", day]["id"], "label": pa.array(values, kind)})
    night.land(DAYS[0], DAYS[2])

    def how(inputs: FeatureInputs) -> DataFrame:
        return add_trailing_rates(inputs, inputs.rows, {"g_": ["group"]}, (2,), "m", 5)

    together = [night.lake.read(made) for made in night.features(spark, DAYS, how)]
    alone = night.lake.read(night.features(spark, [DAYS[2]], how)[0])
    assert alone.equals(together[2])
    known = [float(label) for label in drawn[:8]]  # of the two days before
    overall = sum(known) / 8
    for row, group in zip(together[2].to_pylist(), groups, strict=True):
        own = [label for label, of in zip(known, groups * 2, strict=True) if of == group]
        assert row["m_2d"] == pytest.approx(overall, abs=1e-6)
        assert row["g_m_2d"] == pytest.approx((sum(own) + 5 * overall) / 9, abs=1e-6)
    assert [row["m_2d"] for row in together[0].to_pylist()] == [None] * 4
