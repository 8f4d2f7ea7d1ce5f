"""A DAG run that another run started is in the trace of that run. On a real scheduler: tests/e2e/test_7_traces.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy
from airflow.models.dagrun import DagRun

from plugins.night_trace import join, on_dag_run_running

NIGHT = "0af7651916cd43dd8448eb211c80319c"
NIGHT_CONTEXT = f"00-{NIGHT}-b7ad6b7169203331-01"
OWN, TASK = (
    "00-11111111111111111111111111111111-2222222222222222-00",
    "00-11111111111111111111111111111111-3333333333333333-00",
)
BEGAN = datetime(2026, 11, 28, 3, tzinfo=UTC)


def run(
    *events: SimpleNamespace, conf: dict[str, Any] | None = None, tags: tuple[str, ...] = ("tidewheel", "shop")
) -> SimpleNamespace:
    """What the listener reads and writes of a DAG run."""
    return SimpleNamespace(
        dag_model=SimpleNamespace(tags=[SimpleNamespace(name=tag) for tag in tags]),
        conf=conf,
        consumed_asset_events=list(events),
        context_carrier={"traceparent": OWN, "tracestate": "airflow/task_span_detail_level=2"},
        task_instances=[SimpleNamespace(context_carrier={"traceparent": TASK})],
    )


def event(context: str | None, minutes: int = 0) -> SimpleNamespace:
    """An asset event; without a context, one that no DAG run sent."""
    source = None if context is None else SimpleNamespace(context_carrier={"traceparent": context})
    return SimpleNamespace(source_dag_run=source, timestamp=BEGAN + timedelta(minutes=minutes))


def traces(dag_run: SimpleNamespace) -> list[str]:
    return [each.context_carrier["traceparent"] for each in (dag_run, *dag_run.task_instances)]


def test_a_run_and_its_tasks_join_the_trace_of_the_run_that_published_the_day() -> None:
    scoring = run(event("00-99999999999999999999999999999999-4444444444444444-01"), event(NIGHT_CONTEXT, minutes=5))
    join(cast("DagRun", scoring))
    assert traces(scoring) == [f"00-{NIGHT}-2222222222222222-01", f"00-{NIGHT}-3333333333333333-01"]
    assert scoring.context_carrier["tracestate"] == "airflow/task_span_detail_level=2"


def test_a_training_joins_the_trace_of_the_night_that_requested_it() -> None:
    training = run(conf={"reason": "drift", "traceparent": NIGHT_CONTEXT})
    join(cast("DagRun", training))
    assert traces(training)[0] == f"00-{NIGHT}-2222222222222222-01"


@pytest.mark.parametrize(
    "context", [7, "", "<script>", "00-zz-zz-01", f"00-{'0' * 32}-b7ad6b7169203331-01", NIGHT_CONTEXT + "\n", None]
)
def test_a_run_whose_starter_is_not_known_keeps_its_own_trace(context: object) -> None:
    for started in (run(conf={"traceparent": context}), run(event(None)), run(conf=None)):
        join(cast("DagRun", started))
        assert traces(started) == [OWN, TASK]


def test_tasks_without_a_carrier_as_of_an_older_airflow_are_left_alone() -> None:
    scoring = run(event(NIGHT_CONTEXT))
    scoring.task_instances[0].context_carrier = None
    join(cast("DagRun", scoring))
    assert scoring.context_carrier["traceparent"] == f"00-{NIGHT}-2222222222222222-01"
    assert scoring.task_instances[0].context_carrier is None


@pytest.mark.parametrize(("collector", "tags"), [("", ("tidewheel",)), ("http://127.0.0.1:4318", ("finance",))])
def test_without_a_collector_and_in_other_peoples_dags_nothing_changes(
    monkeypatch: pytest.MonkeyPatch, collector: str, tags: tuple[str, ...]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
    scoring = run(event(NIGHT_CONTEXT), tags=tags)
    on_dag_run_running(cast("DagRun", scoring), "started")
    assert traces(scoring) == [OWN, TASK]


def test_airflow_has_what_the_listener_reads() -> None:
    attributes = set(sqlalchemy.inspect(DagRun).attrs.keys())
    assert {"dag_model", "conf", "consumed_asset_events", "context_carrier", "task_instances"} <= attributes
