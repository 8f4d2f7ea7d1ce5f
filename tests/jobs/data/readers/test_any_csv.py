"""CSV files nobody thought of: what is written in any dialect is read back equal, or the file is refused in words."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from jobs.data.readers import UnreadableFile, read_day
from tests.jobs.data.readers.dated import DAY, dated
from tidewheel.spec.sections import CsvReader

UNUSUAL = hypothesis_settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
ENCODINGS = ("utf-8", "utf-16", "cp1252", "gb18030")
# No surrogates and no NUL, which no text file has.
characters = st.characters(codec="utf-8", exclude_characters="\0")
words = st.text(characters, max_size=12) | st.sampled_from(
    [
        "",
        "NA",
        "null",
        "yes",
        "true",
        "007",
        "+1",
        "1e5",
        "0x1F",
        "1,5",
        "1.5",
        "1.50",
        "08:15",
        "2024-02-30",
        '"',
        "a\r\nb",
        " 1",
    ]
)
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))


@dataclass(frozen=True)
class Kind:
    """A sort of values: how they are drawn, and how a program writes them."""

    values: st.SearchStrategy[Any]
    write: Callable[[Any], str]


KINDS = {
    "integer": Kind(st.integers(-(2**63), 2**63 - 1), str),
    "large integer": Kind(st.integers(-(10**30), 10**30), str),
    "float": Kind(st.floats(allow_nan=False, allow_infinity=False), repr),
    "price": Kind(st.decimals(-(10**9), 10**9, places=2), str),
    "boolean": Kind(st.booleans(), lambda value: str(value).lower()),
    "date": Kind(st.dates(), date.isoformat),
    "time": Kind(moments, datetime.isoformat),
    "moment": Kind(
        st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.timezones()),
        datetime.isoformat,
    ),
    "time of day": Kind(st.times(), lambda value: value.isoformat()),
    "text": Kind(words, str),
}


@st.composite
def columns(draw: st.DrawFn) -> tuple[str, list[str | None]]:
    """A kind, and values of it as they are written; None is an empty field."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    values = draw(st.lists(st.none() | KINDS[kind].values, min_size=1, max_size=8))
    return kind, [None if value is None else KINDS[kind].write(value) for value in values]


@st.composite
def dialects(draw: st.DrawFn) -> dict[str, Any]:
    quote, delimiter = draw(st.sampled_from(['"', "'"])), draw(st.sampled_from([",", ";", "\t", "|", "\x01", " "]))
    return {
        "delimiter": delimiter,
        "quote": quote,
        "encoding": draw(st.sampled_from(ENCODINGS)),
        "decimal": draw(st.sampled_from([None, ".", ","])),
    }


def _field(text: str | None, keys: dict[str, Any], quote_all: bool) -> str:
    """A field as a careful program writes it: what is missing is empty, and an empty text is in quotes."""
    if text is None:
        return ""
    quote = keys["quote"]
    special = {keys["delimiter"], quote, "\r", "\n"}
    if quote_all or not text or special & set(text) or text != text.strip():
        return f"{quote}{text.replace(quote, quote * 2)}{quote}"
    return text


def _read(
    folder: Path,
    written: list[str | None],
    keys: dict[str, Any],
    known: pa.DataType | None,
    quote_all: bool,
    line_end: str,
) -> pa.ChunkedArray | None:
    """The column as it is read, None if the file is refused, beside one of row numbers."""
    lines = [f"n{keys['delimiter']}x"]
    lines += [f"{n}{keys['delimiter']}{_field(text, keys, quote_all)}" for n, text in enumerate(written)]
    try:
        (folder / "x.csv").write_bytes("".join(line + line_end for line in lines).encode(keys["encoding"]))
    except UnicodeEncodeError:
        return None
    try:
        table = read_day(
            CsvReader(kind="csv", path=dated(folder, "x.csv"), **keys), DAY, folder, {"x": known} if known else {}
        ).table
    except UnreadableFile as refusal:
        assert str(refusal).startswith(f"{folder / str(DAY) / 'x.csv'}: ")  # noqa: PT017  both answers are right
        return None
    assert table["n"].to_pylist() == list(range(len(written)))
    return table["x"]


@UNUSUAL
@given(column=columns(), keys=dialects(), quote_all=st.booleans(), line_end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_what_is_written_is_read_back_equal_or_refused(
    tmp_path: Path,
    column: tuple[str, list[str | None]],
    keys: dict[str, Any],
    quote_all: bool,
    line_end: str,
) -> None:
    kind, written = column
    if keys["decimal"] == "," and kind in ("float", "price"):
        written = [None if text is None else text.replace(".", ",") for text in written]
    read = _read(tmp_path, written, keys, None, quote_all, line_end)
    if read is None:
        return
    if pa.types.is_string(read.type):
        assert read.to_pylist() == written
    elif pa.types.is_null(read.type):
        assert written == [None] * len(written)
    else:
        # Read as anything but text: what it stands for is what its text stands for, and nothing went missing but signs.
        assert [_means(text, keys["decimal"]) for text in written] == read.cast(_comparable(read.type)).to_pylist()


def _comparable(kind: pa.DataType) -> pa.DataType:
    return pa.timestamp("us", kind.tz) if pa.types.is_timestamp(kind) else kind


def _means(text: str | None, decimal: str | None) -> Any:
    if text is None or text.strip() in ("", "NA", "null"):
        return None
    text = text.strip()
    if text in ("true", "false"):
        return text == "true"
    number = text.replace(",", ".") if decimal == "," else text
    for reading in (int, float, date.fromisoformat, datetime.fromisoformat):
        try:
            value = reading(number)  # type: ignore[operator]
        except ValueError:
            continue
        return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value
    raise AssertionError(f"{text!r} was read as something else than text")


@UNUSUAL
@given(values=st.lists(words, min_size=1, max_size=8), keys=dialects(), quote_all=st.booleans())
@example(
    values=["NA", "", "nan"],
    keys={"delimiter": ",", "quote": '"', "encoding": "utf-8", "decimal": None},
    quote_all=False,
)
def test_what_is_known_to_be_text_is_read_back_to_the_letter(
    tmp_path: Path, values: list[str], keys: dict[str, Any], quote_all: bool
) -> None:
    read = _read(tmp_path, values, keys, pa.string(), quote_all, "\n")
    try:
        "".join(values).encode(keys["encoding"])
    except UnicodeEncodeError:
        return
    assert read is not None
    assert read.to_pylist() == values


@UNUSUAL
@given(values=st.lists(st.text(characters, max_size=20), min_size=1, max_size=6), cut=st.integers(1, 60))
def test_a_file_that_was_cut_off_anywhere_has_whole_rows_or_is_refused(
    tmp_path: Path, values: list[str], cut: int
) -> None:
    with (tmp_path / "whole.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
            [("x", "n"), *((v, "1") for v in values)]
        )
    (tmp_path / "x.csv").write_bytes((tmp_path / "whole.csv").read_bytes()[:-cut])
    try:
        read = read_day(CsvReader(kind="csv", path=dated(tmp_path, "x.csv")), DAY, tmp_path, {"x": pa.string()}).table
    except UnreadableFile:
        return
    if "x" in read.column_names:
        assert read["x"].to_pylist() == values[: read.num_rows]
