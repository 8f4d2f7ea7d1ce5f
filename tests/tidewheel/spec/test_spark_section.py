"""Executors and Spark's options in a pipeline file: what can never work is refused at its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipelines import PIPELINE_FILE
from tidewheel.errors import SpecError
from tidewheel.spec import Pipeline, load_pipeline


def pipeline(folder: Path, more: str) -> Pipeline:
    file = folder / "orders.yaml"
    file.write_text(PIPELINE_FILE + more)
    return load_pipeline(file)


def test_executors_belong_to_a_job_and_options_to_spark(tmp_path: Path) -> None:
    made = pipeline(
        tmp_path,
        "resources: {features: {executors: 4}}\n"
        "spark: {conf: {spark.sql.shuffle.partitions: 400, spark.speculation: true}}\n",
    )
    asks = made.resources_of("features")
    assert asks is not None
    assert (asks.executors, asks.memory) == (4, "4Gi")
    assert made.spark.options == {"spark.sql.shuffle.partitions": "400", "spark.speculation": "true"}


def test_executors_of_a_job_without_spark_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SpecError, match=r"resources\.train\.executors: found 2.* expected executors under features or score"
    ):
        pipeline(tmp_path, "resources: {train: {executors: 2}}\n")


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("spark.master", "TIDEWHEEL_SPARK_MASTER"),
        ("spark.executor.memory", r"resources\.<job>\.memory"),
        ("spark.dynamicAllocation.maxExecutors", r"resources\.<job>\.executors"),
        ("spark.sql.session.timeZone", "expected no entry"),
    ],
)
def test_an_option_that_tidewheel_sets_names_what_decides_it(tmp_path: Path, option: str, expected: str) -> None:
    with pytest.raises(SpecError, match=rf"Tidewheel sets {option} itself.*{expected}"):
        pipeline(tmp_path, f"spark: {{conf: {{{option}: x}}}}\n")


def test_an_option_of_another_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="hive"):
        pipeline(tmp_path, "spark: {conf: {hive.metastore.uris: x}}\n")
