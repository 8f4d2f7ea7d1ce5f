"""What `tidewheel retire` asks before it begins, and what it says where there is nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.pipelines import PIPELINE_FILE
from tests.tidewheel.release.conftest import MemoryBackend
from tidewheel.cli.app import app
from tidewheel.errors import UsageError
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger, migrate
from tidewheel.ledger.releases import Releases
from tidewheel.release.traffic import Gone
from tidewheel.retirement.mlflow_models import MlflowModels


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """An installation with one pipeline, `orders`, two versions, and 2,000 bytes of data."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    for name, value in {"HOME": tmp_path / "home", "PROJECT": tmp_path, "DATABASE_URL": url}.items():
        monkeypatch.setenv(f"TIDEWHEEL_{name}", str(value))
    migrate(url)
    for room in ("dags", "jobs"):
        (tmp_path / room).mkdir()
    (tmp_path / "dags" / "orders.yaml").write_text(PIPELINE_FILE)
    monkeypatch.setattr("tidewheel.release.backend.open_backend", lambda settings, pipeline: MemoryBackend())
    monkeypatch.setattr(MlflowModels, "versions", lambda models, name: ["1", "2"] if name == "orders" else [])
    monkeypatch.setattr(MlflowModels, "delete", lambda models, name: None)
    lake = Lake.open("orders")
    lake.store.replace("orders/features/2026-11-21/data", b"x" * 2000)
    return lake


def retire(*options: str, answer: str = "") -> tuple[int, str]:
    done = CliRunner().invoke(app, ["retire", *options], input=answer)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def test_each_thing_that_goes_is_named_and_asked_for_by_itself(lake: Lake) -> None:
    code, said = retire("orders", "--delete-data", "--delete-models", answer="y\ny\nn\n")
    assert code == 1
    assert "Retire orders: it answers nowhere; dags/orders.yaml and its DAGs go. Go on?" in said
    assert "Delete all data of orders for good: 2.0 kB with 0 days of features in the lake, 0 bytes of logged" in said
    assert "Delete all 2 model versions of orders for good (1, 2). Go on?" in said
    assert lake.store.read("orders/features/2026-11-21/data"), "one no, and nothing was touched"


def test_the_version_that_stops_answering_is_named_and_a_script_is_not_asked(lake: Lake) -> None:
    Releases(Ledger.open()).point("orders", "blue", "7", None, datetime.now(UTC))
    _, said = retire("orders", answer="n\n")
    assert "Retire orders: version 7 stops answering at /orders/predict" in said
    code, said = retire("orders", "--yes")
    assert code == 0
    assert "orders is retired. Left: 2.0 kB of data in the lake, 2 model versions in MLflow, its verdicts" in said
    code, said = retire("orders", "--yes", "--delete-data")
    assert code == 0
    assert lake.store.list_folder("orders") == []


def test_a_name_that_nothing_has_is_an_error_with_the_nearest(lake: Lake) -> None:
    with pytest.raises(UsageError, match="there is nothing of a pipeline 'order', did you mean 'orders'"):
        retire("order", "--yes")


@pytest.mark.parametrize("renamed_to", ["", "returns"])
def test_callers_are_told_the_day_and_where_to_go(renamed_to: str) -> None:
    said = Gone("2026-11-27", renamed_to).sentence("orders")
    assert said.startswith(f"pipeline orders was {'renamed' if renamed_to else 'retired'} on 2026-11-27")
    assert ("/returns/predict" in said) == bool(renamed_to)
