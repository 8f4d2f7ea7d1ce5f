"""Whether each rule of a pipeline's suites can be computed at all: the suites are run over made-up rows.

Of features and predictions the columns are sure. Of rows and labels a suite may name columns that only the source
knows: there a rule is wrong if it cannot be computed whatever such a column holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

import pyarrow as pa

from bentos.outputs import Outputs
from jobs.checking.finding import Wrong
from jobs.checking.rehearsal import Rehearsal
from jobs.checking.rules import OF_NAMES_AND_TYPES, TYPE_ARGUMENTS, Rule, never_holds, rules_of
from jobs.data.expectations import load_suite
from tidewheel.errors import SpecError, did_you_mean

if TYPE_CHECKING:
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

SUITES = ("raw", "features", "predictions")
OPTIONAL_SUITES = ("labels",)
ROWS = 12
ANY = "any"
NEAR = 0.8
"""Two names so much alike are the same, one of them misspelled."""
_NAME = re.compile(r"[^\W\d]\w*")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_OPERATORS = frozenset(
    {"and", "or", "not", "in", "is", "True", "False", "None", "nan", "col", "notNull", "null", "isnull", "notnull",
     "isna", "notna", "str", "contains", "startswith", "endswith", "between", "isin", "dt", "len", "abs"}
)  # fmt: skip
_DAY = datetime(2024, 3, 1, tzinfo=UTC)
_MADE_UP: Mapping[str, Callable[[int], pa.Array]] = {
    "number": lambda n: pa.array([1.0 + row / 2 for row in range(n)]),
    "text": lambda n: pa.array([f"text {row}" for row in range(n)]),
    "time": lambda n: pa.array([_DAY + timedelta(hours=row) for row in range(n)], pa.timestamp("us", "UTC")),
    "integer": lambda n: pa.array(range(1, n + 1), pa.int64()),
    "boolean": lambda n: pa.array([row % 2 == 0 for row in range(n)]),
    "date": lambda n: pa.array([(_DAY + timedelta(days=row)).date() for row in range(n)], pa.date32()),
    "label": lambda n: pa.array([row % 2 for row in range(n)], pa.int64()),
}
_GUESSES = ("number", "text", "time", "integer", "boolean", "date")


@dataclass(frozen=True)
class _Table:
    """The columns of a dataset: what each holds, as far as that is known, and whether there may be others."""

    columns: Mapping[str, str]
    is_whole: bool


def suite_mistakes(pipeline: Pipeline, settings: Settings) -> Iterator[Wrong]:
    """What is wrong with the suites of a pipeline."""
    folder = settings.expectations_folder / pipeline.name
    tables, judge = _tables(pipeline), Rehearsal()
    for name in (*SUITES, *OPTIONAL_SUITES):
        path = folder / f"{name}.json"
        if name in OPTIONAL_SUITES and not path.exists():
            continue
        try:
            rules = rules_of(load_suite(path).to_json_dict())
        except SpecError as error:
            yield Wrong((), str(error))
            continue
        for sentence in _mistakes(rules, tables[name], name, pipeline, judge):
            yield Wrong((), f"{path}: {sentence}")


def _tables(pipeline: Pipeline) -> Mapping[str, _Table]:
    key = dict.fromkeys(pipeline.key, ANY)
    key_and_time = {**key, pipeline.source.event_time: "time"}
    kinds = {
        **dict.fromkeys(pipeline.features.numeric, "number"),
        **dict.fromkeys(pipeline.features.categorical, "text"),
    }
    label, said = "label" if pipeline.task == "classification" else "number", {"prediction": "number"}
    if pipeline.task == "multiclass":
        label = "text" if isinstance(pipeline.labels.classes[0], str) else "number"
        said = {"prediction": label, **dict.fromkeys(Outputs(tuple(pipeline.labels.classes)).probabilities, "number")}
    return {
        "raw": _Table(key_and_time, is_whole=False),
        "labels": _Table({**key, pipeline.labels.column: label}, is_whole=False),
        "features": _Table({**key_and_time, **kinds}, is_whole=True),
        "predictions": _Table({**key_and_time, **said, "model_version": "text"}, is_whole=True),
    }


def _mistakes(rules: Sequence[Rule], table: _Table, name: str, pipeline: Pipeline, judge: Rehearsal) -> Iterator[str]:
    reported: set[int] = set()
    for rule in rules:
        for wrong in never_holds(rule):
            reported.add(rule.position)
            yield f"{rule.name} can never hold: {wrong}"
        for column in rule.columns:
            if hint := _unknown(column, table):
                reported.add(rule.position)
                yield (
                    f"expects something of column {column!r}, which the {name} of {pipeline.name} do not have"
                    f"{'' if hint == '-' else hint}"
                )
    for rule, wrong in _not_computed(rules, table, judge):
        if rule.position not in reported:
            yield f"{rule.name} {wrong}"


def _unknown(column: str, table: _Table) -> str:
    """What to say of a column that is not there: the nearest name, or `-`; empty where it may be there."""
    if column in table.columns:
        return ""
    if table.is_whole:
        return did_you_mean(column, table.columns) or "-"
    near = [name for name in table.columns if SequenceMatcher(None, column, name).ratio() >= NEAR]
    # Of rows a source may well have `order_id` and `order_ids`; labels are few columns, and mostly our own two.
    return did_you_mean(column, near) if near and "label" in table.columns.values() else ""


def _not_computed(rules: Sequence[Rule], table: _Table, judge: Rehearsal) -> Iterator[tuple[Rule, str]]:
    """Rules that cannot be computed, or that names and types alone break, whatever the unknown columns hold."""
    columns = {**_named_columns(rules, table), **table.columns}
    open_columns = [name for name, kind in columns.items() if kind == ANY or name not in table.columns]
    left: dict[int, str] = {}
    for attempt, guess in enumerate(("", *_GUESSES)):
        remaining = [rule for rule in rules if attempt == 0 or rule.position in left]
        if not remaining or (attempt and not open_columns):
            break
        kinds = {n: k if k != ANY else guess or "text" for n, k in columns.items()}
        if guess:
            kinds |= dict.fromkeys(open_columns, guess)
        wrong = _judged(remaining, _rows(kinds), table, judge)
        left = wrong if attempt == 0 else {position: left[position] for position in wrong if position in left}
    yield from ((rule, left[rule.position]) for rule in rules if rule.position in left)


def _named_columns(rules: Sequence[Rule], table: _Table) -> dict[str, str]:
    """Columns that the rules of a table name, where the table may have others than are known, by what they may hold."""
    if table.is_whole:
        return {}
    named: dict[str, str] = {}
    for rule in rules:
        for column in [*rule.columns, *_in_condition(rule.arguments.get("row_condition"))]:
            named.setdefault(column, rule.column_kind)
    return named


def _in_condition(condition: object) -> list[str]:
    if isinstance(condition, Mapping):
        named = condition.get("name")
        if isinstance(named, str):
            return [named]
        return [name for value in condition.values() for name in _in_condition(value)]
    if isinstance(condition, list):
        return [name for value in condition for name in _in_condition(value)]
    if not isinstance(condition, str):
        return []
    quoted = re.findall(r"col\(\s*[\"']([^\"']+)[\"']\s*\)", condition)
    return [*quoted, *(name for name in _NAME.findall(_QUOTED.sub(" ", condition)) if name not in _OPERATORS)]


def _rows(kinds: Mapping[str, str]) -> pa.Table:
    """Made-up rows as they would have been landed; a feature may be missing."""
    return pa.table({name: _MADE_UP[kind](ROWS) for name, kind in kinds.items()})


def _judged(rules: Sequence[Rule], rows: pa.Table, table: _Table, judge: Rehearsal) -> dict[int, str]:
    """What is wrong with rules over some rows, by position."""
    sentences = {}
    for rule, outcome in zip(rules, judge.outcomes(rules, rows), strict=True):
        if outcome.raised:
            sentences[rule.position] = f"can never be computed: {outcome.raised}"
        elif not outcome.passed and rule.kind in OF_NAMES_AND_TYPES and _is_sure(rule, table):
            sentences[rule.position] = f"can never hold: {outcome.found}"
    return sentences


def _is_sure(rule: Rule, table: _Table) -> bool:
    of_types = any(name in rule.arguments for name in TYPE_ARGUMENTS)
    return table.is_whole and not (of_types and any(table.columns.get(column) == ANY for column in rule.columns))
