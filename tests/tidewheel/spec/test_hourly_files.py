"""The file of an hourly pipeline: its data is by hour, and what is judged by day."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from tests.pipelines import PIPELINE_FILE
from tidewheel.errors import SpecError
from tidewheel.partitions import Partitioning
from tidewheel.spec import Pipeline, load_pipeline
from tidewheel.spec.load import pipeline_schema

HOURLY = PIPELINE_FILE + "partition: hour\n"


def load(folder: Path, text: str) -> Pipeline:
    file = folder / "orders.yaml"
    file.write_text(text)
    return load_pipeline(file)


def looking_back(key: str, count: int) -> str:
    return HOURLY.replace("features:\n", f"features:\n  {key}: {count}\n")


def test_data_is_by_hour_and_decisions_are_those_of_a_daily_pipeline(tmp_path: Path) -> None:
    hourly, daily = load(tmp_path, looking_back("look_back_hours", 48)), load(tmp_path, PIPELINE_FILE)
    assert (hourly.partition, hourly.block, hourly.schedule) == (Partitioning.HOUR, Partitioning.DAY, "10 * * * *")
    assert hourly.features.look_back_days == 48  # the model counts partitions
    assert hourly.on_probation == daily.on_probation
    for section in ("labels", "training", "triggers", "gate", "monitoring", "retention", "alerts"):
        assert getattr(hourly, section) == getattr(daily, section)


def test_hours_without_rows_may_be_usual(tmp_path: Path) -> None:
    assert load(tmp_path, HOURLY.replace("source:\n", "source:\n  empty_hours: skip\n")).source.empty_days == "skip"


def test_a_pipeline_that_is_written_down_and_read_again_is_the_same(tmp_path: Path) -> None:
    pipeline = load(tmp_path, looking_back("look_back_hours", 3))
    assert Pipeline.model_validate(pipeline.model_dump(mode="json")) == pipeline


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            looking_back("look_back_days", 2),
            "features.look_back_days: a partition of this pipeline is an hour; write look_back_hours, in hours",
        ),
        (
            HOURLY.replace("source:\n", "source:\n  empty_days: skip\n"),
            "source.empty_days: a partition of this pipeline is an hour; write empty_hours",
        ),
        (looking_back("look_back_hours", -1), "features.look_back_hours: found -1; expected greater than"),
        (
            HOURLY + 'schedule: "0 3 * * *"\n',
            "a run is for the hour that has ended; expected a minute and four stars, as `10 * * * *`",
        ),
        (
            HOURLY + 'alerts: {rules: ["roc_auc < 0.6 for 3 weeks"]}\n',
            "figures of this pipeline are by day; expected a number of days",
        ),
        (HOURLY + "training: {window_hours: 700}\n", "did you mean 'window_days'"),
    ],
)
def test_what_cannot_be_of_an_hourly_pipeline_is_refused_at_its_key(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SpecError) as refused:
        load(tmp_path, text)
    assert sentence in str(refused.value)


def test_a_daily_pipeline_has_no_schedule_by_the_hour(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="a run is for the day that has ended; expected three stars"):
        load(tmp_path, PIPELINE_FILE + 'schedule: "10 * * * *"\n')


def test_an_editor_knows_the_hourly_keys() -> None:
    jsonschema.validate(YAML(typ="safe").load(looking_back("look_back_hours", 48)), json.loads(pipeline_schema()))
