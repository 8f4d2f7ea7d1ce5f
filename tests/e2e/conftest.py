"""One installation for all end-to-end tests: a copy of this project, with its own platform, and Airflow's API."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from infra.embedded.platform import Platform
from tests.platform_fixture import PROJECT, running_platform
from tidewheel.airflow_api import AirflowApi, DagRun
from tidewheel.demo.display import Display
from tidewheel.demo.story import Demo, Ending
from tidewheel.lake import Lake
from tidewheel.settings import Settings

COPIED = ("bentos", "dags", "expectations", "infra", "jobs", "plugins", "tidewheel")


@dataclass(frozen=True)
class Installation:
    """A project of its own, with a platform that runs it."""

    settings: Settings
    platform: Platform
    api: AirflowApi
    environment: dict[str, str]

    @property
    def project(self) -> Path:
        return self.settings.project

    def lake(self, pipeline: str) -> Lake:
        return Lake.open(pipeline, self.settings)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `tidewheel ...` on this installation."""
        line = [str(Path(sys.executable).with_name("tidewheel")), *arguments]
        environment = {**self.environment, "PYTHONPATH": str(self.project)}
        return subprocess.run(
            line, cwd=self.project, env=environment, capture_output=True, text=True, timeout=300, check=False
        )

    def finish(self, dag: str, run_id: str, seconds: float = 300) -> tuple[DagRun, dict[str, str | None]]:
        """Follow a run to its end; returns it with the state of each task."""
        *_, (run, tasks) = self.api.follow(dag, run_id, seconds)
        return run, {task.task_id: task.state for task in tasks}

    def hashes(self, pipeline: str, *datasets: str) -> dict[str, str]:
        """Content of every published batch."""
        lake = self.lake(pipeline)
        return {
            manifest.key: manifest.content_hash
            for dataset in datasets
            for manifest in (lake.need(dataset, key) for key in lake.partitions(dataset))
        }


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The platform over a copy of the project, so that a test may add pipelines and spoil files."""
    root = tmp_path_factory.mktemp("e2e")
    project = root / "project"
    for folder in COPIED:
        shutil.copytree(PROJECT / folder, project / folder, ignore=shutil.ignore_patterns("__pycache__"))
    with running_platform(root / "home", project) as running, AirflowApi.open(running.settings) as api:
        yield Installation(running.settings, running.platform, api, running.environment)


@dataclass(frozen=True)
class Played:
    """A demo that was played to its end."""

    ending: Ending
    told: str


def play(installation: Installation) -> Played:
    """Play the demo; what an earlier one did is not done again."""
    screen = StringIO()
    demo = Demo(installation.settings, installation.api, Display(Console(file=screen, width=200)))
    ending = demo.play()
    return Played(ending, screen.getvalue())


@pytest.fixture(scope="session")
def played(installation: Installation) -> Played:
    """The demo, played once."""
    return play(installation)
