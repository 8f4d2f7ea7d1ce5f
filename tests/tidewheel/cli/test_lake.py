"""`tidewheel lake gc` says what it would remove, removes it, and knows its pipelines."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.pipelines import PIPELINE_FILE
from tidewheel.cli.app import app
from tidewheel.errors import SpecError, UsageError
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger, migrate
from tidewheel.ledger.audit import Act, entries


@pytest.fixture
def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that a killed writer left three days ago in the lake of pipeline `orders`."""
    monkeypatch.setenv("TIDEWHEEL_PROJECT", str(tmp_path))
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path / "home"))
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "orders.yaml").write_text(PIPELINE_FILE)
    lake = Lake.open("orders")
    path = f"{lake.fresh_folder('landing')}/part-00000.parquet"
    lake.store.replace(path, b"x" * 2000)
    file = Path(lake.store.local(path))
    long_ago = (datetime.now(UTC) - timedelta(days=3)).timestamp()
    os.utime(file, (long_ago, long_ago))
    return file


def test_a_dry_run_names_the_files_and_the_real_one_removes_them(killed: Path) -> None:
    told = CliRunner().invoke(app, ["lake", "gc", "orders", "--dry-run"])
    assert told.exit_code == 0
    assert killed.name in told.output
    assert "orders: would remove 1 file (2.0 kB) that no manifest names, older than 2 days" in told.output
    assert killed.exists()

    told = CliRunner().invoke(app, ["lake", "gc", "orders"]).output
    assert "orders: removed 1 file (2.0 kB)" in told
    assert "orders: not in the audit log: setting TIDEWHEEL_DATABASE_URL is not set" in told
    assert not killed.exists()
    assert "orders: removed 0 files" in CliRunner().invoke(app, ["lake", "gc", "orders"]).output


def test_what_is_removed_is_in_the_audit_log(killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", url)
    migrate(url)
    told = CliRunner().invoke(app, ["lake", "gc", "orders"]).output
    assert "audit" not in told
    [entry] = entries(Ledger(url), "orders")
    assert (entry.kind, entry.subject) == (Act.REMOVAL, "files of the lake that no manifest names")
    assert entry.sentence.startswith("1 file or folder: orders/landing/")


def test_files_are_kept_as_long_as_asked(killed: Path) -> None:
    assert "removed 0 files" in CliRunner().invoke(app, ["lake", "gc", "orders", "--keep-days", "4"]).output
    assert killed.exists()


@pytest.mark.usefixtures("killed")
def test_a_pipeline_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = CliRunner().invoke(app, ["lake", "gc", "oders"])
    assert isinstance(found.exception, UsageError | SpecError)
    assert "did you mean 'orders'" in str(found.exception)
