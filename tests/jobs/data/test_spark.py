"""The Spark session: on which Java it runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs.data.spark import find_java
from tidewheel.errors import SettingsError
from tidewheel.settings import Settings


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A shell without any Java."""
    monkeypatch.setenv("JAVA_HOME", "")
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("bare")
def test_a_job_at_a_terminal_takes_the_java_that_the_platform_found() -> None:
    find_java(Settings(java_home="/opt/java"))
    assert os.environ["JAVA_HOME"] == "/opt/java"


@pytest.mark.usefixtures("bare")
def test_what_the_shell_says_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/my/java")
    find_java(Settings(java_home="/opt/java"))
    assert os.environ["JAVA_HOME"] == "/my/java"


@pytest.mark.usefixtures("bare")
def test_without_any_java_the_message_says_what_brings_one() -> None:
    with pytest.raises(SettingsError, match="`tidewheel up` brings one"):
        find_java(Settings())
