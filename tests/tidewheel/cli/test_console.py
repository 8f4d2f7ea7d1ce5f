"""`tidewheel open` prints the console's address, and opens it where there is a screen."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.pipelines import PIPELINE_FILE
from tidewheel.cli.app import app
from tidewheel.errors import SettingsError, SpecError


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a browser was opened with, in a project with one pipeline."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "orders.yaml").write_text(PIPELINE_FILE)
    monkeypatch.setenv("TIDEWHEEL_PROJECT", str(tmp_path))
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TIDEWHEEL_AIRFLOW_URL", "http://airflow.example:8080/")
    monkeypatch.setenv("DISPLAY", ":0")
    addresses: list[str] = []
    monkeypatch.setattr(webbrowser, "open", addresses.append)
    return addresses


def test_it_opens_the_page_of_all_pipelines_or_of_one(opened: list[str]) -> None:
    assert CliRunner().invoke(app, ["open"]).stdout == "http://airflow.example:8080/tidewheel/\n"
    assert "pipeline/orders" in CliRunner().invoke(app, ["open", "orders"]).stdout
    assert opened == ["http://airflow.example:8080/tidewheel/", "http://airflow.example:8080/tidewheel/pipeline/orders"]


def test_without_a_screen_or_where_it_is_not_asked_for_it_only_prints(
    opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    CliRunner().invoke(app, ["open", "--no-browser"])
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert CliRunner().invoke(app, ["open"]).exit_code == 0
    assert opened == []


def test_a_misspelled_pipeline_and_a_platform_that_is_nowhere_are_named(
    opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(CliRunner().invoke(app, ["open", "order"]).exception, SpecError)
    monkeypatch.delenv("TIDEWHEEL_AIRFLOW_URL")
    assert isinstance(CliRunner().invoke(app, ["open"]).exception, SettingsError)
