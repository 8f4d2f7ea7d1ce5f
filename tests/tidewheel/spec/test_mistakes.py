"""What a person may get wrong in a pipeline file, and what the error says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tidewheel.spec.pipeline_file import SMALLEST, refusal

CSV = '{kind: csv, path: "data/{partition}.csv"}'
# What a person may get wrong: added to the smallest pipeline or replaced in it, and what the error must say.
WRONG = {
    "a key that does not exist, near to one that does": (
        ("training: {estimater: xgboost}\n", None),
        ["line 14, training.estimater: unknown key", "known here: estimator, parameters", "did you mean 'estimator'?"],
    ),
    "a key that is missing": (
        ("  event_time: ordered_at\n", ""),
        ["line 4, source.event_time: missing; expected timestamp column (UTC)"],
    ),
    "a whole section that is missing": (
        ("owner: {team: sales}\n", ""),
        ["owner: missing; expected who answers for it"],
    ),
    "a section that is a word": (
        ("owner: {team: sales}", "owner: sales"),
        ["line 3, owner: found 'sales'; expected keys such as team, email"],
    ),
    "a number that is a word": (
        ("  column: returned", "  column: returned\n  delay_days: one"),
        ["line 11, labels.delay_days: found 'one'; expected a valid integer"],
    ),
    "a number that is a boolean": (
        ("  column: returned", "  column: returned\n  delay_days: true"),
        ["line 11, labels.delay_days: found True; expected a number"],
    ),
    "a column with a blank at its end": (
        ("  column: returned", "  column: 'returned '"),
        ["line 10, labels.column: found 'returned '", "neither begins nor ends with a blank"],
    ),
    "a cast that hides the day": (
        (CSV, "{kind: sql, url_variable: SHOP_URL, query: 'select * from t where day = :partition::date'}"),
        ["line 5, source.reader.query: the cast right behind :partition hides its name; expected cast(:partition as"],
    ),
    "data that is deleted before a night has read it": (
        ("retention: {predictions_days: 30, requests_days: null}\n", None),
        ["line 14, retention.predictions_days: found 30; expected at least", "labels come after 1 day, "],
    ),
    "a number out of range": (
        ("  column: returned", "  column: returned\n  delay_days: 0"),
        ["labels.delay_days: found 0; expected greater than or equal to 1"],
    ),
    "a choice that does not exist": (
        ("gate: {approval: manuel}\n", None),
        ["gate.approval: found 'manuel'; expected 'automatic' or 'manual', did you mean 'manual'?"],
    ),
    "a list of no values to search": (
        ("training: {search: {space: {max_depth: []}}}\n", None),
        ["training.search.space.max_depth", "found []", "at least 1 item"],
    ),
    "whole numbers from a half on": (
        ("training: {search: {space: {max_depth: {low: 0.5, high: 8, whole: true}}}}\n", None),
        ["low is 0.5, but `whole: true` requires whole numbers"],
    ),
    "a seed that NumPy does not take": (
        ("training: {seed: 4294967296}\n", None),
        ["training.seed: found 4294967296; expected less than or equal to 4294967295"],
    ),
    "an estimator misspelled": (
        ("training: {estimator: xgbost}\n", None),
        ["training.estimator: found 'xgbost'", "`module:function`", "did you mean 'xgboost'?"],
    ),
    "a reader of an unknown kind": (
        ("kind: csv", "kind: cvs"),
        ["line 5, source.reader.kind: found 'cvs'; expected one of parquet, csv, sql, python, did you mean 'csv'?"],
    ),
    "a reader without a kind": (
        ("kind: csv, ", ""),
        ["line 5, source.reader.kind: missing; expected one of csv, parquet, python, sql"],
    ),
    "a key of another kind of reader": (
        ("{kind: csv, path:", "{kind: csv, query: x, path:"),
        ["source.reader.query: unknown key; known here: kind, path, delimiter, decimal"],
    ),
    "a key of CSV files in a reader of Parquet": (
        ("{kind: csv, path:", "{kind: parquet, decimal: ',', path:"),
        ["line 5, source.reader.decimal: unknown key; known here: kind, path"],
    ),
    "a delimiter of two characters": (
        ("{kind: csv, path:", "{kind: csv, delimiter: '||', path:"),
        ["source.reader.delimiter: found '||'; expected one ASCII character that is no letter or digit"],
    ),
    "a delimiter that is the quote": (
        ("{kind: csv, path:", "{kind: csv, delimiter: '\"', path:"),
        ["source.reader: delimiter '\"' and quote '\"' are the same; expected different characters"],
    ),
    "thousands that look like decimals": (
        ("{kind: csv, path:", "{kind: csv, thousands: '.', path:"),
        ["source.reader: thousands '.' and decimal '.' are the same; expected different characters, for example"],
    ),
    "an encoding that does not exist": (
        ("{kind: csv, path:", "{kind: csv, encoding: ansi-latin, path:"),
        ["source.reader.encoding: found 'ansi-latin'; expected an encoding that Python knows, for example utf-8"],
    ),
    "a key of the reader misspelled": (
        ("kind: python, function", "kind: python, funktion"),
        ["labels.reader.function: missing", "labels.reader.funktion: unknown key", "did you mean 'function'?"],
    ),
    "a code reference that is none": (
        ("shop.transform:features", "shop.transform.features"),
        ["features.transform: found 'jobs.pipelines.shop.transform.features'; expected `module:function`"],
    ),
    "a schedule that is not every night": (
        ('schedule: "0 3 * * 1"\n', None),
        ["schedule: found '0 3 * * 1'; a run is for the day that has ended; expected three stars, as `0 3 * * *`"],
    ),
    "a calendar that is no cron": (
        ('triggers: {calendar: "@weekly"}\n', None),
        ["triggers.calendar: found '@weekly'; expected five cron fields (UTC), for example"],
    ),
    "a calendar at an hour that does not exist": (
        ('triggers: {calendar: "0 99 * * 1"}\n', None),
        ["triggers.calendar: found '0 99 * * 1'", "each within its range"],
    ),
    "a calendar on a day that never comes": (
        ('triggers: {calendar: "0 0 30 2 *"}\n', None),
        ["triggers.calendar: found '0 0 30 2 *'; expected a day that the calendar has"],
    ),
    "more days than a window holds": (
        ("triggers: {performance: {window_days: 5, minimum_days: 9}}\n", None),
        ["line 14, triggers.performance: minimum_days is 9, but window_days is 5 and never holds so many"],
    ),
    "a date that the calendar has not": (
        ("entity_key: [order_id]", "entity_key: [order_id]\n  start: 2013-13-01"),
        ["a value is written like a date or a number and is none: month must be in 1..12"],
    ),
    "a floor that nothing is below": (
        ("gate: {floors: {roc_auc: .nan}}\n", None),
        ["gate.floors.roc_auc: found nan; expected a finite number"],
    ),
    "a gate that nobody can pass": (
        ("gate: {minimum_days: 8}\n", None),
        ["training.holdout_days keeps 7 days for the gate, gate.minimum_days requires 8"],
    ),
    "a reader that is a path": (
        ('{kind: csv, path: "data/{partition}.csv"}', "data/orders.csv"),
        ["line 5, source.reader: found 'data/orders.csv'; expected keys, `kind` first: one of csv, parquet, python"],
    ),
    "a strategy that is a word": (
        ("release: {strategy: canary}\n", None),
        ["release.strategy: found 'canary'; expected keys, `kind` first: one of blue_green, canary, shadow"],
    ),
    "a step that is a number": (
        ("release: {strategy: {kind: canary, steps: [50]}}\n", None),
        ["release.strategy.steps.0: found 50; expected keys such as share, bake_seconds"],
    ),
    "a key that is no name": (("2: x\n", None), ["found the key 2; expected a name"]),
    "a wrong key by way of an anchor": (
        ("training: {<<: &t {team: x}}\n", None),
        ["training.team: unknown key; known here: estimator"],
    ),
    "a label that is the key": (
        ("column: returned", "column: order_id"),
        ["line 10, labels.column: found 'order_id'; order_id cannot be two things (source.entity_key.0"],
    ),
    "a feature that is called as a column of ours": (
        ("numeric: [amount]", "numeric: [amount, model_version]"),
        ["model_version: the platform itself adds partition, prediction, model_version, and columns that begin with"],
    ),
    "a floor for an unknown figure": (
        ("gate: {floors: {roc_auk: 0.7}}\n", None),
        [
            "gate.floors.roc_auk: found 'roc_auk'; expected 'roc_auc', 'pr_auc', 'accuracy', 'precision', 'recall',",
            " 'r2' or 'd2', did you mean 'roc_auc'?",
        ],
    ),
    "a figure that does not fit the task": (
        ("gate: {metric: rmse}\n", None),
        ["line 14, gate.metric: found 'rmse'; rmse cannot judge a classification; expected log_loss, brier, d2"],
    ),
    "a feature that is the label": (
        ("numeric: [amount]", "numeric: [amount, returned]"),
        ["line 13, features.numeric.1: found 'returned'; returned cannot be a feature: it is the label"],
    ),
    "a feature named twice": (
        ("numeric: [amount]", "numeric: [amount]\n  categorical: [amount]"),
        ["line 11, features: columns named twice: amount"],
    ),
    "no features": (
        ("  numeric: [amount]\n", ""),
        ["features: no feature columns: name at least one under numeric or categorical"],
    ),
    "a query that reads the whole table": (
        ('{kind: csv, path: "data/{partition}.csv"}', "{kind: sql, url_variable: SHOP_URL, query: select 1}"),
        ["line 5, source.reader.query: the query has no :partition parameter"],
    ),
    "a password in the file": (
        ('{kind: csv, path: "data/{partition}.csv"}', '{kind: sql, url_variable: "pg://me:x@h", query: ":partition"}'),
        ["source.reader.url_variable: found 'pg://me:x@h'; expected the name of an environment variable"],
    ),
    "a source that ends before it starts": (
        ("entity_key: [order_id]", "entity_key: [order_id]\n  start: 2013-02-01\n  end: 2013-01-01"),
        ["line 4, source: the source ends on 2013-01-01, before it starts on 2013-02-01"],
    ),
    "a key that stands twice": (
        ("name: shop\n", None),
        ['line 14: found duplicate key "name"', "keep one of the two"],
    ),
    "a bracket left open": (("labels:\n", "labels: [\n"), ["not valid YAML", "line 10"]),
    "a tab": (("  column: returned", "\tcolumn: returned"), ["not valid YAML", "line 10", "found character"]),
    "a path without a day in it": (
        ("data/{partition}.csv", "data/orders.csv"),
        ["line 5, source.reader.path: found 'data/orders.csv'; expected a path with {partition}, which becomes"],
    ),
    "a placeholder misspelled": (
        ("{partition}", "{partiton}"),
        ["line 5, source.reader.path: found 'data/{partiton}.csv'", "did you mean '{partition}'?"],
    ),
    "a placeholder of another tool": (
        ("{partition}", "{{ ds }}"),
        ["expected {partition} and no other name in braces"],
    ),
    "a second placeholder": (("{partition}", "{partition}/{hour}"), ["expected {partition} and no other name"]),
    "a parameter that nothing binds": (
        (CSV, "{kind: sql, url_variable: SHOP_URL, query: 'select * from t where day = :partiton'}"),
        [
            "line 5, source.reader.query: nothing is bound to :partiton; expected :partition",
            "did you mean 'partition'?",
        ],
    ),
    "a parameter within quotes": (
        (CSV, "{kind: sql, url_variable: SHOP_URL, query: \"select * from t where day = ':partition'\"}"),
        ["line 5, source.reader.query: :partition stands in quotes or in a comment only"],
    ),
    "a query that changes and returns nothing": (
        (CSV, "{kind: sql, url_variable: SHOP_URL, query: 'delete from t where day = :partition'}"),
        ["the query begins with DELETE and returns no rows; expected a SELECT"],
    ),
    "the label as a feature in another spelling": (
        ("numeric: [amount]", "numeric: [amount, Returned]"),
        ["line 13, features.numeric.1: found 'Returned'; Returned cannot be a feature: it is the label"],
    ),
    "features that differ by case alone": (
        ("numeric: [amount]", "numeric: [amount]\n  categorical: [Amount]"),
        ["line 14, features.categorical.0: found 'Amount'; Amount and amount differ by case alone"],
    ),
    "a floor that nothing reaches": (
        ("gate: {floors: {roc_auc: 1.2}}\n", None),
        ["line 14, gate.floors.roc_auc: found 1.2; expected at most 1"],
    ),
    "a ceiling that nothing is below": (
        ("gate: {ceilings: {log_loss: 0}}\n", None),
        ["line 14, gate.ceilings.log_loss: found 0; expected more than 0"],
    ),
    "a ceiling that does not fit the task": (
        ("gate: {ceilings: {rmse: 1}}\n", None),
        ["line 14, gate.ceilings.rmse: found 'rmse'; rmse cannot judge a classification"],
    ),
    "a figure of groups that does not fit the task": (
        ("gate: {fairness: [{column: amount, figure: mae, maximum_gap: 1}]}\n", None),
        ["line 14, gate.fairness.0.figure: found 'mae'; mae cannot judge a classification", "gate.fairness.0.column"],
    ),
    "an endpoint whose requests nobody keeps and that is all there is": (
        ("scoring: {enabled: false}\nserving: {log_sample: 0}\n", None),
        ["line 15, serving.log_sample: found 0", "so that only logged requests can be monitored"],
    ),
    "a slice that is no column": (
        ("  numeric: [amount]", "  numeric: [amount]\n  categorical: [channel]\nmonitoring: {slices: [chanel]}"),
        ["line 15, monitoring.slices.0: found 'chanel'", "expected channel, did you mean 'channel'?"],
    ),
    "days that a source will never have": (
        ("entity_key: [order_id]", "entity_key: [order_id]\n  start: 2024-01-01\n  end: 2024-01-06"),
        ["line 9, source.end: found 2024-01-06", "the source has 6 days, of which 7 are reserved for judging"],
    ),
    "a window that its search's folds fill": (
        ("training: {window_days: 21, search: {}}\n", None),
        ["line 14, training.window_days: found 21; expected more than 21: the search judges on 3 folds of 7 days"],
    ),
    "an approval that no calendar holds": (
        ("gate: {approval_timeout_hours: 1e30}\n", None),
        ["line 14, gate.approval_timeout_hours", "less than or equal to 8784"],
    ),
    "a window before the calendar": (
        ("training: {window_days: 99999999999}\n", None),
        ["line 14, training.window_days", "less than or equal to 36500"],
    ),
    "a parameter that is a date": (
        ("training: {parameters: {depth: 2013-01-01}}\n", None),
        ["line 14, training.parameters.depth: found datetime.date(2013, 1, 1); expected a valid boolean"],
    ),
    "a parameter with something within it that is no number": (
        ("training: {parameters: {sizes: [1, [.nan]]}}\n", None),
        ["line 14, training.parameters.sizes.1.0: found nan; expected a valid boolean or a finite number"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_pipeline_is_told_where_what_was_found_and_what_was_expected(case: str, tmp_path: Path) -> None:
    (old, new), expected = WRONG[case]
    content = SMALLEST + old if new is None else SMALLEST.replace(old, new, 1)
    assert content != SMALLEST

    message = refusal(tmp_path, content)

    for part in expected:
        assert part in message


def test_every_broken_rule_is_named_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, SMALLEST.replace("sales", "''").replace("amount", "''") + "schedule: never\n")

    assert [line.split(":")[0].split(", ")[-1] for line in message.splitlines()[1:]] == [
        "owner.team",
        "schedule",
        "features.numeric.0",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "expected keys such as name, source, labels, features; found None"),
        ("- shop\n", "found ['shop']"),
        (b"\xff\xfe\xfa", "not valid YAML"),
        (b"\x00", "not valid YAML"),
        ("a: " + 3000 * "[" + 3000 * "]", "lists and keys lie deeper in each other"),
    ],
)
def test_a_file_that_is_no_pipeline_at_all_is_refused(tmp_path: Path, content: str | bytes, expected: str) -> None:
    assert expected in refusal(tmp_path, content)
