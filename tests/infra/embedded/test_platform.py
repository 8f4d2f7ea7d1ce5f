"""The whole platform, as `tidewheel up` brings it up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import asdict

import httpx
import psutil
import pytest

from infra.embedded import launch
from infra.embedded.credentials import load_or_generate
from tests.conftest import wait_until
from tests.platform_fixture import RunningPlatform

pytestmark = pytest.mark.platform

IDLE_BYTES = 2.5 * 1024**3


def tree(platform: RunningPlatform) -> list[psutil.Process]:
    """Every process of the platform."""
    supervisord = psutil.Process(platform.platform.supervisor.pid() or 0)
    return [supervisord, *supervisord.children(recursive=True)]


def problems(platform: RunningPlatform) -> list[str]:
    """Services that do not run or do not answer, and why."""
    return [
        f"{service.name}: {service.problem or service.state}"
        for service in platform.platform.status()
        if not service.ok
    ]


def kill(platform: RunningPlatform, service: str) -> int:
    """Kill a service's process as the kernel would."""
    pid = platform.platform.supervisor.status(service).pid
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: platform.platform.supervisor.status(service).pid not in {0, pid}, f"{service} starts again", 60)
    return pid


def test_every_service_answers_and_a_second_up_finds_nothing_to_do(platform: RunningPlatform) -> None:
    assert problems(platform) == []
    before = platform.platform.supervisor.statuses()
    assert platform.platform.up() == set()
    assert platform.platform.supervisor.statuses() == before


def test_the_command_line_shows_every_service_and_its_log(platform: RunningPlatform) -> None:
    def tidewheel(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from tidewheel.cli.app import main; main()", *arguments]
        return subprocess.run(command, env=platform.environment, capture_output=True, text=True, check=False)

    shown = tidewheel("status")
    assert shown.returncode == 0, shown.stdout
    assert "airflow-scheduler" in shown.stdout
    assert "ready to accept connections" in tidewheel("logs", "postgres", "-n", "500").stdout
    unknown = tidewheel("logs", "scheduler")
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("tidewheel: there is no log of 'scheduler', did you mean 'airflow-scheduler'?")


def test_nothing_listens_beyond_this_machine(platform: RunningPlatform) -> None:
    addresses = {
        connection.laddr.ip
        for process in tree(platform)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}


def test_mlflow_and_airflow_let_in_who_knows_the_password_and_nobody_else(platform: RunningPlatform) -> None:
    settings = platform.settings
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


def test_no_secret_is_in_a_log_or_on_a_command_line(platform: RunningPlatform) -> None:
    layout = platform.platform.layout
    texts = [log.read_text(errors="replace") for log in layout.logs.iterdir()]
    texts += [" ".join(process.cmdline()) for process in tree(platform)]
    secrets = asdict(load_or_generate(layout.secrets))
    assert [name for name, secret in secrets.items() if any(secret in text for text in texts)] == []


def test_idle_memory_stays_within_its_bound(platform: RunningPlatform) -> None:
    assert sum(service.memory for service in platform.platform.status()) < IDLE_BYTES


@pytest.mark.parametrize("service", ["mlflow", "airflow-scheduler", "airflow-triggerer", "postgres"])
def test_a_killed_service_comes_back_and_its_orphans_are_gone(platform: RunningPlatform, service: str) -> None:
    layout = platform.platform.layout
    orphans = launch.of_supervisor(f"unix://{layout.supervisor_socket}", service)
    killed = kill(platform, service)
    wait_until(lambda: not problems(platform), f"all answer again: {problems(platform)}", 300)
    assert killed in orphans or service == "postgres"
    assert not [pid for pid in orphans if psutil.pid_exists(pid)]
