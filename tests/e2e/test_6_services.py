"""The services of the platform, as `tidewheel up` brings them up."""

from __future__ import annotations

import os
import signal
from dataclasses import asdict

import httpx
import psutil
import pytest

from infra.embedded import launch
from infra.embedded.layout import load_or_generate
from tests.conftest import wait_until
from tests.installation import Installation

pytestmark = [pytest.mark.e2e, pytest.mark.platform]

IDLE_BYTES = 2.5 * 1024**3


def tree(installation: Installation) -> list[psutil.Process]:
    """Every process of the platform."""
    supervisord = psutil.Process(installation.platform.supervisor.pid() or 0)
    return [supervisord, *supervisord.children(recursive=True)]


def problems(installation: Installation) -> list[str]:
    """Services that do not run or do not answer, and why."""
    return [
        f"{service.name}: {service.problem or service.state}"
        for service in installation.platform.status()
        if not service.ok
    ]


def kill(installation: Installation, service: str) -> int:
    """Kill a service's process as the kernel would."""
    supervisor = installation.platform.supervisor
    pid = supervisor.status(service).pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: supervisor.status(service).pid not in {0, pid}, f"{service} starts again", 60)
    return pid


def test_every_service_answers_and_a_second_up_finds_nothing_to_do(installation: Installation) -> None:
    assert problems(installation) == []
    before = installation.platform.supervisor.statuses()
    assert installation.platform.up() == set()
    assert installation.platform.supervisor.statuses() == before


def test_the_command_line_shows_every_service_and_its_log(installation: Installation) -> None:
    shown = installation.command("status")
    assert shown.returncode == 0, shown.stdout
    assert "airflow-scheduler" in shown.stdout
    assert "ready to accept connections" in installation.command("logs", "postgres", "-n", "500").stdout
    unknown = installation.command("logs", "scheduler")
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("tidewheel: there is no log of 'scheduler', did you mean 'airflow-scheduler'?")


def test_nothing_listens_beyond_this_machine(installation: Installation) -> None:
    addresses = {
        connection.laddr.ip
        for process in tree(installation)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}


def test_mlflow_and_airflow_let_in_who_knows_the_password_and_nobody_else(installation: Installation) -> None:
    settings = installation.settings
    search = f"{settings.mlflow_url}/api/2.0/mlflow/experiments/search"
    login = (settings.require("mlflow_username"), settings.require("mlflow_password"))
    with httpx.Client(trust_env=False) as client:
        assert client.post(search, json={"max_results": 1}).status_code == 401
        assert client.get(f"{settings.mlflow_url}/api/2.0/mlflow-artifacts/artifacts").status_code == 401
        assert client.post(search, json={"max_results": 1}, auth=login).status_code == 200
        assert client.get(f"{settings.airflow_url}/api/v2/dags").status_code == 401
        token = f"{settings.airflow_url}/auth/token"
        user = {"username": settings.airflow_username, "password": settings.require("airflow_password")}
        assert client.post(token, json=user | {"password": "admin"}).status_code == 401
        assert client.post(token, json=user).status_code == 201


def test_no_secret_is_in_a_log_or_on_a_command_line(installation: Installation) -> None:
    layout = installation.platform.layout
    texts = [log.read_text(errors="replace") for log in layout.logs.iterdir()]
    texts += [" ".join(process.cmdline()) for process in tree(installation)]
    secrets = asdict(load_or_generate(layout.secrets))
    assert [name for name, secret in secrets.items() if any(secret in text for text in texts)] == []


def test_idle_memory_stays_within_its_bound(installation: Installation) -> None:
    assert sum(service.memory for service in installation.platform.status()) < IDLE_BYTES


@pytest.mark.parametrize("service", ["mlflow", "airflow-scheduler", "airflow-triggerer", "postgres"])
def test_a_killed_service_comes_back_and_its_orphans_are_gone(installation: Installation, service: str) -> None:
    layout = installation.platform.layout
    orphans = launch.of_supervisor(f"unix://{layout.supervisor_socket}", service)
    killed = kill(installation, service)
    wait_until(lambda: not problems(installation), f"all answer again: {problems(installation)}", 300)
    assert killed in orphans or service == "postgres"
    assert not [pid for pid in orphans if psutil.pid_exists(pid)]
