"""Up, down and what goes wrong between them, on a small real installation: PostgreSQL and Envoy, the rest external."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from sqlalchemy.engine import make_url

from infra.embedded import launch, postgres
from infra.embedded.installation import read_platform_env
from infra.embedded.layout import Layout
from infra.embedded.platform import Platform
from infra.embedded.ports import ROW, can_bind
from infra.embedded.program import Program, ProgramState
from infra.embedded.startup import Quiet
from infra.embedded.supervisor import has_process
from tests.conftest import wait_until
from tests.free_ports import free_port
from tests.infra.embedded.small import Notes, pids, states
from tests.installation import environment_of
from tidewheel.errors import PlatformError, SettingsError
from tidewheel.settings import load_settings


def descendants(layout: Layout) -> list[int]:
    """The installation's supervisord and every process that it has started."""
    found = launch.of_supervisor(f"unix://{layout.supervisor_socket}")
    named = [p.pid for p in psutil.process_iter() if str(layout.supervisor_config) in _command(p)]
    return named + found + ([pid] if (pid := postgres.postmaster(layout)) else [])


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_up_starts_what_is_ours_and_a_second_up_changes_nothing(small: Platform) -> None:
    assert small.up() == {"postgres", "envoy", "exporter", "alerts"}
    assert states(small) == {
        "postgres": "running",
        "envoy": "running",
        "exporter": "running",
        "alerts": "running",
        "mlflow": "external",
        "airflow": "external",
    }
    before = pids(small)
    assert small.up() == set()
    assert pids(small) == before


def test_down_stops_everything_and_is_safe_to_repeat(small: Platform) -> None:
    small.up()
    small.supervisor.add(Program("model", (sys.executable, "-c", "import time; time.sleep(600)"), start_seconds=0))
    assert small.down() == ["envoy", "model", "exporter", "alerts", "postgres"]
    assert descendants(small.layout) == []
    assert small.down() == []
    assert "server closed the connection" not in small.log("postgres").read_text()


def test_a_restart_keeps_ports_passwords_and_model_services(
    small: Platform, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    small.up()
    small.supervisor.add(Program("model", (sys.executable, "-c", "import time; time.sleep(600)"), start_seconds=0))
    kept = (small.layout.home / "platform.env").read_text(), small.layout.secrets.read_text()
    small.down()
    for name in environment:
        if name.endswith("_PORT"):
            monkeypatch.delenv(name)
    assert small.up() == {"postgres", "envoy", "exporter", "alerts"}
    assert ((small.layout.home / "platform.env").read_text(), small.layout.secrets.read_text()) == kept
    assert small.supervisor.status("model").state is ProgramState.RUNNING


def test_secrets_and_addresses_are_readable_by_their_owner_only(small: Platform) -> None:
    small.up()
    layout = small.layout
    assert layout.home.stat().st_mode & 0o777 == 0o700
    for path in (layout.home / "platform.env", layout.secrets):
        assert path.stat().st_mode & 0o777 == 0o600
    settings = load_settings()
    assert settings.require("airflow_password") == 'it\'s "theirs" #1'
    password = make_url(settings.require("database_url")).password
    assert password is not None
    for process in psutil.process_iter():
        assert password not in " ".join(_command(process))
    assert not any(password in log.read_text() for log in layout.logs.iterdir())


@pytest.mark.parametrize("service", ["postgres", "envoy"])
def test_a_killed_service_comes_back(small: Platform, service: str) -> None:
    small.up()
    first = pids(small)[service]
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: pids(small)[service] not in {0, first}, f"{service} starts again")
    wait_until(lambda: states(small)[service] == "running", f"{service} answers again")


def test_up_recovers_when_supervisord_was_killed_and_its_children_live_on(small: Platform) -> None:
    small.up()
    before = pids(small)
    os.kill(small.supervisor.pid() or 0, signal.SIGKILL)
    wait_until(lambda: small.supervisor.pid() is None, "supervisord is gone")
    notes = Notes()
    assert small.up(notes) == {"postgres", "envoy", "exporter", "alerts"}
    assert notes.sentences == ["ended 5 stale processes of a killed platform"]
    assert not before.items() & pids(small).items()


def kill_everything(layout: Layout) -> None:
    """Kill all that an installation has started, what is being started meanwhile too."""

    def killed() -> bool:
        for pid in descendants(layout):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not descendants(layout)

    wait_until(killed, "all are gone")


def test_up_recovers_when_everything_was_killed(small: Platform) -> None:
    small.up()
    kill_everything(small.layout)
    assert small.up() == {"postgres", "envoy", "exporter", "alerts"}
    assert states(small)["postgres"] == "running"


def test_down_clears_up_after_everything_was_killed(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path / ("deep" * 20)))
    deep = Platform(load_settings())
    deep.up()
    assert deep.layout.supervisor_socket.parent == deep.layout.short_folder
    kill_everything(deep.layout)
    assert deep.down() == []
    assert not deep.layout.short_folder.exists()


def test_down_ends_a_platform_whose_home_was_removed_while_it_ran(small: Platform) -> None:
    small.up()
    running = descendants(small.layout)
    shutil.rmtree(small.layout.home)
    assert small.down()  # by the socket of supervisord, where a long path had it put elsewhere; else one by one
    assert not [pid for pid in running if has_process(pid)]
    assert not small.layout.home.exists()


def test_a_half_made_data_folder_is_made_again(small: Platform) -> None:
    small.layout.create()
    half_made = small.layout.home / ".postgres.deadbeef"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18")
    small.up()
    assert states(small)["postgres"] == "running"
    assert not half_made.exists()


def test_ctrl_c_stops_what_was_started_and_a_later_up_goes_on(small: Platform, environment: dict[str, str]) -> None:
    # Who runs the tests in the background of a shell has them ignore Ctrl-C, and what they start.
    command = ["env", "--default-signal=INT", sys.executable, "-c", "from tidewheel.cli.app import main; main()", "up"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(lambda: small.supervisor.pid() is not None, "supervisord runs")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert descendants(small.layout) == []
    small.up()
    assert states(small)["envoy"] == "running"


def test_two_installations_run_side_by_side(small: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small.up()
    for name, value in environment_of(tmp_path / "other").items():
        monkeypatch.setenv(name, value)
    other = Platform(load_settings())
    try:
        other.up()
        other.down()
    finally:
        other.down()
    assert states(small)["postgres"] == states(small)["envoy"] == "running"


def test_another_up_at_the_same_time_is_refused_with_its_pid(small: Platform) -> None:
    class Meddling(Quiet):
        refusal = ""

        def done(self, step: str, seconds: float) -> None:
            if step == "databases":
                with pytest.raises(PlatformError) as refused:
                    Platform(load_settings()).up()
                self.refusal = str(refused.value)

    report = Meddling()
    small.up(report)
    assert f"(pid {os.getpid()}) is at work" in report.refusal


def test_a_taken_port_is_one_sentence_that_names_it(small: Platform, environment: dict[str, str]) -> None:
    port = int(environment["TIDEWHEEL_ENDPOINT_PORT"])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(SettingsError) as refused:
            small.up()
    assert str(refused.value) == (
        f"port {port} of endpoint is taken by {psutil.Process().name()} (pid {os.getpid()}); "
        "free it, or set TIDEWHEEL_ENDPOINT_PORT to another port"
    )


def test_a_service_moves_to_the_port_that_is_asked_for_while_the_rest_runs_on(
    small: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.up()
    server = pids(small)["postgres"]
    port = free_port()
    monkeypatch.setenv("TIDEWHEEL_ENDPOINT_PORT", str(port))
    small.up()
    assert read_platform_env(small.layout.home / "platform.env")["TIDEWHEEL_ENDPOINT_URL"].endswith(f":{port}")
    assert not can_bind(port)
    assert pids(small)["postgres"] == server


def test_a_service_that_does_not_stay_up_is_named_with_the_end_of_its_log(small: Platform) -> None:
    small.up()
    small.down()
    (small.layout.postgres / "postgresql.conf").write_text("shared_buffers = plenty\n")
    with pytest.raises(PlatformError, match=r"postgres does not stay up[^\0]*invalid value for parameter"):
        small.up()


def test_a_model_that_cannot_start_does_not_keep_the_platform_down(small: Platform) -> None:
    small.up()
    command = (sys.executable, "-c", "raise SystemExit('the model is gone')")
    small.supervisor.add(Program("model", command, start_retries=0))
    wait_until(lambda: small.supervisor.status("model").state is ProgramState.FATAL, "supervisord gives up")
    notes = Notes()
    assert small.up(notes) == set()
    assert "the model is gone" in notes.sentences[0]


def test_everything_that_listens_does_so_in_the_row_that_was_asked_for(
    small: Platform, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name in [name for name in environment if name.endswith("_PORT")]:
        monkeypatch.delenv(name)
    base = next(port for port in iter(free_port, 0) if all(map(can_bind, range(port, port + 10))))
    monkeypatch.setenv("TIDEWHEEL_PORT_BASE", str(base))
    small.up()
    processes = {p for pid in descendants(small.layout) for p in [psutil.Process(pid), *psutil.Process(pid).children()]}
    listening = {
        connection.laddr.port
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert len(listening) >= 2
    assert listening <= set(range(base, base + ROW))
    assert load_settings().models_port in range(base, base + ROW)
