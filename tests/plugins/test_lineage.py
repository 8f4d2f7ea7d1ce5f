"""What a job read and wrote reaches a receiver of OpenLineage's events, by the provider's own way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.openlineage.extractors.base import DefaultExtractor
from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter
from openlineage.client.event_v2 import OutputDataset
from openlineage.client.facet_v2 import output_statistics_output_dataset

from plugins.operators.command import JobCommand
from plugins.operators.job_operator import JobOperator
from plugins.operators.lineage import lineage_of
from tests.lineage_receiver import receiving_lineage
from tidewheel.options import LandOptions
from tidewheel.runs import BatchReference, JobRecord

if TYPE_CHECKING:
    from tests.plugins.conftest import Project

DAY = "2026-11-21"
RUN = "0190a0b0-0000-7000-8000-000000000000"
RECORD = JobRecord(
    pipeline="orders",
    job="features",
    run_id="run-1",
    partition=DAY,
    inputs={f"raw/{DAY}": "aaa", "labels/2026-11-19": "b1", "labels/2026-11-20": "b2", "model": "mmm"},
    outputs=(BatchReference(dataset="features", partition=DAY, content_hash="ccc", rows=7),),
)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The events that a receiver has taken, which the standard's variable names."""
    with receiving_lineage() as received:
        monkeypatch.setenv("OPENLINEAGE_URL", received.url)
        monkeypatch.setenv("OPENLINEAGE_DISABLED", "false")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield received.events


def test_a_finished_task_sends_what_its_job_read_and_wrote(
    project: Project, context: Callable[..., Any], receiver: list[dict[str, Any]], tmp_path: Any
) -> None:
    project.write_job("land", 'return Result(inputs={"raw/2026-11-21": "aaa"}, sentence="7 rows")')
    task = JobOperator(task_id="land", command=JobCommand(LandOptions, "orders", DAY))
    task.job_options["run_id"] = "run-1"
    task.execute(context("run-1"))
    lineage = DefaultExtractor(task).extract_on_complete(None)
    assert lineage is not None
    OpenLineageAdapter().complete_task(
        RUN, "orders.features.land", "2026-11-22T03:00:00Z", lineage, None, None, None, None, None
    )
    [event] = receiver
    assert (event["eventType"], event["job"]["name"]) == ("COMPLETE", "orders.features.land")
    [read] = event["inputs"]
    assert (read["namespace"], read["name"]) == ("file", f"{tmp_path}/home/lake/orders/raw")
    assert read["facets"]["version"]["datasetVersion"] == "aaa"


def test_a_task_that_failed_says_nothing_of_datasets() -> None:
    task = JobOperator(task_id="land", command=JobCommand(LandOptions, "orders", DAY))
    lineage = DefaultExtractor(task).extract_on_failure(None)
    assert lineage is not None
    assert (lineage.inputs, lineage.outputs) == ([], [])


def test_days_of_a_dataset_are_one_dataset_and_a_model_is_none(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_LAKE_URL", "s3://shop/lake")
    found = lineage_of(RECORD)
    assert [(one.namespace, one.name) for one in found.inputs] == [
        ("s3://shop", "lake/orders/labels"),
        ("s3://shop", "lake/orders/raw"),
    ]
    assert ["version" in (one.facets or {}) for one in found.inputs] == [False, True]
    [written] = found.outputs
    assert isinstance(written, OutputDataset)
    assert written.outputFacets is not None
    assert written.name == "lake/orders/features"
    rows = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=7)
    assert written.outputFacets["outputStatistics"] == rows
