"""The real platform, brought up once a session in a fresh home on free ports; import `platform` into a conftest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.embedded.platform import Platform
from infra.embedded.ports import SERVICES, variable
from tests.free_ports import free_ports
from tidewheel.settings import Settings, load_settings

PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class RunningPlatform:
    """A platform that is up.

    Attributes:
        environment: for commands that shall act on it.
    """

    platform: Platform
    settings: Settings
    environment: dict[str, str]


def port_variables() -> dict[str, str]:
    """Variables that give each service a free port."""
    return {variable(name): str(port) for name, port in zip(SERVICES, free_ports(len(SERVICES)), strict=True)}


def environment_of(home: Path, project: Path = PROJECT) -> dict[str, str]:
    """The environment of a command that acts on an installation of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TIDEWHEEL_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, **port_variables(), "TIDEWHEEL_HOME": str(home), "TIDEWHEEL_PROJECT": str(project)}


@contextmanager
def running_platform(home: Path, project: Path = PROJECT) -> Iterator[RunningPlatform]:
    """A platform of its own, up inside the block and down after it; this process's environment stays as it is."""
    environment = environment_of(home, project)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name not in environment]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        running = Platform(load_settings())
        try:
            running.up()
            settings = load_settings()
            patch.undo()
            yield RunningPlatform(running, settings, environment)
        finally:
            running.down()


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    """The whole platform of this project, with an empty state."""
    with running_platform(tmp_path_factory.mktemp("platform") / "home") as running:
        yield running
