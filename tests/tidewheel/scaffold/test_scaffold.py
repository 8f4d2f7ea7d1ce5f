"""A new pipeline: what is written, what is refused, and that nothing is ever half made."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tidewheel.scaffold.conftest import FAILURES
from tidewheel.errors import UsageError
from tidewheel.scaffold import plan_pipeline, write_pipeline
from tidewheel.spec import load_pipeline

ROOT = Path(__file__).parents[3]
FILES = [
    "dags/shop.py",
    "dags/shop.yaml",
    "expectations/shop/features.json",
    "expectations/shop/labels.json",
    "expectations/shop/predictions.json",
    "expectations/shop/raw.json",
    "jobs/pipelines/shop/__init__.py",
    "jobs/pipelines/shop/reader.py",
    "jobs/pipelines/shop/transform.py",
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for room in ("dags", "jobs/pipelines", "expectations"):
        (tmp_path / room).mkdir(parents=True)
    return tmp_path


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_new_pipeline_is_these_files_and_no_others(project: Path) -> None:
    written = write_pipeline(plan_pipeline("shop"), project)

    assert [str(path) for path in written] == FILES == everything(project)


def test_its_declaration_is_valid_short_and_known_to_editors(project: Path) -> None:
    write_pipeline(plan_pipeline("shop"), project)
    path = project / "dags" / "shop.yaml"

    pipeline = load_pipeline(path)

    lines = path.read_text().splitlines()
    assert len(lines) < 30
    assert lines[0] == "# yaml-language-server: $schema=../docs/pipeline.schema.json"
    assert pipeline.name == "shop"
    assert pipeline.features.transform == "jobs.pipelines.shop.transform:features"


def test_its_dag_file_is_the_one_every_pipeline_has(project: Path) -> None:
    write_pipeline(plan_pipeline("flight_delay"), project)

    assert (project / "dags" / "flight_delay.py").read_text() == (ROOT / "dags" / "flight_delay.py").read_text()


def test_its_code_keeps_this_repository_s_style(project: Path) -> None:
    write_pipeline(plan_pipeline("shop"), project)
    (project / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())

    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--quiet", "--no-cache", "."]
        ran = subprocess.run(ruff, cwd=project, capture_output=True, text=True)
        assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Shop-Returns", "for example 'shop_returns'"),
        ("2nd shop", "for example 'nd_shop'"),
        ("../shop", "for example 'shop'"),
        ("shop.py", "for example 'shop_py'"),
        ("_shop", "for example 'shop'"),
        ("shop\n", "for example 'shop'"),
        ("", "at most 63"),
        ("läden", "for example 'l_den'"),
        ("s" * 64, "for example 'sss"),
        ("class", "a word of Python's"),
        ("null", "in a YAML file it is no text"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_one_that_could(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match="cannot be a pipeline's name") as caught:
        plan_pipeline(name)

    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "there", ["dags/shop.yaml", "dags/shop.py", "jobs/pipelines/shop/mine.py", "expectations/shop/raw.json"]
)
def test_nothing_that_is_there_is_touched(project: Path, there: str) -> None:
    (project / there).parent.mkdir(exist_ok=True)
    (project / there).write_text("mine")

    with pytest.raises(UsageError, match="pipeline 'shop' is there already"):
        write_pipeline(plan_pipeline("shop"), project)

    assert everything(project) == [there]
    assert (project / there).read_text() == "mine"


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no folder dags/, so it is no Tidewheel project.*TIDEWHEEL_PROJECT"):
        write_pipeline(plan_pipeline("shop"), tmp_path)


@pytest.mark.parametrize("fails", [1, 2, 3, 4])
@pytest.mark.parametrize("failure", FAILURES)
def test_where_putting_it_in_place_fails_nothing_is_left(
    project: Path, rename_fails: Callable[[int, BaseException], None], fails: int, failure: BaseException
) -> None:
    rename_fails(fails, failure)
    with pytest.raises(type(failure)):
        write_pipeline(plan_pipeline("shop"), project)

    assert everything(project) == []
    assert sorted(path.name for path in project.iterdir()) == ["dags", "expectations", "jobs"]
    assert not any((project / "jobs" / "pipelines").iterdir())


def test_a_project_takes_many_pipelines(project: Path) -> None:
    names = [f"shop_{number}" for number in range(100)]

    for name in names:
        write_pipeline(plan_pipeline(name), project)

    assert sorted(load_pipeline(path).name for path in (project / "dags").glob("*.yaml")) == sorted(names)
