"""Ctrl-C in the demo: it says how to go on, leaves Airflow what it has begun, and goes on there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import tidewheel

PROJECT = Path(tidewheel.__file__).parents[1]
WITH_THE_PLATFORM_UP = """
from tidewheel.cli import platform
from tidewheel.cli.app import main

platform.up = lambda: None
main()
"""
BY_CTRL_C = 130
FOLLOWS = "flight_delay.features: land, 0 of 1 tasks done"
RUN_PATH = "/api/v2/dags/flight_delay.features/dagRuns"


class Airflow(ThreadingHTTPServer):
    """An Airflow whose runs never end; remembers what was changed in it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.changed: list[str] = []
        self.runs: dict[str, dict[str, object]] = {}


class Answer(BaseHTTPRequestHandler):
    server: Airflow

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.endswith("/taskInstances"):
            task = {"task_id": "land", "state": "running", "try_number": 1, "duration": None}
            self._say(200, {"task_instances": [task]})
        elif path.startswith(RUN_PATH):
            run = self.server.runs.get(path.rpartition("/")[2])
            self._say(200 if run else 404, run or {"detail": "no such run"})
        else:
            self._say(200, {"dag_id": path.rpartition("/")[2]})

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/auth/token":
            self._say(201, {"access_token": "token"})
            return
        self.server.changed.append(f"{self.path} {sent.get('dag_run_id')}")
        run = {"dag_id": "flight_delay.features", "state": "running", "partition_key": None, "run_type": "manual"}
        self.server.runs[sent["dag_run_id"]] = {**run, "dag_run_id": sent["dag_run_id"], "conf": sent["conf"]}
        self._say(200, self.server.runs[sent["dag_run_id"]])

    def do_PATCH(self) -> None:
        assert json.loads(self.rfile.read(int(self.headers["content-length"]))) == {"is_paused": False}
        self._say(200, {})

    def _say(self, status: int, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def airflow() -> Iterator[Airflow]:
    server = Airflow()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def interrupted_demo(airflow: Airflow, home: Path) -> tuple[int, str]:
    """Press Ctrl-C while the demo follows a run; returns its exit code and all it said."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TIDEWHEEL_")}
    settings = {
        "HOME": str(home),
        "PROJECT": str(PROJECT),
        "DATABASE_URL": f"sqlite:///{home}/ledger.db",
        "AIRFLOW_URL": f"http://127.0.0.1:{airflow.server_port}",
        "AIRFLOW_USERNAME": "admin",
        "AIRFLOW_PASSWORD": "secret",
    }
    env = {**kept, **{f"TIDEWHEEL_{name}": value for name, value in settings.items()}, "PYTHONPATH": str(PROJECT)}
    # Who runs the tests in the background of a shell has them ignore Ctrl-C, and what they start.
    command = ["env", "--default-signal=INT", sys.executable, "-u", "-c", WITH_THE_PLATFORM_UP, "demo"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            if FOLLOWS in line and FOLLOWS not in "".join(said):  # a second Ctrl-C would end it at once
                process.send_signal(signal.SIGINT)
            said.append(line)
        return process.wait(60), "".join(said)


def test_an_interrupted_demo_says_how_to_go_on_leaves_what_runs_alone_and_follows_it_when_it_is_called_again(
    airflow: Airflow, tmp_path: Path
) -> None:
    for _ in range(2):
        code, said = interrupted_demo(airflow, tmp_path)
        assert code == BY_CTRL_C, said
        assert "Traceback" not in said
        assert said.rstrip().splitlines()[-1].startswith("Interrupted. The platform stays up")
        assert "`make demo` follows them from here" in said
        assert airflow.changed == [f"{RUN_PATH} demo__history"], "nothing is cleared, stopped or begun twice"
