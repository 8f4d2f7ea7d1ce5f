"""Jobs that a person starts at a terminal, wherever the person stands."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from tidewheel.cli import job_process
from tidewheel.cli.app import app
from tidewheel.cli.job_process import run_job
from tidewheel.settings import Settings, load_settings

if TYPE_CHECKING:
    import pytest


def test_a_job_finds_the_home_and_project_of_the_command_that_starts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("dags", "jobs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "jobs" / "__init__.py").touch()
    (tmp_path / "jobs" / "told.py").write_text("import os\nprint(os.environ['TIDEWHEEL_HOME'], os.getcwd())\n")
    monkeypatch.delenv("TIDEWHEEL_PROJECT", raising=False)
    monkeypatch.setenv("TIDEWHEEL_HOME", "home")
    monkeypatch.chdir(tmp_path / "dags")

    told = run_job(load_settings(), "told", stdout=subprocess.PIPE)

    assert told.stdout.split() == [str(tmp_path / "dags" / "home"), str(tmp_path)]


def test_a_draft_to_replay_is_found_from_where_the_person_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def note(settings: Settings, job: str, *options: str) -> subprocess.CompletedProcess[str]:
        asked.extend(options)
        return subprocess.CompletedProcess([], 0)

    monkeypatch.setattr(job_process, "run_job", note)
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    options = ["--from", "2013-03-01", "--to", "2013-03-02", "--policy", "spec", "--policy", "draft/shop.yaml"]

    ended = CliRunner().invoke(app, ["replay", "shop", *options])

    assert ended.exit_code == 0, ended.output
    policies = [option for option in asked if option.startswith("--policy")]
    assert policies == ["--policy=spec", f"--policy={tmp_path / 'draft' / 'shop.yaml'}"]
    assert "--partition=2013-03-01..2013-03-02" in asked
