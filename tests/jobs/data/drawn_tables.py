"""Columns of every type that Arrow can deliver, for hypothesis to draw."""

from __future__ import annotations

import string
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

ROWS = 6
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
INTEGERS = [
    *((kind, st.integers(-(2**7), 2**7 - 1)) for kind in [pa.int8()]),
    *((kind, st.integers(0, 2**8 - 1)) for kind in [pa.uint8()]),
    *((kind, st.integers(-(2**31), 2**31 - 1)) for kind in [pa.int32(), pa.int64()]),
    *((kind, st.integers(0, 2**32 - 1)) for kind in [pa.uint32()]),
    *((kind, st.integers(-(2**53), 2**53)) for kind in [pa.int64()]),
    *((kind, st.integers(0, 2**53)) for kind in [pa.uint64()]),
]
DATES = st.dates(date(1, 1, 1), date(9999, 12, 31))
TIMES = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))
SECONDS = TIMES.map(lambda moment: moment.replace(microsecond=0))
RECORDS = st.fixed_dictionaries({"a.b": st.integers(0, 9), "c": TEXT})
PAIRS = st.dictionaries(TEXT, st.integers(-9, 9), max_size=2).map(lambda pairs: [*pairs.items()])
DECIMALS = st.decimals(-9999, 9999, places=2)
KINDS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    *INTEGERS,
    (pa.bool_(), st.booleans()),
    (pa.float32(), st.floats(-(2.0**99), 2.0**99, width=32)),
    (pa.float64(), st.floats(-1e150, 1e150) | st.just(float("nan"))),
    (pa.decimal128(6, 2), DECIMALS),
    (pa.decimal256(50, 2), DECIMALS),
    (pa.decimal128(38, 9), st.decimals(-(10**20), 10**20, places=9)),
    (pa.string(), TEXT),
    (pa.large_string(), TEXT),
    (pa.string_view(), TEXT),
    (pa.dictionary(pa.int32(), pa.string()), TEXT),
    (pa.binary(), st.binary(max_size=9)),
    (pa.date32(), DATES),
    (pa.date64(), DATES),
    (pa.time32("s"), st.times().map(lambda moment: moment.replace(microsecond=0))),
    (pa.time64("us"), st.times()),
    (pa.timestamp("s"), SECONDS),
    (pa.timestamp("us"), TIMES),
    (pa.timestamp("ns"), TIMES),
    (pa.timestamp("us", "UTC"), TIMES.map(lambda moment: moment.replace(tzinfo=UTC))),
    (pa.timestamp("ms", "America/New_York"), SECONDS.map(lambda moment: moment.replace(tzinfo=UTC))),
    (pa.duration("us"), st.timedeltas(timedelta(-999), timedelta(999))),
    (pa.list_(pa.int16()), st.lists(st.integers(-9, 9), max_size=3)),
    (
        pa.struct([("a.b", pa.uint8()), ("c", pa.string())]),
        st.fixed_dictionaries({"a.b": st.integers(0, 9), "c": TEXT}),
    ),
    (
        pa.map_(pa.string(), pa.int64()),
        st.dictionaries(TEXT, st.integers(-9, 9), max_size=2).map(lambda d: [*d.items()]),
    ),
    (pa.null(), st.none()),
    # refused when they are landed
    (pa.list_view(pa.int8()), st.lists(st.integers(-9, 9), max_size=3)),
    (pa.month_day_nano_interval(), st.tuples(*[st.integers(0, 9)] * 3)),
    (pa.struct([("a", pa.int8()), ("A", pa.int8())]), st.fixed_dictionaries({"a": st.integers(0, 9), "A": st.just(1)})),
]
NAMES = st.text(string.ascii_letters + "0123456789._ `'\"%*[]()-$äß😀", min_size=1, max_size=12)


@dataclass(frozen=True)
class DrawnColumn:
    """A column on two days.

    Attributes:
        name: of the column.
        kind: the type on the first day.
        days: its values by day; a day on which nothing is known may have no type.
    """

    name: str
    kind: pa.DataType
    days: tuple[pa.Array, pa.Array]


@st.composite
def columns(draw: st.DrawFn) -> list[DrawnColumn]:
    """Some columns of any name and type, now and then empty for a day."""
    names = draw(st.lists(NAMES, min_size=6, max_size=6, unique_by=lambda name: name.strip().casefold()))
    found = []
    for name in names:
        kind, values = draw(st.sampled_from(KINDS))
        days = []
        for _ in range(2):
            drawn = draw(st.lists(st.none() | values, min_size=ROWS, max_size=ROWS))
            empty = draw(st.integers(0, 4)) == 0
            days.append(pa.nulls(ROWS) if empty else pa.array(drawn, kind))
        found.append(DrawnColumn(name, kind, (days[0], days[1])))
    return found


def plain(value: Any) -> Any:
    """A value as it is compared: a moment without a zone is UTC, a NaN is itself."""
    if isinstance(value, float) and value != value:
        return "NaN"
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    if isinstance(value, Decimal):
        return value.normalize()
    return value
