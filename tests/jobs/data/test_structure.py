"""What any batch must have: key, event time and label, whatever types they come in."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from jobs.data.structure import EVENT_TIME_TYPE, LabelRules, Task, labels_of_day, like_rows, rows_of_day
from tidewheel.errors import DataRefused

DAY = date(2024, 3, 1)
NOON = datetime(2024, 3, 1, 12)


def _rows(times: pa.Array, **columns: object) -> pa.Table:
    table = pa.table({"id": list(range(len(times))), "at": times, **columns})
    return rows_of_day(table, DAY, ["id"], "at", "source.csv")


@pytest.mark.parametrize(
    "times",
    [
        pa.array([NOON], pa.timestamp("ns")),
        pa.array([NOON], pa.timestamp("s", "UTC")),
        pa.array(["2024-03-01T12:00:00"]),
        pa.array(["2024-03-01 13:00:00+01:00"]),
        pa.array(["2024-03-01"]),
        pa.array([DAY]),
    ],
    ids=str,
)
def test_event_times_of_any_type_become_utc(times: pa.Array) -> None:
    column = _rows(times)["at"]
    assert column.type == EVENT_TIME_TYPE
    assert column[0].as_py().date() == DAY


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        (datetime(2024, 3, 1), True),
        (datetime(2024, 3, 1, 23, 59, 59, 999999), True),
        (datetime(2024, 3, 2), False),
        (datetime(2024, 2, 29, 23, 59, 59), False),
    ],
)
def test_a_day_goes_from_midnight_to_just_before_midnight(moment: datetime, inside: bool) -> None:
    times = pa.array([NOON, moment], pa.timestamp("us"))
    if inside:
        assert _rows(times).num_rows == 2
    else:
        with pytest.raises(DataRefused, match=r"column 'at': 1 of 2 rows lie outside 2024-03-01"):
            _rows(times)


def test_a_row_without_a_time_is_refused() -> None:
    with pytest.raises(DataRefused, match="column 'at' is empty in 1 row"):
        _rows(pa.array([NOON, None], pa.timestamp("us")))


def test_columns_get_types_that_every_reader_knows() -> None:
    times = pa.array([NOON], pa.timestamp("us"))
    landed = _rows(
        times,
        kind=pa.array(["a"]).dictionary_encode(),
        seen=pa.array([NOON], pa.timestamp("ns")),
        text=pa.array(["long"], pa.large_string()),
    )
    assert [str(field.type) for field in landed.schema][2:] == ["string", "timestamp[us]", "string"]


def test_the_key_may_be_of_several_columns() -> None:
    table = pa.table({"shop": ["b", "a", "a"], "number": [1, 2, 1], "at": pa.array([NOON] * 3)})
    landed = rows_of_day(table, DAY, ["shop", "number"], "at", "source.csv")
    assert landed.select(["shop", "number"]).to_pylist() == [
        {"shop": "a", "number": 1},
        {"shop": "a", "number": 2},
        {"shop": "b", "number": 1},
    ]
    again = pa.concat_tables([table, table.slice(0, 1)])
    with pytest.raises(DataRefused, match=r"column shop, number: 1 keys occur more than once .*\('b', 1\)"):
        rows_of_day(again, DAY, ["shop", "number"], "at", "source.csv")


@pytest.mark.parametrize(
    ("labels", "known"),
    [
        (pa.array([True, None, False]), [1, 0]),
        (pa.array([1.0, float("nan"), 0.0]), [1.0, 0.0]),
        (pa.array([None, None, None]), []),
        (pa.array([Decimal("1.50"), None, Decimal("20.25")]), [1.5, 20.25]),
    ],
)
def test_unknown_labels_are_left_out(labels: pa.Array, known: list[float]) -> None:
    table = pa.table({"id": [1, 2, 3], "late": labels})
    assert labels_of_day(table, ["id"], LabelRules("late", "regression"), "labels.csv")["late"].to_pylist() == known


@pytest.mark.parametrize(("task", "word"), [("classification", "boolean"), ("regression", "number")])
def test_a_label_that_is_text_names_the_declaration_that_reads_it(task: Task, word: str) -> None:
    table = pa.table({"id": [1], "late": ["1"]})
    with pytest.raises(DataRefused, match=rf"'1'; rule: .*declare what.*`labels\.types: {{late: {word}}}`"):
        labels_of_day(table, ["id"], LabelRules("late", task), "labels.csv")
    lists = pa.table({"id": [1], "late": [[1]]})
    with pytest.raises(DataRefused, match=r"for example \[1\]; rule: a label is a number or a boolean; convert it"):
        labels_of_day(lists, ["id"], LabelRules("late", task), "labels.csv")


def test_zero_has_no_sign() -> None:
    table = pa.table({"id": [1, 2, 3], "late": [-0.0, 0.0, 1.0]})
    assert labels_of_day(table, ["id"], LabelRules("late", "classification"), "labels.csv").num_rows == 3
    keys = pa.table({"id": [0.0, -0.0], "at": [NOON] * 2})
    with pytest.raises(DataRefused, match="1 keys occur more than once"):
        rows_of_day(keys, DAY, ["id"], "at", "source.csv")


def test_labels_get_their_key_in_the_type_of_the_rows() -> None:
    labels = pa.table({"id": ["007", "8"], "shop": ["a", "b"], "late": [0, 1]})
    types = {"id": pa.int64(), "shop": pa.string()}
    assert like_rows(labels, types, "labels.csv").to_pydict() == {"id": [7, 8], "shop": ["a", "b"], "late": [0, 1]}
    assert like_rows(labels, {}, "labels.csv").equals(labels)
    twice = pa.Table.from_arrays([pa.array(["1"]), pa.array(["1"])], names=["id", "id"])
    assert like_rows(twice, types, "labels.csv") is twice, "told by check_names"
    other = pa.table({"id": ["order-1"], "late": [0]})
    with pytest.raises(
        DataRefused, match=r"'id' holds text \(string\), for example 'order-1'; in the rows it holds integers.*rule"
    ):
        like_rows(other, types, "labels.csv")


@pytest.mark.parametrize(
    ("task", "labels", "words"),
    [
        ("classification", [0, 7, 1, -1], r"2 of 4 labels are wrong \(for example 7, -1\); rule: .* 0 or 1"),
        ("classification", [0.0, 0.5, None], r"1 of 2 labels are wrong \(for example 0.5\)"),
        ("regression", [7, 2**53 + 1], r"1 of 2 labels are wrong \(for example 9007199254740993\); rule: .* ±2\^53"),
        ("regression", [7.0, float("inf")], r"1 of 2 labels are wrong \(for example inf\); rule: .* a finite number"),
    ],
)
def test_a_label_is_one_of_the_task(task: Task, labels: list[float], words: str) -> None:
    table = pa.table({"id": range(len(labels)), "late": labels})
    with pytest.raises(DataRefused, match=f"labels.csv: column 'late': {words}"):
        labels_of_day(table, ["id"], LabelRules("late", task), "labels.csv")
