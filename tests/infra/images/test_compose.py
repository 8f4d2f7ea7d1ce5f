"""docker-compose.yaml and the image, held against the embedded platform. No container is started here."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from infra.embedded import airflow_services
from infra.embedded.layout import Credentials, Layout
from infra.embedded.ports import Ports
from infra.images import airflow_env
from infra.images.env_file import variables
from infra.prometheus.exporter import PORT
from tidewheel.settings import Settings

ROOT = Path(__file__).parents[3]
COMPOSE = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")
AIRFLOW_ENV = ROOT / "infra" / "images" / "airflow.env"
DOCKERFILE = (ROOT / "infra" / "images" / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(YAML(typ="safe").load(COMPOSE)["services"])


def test_the_file_that_adds_logs_and_traces_fits_the_compose_file(services: dict[str, Any]) -> None:
    file = ROOT / "infra" / "otel" / "compose.yaml"
    added = YAML(typ="safe").load(file.read_text(encoding="utf-8"))["services"]
    new = {"otel-collector", "jaeger", "victorialogs"}
    observed = {name for name in services if services[name].get("image") == "${TIDEWHEEL_IMAGE:-tidewheel:latest}"}
    assert added.keys() - new == observed - {"mlflow", "airflow-init"}
    for name in added.keys() - new:
        assert added[name]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel-collector:4318"
    for name in observed - {"endpoint", "exporter", "mlflow", "airflow-init"}:
        assert added[name]["environment"]["AIRFLOW__TRACES__OTEL_ON"] == "True"


def test_airflow_is_configured_by_the_file_that_is_made_from_the_embedded_platforms_options(
    services: dict[str, Any],
) -> None:
    assert AIRFLOW_ENV.read_text(encoding="utf-8") == airflow_env.text(), "run `make compose-env`"
    for name in ("airflow", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", "airflow-init"):
        assert services[name]["env_file"] == [str(AIRFLOW_ENV.relative_to(ROOT))]
        assert not [variable for variable in services[name]["environment"] if variable.startswith("AIRFLOW__")]


def test_what_is_a_choice_is_the_same_in_containers_and_what_names_this_machine_is_not() -> None:
    sections = airflow_services.configuration(
        Layout(Path("/state")),
        Settings(home=Path("/state"), project=Path("/opt/tidewheel")),
        Credentials(),
        "url",
        Ports(),
    )
    embedded = {f"AIRFLOW__{s}__{o}".upper(): str(v) for s, options in sections.items() for o, v in options.items()}
    found = dict(line.split("=", 1) for line in airflow_env.text().splitlines()[1:])

    assert found.pop(airflow_services.METRICS_TIMEOUT) == airflow_services.COLLECTOR_SECONDS
    assert embedded.keys() - found.keys() == {
        "AIRFLOW__CORE__HOSTNAME_CALLABLE",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT",
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT",
        "AIRFLOW__LOGGING__JSON_LOGS",
        "AIRFLOW__TRACES__OTEL_ON",
    }
    assert not [name for name, value in found.items() if "127.0.0.1" in value]
    names_a_place = ("AIRFLOW__API__HOST", "AIRFLOW__CORE__PLUGINS_FOLDER")
    for name, value in found.items():
        if "://" not in value and "${" not in value and name not in names_a_place:
            assert value == embedded[name], name


def test_every_port_is_published_on_this_machine_alone(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]

    assert sorted(published) == [
        "127.0.0.1:${AIRFLOW_PORT:-8080}:8080",
        "127.0.0.1:${ENDPOINT_PORT:-8000}:8000",
        "127.0.0.1:${EXPORTER_PORT:-9464}:9464",
        "127.0.0.1:${GRAFANA_PORT:-3000}:3000",
        "127.0.0.1:${MLFLOW_PORT:-5000}:5000",
    ]


def test_every_secret_is_asked_for_and_generated(services: dict[str, Any]) -> None:
    read = COMPOSE + AIRFLOW_ENV.read_text(encoding="utf-8")

    assert set(re.findall(r"\$\{(\w+):\?\}", read)) == variables().keys()
    assert not re.findall(r"\$\{\w+\}", read), "a secret that is not set must stop compose, not be empty"
    assert variables() != variables()


def test_all_services_but_the_database_run_from_the_one_image(services: dict[str, Any]) -> None:
    images = {name: service["image"] for name, service in services.items() if "profiles" not in service}

    assert images.pop("postgres") == "${POSTGRES_IMAGE:-postgres:18}"
    assert set(images.values()) == {"${TIDEWHEEL_IMAGE:-tidewheel:latest}"}
    builds = [service["build"] for name, service in services.items() if name in images]
    assert {(build["dockerfile"], build["target"]) for build in builds} == {("infra/images/Dockerfile", "airflow")}


def test_services_run_on_a_read_only_root_file_system_and_without_rights(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name != "postgres":
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name


def test_monitoring_is_optional_and_finds_exporter_services_and_dashboards(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if "profiles" in service} == {
        "prometheus",
        "alertmanager",
        "grafana",
    }
    prometheus, grafana = services["prometheus"], services["grafana"]
    # exporter and model services listen on the loopback of the container of `endpoint`
    assert prometheus["network_mode"] == services["exporter"]["network_mode"] == "service:endpoint"
    assert "--config.file=/etc/prometheus/prometheus.yaml" in prometheus["command"]
    mounted = dict(volume.split(":")[1::-1] for volume in [*prometheus["volumes"], *grafana["volumes"]])
    assert (ROOT / mounted["/etc/prometheus"] / "prometheus.yaml").exists()
    assert list((ROOT / mounted["/var/lib/dashboards"]).glob("*.json"))
    provisioning = ROOT / mounted["/etc/grafana/provisioning"]
    yaml = YAML(typ="safe")
    [provider] = yaml.load((provisioning / "dashboards" / "tidewheel.yaml").read_text())["providers"]
    assert provider["options"]["path"] == "/var/lib/dashboards"
    [source] = yaml.load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "$PROMETHEUS_URL")
    assert grafana["environment"]["PROMETHEUS_URL"] == "http://endpoint:9090"


def test_alertmanager_is_where_prometheus_sends_alerts_and_gets_secrets_as_files(
    services: dict[str, Any], tmp_path: Path
) -> None:
    yaml, service = YAML(typ="safe"), services["alertmanager"]
    prometheus = yaml.load((ROOT / "infra" / "prometheus" / "prometheus.yaml").read_text())
    [target] = prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert service["network_mode"] == services["prometheus"]["network_mode"]
    [command] = service["command"]
    assert f"--web.listen-address={target} " in command
    [route, _] = service["volumes"]
    route_file = ROOT / re.fullmatch(r"\$\{ALERTMANAGER_CONFIG:-(.+)\}:/etc/alertmanager.yaml:ro", route)[1]  # type: ignore[index]
    named = set(re.findall(r"/run/secrets/(\w+)", route_file.read_text()))

    written = (
        command.replace("/run/secrets", str(tmp_path)).replace("exec alertmanager", "exec true").replace("$$", "$")
    )
    environment = {"PATH": os.environ["PATH"], "SLACK_URL": "https://slack/a b&c", "SMTP_PASSWORD": 'x"$y'}
    subprocess.run([*service["entrypoint"], written], env=environment, check=True)

    assert {path.name for path in tmp_path.iterdir()} == named
    assert (tmp_path / "slack_url").read_text() == "https://slack/a b&c"
    assert (tmp_path / "smtp_password").read_text() == 'x"$y'
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_jobs_share_network_processes_and_state_of_the_model_services_they_release(services: dict[str, Any]) -> None:
    scheduler = services["airflow-scheduler"]

    assert scheduler["network_mode"] == scheduler["pid"] == "service:endpoint"
    assert "ports" not in scheduler
    assert scheduler["volumes"] == services["endpoint"]["volumes"]


def test_one_exporter_asks_the_router_by_the_socket_in_the_shared_folder(services: dict[str, Any]) -> None:
    exporter, endpoint = services["exporter"], services["endpoint"]

    assert f":{PORT}" in endpoint["environment"]["TIDEWHEEL_EXPORTER_URL"]
    assert exporter["command"][:3] == ["python", "-m", "infra.prometheus.exporter"]
    assert str(PORT) in exporter["command"]
    assert exporter["volumes"] == endpoint["volumes"]


def test_what_a_service_waits_for_exists_and_tells_its_health(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for other, wanted in service.get("depends_on", {}).items():
            assert other in services, f"{name} waits for {other}"
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in services[other]


def test_the_commands_are_there_and_known(services: dict[str, Any]) -> None:
    commands = {"airflow-scheduler": "scheduler", "airflow-dag-processor": "dag-processor", "airflow": "api-server"}
    embedded = {command[0] for command in airflow_services.COMMANDS.values()}

    for name, command in commands.items():
        assert services[name]["command"][:2] == ["airflow", command]
        assert command in embedded
    script = ROOT / services["endpoint"]["command"][0]
    assert script.stat().st_mode & 0o100
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_endpoint_stays_while_its_router_answers_and_ends_when_it_is_gone(tmp_path: Path) -> None:
    said = tmp_path / "said"
    for name, body in {
        "tidewheel": 'echo "$@" >> "$SAID"; [ "$1" != status ]',  # a model that starts is not ok there
        "python": 'echo asked >> "$SAID"; n=$(grep -c asked "$SAID"); [ "$n" -le 4 ] && [ "$n" != 2 ]',
        "sleep": "exit 0",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o700)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SAID": str(said)}

    ended = subprocess.run(["bash", ROOT / "infra/images/endpoint.sh"], env=environment, check=False, timeout=60)

    assert ended.returncode == 1
    assert said.read_text().split() == ["up", *["asked"] * 7, "status", "down"]


def test_the_image_copies_what_is_there_and_the_context_holds_it() -> None:
    lines = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    named = {word for line in lines for word in line.split()}
    copied = {name.partition("/")[0] for name in named}
    context = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert copied == {line.removeprefix("!") for line in context if line.startswith("!")}
    for name in named:
        assert (ROOT / name).exists(), name
