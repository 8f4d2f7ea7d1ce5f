"""A real OpenTelemetry Collector with infra/otel/collector.yaml: a night and a request are one trace each.

`tests/otel/collector` is a program with the components that the configuration names; CI builds it and runs these tests:
    export TIDEWHEEL_OTELCOL=$(.ci/go-program otelcol tests/otel/collector .)
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bentos.loaded_model import LoadedModel
from infra.embedded import services
from infra.envoy.bootstrap import Address, write_initial_state
from infra.envoy.files import CLUSTER, ROUTES, EnvoyFiles, publish
from infra.envoy.observation import Observation
from infra.envoy.routing import Target, clusters, routes
from tests.bentos.conftest import artifact, served  # noqa: F401  fixtures
from tests.bentos.service_process import serving
from tests.conftest import wait_until
from tests.free_ports import free_ports
from tests.jobs.data.conftest import FIRST, make_deliveries, project
from tests.otlp_receiver import LogSeen, Receiver, SpanSeen, receiving
from tidewheel.release.artifact import Artifact

CONFIGURATION = Path(__file__).parents[2] / "infra" / "otel" / "collector.yaml"
PROGRAM = os.environ.get("TIDEWHEEL_OTELCOL") or shutil.which("otelcol-contrib") or shutil.which("otelcol")
TRACE, RUN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
EVENT = '{"timestamp": "2026-11-21T06:00:00.123456Z", "event": "7 rows", "level": "warning", "logger": "task"}\n'

pytestmark = [
    pytest.mark.collector,
    pytest.mark.slow,
    pytest.mark.skipif(
        not PROGRAM, reason="no OpenTelemetry Collector: neither TIDEWHEEL_OTELCOL nor otelcol on the PATH names one"
    ),
]


@dataclass(frozen=True)
class Running:
    """A running collector.

    Attributes:
        variables: what sends spans to it.
        state: the installation whose logs it reads.
        store: where it sends both.
    """

    variables: Mapping[str, str]
    state: Path
    store: Receiver


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("state")
    (state / "logs").mkdir()
    http, grpc = free_ports(2)
    listens = {"http": {"endpoint": f"127.0.0.1:{http}"}, "grpc": {"endpoint": f"127.0.0.1:{grpc}"}}
    free = json.dumps({"receivers": {"otlp": {"protocols": listens}}})
    command = [str(PROGRAM), "--config", f"file:{CONFIGURATION}", "--config", "env:FREE_PORTS"]
    url = f"http://127.0.0.1:{http}"
    with receiving() as store:
        places = {"TIDEWHEEL_TRACES_URL": store.url, "TIDEWHEEL_LOGS_URL": store.url, "TIDEWHEEL_STATE": str(state)}
        with (state / "collector").open("w") as log:
            process = subprocess.Popen(command, env={**places, "FREE_PORTS": free}, stdout=log, stderr=log)
        try:
            wait_until(lambda: answers(url), "the collector answers")
            yield Running({"OTEL_EXPORTER_OTLP_ENDPOINT": url, "TIDEWHEEL_LOG_FORMAT": "json"}, state, store)
        finally:
            process.terminate()
            process.wait(20)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/traces", trust_env=False).status_code == 405
    except httpx.TransportError:
        return False


def test_a_night_is_found_as_one_trace(collector: Running, tmp_path: Path) -> None:
    with project(tmp_path), pytest.MonkeyPatch.context() as patch:
        for name, value in {**collector.variables, "TRACEPARENT": f"00-{TRACE}-{RUN}-01"}.items():
            patch.setenv(name, value)
        make_deliveries(tmp_path).put(FIRST)
        for job in (["land"], ["validate", "--stage", "raw"]):
            command = [sys.executable, "-m", f"jobs.{job[0]}", "--pipeline", "deliveries", "--partition", str(FIRST)]
            with (collector.state / "logs" / f"{job[0]}.log").open("w") as log:
                subprocess.run([*command, "--run-id", "night", *job[1:]], stdout=log, stderr=log, check=True)
    wait_until(lambda: len([s for s in collector.store.spans if s.parent_id == RUN]) == 2, "both jobs are in the store")
    spans = [span for span in collector.store.spans if span.trace_id == TRACE]
    assert {"job land", "read", "write", "job validate-raw", "judge"} <= {span.name for span in spans}
    wait_until(
        lambda: any(line.attributes.get("job") == "validate-raw" for line in collector.store.logs),
        "the jobs' lines are in the store",
    )
    line = next(line for line in collector.store.logs if line.attributes.get("job") == "validate-raw")
    assert (line.trace_id, line.severity, line.attributes["run_id"]) == (TRACE, 9, "night")
    assert line.body.startswith("validate-raw: raw: ")


def test_a_request_is_found_as_one_trace_with_its_lines(
    collector: Running,
    artifact: Artifact,  # noqa: F811
    served: LoadedModel,  # noqa: F811
    tmp_path: Path,
) -> None:
    files, [port] = EnvoyFiles(tmp_path), free_ports(1)
    observation = Observation.from_environment(collector.variables)
    write_initial_state(files, endpoint=Address(port), admin_socket=tmp_path / "admin.sock", observation=observation)
    row = dict(served.packaged.contract.golden_rows[0].row)
    variables = {**collector.variables, "TIDEWHEEL_ENDPOINT_LOG_LEVEL": "debug"}
    with serving(artifact.path, collector.state / "logs" / "orders-blue.log", variables) as service:
        target = Target("orders", "blue", "7", (service.client.base_url.port or 0,), live=True)
        publish(files.clusters, CLUSTER, clusters([target]))
        publish(files.routes, ROUTES, [routes([target])])
        program = services.envoy(files)
        with (collector.state / "logs" / "envoy.log").open("w") as log:
            envoy = subprocess.Popen(program.command, env=dict(program.env), stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}/orders"
            wait_until(lambda: answered(f"{url}/readyz"), "Envoy follows the routes")
            asked = {"rows": [row]}
            answer = httpx.post(f"{url}/predict", json=asked, headers={"x-request-id": "traced"}, trust_env=False)
            assert answer.status_code == 200
            wait_until(lambda: len(of_request(collector.store)) == 2, "both lines are in the store")
            lines = of_request(collector.store)
            (trace,) = {line.trace_id for line in lines}
            assert len(trace) == 32
            wait_until(lambda: len(of_trace(collector.store, trace)) == 2, "both spans are in the store")
        finally:
            envoy.terminate()
            envoy.wait(10)
            service.stop()
    door, model = sorted(of_trace(collector.store, trace), key=lambda span: span.parent_id)
    assert (door.parent_id, model.parent_id) == ("", door.span_id)
    assert (door.service, model.service) == ("tidewheel-endpoint", "orders")
    assert model.attributes["tidewheel.model_version"] == "7"


def test_a_line_of_a_tasks_log_says_which_run_it_was(collector: Running) -> None:
    log = collector.state / "airflow/logs/dag_id=orders.features/run_id=manual__1/task_id=land/attempt=1.log"
    log.parent.mkdir(parents=True)
    log.write_text(EVENT)
    wait_until(lambda: any(line.body == "7 rows" for line in collector.store.logs), "the line is in the store")
    (line,) = [line for line in collector.store.logs if line.body == "7 rows"]
    found = {name: line.attributes[name] for name in ("pipeline", "run_id", "job")}
    assert found == {"pipeline": "orders", "run_id": "manual__1", "job": "land"}
    assert line.severity == 13


def answered(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def of_request(store: Receiver) -> list[LogSeen]:
    return [line for line in store.logs if line.attributes.get("request_id") == "traced"]


def of_trace(store: Receiver, trace: str) -> list[SpanSeen]:
    return [span for span in store.spans if span.trace_id == trace]
