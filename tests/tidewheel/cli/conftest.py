"""An installation with a ledger and pipeline `orders`, as the commands see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipelines import PIPELINE_FILE
from tidewheel.ledger import Ledger, migrate


@pytest.fixture
def project_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """The ledger of the project that the environment names."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "orders.yaml").write_text(PIPELINE_FILE)
    url = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("TIDEWHEEL_PROJECT", str(tmp_path))
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", url)
    migrate(url)
    return Ledger(url)
