"""Rules that no day could ever be judged by: found without data, by running the suites over made-up rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.checking.finding import sentences
from jobs.checking.suites import suite_mistakes
from tidewheel.settings import Settings
from tidewheel.spec import Pipeline

PIPELINE = {
    "name": "shop",
    "description": "d",
    "owner": {"team": "t"},
    "source": {
        "reader": {"kind": "csv", "path": "{partition}.csv"},
        "event_time": "ordered_at",
        "entity_key": ["order_id"],
    },
    "labels": {"reader": {"kind": "csv", "path": "{partition}.csv"}, "column": "returned"},
    "features": {"transform": "a:b", "numeric": ["amount", "count"], "categorical": ["channel"]},
}
pytestmark = pytest.mark.filterwarnings("ignore:.*string-based row conditions")
Rules = list[tuple[str, dict[str, object]]]
OF = "expect_column_values_to_be_"


def found(folder: Path, **suites: Rules) -> list[str]:
    """What is said of a pipeline's suites."""
    settings = Settings(home=folder / "home", project=folder)
    lines: Rules = [("expect_table_row_count_to_be_between", {"min_value": 1})]
    for name in ("raw", "features", "predictions", "labels"):
        rules = [{"type": kind, "kwargs": kwargs, "severity": "critical"} for kind, kwargs in suites.get(name, lines)]
        path = folder / "expectations" / "shop" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"name": name, "expectations": rules}))
    return sentences(suite_mistakes(Pipeline.model_validate(PIPELINE), settings), {})


NEVER: dict[str, tuple[str, tuple[str, dict[str, object]], str]] = {
    "a column that features have not": (
        "features", (f"{OF}unique", {"column": "amuont"}), "features of shop do not have, did you mean 'amount'?",
    ),
    "a column that predictions have not": (
        "predictions", (f"{OF}unique", {"column": "predicton"}), "do not have, did you mean 'prediction'?",
    ),
    "a label misspelled": ("labels", (f"{OF}unique", {"column": "retruned"}), "did you mean 'returned'?"),
    "a pattern that is none": (
        "raw", ("expect_column_values_to_match_regex", {"column": "town", "regex": "["}), "can never be computed",
    ),
    "limits that are swapped": (
        "raw", (f"{OF}between", {"column": "price", "min_value": 5, "max_value": 1}), "no value lies between them",
    ),
    "a set of no values": ("raw", (f"{OF}in_set", {"column": "town", "value_set": []}), "value_set is empty"),
    "a type that is none": ("raw", (f"{OF}of_type", {"column": "price", "type_": "flaot64"}), "name of no type"),
    "types of which one is none": (
        "labels", (f"{OF}in_type_list", {"column": "returned", "type_list": ["int64", "ints"]}), "'ints' is the name",
    ),
    "a type that a feature never has": (
        "features", (f"{OF}of_type", {"column": "amount", "type_": "int64"}), "can never hold: found double",
    ),
    "a number's rule on a category": (
        "features", ("expect_column_mean_to_be_between", {"column": "channel", "min_value": 0, "max_value": 1}),
        "can never be computed",
    ),
    "a condition that is no expression": (
        "raw", (f"{OF}unique", {"column": "town", "row_condition": "price >> (", "condition_parser": "pandas"}),
        "can never be computed",
    ),
    "a condition on a column that features have not": (
        "features", (f"{OF}unique", {"column": "amount", "row_condition": "price > 3", "condition_parser": "pandas"}),
        "can never be computed",
    ),
    "a column with itself": (
        "raw", ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "price", "column_B": "price"}),
        "column_A and column_B are both 'price'",
    ),
    "a rule for databases": (
        "raw", ("unexpected_rows_expectation", {"unexpected_rows_query": "select * from {batch} where 1 = 0"}),
        "can never be computed",
    ),
    "quantiles beyond one": (
        "raw",
        ("expect_column_quantile_values_to_be_between",
         {"column": "price", "quantile_ranges": {"quantiles": [0.1, 1.5], "value_ranges": [[0, 1], [0, 1]]}}),
        "can never be computed",
    ),
    "a rule that ends the whole suite": (
        "raw",
        ("expect_column_kl_divergence_to_be_less_than",
         {"column": "price", "partition_object": {"x": 1}, "threshold": 0.1}),
        "can never be computed",
    ),
    "columns that features have not as a set": (
        "features", ("expect_table_columns_to_match_set", {"column_set": ["order_id", "amount"]}), "can never hold",
    ),
    "a number of columns that features have not": (
        "features", ("expect_table_column_count_to_equal", {"value": 17}), "can never hold: found 5",
    ),
    "a share above one": (
        "raw", (f"{OF}unique", {"column": "town", "mostly": 2}), "is not an expectation suite",
    ),
    "a time that is none": (
        "raw", ("expect_column_values_to_match_strftime_format", {"column": "town", "strftime_format": "%Q"}),
        "is not an expectation suite",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NEVER)
def test_a_rule_that_can_never_be_computed_or_hold_is_found_without_data(case: str, tmp_path: Path) -> None:
    suite, rule, said = NEVER[case]
    good = ("expect_table_row_count_to_be_between", {"min_value": 1})

    [sentence] = found(tmp_path, **{suite: [good, rule]})

    assert f"{suite}.json" in sentence
    assert said in sentence


def test_rules_that_a_day_decides_are_no_mistakes(tmp_path: Path) -> None:
    rows: Rules = [
        ("expect_table_row_count_to_be_between", {"min_value": 10_000}),
        (f"{OF}unique", {"column": "town"}),
        (f"{OF}in_set", {"column": "town", "value_set": ["Ulm"]}),
        (f"{OF}between", {"column": "price", "min_value": 100}),
        (f"{OF}between", {"column": "sent_on", "min_value": "2024-01-01", "max_value": "2030-01-01"}),
        (f"{OF}of_type", {"column": "price", "type_": "float64"}),
        (f"{OF}in_type_list", {"column": "town", "type_list": ["str", "object"]}),
        ("expect_column_values_to_match_regex", {"column": "town", "regex": "^[A-Z]"}),
        ("expect_column_value_lengths_to_be_between", {"column": "order_id", "min_value": 3}),
        (f"{OF}increasing", {"column": "order_id"}),
        (f"{OF}unique", {"column": "a", "row_condition": 'b > 3 and c == "x"', "condition_parser": "pandas"}),
        ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "paid", "column_B": "price"}),
    ]
    features: Rules = [
        (f"{OF}of_type", {"column": "amount", "type_": "float64"}),
        (f"{OF}in_type_list", {"column": "channel", "type_list": ["str"]}),
        ("expect_table_columns_to_match_set",
         {"column_set": ["order_id", "ordered_at", "amount", "count", "channel"]}),
        ("expect_column_mean_to_be_between", {"column": "amount", "min_value": 900, "max_value": 901}),
        (f"{OF}null", {"column": "count"}),
    ]  # fmt: skip
    labels: Rules = [
        (f"{OF}in_set", {"column": "returned", "value_set": [0, 1]}),
        (f"{OF}of_type", {"column": "returned", "type_": "int64"}),
        (f"{OF}unique", {"column": "reason"}),
    ]
    predictions: Rules = [
        (f"{OF}between", {"column": "prediction", "min_value": 0, "max_value": 1}),
        (f"{OF}in_set", {"column": "model_version", "value_set": ["1"]}),
    ]

    assert found(tmp_path, raw=rows, features=features, labels=labels, predictions=predictions) == []
