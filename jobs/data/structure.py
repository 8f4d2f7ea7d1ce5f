"""What every batch must have before anything can be said about its values: key, event time, label, and only its day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from jobs.data.class_labels import as_class_type, refuse_unknown_classes
from jobs.data.column_types import TIMESTAMP, as_landed, family, in_words
from jobs.data.conversions import first_misfit, read_as
from jobs.data.key_order import in_order, key_order, repeated
from jobs.data.reasons import RowsRefused
from jobs.data.spill import each_column
from tidewheel.errors import did_you_mean
from tidewheel.hours import start_of
from tidewheel.partitions import DAY, Partitioning, PartitionRange
from tidewheel.quantities import quantity

Task = Literal["classification", "multiclass", "regression"]
EVENT_TIME_TYPE = TIMESTAMP
NAMED = 3  # examples given in a message
_KEYS = ("text", "integer", "float", "decimal", "boolean", "date", "time", "timestamp", "null")


def rows_of_day(
    table: pa.Table, day: date, key: list[str], event_time: str, source: str, unit: Partitioning = DAY
) -> pa.Table:
    """Check and put in order the rows to predict of one day.

    Args:
        table: what the source had.
        day: the partition, by its first day or as an hour; every event time must lie inside the partition, in UTC.
        key: columns that name a row.
        event_time: name of the timestamp column; times without a zone are taken as UTC.
        source: file, query or function the rows came from, for the message.
        unit: what a partition holds.

    Returns:
        The table sorted by key, event time as UTC microseconds, without Arrow or pandas metadata.

    Raises:
        DataRefused: a rule is broken; source, column and rule are named.
    """
    if table.num_rows == 0:
        raise RowsRefused(source, f"no rows for {day}", f"rule: a {unit} to predict has at least one row")
    _need_columns(table, [*key, event_time], source)
    table = _set(table, event_time, _as_time(table[event_time], event_time, source))
    _inside(table[event_time], PartitionRange(day, day, unit), event_time, source)
    return _tidy(table, key, source)


@dataclass(frozen=True)
class LabelRules:
    """What a label may be.

    Attributes:
        column: that holds it.
        task: of a classification a label is 0 or 1, of multiclass a class, of a regression any finite number.
        classes: multiclass: what a label may be.
        least: the smallest number that a label may be; None: any.
    """

    column: str
    task: Task
    classes: Sequence[str | int] = ()
    least: float | None = None


def labels_of_day(table: pa.Table, key: list[str], rules: LabelRules, source: str) -> pa.Table:
    """Check and put in order the labels of one day. Rows without a label are left out: unknown is not negative.

    Args:
        table: what the source had.
        key: columns that name a row.
        rules: what a label may be.
        source: file, query or function the labels came from, for the message.

    Raises:
        DataRefused: a rule is broken; source, column and rule are named.
    """
    label, task = rules.column, rules.task
    _need_columns(table, [*key, label], source)
    column = as_landed(table[label], label, source)
    if task == "multiclass":
        column = as_class_type(column, label, rules.classes, source)
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.int64())
    elif pa.types.is_null(column.type) or pa.types.is_decimal(column.type):  # decimal: `numeric` in a database
        column = column.cast(pa.float64())
    elif not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        advice = "convert it in the query or the reader"
        if pa.types.is_string(column.type):
            word = "boolean" if task == "classification" else "number"
            advice = f"declare what the text stands for, for example `labels.types: {{{label}: {word}}}`, or {advice}"
        raise RowsRefused(
            source,
            f"column {label!r} holds {column.type}, for example {first_misfit(column, lambda _: False)}",
            f"rule: a label is a number or a boolean; {advice}",
            [label],
        )
    table = _set(table, label, column)
    is_known = pc.invert(pc.is_null(table[label], nan_is_null=True))
    known = each_column(table, lambda _, values: values.filter(is_known))
    if task == "multiclass":
        refuse_unknown_classes(known[label], label, rules.classes, source)
    else:
        _of_the_task(known[label], label, task, source, rules.least)
    return _tidy(known, key, source)


def like_rows(table: pa.Table, types: Mapping[str, pa.DataType], source: str) -> pa.Table:
    """Labels with their key in the types that the rows have it in, so that the two can be joined.

    Args:
        table: what the source of the labels had.
        types: Arrow types of the rows' key, by column; empty where no rows are known.
        source: file, query or function the labels came from, for the message.

    Raises:
        DataRefused: a key cannot be one of the rows.
    """
    for name, kind in types.items():
        if table.column_names.count(name) != 1:
            continue
        column = as_landed(table[name], name, source)
        there = read_as(column, kind)
        if there is None or there.null_count > column.null_count:
            misfit = first_misfit(column, lambda values, kind=kind: read_as(values, kind) is not None)  # type: ignore[misc]
            raise RowsRefused(
                source,
                f"column {name!r} holds {in_words(column.type)}, for example {misfit}; in the rows it holds "
                f"{in_words(kind)}",
                "rule: labels have the key of the rows; convert it in the query or the reader",
                [name],
            )
        table = _set(table, name, there)
    return table


def _of_the_task(labels: pa.ChunkedArray, name: str, task: Task, source: str, least: float | None) -> None:
    if task == "classification":
        allowed, rule = pc.or_(pc.equal(labels, 0), pc.equal(labels, 1)), "the label of a classification is 0 or 1"
    else:
        allowed, rule = pc.is_finite(labels), "the label of a regression is a finite number"
        if pa.types.is_integer(labels.type):  # models compute with doubles
            allowed = pc.and_(pc.greater_equal(labels, -(2**53)), pc.less_equal(labels, 2**53))
            rule = f"{rule}, and an integer within ±2^53"
        if least is not None:
            allowed = pc.and_(allowed, pc.greater_equal(labels, least))
            rule = f"{rule}, and of `loss: poisson` {least:g} or more"
    wrong = labels.filter(pc.invert(allowed))
    if len(wrong):
        found = ", ".join(str(value) for value in pc.unique(wrong).slice(0, NAMED).to_pylist())
        raise RowsRefused(
            source,
            f"column {name!r}: {len(wrong)} of {len(labels)} labels are wrong (for example {found})",
            f"rule: {rule}",
            [name],
        )


def _need_columns(table: pa.Table, needed: list[str], source: str) -> None:
    for name in needed:
        if name not in table.column_names:
            raise RowsRefused(
                source,
                f"column {name!r} is missing{did_you_mean(name, table.column_names)} "
                f"(found: {', '.join(table.column_names)})",
                "rule: key, event time and label must be there",
                [name],
            )


def _as_time(column: pa.ChunkedArray, name: str, source: str) -> pa.ChunkedArray:
    column = as_landed(column, name, source)
    there = read_as(column, EVENT_TIME_TYPE)
    if there is None or there.null_count > column.null_count:
        misfit = first_misfit(column, lambda values: read_as(values, EVENT_TIME_TYPE) is not None)
        raise RowsRefused(
            source,
            f"column {name!r} holds {in_words(column.type)}, for example {misfit}",
            "rule: the event time is a timestamp (UTC)",
            [name],
        )
    return there


def _inside(times: pa.ChunkedArray, partition: PartitionRange, name: str, source: str) -> None:
    if times.null_count:
        raise RowsRefused(
            source,
            f"column {name!r} is empty in {quantity(times.null_count, 'row')}",
            "rule: every row has its time",
            [name],
        )
    start = start_of(partition.first)
    bounds = [pa.scalar(moment, type=EVENT_TIME_TYPE) for moment in (start, start + partition.unit.step)]
    outside = times.filter(pc.or_(pc.less(times, bounds[0]), pc.greater_equal(times, bounds[1])))
    if len(outside):
        found = ", ".join(str(moment) for moment in outside.slice(0, NAMED).to_pylist())
        raise RowsRefused(
            source,
            f"column {name!r}: {len(outside)} of {len(times)} rows lie outside {_in_words(partition)} "
            f"(for example {found})",
            f"rule: a partition holds its own {partition.unit} (UTC)",
            [name],
        )


def _in_words(partition: PartitionRange) -> str:
    return f"the week of {partition}" if partition.unit is Partitioning.WEEK else str(partition)


def _tidy(table: pa.Table, key: list[str], source: str) -> pa.Table:
    table = each_column(table, lambda name, column: as_landed(column, name, source))
    names = ", ".join(key)
    for column in key:
        if family(table[column].type) not in _KEYS:
            raise RowsRefused(
                source,
                f"column {column!r} holds {table[column].type}",
                "rule: a key is text, a number, a boolean, a date or a time; write it as text in the query or the "
                "reader",
                [column],
            )
        if nulls := pc.sum(pc.is_null(table[column], nan_is_null=True)).as_py():
            raise RowsRefused(
                source, f"column {column!r} is empty in {quantity(nulls, 'row')}", "rule: every row has a key", [column]
            )
    order = key_order(table, key)
    twice = _one_zero(repeated(table.select(key), order)).group_by(key, use_threads=False).aggregate([])
    if twice.num_rows:
        found = ", ".join(str(tuple(row[c] for c in key)) for row in twice.slice(0, NAMED).to_pylist())
        raise RowsRefused(
            source,
            f"column {names}: {twice.num_rows} keys occur more than once (for example {found})",
            "rule: a key names one row",
            key,
        )
    return in_order(table, order)


def _one_zero(keys: pa.Table) -> pa.Table:
    """Keys with -0.0 as 0.0, which Spark joins with each other."""
    for name in keys.column_names:
        if pa.types.is_floating(keys[name].type):
            keys = _set(keys, name, pc.add(keys[name], pa.scalar(0.0, keys[name].type)))
    return keys


def _set(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)
