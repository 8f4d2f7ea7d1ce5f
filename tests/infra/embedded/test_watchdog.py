"""Programs that are alive and do not answer, under a real supervisord."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.embedded.layout import Layout
from infra.embedded.program import Program
from infra.embedded.supervisor import Supervisor
from infra.embedded.watchdog import Watchdog, WatchedProgram, read_watched, why_unanswered, write_watched
from tests.conftest import wait_until
from tests.free_ports import free_port

SERVER = """
import os, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer

class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/hang":
            time.sleep(600)
        if self.path == "/close":
            self.server.socket.close()
            time.sleep(600)
        self.send_response(500 if self.path == "/fail" else 404)
        self.end_headers()

HTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
"""


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    layout = Layout(tmp_path_factory.mktemp("home"))
    layout.create()
    return layout


@pytest.fixture
def server(supervisor: Supervisor) -> Iterator[str]:
    """URL of a program that answers: with 404, which is an answer."""
    port = free_port()
    supervisor.add(Program("server", (sys.executable, "-c", SERVER, str(port)), start_seconds=0))
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: not why_unanswered(f"{url}/"), "it answers")
    yield url
    supervisor.remove("server", 1.0)


@pytest.mark.parametrize("harm", ["signal", "/hang", "/close"])
def test_one_that_is_silent_for_long_enough_is_restarted_and_answers_again(
    supervisor: Supervisor, server: str, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.embedded.watchdog.ANSWER_SECONDS", 0.5)
    watched = [WatchedProgram("server", (f"{server}/",), silence=1.0, start=0.0)]
    watchdog, first = Watchdog(supervisor), supervisor.status("server").pid
    assert watchdog.look(watched) == []
    if harm == "signal":
        os.kill(first, signal.SIGSTOP)
    else:
        assert why_unanswered(f"{server}{harm}")
    assert watchdog.look(watched) == [], "once may be chance"
    wait_until(lambda: watchdog.look(watched) == ["server"], "it is restarted")
    wait_until(lambda: not why_unanswered(f"{server}/"), "it answers again")
    assert supervisor.status("server").pid != first


def test_one_that_has_just_started_or_answers_in_between_is_left_alone(supervisor: Supervisor, server: str) -> None:
    silent, watchdog = f"{server}/fail", Watchdog(supervisor)
    starting = [WatchedProgram("server", (silent,), silence=0.0, start=600.0)]
    assert watchdog.look(starting) == []
    silences = iter(["silent", "", "silent", ""])
    now_and_then = [WatchedProgram("server", (silent,), silence=0.001, start=0.0)]
    assert [watchdog.look(now_and_then, lambda _: next(silences)) for _ in range(4)] == [[]] * 4
    assert watchdog.look([WatchedProgram("of somebody else", (silent,), 0.0, 0.0)]) == []


def test_models_are_watched_where_they_are_placed(layout: Layout) -> None:
    service = WatchedProgram("mlflow", ("http://127.0.0.1:1/health",), 60.0, 60.0)
    write_watched(layout, [service])
    assert read_watched(layout) == [service]
    endpoints: Path = layout.home / "endpoints"
    endpoints.mkdir()
    # The former format, with one port, beside the present one.
    places = {"blue": {"port": 21_000}, "green": {"ports": [21_001, 21_005]}}
    placed = {"pipeline": "orders", "places": places, "traffic": {}}
    (endpoints / "orders.json").write_text(json.dumps(placed))
    assert [(each.program, each.urls) for each in read_watched(layout)[1:]] == [
        ("orders-blue", ("http://127.0.0.1:21000/livez",)),
        ("orders-green", ("http://127.0.0.1:21001/livez",)),
        ("orders-green-2", ("http://127.0.0.1:21005/livez",)),
    ]
