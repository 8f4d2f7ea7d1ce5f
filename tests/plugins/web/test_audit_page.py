"""The page of a pipeline's audit log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx

from plugins.web import audit_page
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.policies.verdict import Kind, Outcome, Verdict

if TYPE_CHECKING:
    import pytest

    from tests.plugins.conftest import Project
    from tidewheel.lake import Lake

NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
Get = Callable[..., httpx.Response]


def test_it_shows_who_did_what_newest_first_and_runs_no_script(
    get: Get, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        verdict = Verdict(Kind.GATE, Outcome.PASSED, f"version {n} <script>alert(1)</script>")
        ledger.record("orders", f"version {n}", "run", verdict, NOW + timedelta(hours=n))
    Models(ledger).promote("orders", "2", "", "ada <b> (Airflow)", "run", NOW + timedelta(hours=4))
    monkeypatch.setattr(audit_page, "SHOWN", 3)

    found = get("/pipeline/orders/audit")

    assert found.status_code == 200
    rows = found.text.split("<tbody>")[1].split("<tr>")[1:]
    assert len(rows) == 3
    assert "2026-11-22 07:30" in rows[0]
    assert "ada &lt;b&gt; (Airflow)" in rows[0]
    assert "policy" in rows[1]
    assert "&lt;script&gt;" in rows[1]
    assert "These are the newest 3." in found.text
    assert "<script>" not in found.text


def test_it_stands_when_the_ledger_does_not_answer(get: Get, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", "postgresql+psycopg2://me:secret@127.0.0.1:1/ledger")

    found = get("/pipeline/orders/audit")

    assert found.status_code == 200
    assert "cannot be reached" in found.text
    assert "secret" not in found.text


def test_a_pipeline_that_is_not_there_has_no_log(get: Get, lake: Lake) -> None:
    assert get("/pipeline/nobody/audit").status_code == 404
