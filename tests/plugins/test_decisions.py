"""What a verdict makes Airflow do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException, DagRunTriggerException
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from plugins.operators.decisions import (
    AnnounceDays,
    AnnounceFeatures,
    AnnouncePartition,
    RequestTraining,
    VerdictGate,
)
from tidewheel.lake import Lake, Manifest
from tidewheel.runs import BatchReference, JobRecord, write_record
from tidewheel.spec import load_pipeline

if TYPE_CHECKING:
    from tests.plugins.conftest import Project

Context = Callable[..., dict[str, Any]]
DAYS = Asset("orders.features", "tidewheel://orders/features")


class OutgoingEvent:
    """Stands for the accessor of an asset's outgoing event."""

    def __init__(self) -> None:
        self.days: list[str] = []

    def add_partitions(self, days: list[str]) -> None:
        self.days += days


@pytest.fixture
def verdict(project: Project) -> Callable[..., None]:
    """Leaves the record of a job that decided something."""

    def leave(job: str, outcome: str | None, **figures: Any) -> None:
        record = JobRecord(
            pipeline="orders",
            job=job,
            run_id="run-1",
            partition="2026-01-05",
            figures={"outcome": outcome, **figures},
            links={"Report": "orders/reports/2026-01-05/gate.html", "MLflow run": "http://mlflow.example/1"},
            sentence=f"it is {outcome}, because",
        )
        write_record(Lake.open("orders"), record)

    return leave


def announce(context: dict[str, Any], partition: str) -> list[str]:
    events: dict[Asset, OutgoingEvent] = defaultdict(OutgoingEvent)
    task = AnnouncePartition(task_id="announce", asset=DAYS, partition=partition)
    task.execute(context | {"outlet_events": events})
    return events[DAYS].days


def test_a_single_day_is_announced(context: Context) -> None:
    assert announce(context(), "2026-01-05") == ["2026-01-05"]


def test_a_backfill_starts_nothing_by_itself(context: Context) -> None:
    with pytest.raises(AirflowSkipException, match=r"2026-01-05\.\.2026-02-01 is more than one day"):
        announce(context(), "2026-01-05..2026-02-01")


@pytest.fixture
def lake(project: Project) -> Lake:
    """Features of eight days, of which all but the second have been scored; the pipeline looks back four days."""
    lake = Lake.open("orders")
    for n in range(1, 9):
        features = publish(lake, "features", day(n), 0, {})
        if n != 2:
            publish(lake, "predictions", day(n), 0, {features.key: features.content_hash, "model": "version 1"})
    return lake


def day(number: int) -> str:
    return f"2026-01-{number:02}"


def publish(lake: Lake, dataset: str, partition: str, value: int, inputs: dict[str, str]) -> Manifest:
    manifest = lake.write_table(dataset, partition, pa.table({"amount": [value]}), inputs, "test")
    lake.publish(manifest)
    return manifest


def announce_features(project: Project, context: dict[str, Any], partition: str) -> list[str]:
    pipeline = load_pipeline(project.folder / "dags" / "orders.yaml")
    pipeline = pipeline.model_copy(update={"features": pipeline.features.model_copy(update={"look_back_days": 4})})
    events: dict[Asset, OutgoingEvent] = defaultdict(OutgoingEvent)
    task = AnnounceFeatures(task_id="announce", asset=DAYS, partition=partition, pipeline=pipeline)
    task.execute(context | {"outlet_events": events})
    return events[DAYS].days


def test_a_plain_night_is_announced_alone(project: Project, lake: Lake, context: Context) -> None:
    assert announce_features(project, context(), day(8)) == [day(8)]
    assert announce_features(project, context(), day(3)) == [day(3)], "a night that is run again and changes nothing"


def test_later_days_are_announced_that_were_scored_from_features_which_have_changed(
    project: Project, lake: Lake, context: Context
) -> None:
    for n in (1, 2, 4, 6):
        publish(lake, "features", day(n), 1, {"landing/2026-01-01": "corrected"})
    publish(lake, "features", day(3), 0, {"landing/2026-01-01": "corrected"})  # other inputs, the same content
    assert announce_features(project, context(), day(1)) == [day(1), day(4)], (
        "not the one that never was scored, the one that came out as it was, or what is beyond the look-back"
    )
    assert announce_features(project, context(), day(1)) == [day(1), day(4)], "said again, until it has been scored"


def test_a_range_starts_nothing_and_says_what_was_scored_from_features_that_have_changed(
    project: Project, lake: Lake, context: Context
) -> None:
    for n in (1, 3, 4):
        publish(lake, "features", day(n), 1, {})
    with pytest.raises(AirflowSkipException, match=r"3 days from 2026-01-01 to 2026-01-04 were scored from other"):
        announce_features(project, context(), f"{day(1)}..{day(2)}")


def announce_hours(project: Project, context: dict[str, Any], partition: str) -> list[str]:
    file = project.folder / "dags" / "orders.yaml"
    text = file.read_text().replace("features:\n", "features:\n  look_back_hours: 30\n") + "partition: hour\n"
    file.write_text(text)
    events: dict[Asset, OutgoingEvent] = defaultdict(OutgoingEvent)
    task = AnnounceFeatures(task_id="announce", asset=DAYS, partition=partition, pipeline=load_pipeline(file))
    task.execute(context | {"outlet_events": events})
    return events[DAYS].days


@pytest.mark.parametrize(
    ("stale", "announced"),
    [
        ([], ["2026-01-05T23"]),
        (["2026-01-06T04", "2026-01-07T23"], ["2026-01-05T23", "2026-01-06T04"]),  # the last looks back no further
        (["2026-01-06T04", "2026-01-06T05"], ["2026-01-05T23", "2026-01-06"]),  # one run scores the hours of a day
    ],
)
def test_an_hour_is_announced_and_later_ones_that_were_scored_from_other_features(
    project: Project, context: Context, stale: list[str], announced: list[str]
) -> None:
    lake = Lake.open("orders")
    for hour in ("2026-01-05T23", *stale):
        publish(lake, "features", hour, 1, {})
        publish(lake, "predictions", hour, 0, {f"features/{hour}": "others"})
    assert announce_hours(project, context(), "2026-01-05T23") == announced


def test_a_whole_day_of_hours_is_announced_as_one_and_more_starts_nothing(project: Project, context: Context) -> None:
    lake = Lake.open("orders")
    for hour in ("2026-01-05T04", "2026-01-06T01"):
        publish(lake, "features", hour, 1, {})
        publish(lake, "predictions", hour, 0, {f"features/{hour}": "others"})
    assert announce_hours(project, context(), "2026-01-05T00..2026-01-05T23") == ["2026-01-05", "2026-01-06T01"]


def test_several_hours_start_nothing(project: Project, context: Context) -> None:
    with pytest.raises(AirflowSkipException, match=r"2026-01-05T00\.\.2026-01-05T07 is more than one hour"):
        announce_hours(project, context(), "2026-01-05T00..2026-01-05T07")


def made_days(context: dict[str, Any], partition: str, *days: str) -> list[str]:
    outputs = [BatchReference(dataset="features", partition=one, content_hash="a", rows=1) for one in days]
    record = JobRecord(
        pipeline="orders", job="compact", run_id="run-1", partition=partition, outputs=tuple(outputs), sentence="waits"
    )
    write_record(Lake.open("orders"), record)
    events: dict[Asset, OutgoingEvent] = defaultdict(OutgoingEvent)
    task = AnnounceDays(task_id="announce", pipeline="orders", job="compact", asset=DAYS, partition=partition)
    task.execute(context | {"outlet_events": events})
    return events[DAYS].days


def test_monitoring_hears_of_the_days_that_are_whole(project: Project, context: Context) -> None:
    assert made_days(context("run-1"), "2026-01-05T23", "2026-01-05") == ["2026-01-05"]
    assert made_days(context("run-1"), "2026-01-05", "2026-01-05") == ["2026-01-05"]
    with pytest.raises(AirflowSkipException, match="waits"):
        made_days(context("run-1"), "2026-01-05T22")
    with pytest.raises(AirflowSkipException, match=r"2026-01-04\.\.2026-01-05 is more than one day"):
        made_days(context("run-1"), "2026-01-04T00..2026-01-05T23", "2026-01-04", "2026-01-05")


def gate(context: dict[str, Any]) -> dict[str, Any]:
    return VerdictGate(task_id="gate", pipeline="orders", job="evaluate", trained_by="train").execute(context)


def test_a_challenger_that_passed_goes_on_and_the_reviewer_sees_why(
    verdict: Callable[..., None], context: Context
) -> None:
    verdict("train", None, loss=0.1)
    verdict("evaluate", "passed", version="3", champion_version="2", log_loss=0.48, champion_log_loss=0.5, rows=900)
    assert gate(context("run-1")) == {
        "version": "3",
        "champion": "2",
        "sentence": "it is passed, because",
        "figures": [["log_loss", 0.48, 0.5]],
        "links": {
            "Report": "/tidewheel/lake/orders/reports/2026-01-05/gate.html",
            "MLflow run": "http://mlflow.example/1",
        },
    }


def test_the_first_challenger_is_compared_with_nobody(verdict: Callable[..., None], context: Context) -> None:
    verdict("train", None)
    verdict("evaluate", "passed", version="1", champion_version=None, roc_auc=0.7)
    shown = gate(context("run-1"))
    assert (shown["champion"], shown["figures"]) == (None, [["roc_auc", 0.7, None]])


@pytest.mark.parametrize("outcome", ["refused", "inconclusive", None])
def test_any_other_outcome_keeps_the_champion(
    verdict: Callable[..., None], context: Context, outcome: str | None
) -> None:
    verdict("evaluate", outcome)
    with pytest.raises(AirflowSkipException, match=f"it is {outcome}, because"):
        gate(context("run-1"))


def request(context: dict[str, Any]) -> RequestTraining:
    task = RequestTraining(task_id="request_training", pipeline="orders", job="monitor", dag_to_start="orders.training")
    task.execute(context)
    return task


def test_monitoring_that_asks_for_a_model_starts_training_once_with_the_reason(
    verdict: Callable[..., None], context: Context
) -> None:
    verdict("monitor", "fired", wish=7)
    asked = []
    for _ in range(2):  # a run that is cleared, or doubled, asks again
        with pytest.raises(DagRunTriggerException) as found:
            request(context("run-1"))
        asked.append((found.value.trigger_dag_id, found.value.dag_run_id, found.value.conf))
        assert found.value.skip_when_already_exists
    assert asked == [("orders.training", "wish__7__2026-01-05", {"reason": "it is fired, because"})] * 2


def test_a_training_gets_the_span_of_the_task_that_requests_it(
    verdict: Callable[..., None], context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    span = SpanContext(trace_id=7, span_id=9, is_remote=False, trace_flags=TraceFlags(1))
    verdict("monitor", "fired", wish=7)
    with use_span(NonRecordingSpan(span)), pytest.raises(DagRunTriggerException) as found:
        request(context("run-1"))
    assert found.value.conf == {"reason": "it is fired, because", "traceparent": f"00-{7:032x}-{9:016x}-01"}


def test_monitoring_that_is_content_starts_nothing_and_says_why(verdict: Callable[..., None], context: Context) -> None:
    verdict("monitor", "suppressed")
    with pytest.raises(AirflowSkipException, match="it is suppressed, because"):
        request(context("run-1"))
