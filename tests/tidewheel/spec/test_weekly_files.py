"""The file of a weekly pipeline: it counts weeks, and its keys say so."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from tests.pipelines import PIPELINE_FILE
from tidewheel.errors import SpecError
from tidewheel.partitions import Partitioning
from tidewheel.spec import Pipeline, load_pipeline
from tidewheel.spec.load import pipeline_schema

WEEKLY = PIPELINE_FILE + "partition: week\n"


def load(folder: Path, text: str) -> Pipeline:
    file = folder / "orders.yaml"
    file.write_text(text)
    return load_pipeline(file)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SpecError) as refused:
        load(folder, text)
    return str(refused.value)


def test_a_pipeline_is_daily_unless_its_file_says_otherwise(tmp_path: Path) -> None:
    pipeline = load(tmp_path, PIPELINE_FILE)
    assert pipeline.partition is Partitioning.DAY
    assert (pipeline.schedule, pipeline.triggers.cool_down_days, pipeline.monitoring.drift.history_days) == (
        "0 3 * * *",
        7,
        28,
    )


def test_weeks_are_counted_as_partitions(tmp_path: Path) -> None:
    pipeline = load(
        tmp_path,
        WEEKLY.replace("  column: returned", "  column: returned\n  delay_weeks: 2")
        + "training: {window_weeks: 52, search: {trials: 5}}\n"
        + "triggers: {every_weeks: 4, budget: {fits: 3, weeks: 12}}\n"
        + "monitoring: {drift: {reference_weeks: 8}}\n",
    )
    assert (pipeline.labels.delay_days, pipeline.training.window_days, pipeline.triggers.every_days) == (2, 52, 4)
    assert pipeline.triggers.budget is not None
    assert pipeline.training.search is not None
    assert (pipeline.triggers.budget.days, pipeline.training.search.validation_days) == (12, 2)
    assert (pipeline.monitoring.drift.reference_days, pipeline.monitoring.drift.history_days) == (8, 13)


def test_times_of_the_calendar_have_a_weekly_default(tmp_path: Path) -> None:
    pipeline = load(tmp_path, WEEKLY)
    triggers = pipeline.triggers
    assert pipeline.schedule == "0 3 * * 1"
    assert (triggers.cool_down_days, triggers.maximum_age_days, triggers.patience_days) == (1, 3, 1)
    assert triggers.budget is not None
    assert triggers.budget.days == 12
    assert pipeline.training.search is None


def test_no_budget_and_no_section_stay_what_they_are(tmp_path: Path) -> None:
    pipeline = load(tmp_path, WEEKLY + "triggers: {budget: null, maximum_age_weeks: null}\n")
    assert pipeline.triggers.budget is None
    assert pipeline.triggers.maximum_age_days is None


def test_a_pipeline_that_is_written_down_and_read_again_is_the_same(tmp_path: Path) -> None:
    pipeline = load(tmp_path, WEEKLY + "training: {window_weeks: 52}\n")
    assert Pipeline.model_validate(pipeline.model_dump(mode="json")) == pipeline


def test_long_delays_are_counted_in_days_of_the_calendar(tmp_path: Path) -> None:
    def delayed(weeks: int) -> Pipeline:
        return load(tmp_path, WEEKLY.replace("  column: returned", f"  column: returned\n  delay_weeks: {weeks}"))

    assert delayed(2).on_probation
    assert not delayed(3).on_probation


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            "training:\n  window_days: 28\n",
            "line 16, training.window_days: a partition of this pipeline is a week; write window_weeks, in weeks",
        ),
        (
            "triggers: {budget: {days: 28}}\n",
            "triggers.budget.days: a partition of this pipeline is a week; write weeks",
        ),
        (
            "training: {window_weeks: 0}\n",
            "line 15, training.window_weeks: found 0; expected greater than or equal to 1",
        ),
        ("training: {windw_weeks: 3}\n", "did you mean 'window_weeks'"),
        ('schedule: "0 3 * * *"\n', "a run is for the week that has ended; expected a weekday in the last field"),
        (
            "monitoring: {drift: {season: week}}\n",
            "a week is compared with the weeks before it; expected none, or year",
        ),
        ("monitoring: {drift: {block_weeks: 7}}\n", "found 7; expected 1: a week is a block"),
        ('alerts: {rules: ["roc_auc < 0.6 for 3 days"]}\n', "a partition of this pipeline is a week"),
        (
            "training: {holdout_weeks: 2}\n",
            "training.holdout_weeks: training.holdout_weeks keeps 2 weeks for the gate, gate.minimum_weeks requires 3",
        ),
    ],
)
def test_what_cannot_be_of_a_weekly_pipeline_is_refused_at_its_key(tmp_path: Path, more: str, sentence: str) -> None:
    assert sentence in refusal(tmp_path, WEEKLY + more)


def test_a_daily_pipeline_counts_no_weeks(tmp_path: Path) -> None:
    assert "did you mean 'window_days'" in refusal(tmp_path, PIPELINE_FILE + "training: {window_weeks: 3}\n")
    assert "expected three stars" in refusal(tmp_path, PIPELINE_FILE + 'schedule: "0 3 * * 1"\n')
    rule = 'alerts: {rules: ["roc_auc < 0.6 for 3 weeks"]}\n'
    assert "a partition of this pipeline is a day; expected a number of days" in refusal(tmp_path, PIPELINE_FILE + rule)


def test_an_editor_knows_the_weekly_keys() -> None:
    import json

    schema = json.loads(pipeline_schema())
    content = YAML(typ="safe").load(WEEKLY + "training: {window_weeks: 52}\ntriggers: {budget: {weeks: 12}}\n")
    jsonschema.validate(content, schema)
