"""What a table's columns look like: types, missing shares, how many values, and how they differ from day to day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

from tidewheel.errors import UsageError
from tidewheel.quantities import quantity

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["number", "text", "boolean", "time", "other"]
MOST_VALUES = 50
"""A column with more different values than this is no category."""
FEWEST_CLASSES = 3
"""A label of fewer values is of two kinds."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        kind: as a pipeline sees it.
        type: Arrow's name of its type.
        missing: share of the rows without a value.
        distinct: different values.
        whole: whether all numbers are whole.
        least: smallest number.
        most: largest number.
        values: the different values, where they are few.
    """

    name: str
    kind: Kind
    type: str
    missing: float
    distinct: int
    whole: bool = False
    least: float | None = None
    most: float | None = None
    values: tuple[object, ...] = ()

    @property
    def is_flag(self) -> bool:
        """Whether it holds two values that a label of a classification may have."""
        return self.kind == "boolean" or (self.kind == "number" and set(self.values) == {0, 1})

    @property
    def has_classes(self) -> bool:
        """Whether it holds values that a label of several classes may have."""
        fits = self.kind == "text" or (self.kind == "number" and self.whole)
        return fits and FEWEST_CLASSES <= self.distinct <= MOST_VALUES

    @property
    def classes(self) -> list[str] | list[int]:
        """Its values as classes; empty where they are none."""
        if not self.has_classes:
            return []
        if self.kind == "text":
            return [str(value) for value in self.values]
        return sorted(int(str(value).partition(".")[0]) for value in self.values)

    @property
    def words(self) -> str:
        """For a person: type, missing, values."""
        parts = [self.type]
        if self.missing:
            parts.append(f"{max(0.1, 100 * self.missing):.1f}% missing")
        if self.values and self.distinct <= 6:
            parts.append(", ".join(str(value) for value in self.values))
        elif self.least is not None and self.most is not None:
            parts.append(f"{self.least:g} to {self.most:g}")
        else:
            parts.append(quantity(self.distinct, "value"))
        return "; ".join(parts)


def columns_of(table: pa.Table) -> dict[str, Column]:
    """Each column by name.

    Raises:
        UsageError: the table has no rows, or two columns of one name.
    """
    if twice := sorted({name for name in table.column_names if table.column_names.count(name) > 1}):
        raise UsageError(f"column {', '.join(twice)} is there twice; give each column a name of its own")
    if not table.num_rows:
        raise UsageError("there are no rows to learn from")
    return {name: _column(name, table[name]) for name in table.column_names}


def _column(name: str, values: pa.ChunkedArray) -> Column:
    import pyarrow.compute as pc

    kind, known = kind_of(values.type), values.drop_null()
    distinct = pc.count_distinct(known).as_py() if kind != "other" else 0
    some = tuple(sorted(pc.unique(known).to_pylist(), key=str)) if 0 < distinct <= MOST_VALUES else ()
    missing = 1 - len(known) / len(values)
    if kind != "number" or not len(known):
        return Column(name, kind, str(values.type), missing, distinct, values=some)
    numbers = known.cast("float64")
    bounds = pc.min_max(numbers).as_py()
    whole = bool(pc.all(pc.equal(numbers, pc.floor(numbers))).as_py())
    return Column(name, kind, str(values.type), missing, distinct, whole, bounds["min"], bounds["max"], some)


def kind_of(of: pa.DataType) -> Kind:
    """What kind of column an Arrow type makes; text where nothing is known."""
    import pyarrow.types as pt

    if pt.is_boolean(of):
        return "boolean"
    if pt.is_integer(of) or pt.is_floating(of) or pt.is_decimal(of):
        return "number"
    if pt.is_timestamp(of) or pt.is_date(of):
        return "time"
    return "text" if pt.is_string(of) or pt.is_large_string(of) or pt.is_null(of) else "other"


def days_of(table: pa.Table, event_time: str) -> pa.ChunkedArray:
    """The day of each row, in UTC."""
    import pyarrow as pa

    values = table[event_time]
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us", tz=values.type.tz), safe=False)
        values = values.cast(pa.timestamp("us", tz="UTC")) if values.type.tz else values
    return values.cast(pa.timestamp("us"), safe=False).cast(pa.date32(), safe=False)


@dataclass(frozen=True)
class DailyRange:
    """One column, day by day; days at the ends that may be cut are left out.

    Attributes:
        missing: largest share without a value on a day.
        least: smallest daily mean of a number.
        most: largest daily mean.
    """

    missing: float
    least: float | None
    most: float | None


def daily(table: pa.Table, days: pa.ChunkedArray) -> tuple[Mapping[date, int], Mapping[str, DailyRange]]:
    """Rows of each day, and each column day by day."""
    import pyarrow as pa

    with_days = table.append_column("tidewheel day", days)
    numbers = [name for name in table.column_names if kind_of(table[name].type) in ("number", "boolean")]
    for name in numbers:
        place = with_days.column_names.index(name)
        with_days = with_days.set_column(place, name, with_days[name].cast(pa.float64()))
    aggregations: Sequence[tuple[object, ...]] = [
        *((name, "count") for name in table.column_names if kind_of(table[name].type) != "other"),
        *((name, "mean") for name in numbers),
        ([], "count_all"),
    ]
    grouped = with_days.group_by("tidewheel day", use_threads=False).aggregate(aggregations).to_pylist()
    rows = {row["tidewheel day"]: row["count_all"] for row in grouped if row["tidewheel day"]}
    columns = {}
    for name in table.column_names:
        shares = [1 - row[f"{name}_count"] / row["count_all"] for row in grouped if f"{name}_count" in row]
        means = [row[f"{name}_mean"] for row in grouped if row.get(f"{name}_mean") is not None]
        columns[name] = DailyRange(max(shares, default=0.0), min(means, default=None), max(means, default=None))
    return dict(sorted(rows.items())), columns
