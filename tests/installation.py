"""One installation for all tests that need the whole platform: a copy of this project, and real services over it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.embedded.platform import Platform
from infra.embedded.ports import SERVICES, variable
from tests.free_ports import free_ports
from tidewheel.airflow_api import AirflowApi, DagRun
from tidewheel.lake import Lake
from tidewheel.settings import Settings, load_settings

PROJECT = Path(__file__).resolve().parents[1]
COPIED = ("bentos", "dags", "expectations", "infra", "jobs", "plugins", "tidewheel")


@dataclass(frozen=True)
class Installation:
    """A project of its own, with a platform that is up and runs it.

    Attributes:
        environment: for commands that shall act on it.
    """

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


def port_variables() -> dict[str, str]:
    """Variables that give each service a free port."""
    return {variable(name): str(port) for name, port in zip(SERVICES, free_ports(len(SERVICES)), strict=True)}


def environment_of(home: Path, project: Path = PROJECT) -> dict[str, str]:
    """The environment of a command that acts on an installation of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TIDEWHEEL_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, **port_variables(), "TIDEWHEEL_HOME": str(home), "TIDEWHEEL_PROJECT": str(project)}


@contextmanager
def running_installation(home: Path, project: Path) -> Iterator[Installation]:
    """Up inside the block and down after it; this process's environment stays as it is."""
    environment = environment_of(home, project)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name not in environment]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        platform = Platform(load_settings())
        try:
            platform.up()
            settings = load_settings()
            patch.undo()
            with AirflowApi.open(settings) as api:
                yield Installation(settings, platform, api, environment)
        finally:
            platform.down()


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The platform over a copy of the project, so that a test may add pipelines and spoil files."""
    root = tmp_path_factory.mktemp("installation")
    for folder in COPIED:
        shutil.copytree(PROJECT / folder, root / "project" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    with running_installation(root / "home", root / "project") as running:
        yield running
