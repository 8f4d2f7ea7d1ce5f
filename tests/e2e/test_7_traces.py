"""A run of a DAG on a whole platform is one trace, from Airflow's span to the steps of its jobs, and has its lineage.

It starts a platform of its own, with the standard's variables, so it runs only where it is asked for:
TIDEWHEEL_TEST_TRACES=1.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.installation import COPIED, PROJECT, Installation, running_installation
from tests.lineage_receiver import receiving_lineage
from tests.otlp_receiver import Receiver, SpanSeen, receiving

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


@dataclass(frozen=True)
class Observed:
    """A platform, and what it has sent.

    Attributes:
        installation: the platform.
        traces: its spans.
        events: its lineage.
    """

    installation: Installation
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
            yield Observed(installation, traces, lineage.events)


def test_a_run_of_a_dag_is_one_trace_and_says_what_its_jobs_read_and_wrote(observed: Observed) -> None:
    installation = observed.installation
    made = installation.command("new", "shop")
    assert made.returncode == 0, made.stderr
    installation.api.wait_for_dag("shop.features")
    last = datetime.now(UTC).date() - timedelta(days=1)
    form = {"first": str(last - timedelta(days=1)), "last": str(last)}
    installation.api.trigger("shop.features", "history", conf=form)
    run, tasks = installation.finish("shop.features", "history", seconds=600)
    assert run.state == "success", tasks

    expected = {"dag_run.shop.features"}
    expected |= {name for task, job in JOBS.items() for name in (f"task_run.{task}", f"job {job}")}
    wait_until(lambda: expected <= {span.name for span in observed.traces.spans}, "all spans have come")
    spans = {span.span_id: span for span in observed.traces.spans}
    [whole] = [span for span in spans.values() if span.name == "dag_run.shop.features"]
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


def path(spans: dict[str, SpanSeen], span: SpanSeen) -> list[SpanSeen]:
    """A span and all above it."""
    found = [span]
    while above := spans.get(found[-1].parent_id):
        found.append(above)
    return found
