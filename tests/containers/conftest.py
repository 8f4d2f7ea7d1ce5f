"""Images that are built, and a platform of containers that is up, once for all tests of this folder."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.images.env_file import variables
from tests.containers.engine import CommandFailed, Compose, build, megabytes, missing, run
from tests.free_ports import free_ports

FIGURES: dict[str, str] = {}
HERE = Path(__file__).parent
PULLED_POSTGRES = "postgres:18"
UP_SECONDS = 1800
DEMO_SECONDS = 3600
PIPELINE, NIGHT = "flight_delay", "2013-03-03"
FEATURES = f"""
import json
from tidewheel.lake import Lake
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline
settings = load_settings()
lake, pipeline = Lake.open({PIPELINE!r}, settings), find_pipeline(settings.pipelines_folder, {PIPELINE!r})
frame = lake.read(lake.need("features", {NIGHT!r}), pipeline.features.columns).slice(0, 100).to_pandas()
print(json.dumps(frame.astype(object).where(frame.notna(), None).to_dict("records")))
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder needs Docker and says so where there is none."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.docker)
            item.add_marker(pytest.mark.timeout(3 * 3600))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Sizes and times, for docs/how-to/containers.md."""
    for what, figure in FIGURES.items():
        terminalreporter.write_line(f"{what}: {figure}")


@pytest.fixture(scope="session", autouse=True)
def _no_authorities() -> None:
    """Here programs reach for things beyond this machine."""


@pytest.fixture(scope="session", autouse=True)
def _docker() -> None:
    if reason := missing():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def images(_docker: None) -> dict[str, str]:
    """The images by target, built. They are kept, so that the next run builds only what has changed."""
    tags = {}
    for target in ("serving", "jobs", "airflow"):
        tags[target] = f"tidewheel-test:{target}"
        seconds = build(tags[target], "infra/images/Dockerfile", "--target", target)
        FIGURES[f"image {target}"] = f"{megabytes(tags[target])} MB, built in {seconds:.0f} s"
    return tags


@pytest.fixture(scope="session")
def postgres_image(_docker: None) -> str:
    """PostgreSQL's own image, or one from the lock's wheel where it cannot be pulled."""
    if given := os.environ.get("POSTGRES_IMAGE"):
        return given
    try:
        run("docker", "pull", PULLED_POSTGRES, seconds=600)
    except CommandFailed:
        build("tidewheel-test:postgres", "tests/containers/postgres/Dockerfile")
        return "tidewheel-test:postgres"
    return PULLED_POSTGRES


@pytest.fixture(scope="session")
def up(images: dict[str, str], postgres_image: str) -> Iterator[Compose]:
    """The platform, up and healthy; taken down with its volumes."""
    names = ("AIRFLOW_PORT", "MLFLOW_PORT", "ENDPOINT_PORT", "EXPORTER_PORT")
    ports = dict(zip(names, map(str, free_ports(len(names))), strict=True))
    asked = {"TIDEWHEEL_IMAGE": images["airflow"], "POSTGRES_IMAGE": postgres_image}
    compose = Compose(f"tidewheel-test-{secrets.token_hex(3)}", {**variables(), **ports, **asked})
    began = time.monotonic()
    try:
        compose("up", "--no-build", "--wait", "--quiet-pull", seconds=UP_SECONDS)
        FIGURES["compose up to healthy"] = f"{time.monotonic() - began:.0f} s"
        yield compose
    except CommandFailed as failed:  # of `up`: a test that fails does not come here
        logs = compose("logs", "--tail", "40", seconds=120)
        raise CommandFailed(f"{failed}\n{logs}") from failed
    finally:
        compose("down", "--volumes", "--timeout", "60", seconds=300)


@pytest.fixture(scope="session")
def played(up: Compose) -> Compose:
    """The same platform after the demo, played by the command that a person types."""
    began = time.monotonic()
    output = up("exec", "-T", "endpoint", "tidewheel", "demo", seconds=DEMO_SECONDS)
    FIGURES["demo"] = f"{time.monotonic() - began:.0f} s"
    FIGURES["demo's traffic"] = next(line for line in output.splitlines() if line.startswith("Traffic"))
    return up


@pytest.fixture(scope="session")
def rows(played: Compose) -> list[dict[str, Any]]:
    """A hundred rows of the last night."""
    found: list[dict[str, Any]] = played.python("endpoint", FEATURES)
    return found
