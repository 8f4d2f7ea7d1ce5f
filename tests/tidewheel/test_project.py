"""What a project is, where its code lies, and what a process needs to import it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs.models.lineage import environment
from tests.tidewheel.cli.test_app import MAIN, run
from tidewheel import project
from tidewheel.errors import ExitCode
from tidewheel.project import (
    CODE_FOLDER,
    FORK_CODE_FOLDER,
    code_folder,
    import_path,
    installed_path,
    is_project,
    package_of,
    plugins_folder,
    with_package_renamed,
)

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("folders", "found"),
    [
        (["dags", "pipelines"], True),
        (["dags", "jobs"], True),
        (["dags"], False),
        (["pipelines"], False),
        (["jobs", "pipelines"], False),
    ],
)
def test_a_project_has_dags_and_code(tmp_path: Path, folders: list[str], found: bool) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir()

    assert is_project(tmp_path) is found


def test_the_code_of_a_fork_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "jobs" / "pipelines").mkdir(parents=True)
    assert code_folder(tmp_path) == FORK_CODE_FOLDER == code_folder(CHECKOUT)
    assert package_of(FORK_CODE_FOLDER) == "jobs.pipelines"

    (tmp_path / "pipelines").mkdir()
    assert code_folder(tmp_path) == CODE_FOLDER
    assert package_of(CODE_FOLDER) == "pipelines"


def test_a_process_finds_a_project_first_and_then_the_checkout(tmp_path: Path) -> None:
    assert import_path(tmp_path) == [str(tmp_path), str(CHECKOUT)]
    assert import_path(CHECKOUT) == [str(CHECKOUT)]


def test_site_packages_are_never_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site_packages = Path(os.__file__).parent / "site-packages"
    monkeypatch.setattr(project.sysconfig, "get_path", lambda name: str(site_packages))
    monkeypatch.setattr(project, "INSTALLED", site_packages.resolve())

    assert installed_path() == []
    assert import_path(tmp_path) == [str(tmp_path)]


def test_airflow_takes_the_plugins_of_a_fork_and_the_installed_ones_for_a_project(tmp_path: Path) -> None:
    assert plugins_folder(tmp_path) == CHECKOUT / "plugins"

    (tmp_path / "plugins").mkdir()
    assert plugins_folder(tmp_path) == CHECKOUT / "plugins"  # other plugins of a team

    (tmp_path / "plugins" / "tidewheel_plugin.py").touch()
    assert plugins_folder(tmp_path) == tmp_path / "plugins"


@pytest.mark.parametrize(
    ("code", "text", "renamed"),
    [
        (CODE_FOLDER, "transform: pipelines.shop.transform:features", "transform: pipelines.store.transform:features"),
        (CODE_FOLDER, "from pipelines.shop import x", "from pipelines.store import x"),
        (CODE_FOLDER, "pipelines.shop_2.x jobs.pipelines.shop.x", "pipelines.shop_2.x jobs.pipelines.shop.x"),
        (FORK_CODE_FOLDER, "from jobs.pipelines.shop.parts import x", "from jobs.pipelines.store.parts import x"),
        (FORK_CODE_FOLDER, "from jobs_pipelines.shop import x", "from jobs_pipelines.shop import x"),
    ],
)
def test_a_renamed_pipeline_is_named_anew_where_its_package_is_meant(code: Path, text: str, renamed: str) -> None:
    assert with_package_renamed(text, code, "shop", "store") == renamed


def test_the_demo_says_where_its_example_is_before_it_starts_anything(tmp_path: Path) -> None:
    for folder in ("dags", "pipelines"):
        (tmp_path / folder).mkdir()

    done = run(MAIN, "demo", cwd=tmp_path)

    assert done.returncode == ExitCode.WRONG_USAGE
    assert "dags/flight_delay.yaml is missing: the demo plays Tidewheel's example" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dags", "pipelines"]


@pytest.mark.parametrize("lock", ["requirements.lock", "uv.lock"])
def test_a_model_keeps_the_hash_of_the_projects_lock(tmp_path: Path, lock: str) -> None:
    assert environment(tmp_path, "").lock_hash == ""

    (tmp_path / lock).write_text("numpy==2.4\n")
    first = environment(tmp_path, "").lock_hash
    (tmp_path / lock).write_text("numpy==2.4.1\n")
    second = environment(tmp_path, "").lock_hash

    assert len(first) == len(second) == 64
    assert first != second
