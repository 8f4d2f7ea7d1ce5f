"""What services inherit, and what platform.env carries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from infra.embedded.installation import inherited, project_variables, read_platform_env, write_platform_env
from tidewheel.settings import Settings, load_settings

if TYPE_CHECKING:
    import pytest


def test_settings_of_other_installations_are_not_inherited() -> None:
    shell = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite://",
        "AIRFLOW_HOME": "/elsewhere",
        "MLFLOW_TRACKING_URI": "http://elsewhere",
        "PGPASSWORD": "theirs",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SUPERVISOR_PROCESS_NAME": "theirs",
        "TIDEWHEEL_DATABASE_URL": "postgresql://old",
        "TIDEWHEEL_PORT_BASE": "20000",
    }
    assert not inherited(shell, ["TIDEWHEEL_DATABASE_URL"]).keys() & shell.keys()


def test_what_tasks_may_need_is_inherited() -> None:
    shell = {"AIRFLOW_CONN_MAIL": "smtp://", "TIDEWHEEL_SPARK_MASTER": "local[1]", "AWS_PROFILE": "lake"}
    assert shell.items() <= inherited(shell, ["TIDEWHEEL_DATABASE_URL"]).items()


def test_programs_of_our_environment_come_first_and_this_machine_needs_no_proxy() -> None:
    made = inherited({"PATH": "/usr/bin", "HTTP_PROXY": "http://proxy", "NO_PROXY": "intranet"}, [])
    assert made["PATH"] == f"{Path(sys.executable).parent}{os.pathsep}/usr/bin"
    assert made["NO_PROXY"] == "intranet,127.0.0.1,localhost"


def test_a_process_of_the_platform_finds_project_home_and_interpreters(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", project=tmp_path / "project")
    made = project_variables(settings, Path("/opt/java"))
    assert made["PYTHONPATH"].split(os.pathsep)[0] == str(tmp_path / "project")
    command = [sys.executable, "-c", "import infra.embedded.ports"]
    subprocess.run(command, env=made, cwd=tmp_path, check=True)
    assert (made["JAVA_HOME"], made["PYSPARK_PYTHON"]) == ("/opt/java", sys.executable)


@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=30))
def test_every_value_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    file = tmp_path_factory.mktemp("env") / "platform.env"
    write_platform_env(file, {"TIDEWHEEL_MLFLOW_PASSWORD": value})
    assert read_platform_env(file) == {"TIDEWHEEL_MLFLOW_PASSWORD": value}


def test_settings_read_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path))
    monkeypatch.delenv("TIDEWHEEL_MLFLOW_PASSWORD", raising=False)
    write_platform_env(tmp_path / "platform.env", {"TIDEWHEEL_MLFLOW_PASSWORD": 'it\'s # "odd" \\'})
    assert load_settings().require("mlflow_password") == 'it\'s # "odd" \\'
    assert (tmp_path / "platform.env").stat().st_mode & 0o777 == 0o600


def test_no_file_means_nothing_is_known(tmp_path: Path) -> None:
    assert read_platform_env(tmp_path / "platform.env") == {}
