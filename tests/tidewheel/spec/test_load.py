"""Reading pipeline files: what is accepted, and what a wrong one is told."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tidewheel.errors import SpecError
from tidewheel.spec import Pipeline, find_pipeline, load_pipeline, pipeline_files

SMALLEST = """\
name: shop
description: Will the order be returned?
owner: {team: sales}
source:
  reader: {kind: csv, path: "data/{partition}.csv"}
  event_time: ordered_at
  entity_key: [order_id]
labels:
  reader: {kind: python, function: "jobs.pipelines.shop.reader:returns"}
  column: returned
features:
  transform: jobs.pipelines.shop.transform:features
  numeric: [amount]
"""


def write(folder: Path, content: str | bytes, name: str = "shop") -> Path:
    path = folder / f"{name}.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(folder: Path, content: str | bytes) -> str:
    with pytest.raises(SpecError) as caught:
        load_pipeline(write(folder, content))
    assert str(folder / "shop.yaml") in str(caught.value)
    return str(caught.value)


def test_the_smallest_pipeline_is_short_and_gets_sensible_defaults(tmp_path: Path) -> None:
    pipeline = load_pipeline(write(tmp_path, SMALLEST))

    assert len(SMALLEST.splitlines()) < 30
    assert (pipeline.task, pipeline.metric, pipeline.schedule) == ("classification", "log_loss", "0 3 * * *")
    assert pipeline.labels.delay_days == 1
    assert pipeline.gate.approval == "automatic"
    assert pipeline.features.columns == ["amount"]
    assert pipeline.key == ["order_id"]


def test_a_regression_is_judged_by_its_root_mean_squared_error(tmp_path: Path) -> None:
    assert load_pipeline(write(tmp_path, SMALLEST + "task: regression\n")).metric == "rmse"


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
    "a number out of range": (
        ("  column: returned", "  column: returned\n  delay_days: 0"),
        ["labels.delay_days: found 0; expected greater than or equal to 1"],
    ),
    "a choice that does not exist": (
        ("gate: {approval: manuel}\n", None),
        ["gate.approval: found 'manuel'; expected 'automatic' or 'manual', did you mean 'manual'?"],
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
        ["source.reader.query: unknown key; known here: kind, path"],
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
        ["schedule: found '0 3 * * 1'; expected minute, hour and three stars, since every day is one partition"],
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
        ["training.holdout_days keeps 7 days for the gate, gate.minimum_days asks for 8"],
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
        ["source and labels: order_id cannot be two things; expected a column of its own"],
    ),
    "a feature that is called as a column of ours": (
        ("numeric: [amount]", "numeric: [amount, model_version]"),
        ["model_version: the platform itself adds partition, prediction, model_version to the rows; rename this"],
    ),
    "a floor for an unknown figure": (
        ("gate: {floors: {roc_auk: 0.7}}\n", None),
        ["gate.floors.roc_auk: found 'roc_auk'; expected 'roc_auc' or 'r2', did you mean 'roc_auc'?"],
    ),
    "a figure that does not fit the task": (
        ("gate: {metric: rmse}\n", None),
        ["gate: rmse cannot judge a classification; expected log_loss, brier, roc_auc"],
    ),
    "a feature that is the label": (
        ("numeric: [amount]", "numeric: [amount, returned]"),
        ["features: returned cannot be a feature: it is the label"],
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
        ["source.reader: the query has no :partition parameter"],
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
    "a list of values where one is expected": (
        ("training: {parameters: {depth: [1, 2]}}\n", None),
        ["training.parameters.depth: found [1, 2]; expected a valid boolean or a valid integer"],
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


def test_the_file_is_called_as_the_pipeline(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"name is 'shop', but the file is called 'store'; make them the same"):
        load_pipeline(write(tmp_path, SMALLEST, "store"))


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such pipeline file"):
        load_pipeline(tmp_path / "shop.yaml")
    (tmp_path / "shop.yaml").mkdir()
    with pytest.raises(SpecError, match=r"shop\.yaml: cannot be read: Is a directory"):
        load_pipeline(tmp_path / "shop.yaml")


def test_a_pipeline_is_found_by_name_and_a_misspelled_one_gets_a_hint(tmp_path: Path) -> None:
    write(tmp_path, SMALLEST)
    write(tmp_path, "wrong: [", "mail")

    assert find_pipeline(tmp_path, "shop").name == "shop"
    assert [path.stem for path in pipeline_files(tmp_path)] == ["mail", "shop"]
    with pytest.raises(SpecError, match=r"no pipeline 'shopp' in .* \(there: mail, shop\), did you mean 'shop'\?"):
        find_pipeline(tmp_path, "shopp")
    with pytest.raises(SpecError, match=r"\(there: none\)"):
        find_pipeline(tmp_path / "nowhere", "shop")


def test_a_pipeline_never_changes(tmp_path: Path) -> None:
    pipeline = load_pipeline(write(tmp_path, SMALLEST))

    with pytest.raises(ValueError, match="frozen"):
        pipeline.name = "mail"


names = st.from_regex(r"\A[a-z][a-z0-9_]{0,20}\Z")
columns = st.lists(
    names.filter(lambda n: n not in {"ordered_at", "order_id", "returned", "prediction", "partition", "model_version"}),
    min_size=1,
    max_size=6,
)
words = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=40)
references = st.builds("{}.{}:{}".format, names, names, names)
readers = st.one_of(
    st.fixed_dictionaries({"kind": st.sampled_from(["csv", "parquet"]), "path": words}),
    st.fixed_dictionaries({"kind": st.just("python"), "function": references}),
    st.fixed_dictionaries(
        {"kind": st.just("sql"), "url_variable": st.just("SHOP_URL"), "query": words.map("{} :partition".format)}
    ),
)
pipelines = st.fixed_dictionaries(
    {
        "name": st.just("shop"),
        "description": words,
        "owner": st.fixed_dictionaries({"team": words}),
        "source": st.fixed_dictionaries(
            {"reader": readers, "event_time": st.just("ordered_at"), "entity_key": st.just(["order_id"])},
            optional={"start": st.dates(), "end": st.none()},
        ),
        "labels": st.fixed_dictionaries(
            {"reader": readers, "column": st.just("returned"), "delay_days": st.integers(1, 365)}
        ),
        "features": st.builds(
            lambda transform, names: {
                "transform": transform,
                "numeric": sorted(set(names))[::2],
                "categorical": sorted(set(names))[1::2],
            },
            references,
            columns,
        ),
    },
    optional={
        "schedule": st.builds("{} {} * * *".format, st.integers(0, 59), st.integers(0, 23)),
        "triggers": st.builds("{} {} * * {}".format, st.integers(0, 59), st.integers(0, 23), st.integers(0, 7)).map(
            lambda cron: {"calendar": cron}
        ),
        "training": st.fixed_dictionaries(
            {
                "estimator": st.sampled_from(["xgboost", "random_forest"]) | references,
                "parameters": st.dictionaries(
                    names, st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | words, max_size=3
                ),
            }
        ),
        "gate": st.fixed_dictionaries({"floors": st.fixed_dictionaries({"roc_auc": st.floats(0, 1)})}),
    },
)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pipelines)
def test_a_pipeline_written_down_and_read_again_is_the_same(tmp_path: Path, content: dict[str, object]) -> None:
    pipeline = Pipeline.model_validate(content)
    written, yaml = io.BytesIO(), YAML(typ="safe")
    yaml.default_flow_style = False  # in its other style ruamel writes some long mappings that it cannot read
    yaml.dump(pipeline.model_dump(mode="json"), written)

    assert load_pipeline(write(tmp_path, written.getvalue())) == pipeline


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=pipelines, data=st.data())
def test_whatever_is_put_in_the_place_of_a_value_the_answer_is_a_pipeline_or_a_spec_error(
    tmp_path: Path, content: dict[str, object], data: st.DataObject
) -> None:
    section = content
    key = data.draw(st.sampled_from(sorted(section)))
    while isinstance(section[key], dict) and section[key] and data.draw(st.booleans()):
        section = section[key]
        key = data.draw(st.sampled_from(sorted(section)))
    section[key] = data.draw(
        st.none() | st.booleans() | st.integers() | words | st.lists(st.integers(), max_size=2) | st.just({"a": 1})
    )
    written = io.BytesIO()
    YAML(typ="safe").dump(content, written)
    path = write(tmp_path, written.getvalue())

    try:
        load_pipeline(path)
    except SpecError as error:
        assert str(error).startswith(str(path))  # noqa: PT017  both answers are right
