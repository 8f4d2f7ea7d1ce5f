"""What Great Expectations judges: rules that are true of the landed types hold, and rules that are not do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.data.expectations import ExpectationResult
from jobs.data.table_judge import TableJudge
from tidewheel.errors import SpecError

OF_TYPE, IN_LIST = "expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list"
BETWEEN, IN_SET, REGEX = (
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_in_set",
    "expect_column_values_to_match_regex",
)
MAX, UNIQUE = "expect_column_max_to_be_between", "expect_column_values_to_be_unique"
COMPOUND, GREATER = "expect_compound_columns_to_be_unique", "expect_column_pair_values_a_to_be_greater_than_b"
DAYS = [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)]
MOMENTS = [datetime(2026, 1, day, 8, tzinfo=UTC) for day in (1, 2, 3)]
FULL = {
    "integer": pa.array([1, 2, 3]),
    "small": pa.array([1, 2, 3], pa.int16()),
    "large": pa.array([2**53 + 1, 2**53 + 2, 2**53 + 3]),
    "boolean": pa.array([True, False, True]),
    "date": pa.array(DAYS),
    "timestamp": pa.array(MOMENTS, pa.timestamp("us", "UTC")),
    "local": pa.array([moment.replace(tzinfo=None) for moment in MOMENTS], pa.timestamp("us")),
    "time": pa.array([time(8), time(9, 30), time(10)], pa.time64("us")),
    "decimal": pa.array([Decimal("0.10"), Decimal("0.20"), Decimal("0.30")]),
    "text": pa.array(["A1", "A2", "A3"]),
    "number": pa.array([0.5, 1.5, 2.5]),
    "user.age 100% `q` 'x'": pa.array([1, 2, 3]),
}
HOLDS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    # column, rule, what is true of it, what is not
    ("integer", OF_TYPE, {"type_": "int64"}, {"type_": "float64"}),
    ("integer", IN_LIST, {"type_list": ["Int64", "str"]}, {"type_list": ["float", "object"]}),
    ("integer", BETWEEN, {"min_value": 1, "max_value": 3}, {"min_value": 2}),
    ("integer", IN_SET, {"value_set": [1, 2, 3]}, {"value_set": [2]}),
    ("integer", REGEX, {"regex": r"^\d$"}, {"regex": r"^\d\.0$"}),
    ("integer", "expect_column_value_lengths_to_equal", {"value": 1}, {"value": 3}),
    ("integer", UNIQUE, {}, None),
    ("small", OF_TYPE, {"type_": "int16"}, {"type_": "int64"}),
    ("large", BETWEEN, {"min_value": 2**53 + 1}, {"min_value": 2**53 + 4}),
    ("boolean", OF_TYPE, {"type_": "bool"}, {"type_": "object"}),
    ("boolean", IN_SET, {"value_set": [True, False]}, {"value_set": ["True", "False"]}),
    ("date", OF_TYPE, {"type_": "date"}, {"type_": "datetime64[ns]"}),
    ("date", BETWEEN, {"min_value": "2026-01-01", "max_value": "2026-01-03"}, {"min_value": "2026-01-04"}),
    ("date", IN_SET, {"value_set": [str(day) for day in DAYS]}, {"value_set": ["2026-01-02"]}),
    ("date", MAX, {"min_value": "2026-01-03", "max_value": "2026-01-03"}, {"max_value": "2026-01-02"}),
    ("date", REGEX, {"regex": r"^2026-01-0\d$"}, {"regex": "00:00"}),
    ("timestamp", OF_TYPE, {"type_": "datetime64[us, UTC]"}, {"type_": "date"}),
    ("timestamp", OF_TYPE, {"type_": "Timestamp"}, {"type_": "datetime64[us]"}),
    ("timestamp", BETWEEN, {"min_value": "2026-01-01", "max_value": "2026-01-04"}, {"max_value": "2026-01-02"}),
    ("timestamp", MAX, {"min_value": "2026-01-03T08:00:00Z"}, {"min_value": "2026-01-03T09:00:00+00:00"}),
    ("timestamp", IN_SET, {"value_set": [moment.isoformat() for moment in MOMENTS]}, {"value_set": ["2026-01-01"]}),
    ("local", OF_TYPE, {"type_": "datetime64[ns]"}, {"type_": "datetime64[ns, UTC]"}),
    ("local", BETWEEN, {"min_value": "2026-01-01T08:00:00"}, {"min_value": "2026-01-01T09:00:00"}),
    ("time", OF_TYPE, {"type_": "time"}, {"type_": "str"}),
    ("time", IN_SET, {"value_set": ["08:00", "09:30", "10:00"]}, {"value_set": ["08:00"]}),
    ("decimal", OF_TYPE, {"type_": "Decimal"}, {"type_": "float64"}),
    ("decimal", BETWEEN, {"min_value": 0.1, "max_value": 0.3}, {"min_value": 0.2}),
    ("decimal", IN_SET, {"value_set": [0.1, 0.2, 0.3]}, {"value_set": [0.1]}),
    ("text", OF_TYPE, {"type_": "str"}, {"type_": "int64"}),
    ("text", REGEX, {"regex": "^A[123]$"}, {"regex": "^B"}),
    ("text", "expect_column_values_to_match_strftime_format", {"strftime_format": "A%d"}, {"strftime_format": "%Y"}),
    ("number", OF_TYPE, {"type_": "float64"}, {"type_": "int64"}),
    ("number", "expect_column_mean_to_be_between", {"min_value": 0.5, "max_value": 2.5}, {"min_value": 3}),
    ("user.age 100% `q` 'x'", BETWEEN, {"min_value": 1, "max_value": 3}, {"min_value": 4}),
    ("user.age 100% `q` 'x'", OF_TYPE, {"type_": "int64"}, {"type_": "float64"}),
]
Judges = Callable[[str, dict[str, Any]], tuple[ExpectationResult, ...]]


@pytest.fixture
def found(tmp_path: Path) -> Judges:
    """What one rule finds in the full table, and in one with a missing value in each column."""

    def find(rule: str, kwargs: dict[str, Any]) -> tuple[ExpectationResult, ...]:
        suite = tmp_path / "suite.json"
        expectation = {"type": rule, "kwargs": kwargs, "severity": "critical"}
        suite.write_text(json.dumps({"name": "suite", "expectations": [expectation], "meta": {}}))
        lacking = pa.table({name: pa.array([column[0], None, column[2]], column.type) for name, column in FULL.items()})
        judge, full = TableJudge(suite), pa.table(FULL)
        return tuple(judge.judge(table)[0] for table in (full, full, lacking, lacking))  # the second time prepared

    return find


@pytest.mark.parametrize(("column", "rule", "true", "untrue"), HOLDS)
def test_a_rule_that_is_true_holds_and_one_that_is_not_does_not_with_or_without_missing_values(
    found: Judges, column: str, rule: str, true: dict[str, Any], untrue: dict[str, Any] | None
) -> None:
    for finding in found(rule, {"column": column, **true}):
        assert finding.passed, finding.sentence
    for finding in found(rule, {"column": column, **untrue}) if untrue is not None else ():
        assert not finding.passed
        assert finding.computed, finding.sentence


def test_rules_of_several_columns_are_computed_beside_missing_values(found: Judges) -> None:
    for finding in found(COMPOUND, {"column_list": ["integer", "date", "boolean", "user.age 100% `q` 'x'"]}):
        assert finding.passed, finding.sentence
    names = {"column_A": "integer", "column_B": "number"}
    for finding in found(GREATER, {**names, "ignore_row_if": "either_value_is_missing"}):
        assert finding.passed, finding.sentence
    for finding in found(GREATER, {"column_A": "number", "column_B": "integer"}):
        assert finding.computed
        assert not finding.passed


def test_a_type_rule_about_a_column_that_is_not_there_says_so(found: Judges) -> None:
    finding, *_ = found(OF_TYPE, {"column": "colour", "type_": "str"})
    assert (finding.passed, finding.computed) == (False, False)
    assert finding.sentence == (
        "column colour: could not be computed: there is no column 'colour'; rule: "
        "expect_column_values_to_be_of_type (type_ str)"
    )


@pytest.mark.parametrize(
    "rule",
    [
        {"type": IN_SET, "kwargs": {"column": "timestamp", "value_set": ["an evening"]}},
        {
            "type": "expect_column_kl_divergence_to_be_less_than",
            "kwargs": {"column": "integer", "partition_object": {"values": [1]}, "threshold": 0.1},
        },
    ],
    ids=["a limit that is no time", "a partition that is none"],
)
def test_a_rule_that_ends_the_whole_suite_is_named_with_its_file(tmp_path: Path, rule: dict[str, Any]) -> None:
    file = tmp_path / "raw.json"
    file.write_text(json.dumps({"name": "raw", "expectations": [rule]}))

    with pytest.raises(SpecError, match=r"raw\.json: a rule cannot be computed: .*`tidewheel validate`"):
        TableJudge(file).judge(pa.table(FULL))
