"""A night on a whole platform is one trace, from Airflow's spans to the steps of its jobs, and has its lineage.

It starts a platform of its own, with the standard's variables, so it runs only where it is asked for:
TIDEWHEEL_TEST_TRACES=1.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.e2e.shop import Shop, job_process
from tests.installation import COPIED, PROJECT, Installation, running_installation
from tests.lineage_receiver import receiving_lineage
from tests.otlp_receiver import Receiver, SpanSeen, receiving, tree

pytestmark = [
    pytest.mark.timeout(1500),
    pytest.mark.e2e,
    pytest.mark.platform,
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("TIDEWHEEL_TEST_TRACES"), reason="starts a platform of its own: TIDEWHEEL_TEST_TRACES=1"
    ),
]
JOBS = {
    "land": "land",
    "validate_raw": "validate-raw",
    "features": "features",
    "validate_features": "validate-features",
}
"""Tasks with a job, and what its record and its span are called."""
NIGHT = {
    "land": ("features", "land"),
    "features": ("features", "features"),
    "score": ("scoring", "score"),
    "requests": ("monitoring", "requests"),
    "monitor": ("monitoring", "monitor"),
}
"""Jobs of a night, each with its DAG and its task."""
MINUTES_TO_SCHEDULED_NIGHT = 240
"""The test starts its night itself, so that the schedule's must not come."""


@dataclass(frozen=True)
class Observed:
    """A platform, and what it has sent.

    Attributes:
        installation: the platform.
        shop: its pipeline, with a history and a model.
        traces: its spans.
        events: its lineage.
    """

    installation: Installation
    shop: Shop
    traces: Receiver
    events: list[dict[str, Any]]


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    root = tmp_path_factory.mktemp("observed")
    for folder in COPIED:
        ignored = shutil.ignore_patterns("__pycache__", "flight_delay.*")
        shutil.copytree(PROJECT / folder, root / "project" / folder, ignore=ignored)
    with pytest.MonkeyPatch.context() as patch, receiving() as traces, receiving_lineage() as lineage:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", traces.url)
        patch.setenv("OPENLINEAGE_URL", lineage.url)
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        with running_installation(root / "home", root / "project") as installation:
            shop = Shop(installation, minutes=MINUTES_TO_SCHEDULED_NIGHT)
            shop.begin()
            yield Observed(installation, shop, traces, lineage.events)


def test_a_run_of_a_dag_is_one_trace_and_says_what_its_jobs_read_and_wrote(observed: Observed) -> None:
    expected = {"dag_run.shop.features"}
    expected |= {name for task, job in JOBS.items() for name in (f"task_run.{task}", f"job {job}")}
    wait_until(lambda: expected <= {span.name for span in observed.traces.spans}, "all spans have come")
    spans = {span.span_id: span for span in observed.traces.spans}
    [whole] = [span for span in spans.values() if span.name == "dag_run.shop.features"]  # the history alone so far
    assert (whole.service, whole.parent_id) == ("Airflow", "")
    jobs = {span.name.removeprefix("job "): span for span in spans.values() if span.service == "tidewheel-jobs"}
    for task, job in JOBS.items():
        names = [span.name for span in path(spans, jobs[job])]
        assert names[-1] == "dag_run.shop.features", names
        assert f"task_run.{task}" in names, names
        assert {span.trace_id for span in path(spans, jobs[job])} == {whole.trace_id}
    assert any(span.parent_id == jobs["features"].span_id for span in spans.values()), "the job's steps"

    ended = {event["job"]["name"]: event for event in observed.events if event["eventType"] == "COMPLETE"}
    features = ended["shop.features.features"]
    assert [one["name"].rpartition("/shop/")[2] for one in features["outputs"]] == ["features"]
    assert "landing" in {one["name"].rpartition("/shop/")[2] for one in features["inputs"]}
    assert features["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] > 0


def test_a_night_is_one_trace_over_its_dag_runs_also_where_a_job_was_killed_and_run_again(
    observed: Observed, capsys: pytest.CaptureFixture[str]
) -> None:
    shop, key = observed.shop, observed.shop.yesterday.isoformat()
    shop.night("night", key)
    os.kill(job_process(observed.installation, "jobs.features", "night"), signal.SIGKILL)
    shop.finish("features", "night")
    for purpose in ("scoring", "monitoring"):
        shop.wait_for(purpose, key)
    wait_until(lambda: {"dag_run.shop.monitoring", "job monitor"} <= {s.name for s in night(observed)}, "all has come")
    spans = {span.span_id: span for span in night(observed)}
    with capsys.disabled():
        sys.stdout.write(f"\n{tree(night(observed))}\n")

    roots = {span.name for span in spans.values() if span.parent_id not in spans}
    assert roots == {f"dag_run.shop.{purpose}" for purpose in ("features", "scoring", "monitoring")}
    jobs = {
        span.name: span for span in spans.values() if span.service == "tidewheel-jobs" and span.name.startswith("job ")
    }
    assert {f"job {job}" for job in NIGHT} <= jobs.keys()
    for job, (dag, task) in NIGHT.items():
        assert [span.name for span in path(spans, jobs[f"job {job}"])][-2:] == [
            f"task_run.{task}",
            f"dag_run.shop.{dag}",
        ]
    tries = [span for span in night(observed) if span.name == "task_run.features"]
    assert {span.attributes["airflow.task_instance.try_number"] for span in tries} == {1, 2}


def night(observed: Observed) -> list[SpanSeen]:
    """The spans of the trace that the run `night` began."""
    spans = observed.traces.spans
    traces = {span.trace_id for span in spans if span.attributes.get("airflow.dag_run.run_id") == "night"}
    assert len(traces) <= 1, traces
    return [span for span in spans if span.trace_id in traces]


def path(spans: dict[str, SpanSeen], span: SpanSeen) -> list[SpanSeen]:
    """A span and all above it."""
    found = [span]
    while above := spans.get(found[-1].parent_id):
        found.append(above)
    return found
