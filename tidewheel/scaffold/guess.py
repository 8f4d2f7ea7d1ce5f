"""Guessing what a pipeline needs to know of a table: key, event time, label, task, features; and how sure that is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

from tidewheel.errors import UsageError, did_you_mean
from tidewheel.scaffold.profile import FEWEST_CLASSES as FEWEST
from tidewheel.scaffold.profile import MOST_VALUES, Column, days_of

if TYPE_CHECKING:
    from tidewheel.scaffold.sample import Sample
    from tidewheel.spec.pipeline import Task

KEY = re.compile(r"(^|[_ ])(id|key|uuid|guid|number|no|nr)$", re.IGNORECASE)
TIME = re.compile(
    r"(^|[_ ])(event|created|ordered|placed|occurred|timestamp|time|date|day|at|ts)($|[_ ])", re.IGNORECASE
)
LABEL = re.compile(
    r"^(is_|has_|was_)|(^|[_ ])(label|target|y|outcome|returned|churned|churn|converted|defaulted|default|fraud|late|"
    r"cancelled|canceled|clicked|click|won|sold|failed)$",
    re.IGNORECASE,
)
TARGET = re.compile(r"(^|[_ ])(label|target|y|outcome)$", re.IGNORECASE)
CODE = re.compile(r"(^|[_ ])(id|code|zip|postcode|plz|key|nr|no)$", re.IGNORECASE)
NAMED = 5


@dataclass(frozen=True)
class Guess:
    """One thing that was guessed.

    Attributes:
        value: what; empty where there is no guess.
        why: in a clause.
        sure: whether it may be taken without asking.
        others: what else it could be.
    """

    value: str
    why: str
    sure: bool
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hints:
    """What the caller said; empty: guess."""

    key: tuple[str, ...] = ()
    event_time: str = ""
    label: str = ""
    task: Task | None = None


@dataclass(frozen=True)
class GuessedFeatures:
    """Feature columns, and the columns that are none, each with its reason."""

    numeric: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)
    left_out: Mapping[str, str] = field(default_factory=dict)


def need(name: str, columns: Mapping[str, Column], option: str) -> None:
    """Refuse a name that the table has not.

    Raises:
        UsageError: it is not there; the nearest one is named.
    """
    if name not in columns:
        raise UsageError(f"{option} {name}: no such column{did_you_mean(name, columns)} (found: {', '.join(columns)})")


def guess_event_time(sample: Sample, columns: Mapping[str, Column]) -> Guess:
    """The column that puts a row into its day.

    Raises:
        UsageError: no column holds times without a gap.
    """
    times = [column for column in columns.values() if column.kind == "time" and not column.missing]
    if not times:
        gaps = [f"{c.name} (empty in {100 * c.missing:.1f}% of the rows)" for c in columns.values() if c.kind == "time"]
        hint = f"; of the columns with times each has gaps: {', '.join(gaps)}" if gaps else ""
        raise UsageError(
            f"{sample.origin}: no column holds a date or a time in every row{hint}. A pipeline needs one, since "
            "every row "
            "belongs to a day: add it to the data (ISO 8601, for example 2026-01-31T08:15:00Z)"
        )
    if sample.file_days is not None:
        times = [c for c in times if days_of(sample.table, c.name).equals(sample.file_days)]
        if not times:
            raise UsageError(
                f"{sample.origin}: no column's times lie in the day that the file's name holds, in UTC; a partition "
                "holds "
                "its own day"
            )
        if len(times) == 1:
            return Guess(times[0].name, "its times lie in the days that the files are named by", sure=True)
    if len(times) == 1:
        return Guess(times[0].name, "the only column with a time in every row", sure=True)
    names = [column.name for column in times]
    best = max(times, key=lambda column: (bool(TIME.search(column.name)), column.distinct, -names.index(column.name)))
    return Guess(best.name, f"of {', '.join(names)} it has the most different times", sure=False, others=tuple(names))


def guess_key(sample: Sample, columns: Mapping[str, Column], event_time: str, label: str) -> Guess:
    """The column, or two, that name a row.

    Raises:
        UsageError: neither one column nor two are unique.
    """
    rows = sample.table.num_rows
    possible = [
        column
        for column in columns.values()
        if column.name not in (event_time, label)
        and not column.missing
        and (column.kind == "text" or (column.kind == "number" and column.whole))
    ]
    unique = [column.name for column in possible if column.distinct == rows]
    named = [name for name in unique if KEY.search(name)]
    if len(named) == 1 or (not named and len(unique) == 1):
        name = (named or unique)[0]
        return Guess(name, f"different in each of {rows:,} rows", sure=bool(named), others=tuple(unique))
    if named:
        return Guess(named[0], f"{', '.join(named)} are each different in every row", sure=False, others=tuple(unique))
    if unique:
        return Guess(
            unique[0], f"{', '.join(unique)} are each different in every row", sure=False, others=tuple(unique)
        )
    candidates = sorted(possible, key=lambda column: (not KEY.search(column.name), -column.distinct))[:8]
    for pair in combinations([column.name for column in candidates], 2):
        if sample.table.group_by(list(pair)).aggregate([]).num_rows == rows:
            return Guess(", ".join(pair), "together different in every row", sure=False)
    nearest = max(possible, key=lambda column: column.distinct, default=None)
    found = f" (the nearest is {nearest.name}, with {nearest.distinct:,} values in {rows:,} rows)" if nearest else ""
    raise UsageError(
        f"{sample.origin}: no column, and no two columns, are different in every row{found}. A pipeline needs a key, "
        "by which "
        "a row's label finds it: add one to the data, remove doubled rows, or name more columns with --key A,B,C"
    )


def guess_label(columns: Mapping[str, Column], taken: Sequence[str], task: Task | None) -> Guess:
    """The column that is to be predicted.

    Raises:
        UsageError: no column could be one.
    """
    possible = [column for column in columns.values() if column.name not in taken and column.distinct > 1]
    flags = [column.name for column in possible if column.is_flag]
    numbers = [column.name for column in possible if column.kind == "number" and not CODE.search(column.name)]
    classes = [column.name for column in possible if column.has_classes]
    candidates = {"regression": numbers, "multiclass": classes}.get(task or "", flags)
    if not candidates and task is None:
        # A number may be a class or a quantity; unless the caller says which, it is a quantity.
        texts = [name for name in classes if columns[name].kind == "text"]
        candidates = [name for name in (*numbers, *texts) if LABEL.search(name)]
    if not candidates:
        pairs = [c for c in possible if c.kind == "text" and c.distinct == 2]
        hint = "".join(f"; {c.name} holds {' and '.join(map(str, c.values))}: write 1 and 0 instead" for c in pairs[:1])
        kinds = {"regression": "numbers", "multiclass": f"{FEWEST} to {MOST_VALUES} texts or whole numbers"}
        kind = kinds.get(task or "", "0 and 1 (or true and false), and none is named like a target")
        raise UsageError(
            f"no column could be the label: none holds {kind}{hint}. Name the column that is to be predicted with "
            "--label; if it is not in this data, join it to the rows first"
        )
    named = [name for name in candidates if LABEL.search(name)]
    best = [name for name in candidates if TARGET.search(name)] or named or candidates[::-1]
    why = "named like a label" if named else "the last that could be one"
    if task in (None, "classification") and len(flags) == 1 and best[0] == flags[0]:
        return Guess(best[0], "the only column of 0 and 1", sure=bool(named), others=tuple(candidates))
    sure = len(named) == 1 and (task is not None or named[0] in flags)
    return Guess(best[0], why, sure=sure, others=tuple(candidates))


def check_label(column: Column, task: Task | None) -> Task:
    """The task that a label makes.

    Raises:
        UsageError: nothing can be learned from it, or it does not fit the task.
    """
    if column.distinct < 2:
        only = f"only {column.values[0]!s}" if column.values else "nothing"
        raise UsageError(
            f"column {column.name!r} holds {only} in all rows, from which nothing can be learned: bring days on "
            "which it "
            "differs, or name another column with --label"
        )
    if task == "multiclass" or (task is None and column.kind == "text" and column.has_classes):
        return _check_classes(column)
    if column.kind not in ("number", "boolean"):
        some = ", ".join(str(value) for value in column.values[:NAMED]) or f"{column.distinct:,} different values"
        raise UsageError(
            f"column {column.name!r} holds {column.type} ({some}); expected 0 and 1, true and false, a number, "
            f"or {FEWEST} to {MOST_VALUES} different texts: write the label as one of these"
        )
    if task == "classification" and not column.is_flag:
        raise UsageError(f"column {column.name!r} holds {column.words}; the label of a classification is 0 or 1")
    return task or ("classification" if column.is_flag else "regression")


def _check_classes(column: Column) -> Task:
    if not column.has_classes:
        raise UsageError(
            f"column {column.name!r} holds {column.words}; the label of a multiclass pipeline has {FEWEST} to "
            f"{MOST_VALUES} values, all of them texts or whole numbers; group rare classes in the data, or name "
            "another column with --label"
        )
    return "multiclass"


def guess_features(columns: Mapping[str, Column], taken: Sequence[str], rows: int) -> GuessedFeatures:
    """Which columns a model sees: numbers, and text of few values.

    Raises:
        UsageError: none is left.
    """
    features, left_out = GuessedFeatures(), dict[str, str]()
    for name, column in columns.items():
        if name in taken:
            continue
        if reason := _no_feature(column, rows):
            left_out[name] = reason
        elif column.kind == "text" or (column.whole and CODE.search(name)):
            features.categorical.append(name)
        else:
            features.numeric.append(name)
    return GuessedFeatures(features.numeric, features.categorical, left_out)


def _no_feature(column: Column, rows: int) -> str:
    if column.kind in ("time", "other"):
        return f"holds {column.type}: compute something of it in transform.py"
    if column.distinct < 2:
        return "has the same value in every row" if column.distinct else "has no value"
    if column.name in ("partition", "prediction", "model_version"):
        return "the platform adds a column of this name: rename it in transform.py"
    code = column.kind == "text" or (column.whole and CODE.search(column.name))
    if code and (column.distinct > MOST_VALUES or column.distinct > rows / 2):
        return f"has {column.distinct:,} different values, too many for a category"
    return ""
