"""The type of a column from one day to the next: kept, widened without loss, or the day is refused when landed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.jobs.data.conftest import FIRST, Deliveries, run_job
from tidewheel.runs import JobRecord

DAYS = [FIRST + timedelta(days=n) for n in range(3)]
PARQUET = 'kind: parquet, path: "source/orders-{partition}.parquet"'
CSV = 'kind: csv, path: "source/orders-{partition}.csv"'


@pytest.fixture
def csv(deliveries: Deliveries) -> Deliveries:
    """The deliveries, with orders from CSV files."""
    _change(deliveries, PARQUET, CSV)
    return deliveries


def _change(deliveries: Deliveries, before: str, after: str) -> None:
    declared = deliveries.folder / "dags" / "deliveries.yaml"
    assert before in declared.read_text()
    declared.write_text(declared.read_text().replace(before, after))


def _declare(deliveries: Deliveries, types: str) -> None:
    _change(deliveries, "  entity_key: [parcel]", f"  entity_key: [parcel]\n  types: {types}")


def _write(deliveries: Deliveries, day: date, values: list[str], name: str = "x") -> None:
    lines = [f"p{n},{day}T0{n}:00:00,{value}" for n, value in enumerate(values)]
    file = deliveries.folder / "source" / f"orders-{day}.csv"
    file.write_text("\n".join([f"parcel,ordered_at,{name}", *lines, ""]))


def _write_table(deliveries: Deliveries, day: date, values: pa.Array, name: str = "x") -> None:
    times = [datetime(day.year, day.month, day.day, n) for n in range(len(values))]
    table = pa.table({"parcel": [f"p{n}" for n in range(len(values))], "ordered_at": times, name: values})
    pq.write_table(table, deliveries.source_file(day))


def _land(deliveries: Deliveries, days: date | str) -> JobRecord:
    record = run_job(deliveries, "land", days, "night")
    deliveries.publish(record)
    return record


def _landed(deliveries: Deliveries, day: date) -> tuple[str, list[object]]:
    table = deliveries.lake.read(deliveries.lake.need("landing", str(day)))
    return str(table["x"].type), table["x"].to_pylist()


NIGHTS = {
    # what two nights hold, and what the second one becomes; a list of words: it is refused, and they are told
    "text, then nothing": (["A1", "A2"], ["", ""], ("string", [None, None])),
    "text, then digits": (["A1", "A2"], ["007", "12"], ("string", ["007", "12"])),
    "numbers, then nothing": (["1.5", ""], ["", ""], ("double", [None, None])),
    "dates, then nothing": (["2024-03-01", ""], ["", ""], ("date32[day]", [None, None])),
    "times, then nothing": (["08:15:00", ""], ["", ""], ("string", [None, None])),
    "times, then times": (["08:15:00", ""], ["09:30:00", ""], ("string", ["09:30:00", None])),
    "true and false, then nothing": (["true", "false"], ["", ""], ("bool", [None, None])),
    "true and false, then 1 and 0": (["true", "false"], ["1", "0"], ("bool", [True, False])),
    "digits, then digits and nothing": (["1", "2"], ["3", ""], ("int64", [3, None])),
    "digits, then a fraction": (["1", "2"], ["3.5", ""], ("double", [3.5, None])),
    "a fraction, then digits": (["1.5", "2"], ["3", "4"], ("double", [3.0, 4.0])),
    "nothing, then text": (["", ""], ["A1", ""], ("string", ["A1", None])),
    "digits, then letters": (
        ["123", "7"],
        ["A12", "8"],
        ["'x'", "'A12'", "integers (int64)", "source.types: {x: text}"],
    ),
    "true and false, then yes and no": (
        ["true", "false"],
        ["yes", "no"],
        ["'x'", "'yes'", "booleans (bool)", "source.types: {x: text}"],
    ),
    "1 and 0, then 2 as a boolean": (["true", "false"], ["1", "2"], ["'x'", "2", "booleans (bool)"]),
    "dates, then letters": (["2024-03-01", ""], ["soon", ""], ["'x'", "'soon'", "dates (date32[day])"]),
    "numbers, then digits beyond a float": (["1.5", "2"], ["9007199254740993", "1"], ["'x'", "9007199254740993"]),
}


@pytest.mark.parametrize("case", NIGHTS)
def test_a_night_keeps_the_type_of_the_nights_before_or_is_refused(csv: Deliveries, case: str) -> None:
    first, second, expected = NIGHTS[case]
    _write(csv, DAYS[0], first)
    _write(csv, DAYS[1], second)
    assert _land(csv, DAYS[0]).refused is None
    refused = _land(csv, DAYS[1]).refused
    if isinstance(expected, tuple):
        assert refused is None
        assert _landed(csv, DAYS[1]) == expected
    else:
        assert all(word in (refused or "") for word in (f"orders-{DAYS[1]}.csv", *expected)), refused
        assert csv.lake.partitions("landing") == [str(DAYS[0])]


RANGES = {
    "nothing, then text": (["", ""], ["A1", ""], ("string", [None, None]), ("string", ["A1", None])),
    "text, then nothing": (["A1", ""], ["", ""], ("string", ["A1", None]), ("string", [None, None])),
    "digits, then letters": (["123", "7"], ["A12", "8"], ("string", ["123", "7"]), ("string", ["A12", "8"])),
    "letters, then digits": (["A12", "8"], ["007", "7"], ("string", ["A12", "8"]), ("string", ["007", "7"])),
    "booleans, then yes": (["true", "0"], ["yes", "no"], ("string", ["true", "0"]), ("string", ["yes", "no"])),
    "1 and 0, then true": (["1", "0"], ["true", ""], ("string", ["1", "0"]), ("string", ["true", None])),
    "digits, then a fraction": (["1", "2"], ["3.5", ""], ("double", [1.0, 2.0]), ("double", [3.5, None])),
    "nothing twice": (["", ""], ["", ""], ("null", [None, None]), ("null", [None, None])),
}


@pytest.mark.parametrize("case", RANGES)
def test_days_that_are_landed_together_have_one_type(csv: Deliveries, case: str) -> None:
    first, second, *expected = RANGES[case]
    _write(csv, DAYS[0], first)
    _write(csv, DAYS[1], second)
    assert _land(csv, f"{DAYS[0]}..{DAYS[1]}").refused is None
    assert [_landed(csv, day) for day in DAYS[:2]] == expected


def test_a_declared_type_holds_from_the_first_day(csv: Deliveries) -> None:
    _declare(csv, "{x: text}")
    for day, values in zip(DAYS, (["123", "007"], ["A12", ""], ["", ""]), strict=True):
        _write(csv, day, values)
        assert _land(csv, day).refused is None
    assert [_landed(csv, day) for day in DAYS] == [
        ("string", ["123", "007"]),
        ("string", ["A12", None]),
        ("string", [None, None]),
    ]


DECLARED = {
    "text": (["007", ""], ["007", None]),
    "integer": (["7", "8.0"], [7, 8]),
    "number": (["1e3", ""], [1000.0, None]),
    "decimal": (["1.50", ""], [Decimal("1.50"), None]),
    "boolean": (["1", "FALSE"], [True, False]),
    "date": (["2024-03-01", ""], [DAYS[0], None]),
    "time": (["08:15", "NA"], [time(8, 15), None]),
    "timestamp": (["2024-03-01T10:00:00.000001999Z", ""], [datetime(2024, 3, 1, 10, 0, 0, 1, tzinfo=UTC), None]),
}


@pytest.mark.parametrize("word", DECLARED)
def test_a_csv_file_is_read_in_each_type_that_can_be_declared(csv: Deliveries, word: str) -> None:
    written, values = DECLARED[word]
    _declare(csv, f"{{x: {word}}}")
    _write(csv, DAYS[0], written)
    assert _land(csv, DAYS[0]).refused is None
    assert _landed(csv, DAYS[0])[1] == values


def test_a_type_that_is_declared_later_is_what_the_refusal_asks_for(csv: Deliveries) -> None:
    _write(csv, DAYS[0], ["123", "7"])
    _write(csv, DAYS[1], ["A12", "8"])
    _land(csv, DAYS[0])
    assert _land(csv, DAYS[1]).refused
    _declare(csv, "{x: text}")
    assert _land(csv, f"{DAYS[0]}..{DAYS[1]}").refused is None
    assert [_landed(csv, day)[1] for day in DAYS[:2]] == [["123", "7"], ["A12", "8"]]


def test_a_day_that_features_cannot_read_beside_its_neighbours_is_refused(csv: Deliveries) -> None:
    _write(csv, DAYS[0], ["1.5", "2"])
    _land(csv, DAYS[0])
    _declare(csv, "{x: text}")
    _write(csv, DAYS[1], ["A", "B"])
    refused = _land(csv, DAYS[1]).refused or ""
    for word in ("column 'x' holds text (string)", f"numbers (double) in landing/{DAYS[0]}", "in one range"):
        assert word in refused
    assert _land(csv, f"{DAYS[0]}..{DAYS[1]}").refused is None


def test_integers_beyond_a_float_are_not_widened_behind_the_days_back(csv: Deliveries) -> None:
    _write(csv, DAYS[0], ["9007199254740993", "1"])
    _write(csv, DAYS[1], ["1.5", "2"])
    _land(csv, DAYS[0])
    assert f"integers (int64) in landing/{DAYS[0]}" in (_land(csv, DAYS[1]).refused or "")


def test_a_day_that_is_landed_again_is_not_bound_by_what_it_was(csv: Deliveries) -> None:
    _write(csv, DAYS[0], ["soon", "2"])
    _land(csv, DAYS[0])
    _write(csv, DAYS[0], ["1", "2"])
    assert _land(csv, DAYS[0]).refused is None
    assert _landed(csv, DAYS[0]) == ("int64", [1, 2])


TABLES = {
    "a missing integer from pandas": (pa.array([1, 2]), pa.array([1.0, None]), ("int64", [1, None])),
    "a narrower integer": (pa.array([1, 2]), pa.array([3, None], pa.int8()), ("int64", [3, None])),
    "a wider integer": (pa.array([1], pa.int8()), pa.array([300], pa.int64()), ("int64", [300])),
    "another precision": (
        pa.array([Decimal("1.50")]),
        pa.array([Decimal("100.125")]),
        ("decimal128(6, 3)", [Decimal("100.125")]),
    ),
    "a hash that is no int64": (
        pa.array([1], pa.uint64()),
        pa.array([2**64 - 1], pa.uint64()),
        ("decimal128(20, 0)", [Decimal(2**64 - 1)]),
    ),
    "another unit and zone": (
        pa.array([datetime(2024, 1, 1, 12)], pa.timestamp("us", "UTC")),
        pa.array([datetime(2024, 1, 1, 12)], pa.timestamp("s", "Europe/Berlin")),
        ("timestamp[us, tz=UTC]", [datetime(2024, 1, 1, 12, tzinfo=UTC)]),
    ),
    "text for numbers": (pa.array([1, 2]), pa.array(["", "x"]), ["'x'", "''", "integers (int64)"]),
    "numbers for text": (pa.array(["007"]), pa.array([7]), ["'x'", "7", "text (string)"]),
    "a date for a boolean": (pa.array([True]), pa.array([date(2024, 1, 1)]), ["'x'", "datetime.date(2024, 1, 1)"]),
}


@pytest.mark.parametrize("case", TABLES)
def test_tables_with_types_keep_them_too(deliveries: Deliveries, case: str) -> None:
    first, second, expected = TABLES[case]
    _write_table(deliveries, DAYS[0], first)
    _write_table(deliveries, DAYS[1], second)
    _land(deliveries, DAYS[0])
    refused = _land(deliveries, DAYS[1]).refused
    if isinstance(expected, tuple):
        assert refused is None
        assert _landed(deliveries, DAYS[1]) == expected
    else:
        assert all(word in (refused or "") for word in (f"orders-{DAYS[1]}.parquet", *expected)), refused


@pytest.mark.parametrize("together", [False, True])
def test_a_column_that_comes_back_in_other_letters_is_refused(deliveries: Deliveries, together: bool) -> None:
    _write_table(deliveries, DAYS[0], pa.array([1]), "Amount")
    _write_table(deliveries, DAYS[1], pa.array([1]), "amount")
    if together:
        refused = _land(deliveries, f"{DAYS[0]}..{DAYS[1]}").refused or ""
    else:
        _land(deliveries, DAYS[0])
        refused = _land(deliveries, DAYS[1]).refused or ""
    assert f"orders-{DAYS[1]}.parquet: column 'amount' was called 'Amount' until now" in refused


@pytest.mark.parametrize(
    "values",
    [
        pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
        pa.array([[1]], pa.list_view(pa.int64())),
        pa.array([{"a": 1, "A": 2}]),
    ],
    ids=lambda values: str(values.type),
)
def test_what_the_lake_cannot_hold_is_refused_also_where_parquet_cannot_keep_it(
    deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch, values: pa.Array
) -> None:
    _change(
        deliveries,
        'kind: parquet, path: "source/orders-{partition}.parquet"',
        f"kind: python, function: {__name__}:odd",
    )
    monkeypatch.setitem(ODD, "x", values)
    assert f"{__name__}:odd({DAYS[0]}): column 'x' holds {values.type}" in (_land(deliveries, DAYS[0]).refused or "")


ODD: dict[str, pa.Array] = {}


def odd(day: date) -> pa.Table:
    """A reader of the pipeline's own."""
    return pa.table({"parcel": ["p"], "ordered_at": [datetime(day.year, day.month, day.day)], **ODD})


KEYS = {
    "date": (pa.array([date(2024, 1, 1), date(2024, 1, 2)]), ["2024-01-02", "2024-01-01"]),
    "timestamp": (
        pa.array([datetime(2024, 1, 1), datetime(2024, 1, 1, 12)], pa.timestamp("us", "UTC")),
        ["2024-01-01T12:00:00Z", "2024-01-01T00:00:00Z"],
    ),
    "unsigned": (pa.array([7, 2**32 - 1], pa.uint32()), ["4294967295", "7"]),
    "unsigned, beyond int64": (pa.array([7, 2**64 - 1], pa.uint64()), ["18446744073709551615", "7"]),
    "float": (pa.array([0.5, 2.0]), ["2", "0.5"]),
    "decimal": (pa.array([Decimal("1.50"), Decimal("2.25")]), ["2.25", "1.5"]),
    "time": (pa.array([time(8, 15), time(9)], pa.time64("us")), ["09:00", "08:15"]),
    "boolean": (pa.array([True, False]), ["false", "true"]),
    "small integer": (pa.array([1, 2], pa.int8()), ["02", "1"]),
    "dictionary": (pa.array(["a", "b"]).dictionary_encode(), ["b", "a"]),
}


@pytest.mark.parametrize("case", KEYS)
def test_labels_in_csv_get_the_key_of_the_rows_whatever_its_type(deliveries: Deliveries, case: str) -> None:
    keys, written = KEYS[case]
    for day in (DAYS[0], DAYS[2]):
        times = [datetime(day.year, day.month, day.day)] * len(keys)
        pq.write_table(pa.table({"parcel": keys, "ordered_at": times}), deliveries.source_file(day))
    outcomes = deliveries.folder / "source" / f"outcomes-{DAYS[0]}.csv"
    outcomes.write_text("parcel,late\n" + "".join(f"{key},1\n" for key in written))
    _land(deliveries, DAYS[0])
    assert _land(deliveries, DAYS[2]).refused is None
    rows, labels = (
        deliveries.lake.read(deliveries.lake.need(dataset, str(DAYS[0]))) for dataset in ("landing", "labels")
    )
    assert labels["parcel"].type == rows["parcel"].type
    assert rows.join(labels, "parcel", join_type="inner").num_rows == 2


def test_a_key_of_labels_that_cannot_be_one_of_the_rows_is_refused(deliveries: Deliveries) -> None:
    for day in (DAYS[0], DAYS[2]):
        deliveries.put(day)
        pq.write_table(
            pa.table({"parcel": [date(2024, 1, 1)], "ordered_at": [datetime(day.year, day.month, day.day)]}),
            deliveries.source_file(day),
        )
    (deliveries.folder / "source" / f"outcomes-{DAYS[0]}.csv").write_text("parcel,late\nsoon,1\n")
    _land(deliveries, DAYS[0])
    refused = _land(deliveries, DAYS[2]).refused or ""
    for word in (f"outcomes-{DAYS[0]}.csv: column 'parcel'", "for example 'soon'", "dates (date32[day])"):
        assert word in refused


def test_a_declared_column_that_no_day_has_is_told(csv: Deliveries, caplog: pytest.LogCaptureFixture) -> None:
    _declare(csv, "{cuopon: text}")
    _write(csv, DAYS[0], ["1", "2"], "coupon")
    assert _land(csv, DAYS[0]).refused is None
    assert "declares column cuopon, which no day of 2024-03-01 has, did you mean 'coupon'?" in caplog.text
