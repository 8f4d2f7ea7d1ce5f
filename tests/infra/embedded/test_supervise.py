"""Programs under a real supervisord, added and removed while it runs."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from infra.embedded.layout import Layout
from infra.embedded.program import Program, ProgramState
from infra.embedded.supervisor import Supervisor
from tidewheel.errors import PlatformError

SLEEPER = (sys.executable, "-c", "import time; print('asleep', flush=True); time.sleep(600)")


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A home whose path has a space and is too long for a unix socket."""
    home = tmp_path_factory.mktemp("a home") / ("long" * 25)
    layout = Layout(home)
    layout.create()
    return layout


def sleeper(name: str, **options: object) -> Program:
    """A program that does nothing, for ten minutes."""
    return Program(name, SLEEPER, **{"start_seconds": 0, "autostart": False, **options})  # type: ignore[arg-type]


def test_a_program_is_added_started_stopped_and_removed_at_run_time(supervisor: Supervisor, layout: Layout) -> None:
    assert supervisor.add(sleeper("model"))
    assert supervisor.status("model").state is ProgramState.STOPPED
    started = supervisor.start("model")
    assert (started.state, started.pid > 0) == (ProgramState.RUNNING, True)
    supervisor.stop("model", timeout=10)
    assert supervisor.status("model").state is ProgramState.STOPPED
    supervisor.remove("model")
    assert supervisor.status("model").state is ProgramState.ABSENT
    assert not list(layout.included_config.glob("model*")) + list(layout.programs.glob("model*"))


def test_its_environment_and_arguments_arrive_as_they_are(supervisor: Supervisor, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    odd = "a \"b\" 'c' %(d)s ; # \n é"
    script = (
        "import os, sys, time, pathlib; pathlib.Path(os.environ['SEEN']).write_text("
        "repr((os.environ['ODD'], sys.argv[1], 'PATH' in os.environ, os.getcwd()))); time.sleep(600)"
    )
    command = (sys.executable, "-c", script, odd)
    env = {"ODD": odd, "SEEN": str(seen)}
    supervisor.add(Program("odd", command, env, inherits=("SUPERVISOR_*",), directory=tmp_path, start_seconds=0))
    wait_until(seen.exists)
    wait_until(lambda: bool(seen.read_text()))
    assert seen.read_text() == repr((odd, odd, False, str(tmp_path)))
    supervisor.remove("odd")


def test_adding_the_same_program_again_changes_nothing(supervisor: Supervisor) -> None:
    supervisor.add(sleeper("same", autostart=True))
    pid = supervisor.start("same").pid
    assert not supervisor.add(sleeper("same", autostart=True))
    assert supervisor.status("same").pid == pid
    supervisor.remove("same")


def test_a_running_program_is_not_replaced_by_another_of_its_name(supervisor: Supervisor) -> None:
    supervisor.add(sleeper("colour"))
    supervisor.start("colour")
    with pytest.raises(PlatformError, match="stop it before changing it"):
        supervisor.add(sleeper("colour", env={"VERSION": "2"}))
    supervisor.stop("colour")
    assert supervisor.add(sleeper("colour", env={"VERSION": "2"}))
    supervisor.remove("colour")


def test_a_killed_program_comes_back(supervisor: Supervisor) -> None:
    supervisor.add(sleeper("phoenix"))
    first = supervisor.start("phoenix").pid
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: supervisor.status("phoenix").pid not in {0, first})
    supervisor.remove("phoenix")


def test_one_that_does_not_start_tells_its_last_words(supervisor: Supervisor) -> None:
    command = (sys.executable, "-c", "raise SystemExit('no model at this path')")
    supervisor.add(Program("broken", command, autostart=False, start_retries=1))
    with pytest.raises(PlatformError, match="no model at this path"):
        supervisor.start("broken", timeout=10)
    supervisor.remove("broken")


def test_one_that_ignores_the_signal_is_killed_with_its_children(supervisor: Supervisor, layout: Layout) -> None:
    script = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print('child', child.pid, flush=True); time.sleep(600)"
    )
    supervisor.add(Program("stubborn", (sys.executable, "-c", script), autostart=False, start_seconds=0))
    supervisor.start("stubborn")
    log = layout.log("stubborn")
    wait_until(lambda: log.exists() and "child" in log.read_text())
    child = int(log.read_text().split()[1])
    supervisor.stop("stubborn", timeout=0.5)
    wait_until(lambda: not Path(f"/proc/{child}").exists())
    supervisor.remove("stubborn")


def test_an_unknown_name_is_answered_with_the_nearest_one(supervisor: Supervisor) -> None:
    supervisor.add(sleeper("flights-blue"))
    with pytest.raises(PlatformError, match="did you mean 'flights-blue'"):
        supervisor.start("flight-blue")
    supervisor.remove("flights-blue")


def test_without_a_supervisord_the_message_says_how_to_start_one(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.create()
    with pytest.raises(PlatformError, match="start it with `tidewheel up`"):
        Supervisor(layout).statuses()


def test_launch_files_and_socket_belong_to_their_owner_alone(supervisor: Supervisor, layout: Layout) -> None:
    program = sleeper("private", env={"PASSWORD": "x"})
    supervisor.add(program)
    for path in (program.launch_file(layout), program.config_file(layout), layout.supervisor_socket):
        assert path.stat().st_mode & 0o077 == 0
    supervisor.remove("private")


def wait_until(condition: object, seconds: float = 10.0) -> None:
    """Wait for a condition, fail when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
