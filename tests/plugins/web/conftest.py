"""The pages as a logged-in user gets them, over a lake, a ledger and a registry of their own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import httpx
import pyarrow as pa
import pytest
from airflow import settings
from airflow.api_fastapi.app import create_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.models import import_all_models
from airflow.models.base import Base

from plugins.web.app import app
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger
from tidewheel.runs import JobRecord, write_record

if TYPE_CHECKING:
    from tests.plugins.conftest import Project

REFUSED = b'{"name": "somebody"}'
QUARANTINED = f"{hashlib.sha256(REFUSED).hexdigest()[:12]}-customers.json"
Get = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """The tables of Airflow, which the pages look into."""
    import_all_models()
    Base.metadata.create_all(settings.get_engine())


@pytest.fixture
def token(airflow_database: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Makes the cookie of a user with a role."""
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "x" * 64)
    users = create_auth_manager()
    return lambda role: users.generate_jwt(SimpleAuthManagerUser(username="somebody", role=role))


@pytest.fixture
def get(project: Project, token: Callable[[str], str]) -> Get:
    """Asks the application for a page, as nobody or as a user with a role."""

    def ask(path: str, role: str | None = "ADMIN", headers: dict[str, str] | None = None) -> httpx.Response:
        cookie = {"cookie": f"_token={token(role)}"} if role else {}

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://airflow.example") as client:
                return await client.get(path, headers=cookie | (headers or {}))

        return asyncio.run(send())

    return ask


@pytest.fixture
def lake(project: Project) -> Lake:
    """A lake with a report, a record, published rows and a quarantined file."""
    lake = Lake.open("orders")
    lake.store.replace("orders/reports/2026-01-05/raw.html", b"<h1>Report</h1>")
    record = JobRecord(
        pipeline="orders",
        job="land",
        run_id="run 1",
        partition="2026-01-05",
        sentence="7 rows <of> orders",
        figures={"rows": 7},
        links={"Validation": "orders/reports/2026-01-05/raw.html"},
    )
    write_record(lake, record)
    lake.publish(lake.write_table("features", "2026-01-05", pa.table({"amount": [1.0]}), {}, "test"))
    lake.quarantine_raw("landing", "2026-01-06", "customers.json", REFUSED, "no such column")
    assert lake.store.read(f"orders/landing/_quarantine/2026-01-06/{QUARANTINED}") == REFUSED
    lake.store.replace("secret.json", b"{}")
    return lake


@pytest.fixture
def ledger(project: Project, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """An empty ledger that the pages read."""
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", database_url)
    ledger = Ledger(database_url)
    yield ledger
    ledger.engine.dispose()


@pytest.fixture
def aliases() -> dict[str, str]:
    """What the registry answers for `orders`."""
    return {"champion": "4", "challenger": "5"}


@pytest.fixture
def registry(aliases: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Answers as MLflow's registry does; the run of version 5 was deleted there."""

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            listed = [{"alias": alias, "version": version} for alias, version in aliases.items()]
            answers = {
                "registered-models/search": {"registered_models": [{"name": "orders", "aliases": listed}]},
                "runs/get?run_id=r5": {"run": {"info": {"lifecycle_stage": "deleted"}}},
            }
            path = self.path.removeprefix("/api/2.0/mlflow/")
            found = next((answer for known, answer in answers.items() if path.startswith(known)), None)
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("TIDEWHEEL_MLFLOW_URL", url)
    yield url
    server.shutdown()
    thread.join()
    server.server_close()
