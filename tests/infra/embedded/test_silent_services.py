"""Services that are alive and do not answer: `tidewheel up` and the watchdog restart them."""

from __future__ import annotations

import os
import signal
import stat

import httpx
import psutil
import pytest

from infra.embedded import platform, supervisor, watchdog
from infra.embedded.installation import read_platform_env
from infra.embedded.platform import Platform
from infra.envoy.admin import EnvoyAdmin
from tests.conftest import wait_until
from tests.infra.embedded.small import Notes, pids, states


def admin_of(platform: Platform) -> EnvoyAdmin:
    return EnvoyAdmin(read_platform_env(platform.layout.home / "platform.env")["TIDEWHEEL_ENVOY_ADMIN_URL"])


def drain(platform: Platform) -> None:
    """Have Envoy close its listeners and live on."""
    transport = httpx.HTTPTransport(uds=str(platform.layout.envoy_socket))
    with httpx.Client(base_url="http://envoy", transport=transport) as client:
        client.post("/drain_listeners").raise_for_status()


def test_nobody_but_the_owner_reaches_envoys_admin_interface(small: Platform) -> None:
    small.up()
    socket_file = small.layout.envoy_socket
    assert stat.S_ISSOCK(socket_file.stat().st_mode)
    assert (socket_file.stat().st_mode & 0o777, socket_file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert admin_of(small).actions() == {}
    listening = [c for c in psutil.Process(pids(small)["envoy"]).net_connections("tcp") if c.status == "LISTEN"]
    assert len(listening) == 1
    answer = httpx.post(f"http://127.0.0.1:{listening[0].laddr.port}/drain_listeners", trust_env=False)
    assert answer.status_code == 404
    assert states(small)["envoy"] == "running"


def test_up_restarts_a_router_that_lives_and_has_closed_its_doors(
    small: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.up()
    first = pids(small)["envoy"]
    drain(small)
    wait_until(lambda: states(small)["envoy"] == "not answering", "the listeners are closed")
    monkeypatch.setattr(watchdog, "START_SECONDS", 0.5)
    notes = Notes()
    assert small.up(notes) == {"envoy"}
    assert states(small)["envoy"] == "running"
    assert pids(small)["envoy"] != first
    assert notes.sentences[0].startswith("envoy ran and did not answer for ")


@pytest.mark.parametrize("harm", ["stopped", "drained"])
def test_supervision_restarts_a_router_that_lives_and_does_not_answer(
    small: Platform, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "START_SECONDS", 0.5)
    monkeypatch.setattr(watchdog, "ROUTER_SILENCE", 1.0)
    small.up()
    first = pids(small)["envoy"]
    if harm == "drained":
        drain(small)
    else:
        os.kill(first, signal.SIGSTOP)
    wait_until(lambda: pids(small)["envoy"] not in {0, first}, "Envoy is started again", 40)
    wait_until(lambda: states(small)["envoy"] == "running", "Envoy answers again")
    assert "envoy is alive and has not answered" in small.log("watchdog").read_text()


def test_up_does_not_wait_for_ever_for_a_supervisord_that_hangs(
    small: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.up()
    monkeypatch.setattr(supervisor, "CALL_SECONDS", 1.0)
    monkeypatch.setattr(platform, "END_SECONDS", 3.0)
    os.kill(small.supervisor.pid() or 0, signal.SIGSTOP)
    notes = Notes()
    assert small.up(notes) == {"postgres", "envoy", "exporter", "alerts"}
    assert notes.sentences == ["ended 6 stale processes of a killed platform"]
    assert states(small)["envoy"] == states(small)["postgres"] == "running"
