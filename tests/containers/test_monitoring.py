"""The profile `monitoring` after the demo, but for Grafana: it is neither in Debian nor built from modules."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import wait_until
from tests.containers.conftest import NIGHT, PIPELINE
from tests.containers.engine import ROOT, CommandFailed, Compose, base_image, run
from tests.infra.prometheus.monitoring import Prometheus
from tests.infra.prometheus.panel_values import SILENT_AFTER_DEMO, PanelValues

MODULE = "tests/containers/monitoring"
PACKAGES = {
    "prometheus": "github.com/prometheus/prometheus/cmd/prometheus",
    "alertmanager": "github.com/prometheus/alertmanager/cmd/alertmanager",
}
AIRFLOW = ("airflow", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")
SCORE_AGAIN = f"""
import json
from tidewheel.airflow_api import AirflowApi
from tidewheel.settings import load_settings
with AirflowApi.open(load_settings()) as api:
    api.trigger("{PIPELINE}.scoring", "monitored", partition_key={NIGHT!r})
    *_, (run, _) = api.follow("{PIPELINE}.scoring", "monitored", 900)
print(json.dumps(run.state))
"""
ALERTS = """
import json, httpx
alerts = httpx.get("http://127.0.0.1:9093/api/v2/alerts").raise_for_status().json()
print(json.dumps([alert["labels"]["alertname"] for alert in alerts]))
"""


def image(program: str) -> str:
    """The image that docker-compose.yaml names, or one of the same program built from Go modules."""
    pinned = re.search(rf"{program.upper()}_IMAGE:-([^}}]+)}}", (ROOT / "docker-compose.yaml").read_text())
    assert pinned
    try:
        run("docker", "pull", pinned[1], seconds=600)
    except CommandFailed:
        if shutil.which("go") is None:
            pytest.skip(f"{pinned[1]} cannot be pulled, and there is no Go to build {program} with")
        path = Path(run(".ci/go-program", program, MODULE, PACKAGES[program], seconds=3 * 3600).strip())
        given = {**base_image(), "PROGRAM": program}
        arguments = [word for name, value in given.items() for word in ("--build-arg", f"{name}={value}")]
        tag = f"tidewheel-test:{program}"
        dockerfile = ROOT / MODULE / "Dockerfile"
        run(
            "docker",
            "build",
            "-q",
            "-f",
            os.fspath(dockerfile),
            "-t",
            tag,
            *arguments,
            os.fspath(path.parent),
            seconds=600,
        )
        return tag
    return pinned[1]


@pytest.fixture(scope="module")
def monitored(played: Compose) -> Iterator[Compose]:
    """The platform whose Airflow sends its metrics, with Prometheus and Alertmanager."""
    images = {f"{program.upper()}_IMAGE": image(program) for program in PACKAGES}
    compose = replace(played, environment={**played.environment, **images, "AIRFLOW_OTEL_METRICS": "True"})
    compose("--profile", "monitoring", "up", "--no-build", "--wait", *AIRFLOW, *PACKAGES, seconds=900)
    yield compose
    compose("--profile", "monitoring", "rm", "--stop", "--force", *PACKAGES, seconds=120)


@pytest.fixture(scope="module")
def prometheus(monitored: Compose) -> Prometheus:
    """Prometheus, at the address that its container shares with the endpoint's."""
    endpoint = monitored("ps", "--quiet", "endpoint").strip()
    networks = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return Prometheus(f"http://{run('docker', 'inspect', '--format', networks, endpoint).strip()}:9090")


def test_every_panel_has_data_after_the_demo_and_airflows_own_too(
    monitored: Compose, prometheus: Prometheus, rows: list[dict[str, Any]]
) -> None:
    assert monitored.python("endpoint", SCORE_AGAIN) == "success"
    panels = PanelValues(prometheus.series, PIPELINE, "2m")

    def send() -> None:
        url = f"{monitored.url('ENDPOINT_PORT')}/{PIPELINE}/predict"
        httpx.post(url, json={"rows": rows}, timeout=30).raise_for_status()
        assert httpx.post(url, json={"rows": []}, timeout=30).status_code == 422

    panels.wait(SILENT_AFTER_DEMO, send, 600)

    assert prometheus.query("up == 0") == []


def test_prometheus_alerts_through_alertmanager(monitored: Compose, prometheus: Prometheus) -> None:
    def watchdog() -> bool:
        return "TidewheelWatchdog" in monitored.python("endpoint", ALERTS)

    wait_until(watchdog, "the dead man's alert has reached Alertmanager", 300)
