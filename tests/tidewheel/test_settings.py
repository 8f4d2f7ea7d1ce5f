"""Settings: environment over platform.env over defaults, and never a secret in a message."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tidewheel.errors import SettingsError
from tidewheel.lake import Lake
from tidewheel.settings import PLATFORM_ENV, Settings, load_settings


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("TIDEWHEEL_HOME", str(folder))
    return folder


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / PLATFORM_ENV).write_text("TIDEWHEEL_MLFLOW_URL=http://file\nTIDEWHEEL_AIRFLOW_URL=http://file\n")
    monkeypatch.setenv("TIDEWHEEL_MLFLOW_URL", "http://environment")

    settings = load_settings()

    assert settings.mlflow_url == "http://environment"
    assert settings.airflow_url == "http://file"
    assert settings.spark_master == "local[*]"


def test_a_home_of_a_user_that_is_not_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEWHEEL_HOME", "~nobody_of_that_name/state")

    with pytest.raises(SettingsError, match="TIDEWHEEL_HOME is '~nobody_of_that_name/state': this machine has no user"):
        load_settings()


def test_a_working_folder_that_was_deleted_is_a_sentence_where_it_matters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # and back there at the end
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    with pytest.raises(SettingsError, match="that this was started in was deleted; go to a folder that is there"):
        load_settings()
    monkeypatch.setenv("TIDEWHEEL_PROJECT", str(tmp_path))
    monkeypatch.setenv("TIDEWHEEL_HOME", "state")
    with pytest.raises(SettingsError, match="TIDEWHEEL_HOME is 'state', below a folder that was deleted"):
        load_settings()
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path / "home"))
    assert load_settings().project == tmp_path


def test_paths_are_absolute_wherever_a_process_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIDEWHEEL_HOME", "state")
    monkeypatch.setenv("TIDEWHEEL_PROJECT", "")

    settings = load_settings()

    assert settings.home == tmp_path / "state"
    assert settings.project == tmp_path
    assert settings.pipelines_folder == tmp_path / "dags"
    assert settings.lake_root == f"file://{tmp_path}/state/lake"


def test_the_project_is_found_from_any_folder_inside_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder in ("shop/dags", "shop/jobs/pipelines/shop", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    for variable in ("TIDEWHEEL_HOME", "TIDEWHEEL_PROJECT"):
        monkeypatch.delenv(variable, raising=False)
    shop = tmp_path / "shop"

    monkeypatch.chdir(shop / "jobs" / "pipelines" / "shop")
    assert (load_settings().project, load_settings().home) == (shop, shop / ".tidewheel")

    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(SettingsError, match=r"elsewhere is no Tidewheel project, .* set TIDEWHEEL_PROJECT to it"):
        load_settings()

    monkeypatch.setenv("TIDEWHEEL_PROJECT", str(shop))
    assert (load_settings().project, load_settings().home) == (shop, shop / ".tidewheel")


def test_a_home_with_a_space_holds_its_lake_inside(settings: Settings) -> None:
    Lake.open("shop", settings).store.replace("shop/x", b"y")

    assert (settings.home / "lake" / "shop" / "x").read_bytes() == b"y"


def test_a_setting_that_is_needed_and_missing_is_named_with_both_places(home: Path) -> None:
    with pytest.raises(SettingsError, match=r"TIDEWHEEL_MLFLOW_URL is not set.*platform\.env.*`tidewheel up`"):
        load_settings().require("mlflow_url")


def test_a_needed_secret_is_handed_out_but_never_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", "postgresql://u:sesame@h/d")
    monkeypatch.setenv("TIDEWHEEL_AIRFLOW_PASSWORD", "sesame")
    monkeypatch.setenv("TIDEWHEEL_LAKE_OPTIONS", '{"key": "k", "secret": "sesame"}')

    settings = load_settings()

    assert settings.require("database_url") == "postgresql://u:sesame@h/d"
    assert settings.lake_options["secret"] == "sesame"
    assert "sesame" not in f"{settings!r} {settings}"


def test_a_wrong_value_is_named_by_its_variable_and_not_repeated(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEWHEEL_JOB_RUNNER", "sesame")
    with pytest.raises(SettingsError, match="TIDEWHEEL_JOB_RUNNER: Input should be 'process' or 'kubernetes'") as one:
        load_settings()

    monkeypatch.setenv("TIDEWHEEL_JOB_RUNNER", "process")
    monkeypatch.setenv("TIDEWHEEL_LAKE_OPTIONS", "secret=sesame")
    with pytest.raises(SettingsError, match="TIDEWHEEL_LAKE_OPTIONS: Value error, is not a JSON object") as two:
        load_settings()

    assert "sesame" not in f"{one.value}{two.value}"


def test_the_core_is_imported_without_a_heavy_library() -> None:
    """Each command and each DAG file pays for these imports."""
    heavy = ["airflow", "bentoml", "evidently", "great_expectations", "mlflow", "numpy", "pandas", "pyspark", "sklearn"]
    script = (
        "import sys, tidewheel.spec, tidewheel.lake, tidewheel.ledger, tidewheel.runs, tidewheel.settings\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_login_in_mlflows_url_is_not_part_of_the_address_that_pages_show() -> None:
    for url, shown in (
        ("http://user:p%40ss@mlflow.shop:5000/", "http://mlflow.shop:5000"),
        ("https://mlflow.shop/base/@x", "https://mlflow.shop/base/@x"),
        ("", ""),
    ):
        assert Settings(mlflow_url=url).mlflow_link == shown
