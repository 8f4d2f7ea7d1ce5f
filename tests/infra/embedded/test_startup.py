"""The order of a start: nothing runs tasks before what tasks need answers."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from infra.embedded import airflow_services
from infra.embedded.installation import Installation
from infra.embedded.layout import Credentials, Layout
from infra.embedded.ports import Ports
from infra.embedded.program import Program
from infra.embedded.services import MLFLOW_SERVER, NAMES
from infra.embedded.startup import Quiet, Startup, StartupStep, Waiting, run_steps
from infra.embedded.supervisor import Supervisor
from tidewheel.settings import Settings

RUN_TASKS = {airflow_services.SCHEDULER, airflow_services.TRIGGERER}


@pytest.fixture
def steps(tmp_path: Path) -> list[StartupStep]:
    """The steps of a start in which everything is our own."""
    layout = Layout(tmp_path / "home")
    installation = Installation(Settings(home=layout.home), layout, Credentials(), Ports(), {})
    return Startup(installation, Supervisor(layout), {name: Program(name, ()) for name in NAMES}, {}).steps()


@pytest.mark.parametrize("late", [airflow_services.API_SERVER, MLFLOW_SERVER, "ledger"])
def test_what_runs_tasks_starts_when_all_that_tasks_need_answers(steps: list[StartupStep], late: str) -> None:
    begun: list[str] = []
    everything_else = threading.Event()

    def run(name: str) -> None:
        begun.append(name)
        if {step.name for step in steps} - RUN_TASKS <= set(begun):
            everything_else.set()
        if name == late:
            assert everything_else.wait(30), "all that does not run tasks starts beside it"
            assert not RUN_TASKS.intersection(begun)

    def recorded(step: StartupStep) -> StartupStep:
        def note(_: Waiting) -> None:
            run(step.name)

        return replace(step, run=note)

    run_steps([recorded(step) for step in steps], Quiet())
    assert set(begun[-2:]) == RUN_TASKS
