"""Airflow's configuration, as Airflow itself reads it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.embedded import airflow_services
from infra.embedded.layout import Credentials, Layout
from infra.embedded.ports import Ports
from tests.otlp_receiver import receiving
from tidewheel.settings import Settings

URL = "postgresql+psycopg2://u:p%40ss@127.0.0.1:5433/airflow"
READ = """
import json, sys
from configparser import ConfigParser
parser = ConfigParser()
parser.read(sys.argv[1])
print(json.dumps({section: dict(parser[section]) for section in parser.sections()}))
"""


def test_values_with_percent_signs_survive_its_interpolation_and_the_files_are_private(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "home")
    layout.create()
    sections = airflow_services.configuration(layout, Settings(home=layout.home), Credentials(), URL, Ports())
    airflow_services.write_files(layout, sections, "secret")
    file = airflow_services.configuration_file(layout)
    read = json.loads(subprocess.run([sys.executable, "-c", READ, file], capture_output=True, check=True).stdout)
    assert read["database"]["sql_alchemy_conn"] == URL
    assert read["core"]["execution_api_server_url"] == "http://127.0.0.1:8080/execution/"
    for path in (file, airflow_services.password_file(layout)):
        assert path.stat().st_mode & 0o777 == 0o600


def test_every_process_finds_the_project_and_none_gets_a_secret_by_its_environment(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "home")
    layout.create()
    credentials = Credentials()
    sections = airflow_services.configuration(layout, Settings(home=layout.home), credentials, URL, Ports())
    airflow_services.write_files(layout, sections, credentials.airflow_password)
    programs = airflow_services.programs(layout, {"TIDEWHEEL_HOME": os.fspath(layout.home)}, Ports())
    assert len(programs) == 5
    for program in programs:
        assert program.env["TIDEWHEEL_HOME"] == str(layout.home)
        assert program.env["AIRFLOW_HOME"] == str(layout.airflow)
        assert not [value for value in vars(credentials).values() if value in program.launch_json()]


SPAN = """
from airflow.sdk._shared.observability.traces import configure_otel
from airflow.sdk.configuration import conf
from opentelemetry import trace
configure_otel(conf)
trace.get_tracer("x").start_span("task").end()
assert trace.get_tracer_provider().force_flush()
print(conf.getboolean("logging", "json_logs"))
"""


def test_airflow_sends_its_spans_to_the_collector_of_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path / "home")
    layout.create()
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("TIDEWHEEL_LOG_FORMAT", "json")
        sections = airflow_services.configuration(layout, Settings(home=layout.home), Credentials(), URL, Ports())
        airflow_services.write_files(layout, sections, "secret")
        program = airflow_services.programs(layout, {}, Ports())[0]
        environment = {**os.environ, **program.env}
        ran = subprocess.run([sys.executable, "-c", SPAN], env=environment, capture_output=True, text=True, check=False)
    assert ran.stdout.splitlines()[-1:] == ["True"], ran.stderr
    assert [(span.service, span.name) for span in receiver.spans] == [("Airflow", "task")]


def test_without_a_collector_airflow_traces_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "home")
    layout.create()
    sections = airflow_services.configuration(layout, Settings(home=layout.home), Credentials(), URL, Ports())
    assert (sections["traces"]["otel_on"], sections["logging"]["json_logs"]) == (False, False)
    airflow_services.write_files(layout, sections, "secret")
    assert not [name for name in airflow_services.programs(layout, {}, Ports())[0].env if name.startswith("OTEL_")]


def test_a_changed_configuration_makes_another_program(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "home")
    layout.create()
    launches = []
    for url in (URL, URL, f"{URL}_2"):
        sections = airflow_services.configuration(layout, Settings(home=layout.home), CREDENTIALS, url, Ports())
        airflow_services.write_files(layout, sections, "secret")
        launches.append(airflow_services.programs(layout, {}, Ports())[0].launch_json())
    assert launches[0] == launches[1] != launches[2]


def test_a_task_waits_for_an_api_server_that_is_away_as_long_as_the_scheduler_waits_for_the_task(
    tmp_path: Path,
) -> None:
    layout = Layout(tmp_path / "home")
    layout.create()
    sections = airflow_services.configuration(layout, Settings(home=layout.home), CREDENTIALS, URL, Ports())
    airflow_services.write_files(layout, sections, "secret")
    asked = "from airflow.sdk.api import client; print(client.API_RETRIES, client.API_RETRY_WAIT_MAX)"
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(layout.airflow),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite://",
    }
    said = subprocess.run(
        [sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=True
    ).stdout.split()
    tries, longest = int(said[-2]), float(said[-1])
    mean = longest / 2  # Airflow draws each wait
    assert 60 < tries * mean <= sections["scheduler"]["task_instance_heartbeat_timeout"]


CREDENTIALS = Credentials()


@pytest.mark.parametrize(
    ("environment", "sections"),
    [
        ({}, {}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, {}),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t:4318/v1/traces"}, {}),
        (
            {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://p:9090/api/v1/otlp/v1/metrics"},
            {"metrics": {"otel_on": True}},
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, {}),  # it may take traces alone
    ],
)
def test_airflow_sends_its_metrics_where_a_receiver_is_named(
    environment: dict[str, str], sections: dict[str, dict[str, object]]
) -> None:
    assert airflow_services.telemetry(environment) == sections


TASK = """
import time
from airflow.sdk._shared.observability.metrics import stats
from airflow.sdk.observability.metrics import stats_utils
stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
stats.incr("ti.finish", tags={"dag_id": "shop.features", "task_id": "land", "state": "success"})
print(time.monotonic(), flush=True)
"""


@pytest.mark.parametrize("listening", [True, False])
def test_a_task_ends_within_seconds_where_the_receiver_of_its_metrics_does_not_answer(
    listening: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path / "home")
    layout.create()
    with socket.socket() as receiver:
        receiver.bind(("127.0.0.1", 0))
        if listening:
            receiver.listen(50)
        url = f"http://127.0.0.1:{receiver.getsockname()[1]}/v1/metrics"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", url)
        sections = airflow_services.configuration(layout, Settings(home=layout.home), Credentials(), URL, Ports())
        airflow_services.write_files(layout, sections | airflow_services.telemetry(os.environ), "secret")
        environment = {**os.environ, **airflow_services.programs(layout, {}, Ports())[0].env}
        ran = subprocess.run([sys.executable, "-c", TASK], env=environment, capture_output=True, text=True, check=False)
    ended = time.monotonic()
    assert ran.returncode == 0, ran.stderr
    assert "Failed to export metrics" in ran.stdout + ran.stderr
    worked_until = next(float(line) for line in ran.stdout.splitlines() if line.replace(".", "").isdigit())
    assert ended - worked_until < 15, "OpenTelemetry's own choice is 10 s for each of two attempts"
