"""Pages behind Airflow's login: who may see them, what they hand out, and what they show."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
import pyarrow as pa
import pytest
from airflow import settings
from airflow.api_fastapi.app import create_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.models.revoked_token import RevokedToken

from plugins.web.app import app
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.ledger.releases import Releases, Status
from tidewheel.ledger.tables import ModelVersionRow
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.runs import JobRecord, write_record

if TYPE_CHECKING:
    from tests.plugins.conftest import Project

NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
REFUSED = b'{"name": "somebody"}'
KEPT = f"{hashlib.sha256(REFUSED).hexdigest()[:12]}-customers.json"
BROWSER = {"accept": "text/html,application/xhtml+xml"}
Get = Callable[..., httpx.Response]


@pytest.fixture
def get(project: Project, monkeypatch: pytest.MonkeyPatch) -> Get:
    """Asks the application for a page, as nobody or as a user with a role."""
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "x" * 64)
    RevokedToken.__table__.create(settings.get_engine(), checkfirst=True)
    users = create_auth_manager()

    def ask(path: str, role: str | None = "ADMIN", headers: dict[str, str] | None = None) -> httpx.Response:
        token = users.generate_jwt(SimpleAuthManagerUser(username="somebody", role=role)) if role else None
        cookie = {"cookie": f"_token={token}"} if token else {}

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
    assert lake.store.read(f"orders/landing/_quarantine/2026-01-06/{KEPT}") == REFUSED
    lake.store.replace("secret.json", b"{}")
    return lake


class Registry(BaseHTTPRequestHandler):
    """Answers as MLflow's registry does."""

    aliases: ClassVar = [{"alias": "champion", "version": "4"}, {"alias": "challenger", "version": "5"}]

    def do_GET(self) -> None:
        models = {"registered_models": [{"name": "orders", "aliases": self.aliases}]}
        deleted = {"run": {"info": {"lifecycle_stage": "deleted"}}}
        answers = {"registered-models/search": models, "runs/get?run_id=r5": deleted}
        asked = self.path.removeprefix("/api/2.0/mlflow/")
        found = next((answer for path, answer in answers.items() if asked.startswith(path)), None)
        body = json.dumps(found).encode()
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
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


PAGES = ["/", "/lake/orders/reports/2026-01-05/raw.html", "/record/orders/runs/run-1/land.json", "/openapi.json"]


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_page_without_a_login(get: Get, lake: Lake, path: str) -> None:
    found = get(path, role=None)
    assert found.status_code in (401, 404)
    assert "orders" not in found.text


def test_a_browser_without_a_login_is_led_through_it_and_back(get: Get, lake: Lake) -> None:
    found = get(PAGES[1], role=None, headers=BROWSER)
    assert found.status_code == 307
    assert found.headers["location"].endswith(
        "/auth/login?next=http%3A%2F%2Fairflow.example%2Flake%2Forders%2Freports%2F2026-01-05%2Fraw.html"
    )


def test_every_role_may_read_and_a_forged_token_may_not(get: Get, lake: Lake) -> None:
    assert get(PAGES[1], role="VIEWER").status_code == 200
    assert get(PAGES[1], role=None, headers={"authorization": "Bearer forged"}).status_code == 403


def test_a_report_is_handed_out_as_it_is_in_an_origin_of_its_own(get: Get, lake: Lake) -> None:
    found = get("/lake/orders/reports/2026-01-05/raw.html")
    assert (found.status_code, found.text) == (200, "<h1>Report</h1>")
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    assert found.headers["content-security-policy"].startswith("sandbox ")
    assert "allow-same-origin" not in found.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "orders/reports/2026-01-05/missing.html",
        "orders/features/2026-01-05/manifest.json",
        f"orders/landing/_quarantine/2026-01-06/{KEPT}",
        f"orders/reports/../landing/_quarantine/2026-01-06/{KEPT}",
        "orders/reports/%2e%2e/%2e%2e/secret.json",
        "orders/reports/..%5c..%5csecret.json",
        "%2fetc/reports/passwd.json",
        "orders//reports/x.json",
        "secret.json",
        "orders/reports/%00.json",
    ],
)
def test_nothing_but_reports_and_records_leaves_the_lake(get: Get, lake: Lake, path: str) -> None:
    for page in ("lake", "record"):
        found = get(f"/{page}/{path}")
        assert found.status_code == 404
        assert "somebody" not in found.text


def test_a_record_is_a_page_for_a_person(get: Get, lake: Lake) -> None:
    page = get("/record/orders/runs/run-1/land.json").text
    assert "7 rows &lt;of&gt; orders" in page
    assert 'href="/tidewheel/lake/orders/reports/2026-01-05/raw.html"' in page


@pytest.mark.parametrize("room", ["lake", "record"])
@pytest.mark.parametrize(
    "path",
    [
        "orders/reports/2026-01-05/" + "x" * 300 + ".html",
        "orders/reports/" + "x" * 300 + "/raw.html",
        "orders/reports/2026-01-05/" + "%C3%A4" * 140 + ".html",
        "o" * 300 + "/reports/2026-01-05/raw.html",
        "orders/reports/" + "x/" * 3000 + "raw.html",
        "orders/reports/2026-01-05/%00.html",
        "orders/reports/2026-01-05/raw%00.html",
        "orders/reports/%2e%2e/%2e%2e/secret.json",
        "orders/reports/..%2f..%2fsecret.json",
        "orders/reports/2026-01-05%2Fother.html",
        "orders/reports/2026-01-05/raw.html/more.html",
        "orders/reports/2026-01-05/%F0%9F%8C%8A.html",
        "orders/reports/2026-01-05/%ff%fe.html",
        "orders/reports/2026-01-05/folder.html",
        "orders/reports/absent/raw.html",
        "orders/runs/absent/land.json",
        "%2e%2e/%2e%2e/%2e%2e/etc/passwd.json",
        "",
    ],
    ids=lambda path: path[:40] or "nothing",
)
def test_a_path_that_names_no_report_is_not_found_in_a_sentence(get: Get, lake: Lake, room: str, path: str) -> None:
    lake.store.replace("orders/reports/2026-01-05/folder.html/inside.txt", b"a folder that is named like a report")
    answer = get(f"/{room}/{path}")
    assert answer.status_code == 404
    assert len(answer.text) < 500


def test_a_record_that_was_cut_off_says_so(get: Get, lake: Lake) -> None:
    path = "orders/runs/run-1/land.json"
    lake.store.replace(path, (lake.store.read(path) or b"")[:-10])
    answer = get(f"/record/{path}")
    assert answer.status_code == 404
    assert "was cut off or changed; run the job again" in answer.json()["detail"]


def test_a_file_beside_a_record_is_no_record(get: Get, lake: Lake) -> None:
    lake.store.replace("orders/runs/run-1/training_data.json", b"{}")
    assert get("/record/orders/runs/run-1/training_data.json").status_code == 404
    assert get("/lake/orders/runs/run-1/training_data.json").status_code == 200


def test_the_overview_shows_who_answers_what_is_newest_and_what_was_decided(
    get: Get, lake: Lake, registry: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", database_url)
    monkeypatch.setenv("TIDEWHEEL_ENDPOINT_URL", "http://router.example")
    ledger = Ledger(database_url)
    verdict = Verdict(Kind.GATE, Outcome.REFUSED, "version 5 is no better than <4>")
    ledger.record("orders", "version 5", "run-1", verdict, NOW)
    releases = Releases(ledger)
    releases.point("orders", "green", "4", None, NOW)
    releases.point("given_up", "blue", "1", None, NOW)
    failed = releases.begin("orders", "5", "blue", {}, "run-1", NOW)
    releases.end(failed.id, Status.FAILED, "parity: blue answers <otherwise>", NOW)
    ledger.request_training("orders", "the shop moved", NOW)
    ledger.engine.dispose()
    page = get("/").text
    for shown in (
        "version 4, green",
        f'<a href="{registry}/#/models/orders/versions/4">version 4</a>',
        "version 5, failed",
        "Release of version 5 failed: parity: blue answers &lt;otherwise&gt;",
        "A training is asked for since 2026-11-22 03:30: the shop moved",
        "2026-01-05",
        "version 5 is no better than &lt;4&gt;",
        "Will an order be sent back?",
        'href="http://router.example/orders/"',
        f'href="{registry}/#/models/orders"',
        "/dags/orders.training",
        "endpoint of a pipeline that is no longer declared: given_up answers callers",
        "run `tidewheel retire given_up`",
    ):
        assert shown in page


def test_the_overview_says_what_was_deleted_in_the_registry(
    get: Get, lake: Lake, registry: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", database_url)
    monkeypatch.setattr(Registry, "aliases", [])
    ledger = Ledger(database_url)
    Releases(ledger).point("orders", "green", "4", None, NOW)
    days = {"as_of": "2024-01-13", "train_start": "2024-01-01", "train_end": "2024-01-10"}
    made = {"mlflow_run": "r5", "source": "models:/m-5", "run_id": "run", "data_hash": "d", "estimator": "xgboost"}
    facts: dict[str, Any] = {"files": {}, "importances": {}, "bento": {}, "created_by": "a test", "created_at": NOW}
    Models(ledger).add(ModelVersionRow(pipeline="orders", version="5", **days, **made, **facts))
    ledger.engine.dispose()
    page = get("/").text
    assert "version 4 answers, and MLflow names no champion any more" in page
    assert "the MLflow run of version 5, the newest challenger, was deleted: restore it there" in page


def test_the_overview_stands_when_the_registry_and_the_ledger_are_silent(
    get: Get, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_MLFLOW_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", "postgresql+psycopg2://nobody:geheim@127.0.0.1:1/ledger")
    found = get("/")
    assert found.status_code == 200
    assert "2026-01-05" in found.text
    assert "MLflow does not answer: " in found.text
    assert "/ledger cannot be reached" in found.text
    assert "geheim" not in found.text
    for unknown in ("Answers now", "Champion"):
        assert re.search(rf"<dt>{unknown}</dt><dd>\s*unknown\s*</dd>", found.text)
    assert "none yet" not in found.text, "what nobody can say is not said to be nothing"


def test_the_overview_stands_when_the_lake_is_silent(
    get: Get, lake: Lake, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_LAKE_URL", "file:///dev/null/lake")
    found = get("/")
    assert found.status_code == 200
    assert "the lake does not answer: [Errno 20] Not a directory" in found.text
    assert "<dt>Newest day</dt><dd>unknown</dd>" in found.text
    assert f'<a href="{registry}/#/models/orders/versions/4">version 4</a>' in found.text


def test_the_overview_shows_the_other_pipelines_beside_hostile_files(get: Get, lake: Lake, project: Project) -> None:
    dags = project.folder / "dags"
    bomb = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12))
    (dags / "bomb.yaml").write_text("a0: &a0 [x, x, x, x]\n" + bomb)
    (dags / "large.yaml").write_text("description: " + "x" * 3_000_000)
    good = (dags / "orders.yaml").read_text()
    (dags / "wordy.yaml").write_text(good.replace("name: orders", f"name: wordy\n{'k' * 1_000}: {'v' * 90_000}"))
    (dags / "binary.yaml").write_bytes(b"\xff\x00\xfe")
    started = time.monotonic()

    found = get("/")

    assert time.monotonic() - started < 10
    assert found.status_code == 200
    assert "Will an order be sent back?" in found.text
    for said in ("more than 5,000 keys and values", "larger than a pipeline file may be", "unknown key", "not UTF-8"):
        assert said in found.text
    assert len(found.content) < 50_000


def test_the_overview_waits_for_no_part_longer_than_a_page_may_take(
    get: Get, lake: Lake, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def hangs(lake: Lake, dataset: str) -> str | None:
        over.wait(30)
        return None

    monkeypatch.setattr(Lake, "newest", hangs)
    monkeypatch.setattr("plugins.web.overview.PAGE_PATIENCE_SECONDS", 0.5)
    try:
        found = get("/")
    finally:
        over.set()
    assert "the lake has not answered within 0.5 s" in found.text
    assert "Will an order be sent back?" in found.text


def test_a_wrong_pipeline_file_is_shown_with_its_error_beside_the_others(
    get: Get, lake: Lake, project: Project
) -> None:
    (project.folder / "dags" / "broken.yaml").write_text("name: broken\nsauce: {}\n")
    page = get("/").text
    assert "sauce" in page
    assert "Will an order be sent back?" in page
