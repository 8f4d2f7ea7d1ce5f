"""What Arrow computes of a suite is what Great Expectations says, and what it cannot compute it leaves to it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.data.arrow_suite import ArrowSuite, read_arrow_suite
from jobs.data.expectations import load_suite
from jobs.data.table_judge import TableJudge

ROOT = Path(__file__).parents[3]
NOT_NULL, UNIQUE = "expect_column_values_to_not_be_null", "expect_column_values_to_be_unique"
BETWEEN, IN_SET = "expect_column_values_to_be_between", "expect_column_values_to_be_in_set"
MEAN, EXISTS = "expect_column_mean_to_be_between", "expect_column_to_exist"
COLUMNS, ROWS = "expect_table_columns_to_match_set", "expect_table_row_count_to_be_between"
COMPOUND, LENGTHS = "expect_compound_columns_to_be_unique", "expect_column_value_lengths_to_equal"
OF_TYPE, IN_TYPES = "expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list"
RULES: list[tuple[str, dict[str, Any]]] = [
    (ROWS, {"min_value": 1, "max_value": 8}),
    (ROWS, {"min_value": 2}),
    (COLUMNS, {"column_set": ["id", "day"], "exact_match": False}),
    (COLUMNS, {"column_set": ["text", "float", "single", "integer", "large", "small", "id", "day", "flag"]}),
    (EXISTS, {"column": "float"}),
    (NOT_NULL, {"column": "float", "mostly": 0.5}),
    (NOT_NULL, {"column": "text", "mostly": 0.25}),
    (NOT_NULL, {"column": "day"}),
    (NOT_NULL, {"column": "flag", "mostly": 0}),
    (UNIQUE, {"column": "id"}),
    (UNIQUE, {"column": "small", "mostly": 0.9}),
    (COMPOUND, {"column_list": ["id", "day"]}),
    (BETWEEN, {"column": "float", "min_value": -2, "max_value": 2}),
    (BETWEEN, {"column": "single", "min_value": 0.1}),
    (BETWEEN, {"column": "integer", "max_value": 2, "mostly": 0.75}),
    (BETWEEN, {"column": "large", "min_value": 2**53 + 1}),
    (IN_SET, {"column": "text", "value_set": ["ab", "cd", "ä€"]}),
    (IN_SET, {"column": "integer", "value_set": [0, 1.0, 2]}),
    (IN_SET, {"column": "float", "value_set": [0, 1, 0.5]}),
    (LENGTHS, {"column": "text", "value": 2}),
    (MEAN, {"column": "float", "min_value": -1, "max_value": 1}),
    (MEAN, {"column": "small", "min_value": 0}),
    (OF_TYPE, {"column": "small", "type_": "int16"}),
    (IN_TYPES, {"column": "text", "type_list": ["int64", "str"]}),
]


def a_column(kind: pa.DataType, values: st.SearchStrategy[Any], rows: int) -> st.SearchStrategy[pa.Array]:
    """Mostly values that keep the rules: what breaks one is judged by Great Expectations anyhow."""
    return st.lists(values | st.none() if rows % 2 else values, min_size=rows, max_size=rows).map(
        lambda drawn: pa.array(drawn, kind)
    )


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(1, 8))
    columns = {
        "text": a_column(pa.string(), st.sampled_from(["ab", "cd", "ä€"]), rows),
        "float": a_column(pa.float64(), st.sampled_from([0.0, 0.5, 1.0]) | st.floats(-1, 1), rows),
        "single": a_column(pa.float32(), st.floats(0.125, 99, width=32), rows),
        "integer": a_column(pa.int64(), st.sampled_from([0, 1, 2]), rows),
        "large": a_column(pa.int64(), st.integers(2**53, 2**53 + 4), rows),
        "small": st.permutations(range(rows)).map(lambda drawn: pa.array(drawn, pa.int16())),
        "id": st.permutations(range(rows)).map(lambda drawn: pa.array([f"{number}" for number in drawn])),
        "day": st.just(pa.array([date(2026, 1, 1)] * rows)),
        "flag": a_column(pa.bool_(), st.booleans(), rows),
    }
    return pa.table({name: draw(column) for name, column in columns.items()})


def suite_text(rules: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    expectations = [{"type": kind, "kwargs": kwargs, "severity": "warning"} for kind, kwargs in rules]
    return json.dumps({"name": "suite", "expectations": expectations, "meta": {}})


def arrow_suite(*rules: tuple[str, Mapping[str, Any]]) -> ArrowSuite:
    suite = read_arrow_suite(suite_text(rules))
    assert suite is not None
    return suite


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> TableJudge:
    file = tmp_path_factory.mktemp("suites") / "suite.json"
    file.write_text(suite_text(RULES))
    return TableJudge(file)


@settings(max_examples=25, deadline=None)
@given(table=tables())
def test_what_arrow_finds_is_what_great_expectations_finds(judge: TableJudge, table: pa.Table) -> None:
    expected = judge.judge_by_great_expectations(table)
    by_arrow = [(rule, arrow_suite(rule).judge(table)) for rule in RULES]

    for rule, findings in by_arrow:
        if findings is None:
            assert not all(finding.passed for finding in expected if finding.rule == rule[0]), rule
        else:
            assert repr(findings[0]) in [repr(finding) for finding in expected], rule
    assert repr(judge.judge(table)) == repr(expected)


FULL = pa.table(
    {
        "text": pa.array(["ab", "cd", "ef"]),
        "float": pa.array([0.5, None, 1.5]),
        "integer": pa.array([1, 2, 3]),
        "lacking": pa.array([1, None, 3]),
        "date": pa.array([date(2026, 1, day) for day in (1, 2, 3)]),
        "decimal": pa.array([Decimal("0.10"), Decimal("0.20"), Decimal("0.30")]),
        "nothing": pa.nulls(3),
    }
)


def test_findings_are_listed_as_great_expectations_lists_them(tmp_path: Path) -> None:
    rules: list[tuple[str, dict[str, Any]]] = [
        (EXISTS, {"column": "float"}),
        (BETWEEN, {"column": "integer", "min_value": 0}),
        (ROWS, {"max_value": 3}),
        (OF_TYPE, {"column": "text", "type_": "str"}),
        (BETWEEN, {"column": "float", "min_value": 0}),
        (UNIQUE, {"column": "integer"}),
        (COLUMNS, {"column_set": FULL.column_names}),
    ]
    file = tmp_path / "suite.json"
    file.write_text(suite_text(rules))

    assert arrow_suite(*rules).judge(FULL) == TableJudge(file).judge_by_great_expectations(FULL)


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        (BETWEEN, {"column": "integer", "max_value": 2}),
        (BETWEEN, {"column": "text", "min_value": 0}),
        (BETWEEN, {"column": "decimal", "min_value": 0}),
        (BETWEEN, {"column": "not_there", "min_value": 0}),
        (IN_SET, {"column": "text", "value_set": ["ab"]}),
        (IN_SET, {"column": "integer", "value_set": ["1", "2", "3"]}),
        (NOT_NULL, {"column": "float"}),
        (NOT_NULL, {"column": "nothing", "mostly": 0}),
        (UNIQUE, {"column": "float"}),
        (MEAN, {"column": "float", "max_value": 0.5}),
        (MEAN, {"column": "lacking", "max_value": 3}),
        (LENGTHS, {"column": "text", "value": 3}),
        (OF_TYPE, {"column": "nothing", "type_": "str"}),
        (OF_TYPE, {"column": "integer", "type_": "str"}),
        (ROWS, {"max_value": 2}),
        (COLUMNS, {"column_set": ["text", "float"]}),
    ],
)
def test_a_rule_that_is_broken_or_about_another_type_is_left_to_great_expectations(
    kind: str, kwargs: dict[str, Any]
) -> None:
    assert arrow_suite((kind, kwargs)).judge(FULL) is None


def test_a_batch_without_rows_is_left_to_great_expectations() -> None:
    assert arrow_suite((EXISTS, {"column": "text"})).judge(FULL.slice(0, 0)) is None


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("expect_column_values_to_match_regex", {"column": "text", "regex": "a"}),
        (BETWEEN, {"column": "float", "min_value": 0, "strict_min": True}),
        (BETWEEN, {"column": "float", "min_value": 0, "row_condition": "integer>1", "condition_parser": "pandas"}),
        (BETWEEN, {"column": "float", "min_value": {"$PARAMETER": "lowest"}}),
        (BETWEEN, {"column": "date", "min_value": "2026-01-01"}),
        (BETWEEN, {"column": "float"}),
        (BETWEEN, {"min_value": 1}),
        (IN_SET, {"column": "integer", "value_set": [1, "2"]}),
        (IN_SET, {"column": "flag", "value_set": [True]}),
        (NOT_NULL, {"column": "float", "mostly": 2}),
        (COMPOUND, {"column_list": ["text"]}),
        (OF_TYPE, {"column": "text", "type_list": ["str"]}),
    ],
)
def test_a_rule_that_arrow_does_not_know_in_full_leaves_the_suite_to_great_expectations(
    kind: str, kwargs: dict[str, Any]
) -> None:
    assert read_arrow_suite(suite_text([(EXISTS, {"column": "text"}), (kind, kwargs)])) is None


@pytest.mark.parametrize("text", ["", "[]", '{"name": "", "expectations": []}', '{"name": "s", "rules": []}'])
def test_a_file_that_is_no_suite_is_left_to_great_expectations_which_explains_it(text: str) -> None:
    assert read_arrow_suite(text) is None


def test_a_suite_as_great_expectations_writes_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "suite.json"
    file.write_text(suite_text(RULES))

    assert read_arrow_suite(json.dumps(load_suite(file).to_json_dict())) is not None


@pytest.mark.parametrize("file", sorted((ROOT / "expectations").glob("*/*.json")), ids=lambda file: file.stem)
def test_the_suites_of_the_example_are_computed_by_arrow(file: Path) -> None:
    assert read_arrow_suite(file.read_text()) is not None


def test_judging_a_batch_that_keeps_its_suite_does_not_import_great_expectations(tmp_path: Path) -> None:
    file = tmp_path / "suite.json"
    file.write_text(suite_text([(UNIQUE, {"column": "id"})]))
    code = """
import sys
from pathlib import Path
import pyarrow as pa
import jobs.validate
from jobs.data.table_judge import TableJudge
assert TableJudge(Path(sys.argv[1])).judge(pa.table({"id": ["a", "b"]}))[0].passed
print("great_expectations" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code, file], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
