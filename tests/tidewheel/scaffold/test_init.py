"""A new project: what is written, where it is refused, and that nothing is ever half made."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tidewheel.scaffold.conftest import FAILURES
from tests.tidewheel.scaffold.test_scaffold import ROOT, everything
from tidewheel.cli.app import main
from tidewheel.errors import UsageError
from tidewheel.project import CODE_FOLDER, is_project
from tidewheel.scaffold import plan_pipeline, write_pipeline
from tidewheel.scaffold.project import init_project, project_name
from tidewheel.settings import load_settings
from tidewheel.spec import load_pipeline

FILES = [
    ".github/workflows/ci.yml",
    ".gitignore",
    "README.md",
    "dags/.airflowignore",
    "docs/pipeline.schema.json",
    "expectations/README.md",
    "pipelines/__init__.py",
    "pyproject.toml",
]


def test_a_new_project_is_these_files_and_no_others(tmp_path: Path) -> None:
    written = init_project(tmp_path / "teams" / "my-models")

    assert [str(path) for path in written] == FILES == everything(tmp_path / "teams" / "my-models")
    assert is_project(tmp_path / "teams" / "my-models")


def test_an_empty_folder_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    inode = tmp_path.stat().st_ino

    init_project(Path())

    assert everything(tmp_path) == FILES
    assert tmp_path.stat().st_ino == inode  # a shell that stands in it stays in it


@pytest.mark.parametrize(
    ("there", "named"),
    [(["a"], "contains a;"), (["a", "b", "c"], "contains a, b, c;"), (list("abcdef"), "contains a, b, c and 3 more;")],
)
def test_a_folder_that_is_not_empty_is_refused_and_left_alone(tmp_path: Path, there: list[str], named: str) -> None:
    for name in there:
        (tmp_path / name).write_text("mine")

    with pytest.raises(UsageError, match=f"is not empty: it {named} .*Nothing was written"):
        init_project(tmp_path)

    assert everything(tmp_path) == there


def test_a_file_in_place_of_the_folder_is_a_sentence_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["tidewheel", "init", str(tmp_path / "mine")])

    with pytest.raises(SystemExit, match="2"):
        main()

    assert "mine is a file, and a project is a folder" in capsys.readouterr().err


@pytest.mark.parametrize("fails", [1, 4, 7])
@pytest.mark.parametrize("failure", FAILURES)
def test_where_it_fails_nothing_is_left(
    tmp_path: Path, rename_fails: Callable[[int, BaseException], None], fails: int, failure: BaseException
) -> None:
    rename_fails(fails, failure)
    with pytest.raises(type(failure)):
        init_project(tmp_path / "teams" / "my-models")

    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("folder", "name"),
    [("my-models", "my-models"), ("Our Models (new)", "Our-Models-new"), ("läden", "l-den"), ("…", "models")],
)
def test_its_name_is_one_that_pyproject_takes(tmp_path: Path, folder: str, name: str) -> None:
    assert project_name(tmp_path / folder) == name
    init_project(tmp_path / folder)

    assert tomllib.loads((tmp_path / folder / "pyproject.toml").read_text())["project"]["name"] == name


def test_state_and_passwords_are_ignored_by_git(tmp_path: Path) -> None:
    init_project(tmp_path)
    for command in (["init", "--quiet"], ["check-ignore", ".tidewheel/platform.env", ".env", ".venv/x", "dags/x.py"]):
        ran = subprocess.run(["git", *command], cwd=tmp_path, capture_output=True, text=True)

    assert ran.stdout.split() == [".tidewheel/platform.env", ".env", ".venv/x"]


def test_new_adds_a_pipeline_with_code_and_tests_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init_project(tmp_path)
    monkeypatch.chdir(tmp_path / "pipelines")
    monkeypatch.delenv("TIDEWHEEL_PROJECT", raising=False)
    monkeypatch.delenv("TIDEWHEEL_HOME", raising=False)
    monkeypatch.setattr(sys, "argv", ["tidewheel", "new", "shop"])

    with pytest.raises(SystemExit, match="0"):
        main()

    assert load_settings().code_folder == CODE_FOLDER
    assert sorted(path.name for path in (tmp_path / "pipelines/shop").iterdir()) == [
        "__init__.py",
        "reader.py",
        "test_pipeline.py",
        "transform.py",
    ]
    pipeline = load_pipeline(tmp_path / "dags/shop.yaml")
    assert pipeline.features.transform == "pipelines.shop.transform:features"
    schema = (tmp_path / "dags/shop.yaml").read_text().splitlines()[0].partition("$schema=")[2]
    assert json.loads((tmp_path / "dags" / schema).read_text())["title"] == "Pipeline"


def test_its_code_keeps_this_repository_s_style(tmp_path: Path) -> None:
    init_project(tmp_path)
    write_pipeline(plan_pipeline("shop", CODE_FOLDER), tmp_path)
    rules = (ROOT / "pyproject.toml").read_text()
    for ours, theirs in (('"tests/**"', '"**/test_*.py"'), ('"jobs/**"', '"pipelines/**"')):
        assert ours in rules
        rules = rules.replace(ours, theirs)
    (tmp_path / "pyproject.toml").write_text(rules)

    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--quiet", "--no-cache", "."]
        ran = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True)
        assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr
