"""The core's tests see no setting of the machine they run on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tidewheel.settings import Settings


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("TIDEWHEEL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path / "home"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation of its own, in a folder whose name has a space."""
    return Settings(home=tmp_path / "my home", project=tmp_path / "project")
