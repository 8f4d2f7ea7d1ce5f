"""The wheel alone is enough: what it holds, and a project made with it, far from the checkout."""

from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.wheel_environment import ROOT, WheelEnvironment, wheel_environment  # noqa: F401  a fixture

ROOMS = ("bentos", "infra", "jobs", "plugins", "tidewheel")


@pytest.fixture(scope="module")
def project(wheel_environment: WheelEnvironment, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    folder = tmp_path_factory.mktemp("elsewhere")
    made = wheel_environment.run("tidewheel", "init", "my-models", cwd=folder)
    assert made.returncode == 0, made.stderr
    return folder / "my-models"


def test_the_wheel_holds_every_file_of_its_packages(wheel_environment: WheelEnvironment) -> None:  # noqa: F811
    with zipfile.ZipFile(wheel_environment.wheel) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}

    there = {path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*") if path.is_file()}
    assert held == {str(path) for path in there if "__pycache__" not in path.parts}


def test_everything_is_imported_from_the_wheel(wheel_environment: WheelEnvironment, project: Path) -> None:  # noqa: F811
    script = f"import {', '.join(ROOMS)}; print(*(r.__path__[0] for r in ({', '.join(ROOMS)})), sep='\\n')"

    ran = wheel_environment.run("python", "-c", script, cwd=project)

    assert ran.returncode == 0, ran.stderr
    assert {Path(line).parent for line in ran.stdout.split()} == set(
        wheel_environment.folder.glob("lib/python*/site-packages")
    )


def test_a_project_takes_a_pipeline_on_the_data_that_it_is_given(
    wheel_environment: WheelEnvironment,  # noqa: F811
    project: Path,
) -> None:
    rows = [f"{n},2026-01-{1 + n // 30:02d}T08:00:00Z,{n % 7 + 0.5},{n % 2}" for n in range(300)]
    (project / "orders.csv").write_text("\n".join(["id,at,amount,late", *rows]))

    made = wheel_environment.run("tidewheel", "new", "orders", "--from", "orders.csv", "--yes", cwd=project)
    listed = wheel_environment.run("tidewheel", "pipelines", cwd=project / "dags")

    assert made.returncode == 0, made.stderr
    assert sorted(path.name for path in (project / "pipelines" / "orders").iterdir()) == [
        "__init__.py",
        "reader.py",
        "test_pipeline.py",
        "transform.py",
    ]
    assert "transform: pipelines.orders.transform:features" in (project / "dags" / "orders.yaml").read_text()
    assert "orders" in listed.stdout


def test_the_project_depends_on_the_version_that_made_it(
    wheel_environment: WheelEnvironment,  # noqa: F811
    project: Path,
) -> None:
    declared = tomllib.loads((project / "pyproject.toml").read_text())["project"]

    version = wheel_environment.wheel.name.split("-")[1]
    assert declared["name"] == "my-models"
    assert declared["dependencies"] == [f"tidewheel[airflow,demo,jobs,serving]=={version}"]
