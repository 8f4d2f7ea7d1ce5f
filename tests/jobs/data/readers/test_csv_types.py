"""What a column of CSV becomes: every value as it was written, or text, or a refusal that names the place."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.data.readers import UnreadableFile, read_day
from tests.jobs.data.readers.dated import DAY, dated
from tidewheel.errors import SpecError
from tidewheel.spec.sections import CsvReader

UTC_TIME = pa.timestamp("us", "UTC")


def _read(folder: Path, fields: list[str], known: pa.DataType | None = None, **keys: object) -> pa.ChunkedArray:
    """A column x as it is read, beside a column of row numbers, so that an empty field is a field."""
    lines = ["n|x", *(f"{n}|{value}" for n, value in enumerate(fields))]
    (folder / "x.csv").write_text("\n".join(lines) + "\n")
    reader = CsvReader.model_validate({"kind": "csv", "path": dated(folder, "x.csv"), "delimiter": "|", **keys})
    return read_day(reader, DAY, folder, {} if known is None else {"x": known}).table["x"]


@pytest.mark.parametrize(
    ("fields", "kind", "values"),
    [
        (["1", "-20", ""], pa.int64(), [1, -20, None]),
        (["9223372036854775807", "-9223372036854775808"], pa.int64(), [2**63 - 1, -(2**63)]),
        ([" 7", "8 "], pa.int64(), [7, 8]),
        (["1", "NA", "nan", "null", '""'], pa.int64(), [1, None, None, None, None]),
        (["1", "2.5"], pa.float64(), [1.0, 2.5]),
        (["1.50", "2.25", "-.5", "0.00"], pa.float64(), [1.5, 2.25, -0.5, 0.0]),
        (["0.30000000000000004", "1e-05", "2.5E7", "1e+16"], pa.float64(), [0.1 + 0.2, 1e-05, 2.5e7, 1e16]),
        (["true", "false", ""], pa.bool_(), [True, False, None]),
        (["TRUE", "TRUE"], pa.bool_(), [True, True]),
        (["2024-02-29", "0001-01-01"], pa.date32(), [date(2024, 2, 29), date(1, 1, 1)]),
        (
            ["2024-03-01T10:00", "2024-03-01 10:00:00.5"],
            pa.timestamp("us"),
            [datetime(2024, 3, 1, 10), datetime(2024, 3, 1, 10, 0, 0, 500_000)],
        ),
        (
            ["2024-03-01T10:00:00Z", "2024-03-01 10:00:00+02", "2024-03-01T10:00-0330", "2024-03-01 10:00:00 UTC"],
            UTC_TIME,
            [datetime(2024, 3, 1, hour, minute, tzinfo=UTC) for hour, minute in ((10, 0), (8, 0), (13, 30), (10, 0))],
        ),
        (["2024-03-01T10:00:00.1234567"], pa.timestamp("ns"), None),
        (["", ""], pa.null(), [None, None]),
    ],
)
def test_values_of_one_kind_have_its_type(
    tmp_path: Path, fields: list[str], kind: pa.DataType, values: list[object] | None
) -> None:
    column = _read(tmp_path, fields)
    assert column.type == kind
    assert values is None or column.to_pylist() == values


@pytest.mark.parametrize(
    "fields",
    [
        ["00123", "12345"],
        ["123", "A12"],
        ["+1", "2"],
        ["0x1F", "0x20"],
        ["1e5", "2e7"],
        ["12E4", "13"],
        ["1_000"],
        ["-0", "007"],
        ["9223372036854775808"],
        ["12345678901234567890123"],
        ["9007199254740993", "0.5"],
        ["0.12345678901234567891"],
        ["1.1", "1.10"],
        ["1e999", "2.5"],
        ["inf", "1.5"],
        ["1.2.3"],
        ["1", "0", "yes"],
        ["yes", "no"],
        ["t", "f"],
        ["true", "False"],
        ["true", "1"],
        ["08:15", "08:15:00"],
        ["2024-02-30"],
        ["2024-3-1"],
        ["01.11.2026", "02.11.2026"],
        ["0000-00-00"],
        ["2024-03-01", "2024-03-01 10:00"],
        ["2024-03-01T10:00Z", "2024-03-01T10:00"],
        ["2024-03-01T24:00"],
        ["DE", "NA", "null"],
        ["NA", "NA"],
        [" a", "b "],
        ["١٢", "\uff11\uff12"],
        ["P1D"],
        ["12%"],
        ["{}"],
    ],
    ids=str,
)
def test_what_might_change_as_anything_else_stays_the_text_it_is(tmp_path: Path, fields: list[str]) -> None:
    column = _read(tmp_path, fields)
    assert column.type == pa.string()
    assert column.to_pylist() == fields


def test_an_empty_field_in_quotes_is_an_empty_text_and_without_them_missing(tmp_path: Path) -> None:
    assert _read(tmp_path, ["a", '""', "", '"NA"', '" "']).to_pylist() == ["a", "", None, "NA", " "]
    assert _read(tmp_path, ['""', ""]).to_pylist() == ["", None]


def test_a_value_far_down_decides_as_the_first_does(tmp_path: Path) -> None:
    for last, kind in (("A12", pa.string()), ("0.5", pa.float64()), ("", pa.int64())):
        assert _read(tmp_path, [*map(str, range(3000)), last]).type == kind
    assert _read(tmp_path, [*[""] * 3000, "A12"]).to_pylist()[-1] == "A12"
    assert _read(tmp_path, [*["NA"] * 3000, "1"]).to_pylist()[-1] == 1


@pytest.mark.parametrize(
    ("keys", "fields", "values"),
    [
        ({"decimal": ","}, ["2,50", "3", "-0,25"], [2.5, 3, -0.25]),
        ({"decimal": ",", "thousands": "."}, ["1.234.567,5", "12", "1.000"], [1234567.5, 12, 1000]),
        ({"thousands": ","}, ["1,234", "12", "-1,000,000"], [1234, 12, -1000000]),
        ({"thousands": " "}, ["1 234", "12"], [1234, 12]),
        ({"thousands": "\u2019"}, ["1\u2019234.5", "12.25"], [1234.5, 12.25]),
        ({"thousands": ","}, ["1,23", "12"], ["1,23", "12"]),
        ({"decimal": ","}, ["2,50", "3.5"], ["2,50", "3.5"]),
        ({"decimal": ".", "null_values": ["-"]}, ["2,50", "-"], ["2,50", None]),
        ({"null_values": ["-", "NA"]}, ["2", "-", '"NA"', ""], [2, None, None, None]),
        ({"null_values": ["-"]}, ["a", "-", '"-"', "NA", '""'], ["a", None, None, "NA", ""]),
    ],
)
def test_numbers_and_missing_values_are_read_as_the_reader_declares_them(
    tmp_path: Path, keys: dict[str, object], fields: list[str], values: list[object]
) -> None:
    assert _read(tmp_path, fields, **keys).to_pylist() == values


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (["2,50", "3"], 'set source.reader.decimal: ","'),
        (["1.234,50", "3,25"], 'set source.reader.decimal: "," and source.reader.thousands: "."'),
        (["1 234,50", "3,25"], 'set source.reader.decimal: "," and source.reader.thousands: " "'),
        (["1,234", "5"], 'set source.reader.decimal: ",", or source.reader.thousands: ","'),
        (["1,234.50", "5.25"], 'set source.reader.thousands: ","'),
        (["1.234.567", "5"], 'source.reader.thousands: "."'),
        (["1'234.50"], """set source.reader.thousands: "'\""""),
    ],
)
def test_numbers_in_another_notation_name_the_key_to_set(tmp_path: Path, fields: list[str], words: str) -> None:
    with pytest.raises(UnreadableFile, match=r"x\.csv: column 'x' looks like numbers in another notation") as caught:
        _read(tmp_path, fields)
    assert words in str(caught.value)
    assert "if it is text, set source.types: {x: string}" in str(caught.value)
    assert _read(tmp_path, fields, pa.string()).to_pylist() == fields


@pytest.mark.parametrize(
    ("kind", "fields", "values"),
    [
        (pa.string(), ["00123", "NA", "", '""'], ["00123", "NA", None, ""]),
        (pa.large_string(), ["1"], ["1"]),
        (pa.int64(), ["1", "2.0", "", "NA"], [1, 2, None, None]),
        (pa.uint64(), [str(2**64 - 1)], [2**64 - 1]),
        (pa.int8(), ["-128"], [-128]),
        (
            pa.float64(),
            ["1", "1e5", "1.10", "1.1", "0.12345678901234567891", "inf"],
            [1, 1e5, 1.1, 1.1, 0.12345678901234568, float("inf")],
        ),
        (pa.float32(), ["0.5", ""], [0.5, None]),
        (pa.bool_(), ["true", "False", ""], [True, False, None]),
        (pa.bool_(), ["1", "0", "NA"], [True, False, None]),
        (pa.int64(), ["1.0", "1.00", "1.0000"], [1, 1, 1]),
        (pa.time64("us"), ["08:15", "23:59:59.5", ""], [time(8, 15), time(23, 59, 59, 500_000), None]),
        (UTC_TIME, ["2024-03-01T10:00:00.000001999Z"], [datetime(2024, 3, 1, 10, 0, 0, 1, tzinfo=UTC)]),
        (pa.decimal128(10, 2), ["1.5", "2"], [Decimal("1.50"), Decimal(2)]),
        (pa.date32(), ["2024-03-01", ""], [DAY, None]),
        (UTC_TIME, ["2024-03-01T10:00:00Z"], [datetime(2024, 3, 1, 10, tzinfo=UTC)]),
        (UTC_TIME, ["2024-03-01", "2024-03-01T10:00"], [datetime(2024, 3, 1, hour, tzinfo=UTC) for hour in (0, 10)]),
        (pa.timestamp("s"), ["2024-03-01T10:00:00"], [datetime(2024, 3, 1, 10)]),
        (pa.float64(), ["", "NA"], [None, None]),
    ],
)
def test_a_known_type_is_the_one_that_a_column_gets(
    tmp_path: Path, kind: pa.DataType, fields: list[str], values: list[object]
) -> None:
    column = _read(tmp_path, fields, kind)
    assert column.type == kind
    assert column.to_pylist() == values


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (pa.int64(), "A12"),
        (pa.int64(), "00123"),
        (pa.int64(), "1.5"),
        (pa.int64(), "+1"),
        (pa.int64(), "0x1F"),
        (pa.int8(), "128"),
        (pa.uint8(), "-1"),
        (pa.float64(), "9007199254740993"),
        (pa.float64(), "00.5"),
        (pa.float64(), "1e999"),
        (pa.float32(), "1e39"),
        (pa.float64(), "two"),
        (pa.bool_(), "yes"),
        (pa.bool_(), "2"),
        (pa.int64(), "1.000"),
        (pa.time64("us"), "08:15+02:00"),
        (pa.time64("us"), "24:00"),
        (pa.decimal128(5, 2), "1.555"),
        (pa.decimal128(5, 2), "1e2"),
        (pa.date32(), "2024-02-30"),
        (pa.date32(), "2024-03-01T00:00"),
        (pa.timestamp("us"), "2024-03-01T10:00Z"),
        (pa.timestamp("s"), "2024-03-01T10:00:00.5"),
        (UTC_TIME, "soon"),
        (pa.timestamp("us", "Europe/Berlin"), "2024-03-31T02:30"),
    ],
    ids=str,
)
def test_a_value_that_is_not_of_the_known_type_names_file_line_and_column(
    tmp_path: Path, kind: pa.DataType, wrong: str
) -> None:
    with pytest.raises(UnreadableFile) as caught:
        _read(tmp_path, ["", "NA", wrong, "", wrong], kind)
    found = str(caught.value)
    assert f"x.csv: line 4, column 'x': {wrong!r}" in found
    assert f"expected {kind}; correct the file, or say otherwise under source.types" in found


def test_a_known_number_in_another_notation_names_the_key_to_set(tmp_path: Path) -> None:
    with pytest.raises(
        UnreadableFile, match=r"line 3, column 'x': '2,50'.*expected double; set source.*decimal: \",\""
    ):
        _read(tmp_path, ["2", "2,50"], pa.float64())


def test_a_type_that_no_field_can_be_is_a_mistake_of_the_pipeline_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"source: column 'x' is known as list<item: int64>.*expected text, a number"):
        _read(tmp_path, ["1"], pa.list_(pa.int64()))
