"""Pages behind Airflow's login: who may see them, and what they hand out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import httpx
import pytest

from tidewheel.lake import Lake

QUARANTINED = hashlib.sha256(b'{"name": "somebody"}').hexdigest()[:12] + "-customers.json"
BROWSER = {"accept": "text/html,application/xhtml+xml"}
Get = Callable[..., httpx.Response]
REPORT = "/lake/orders/reports/2026-01-05/raw.html"
PAGES = [
    "/",
    "/pipeline/orders",
    "/pipeline/orders/audit",
    "/static/console.css",
    "/lake/orders/reports/2026-01-05/raw.html",
    "/record/orders/runs/run-1/land.json",
    "/openapi.json",
]


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_page_without_a_login(get: Get, lake: Lake, path: str) -> None:
    found = get(path, role=None)
    assert found.status_code in (401, 404)
    assert "orders" not in found.text


def test_a_browser_without_a_login_is_led_through_it_and_back(get: Get, lake: Lake) -> None:
    found = get(REPORT, role=None, headers=BROWSER)
    assert found.status_code == 307
    assert found.headers["location"].endswith(
        "/auth/login?next=http%3A%2F%2Fairflow.example%2Flake%2Forders%2Freports%2F2026-01-05%2Fraw.html"
    )


def test_every_role_may_read_and_a_forged_token_may_not(get: Get, lake: Lake) -> None:
    assert get(REPORT, role="VIEWER").status_code == 200
    assert get(REPORT, role=None, headers={"authorization": "Bearer forged"}).status_code == 403


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
        f"orders/landing/_quarantine/2026-01-06/{QUARANTINED}",
        f"orders/reports/../landing/_quarantine/2026-01-06/{QUARANTINED}",
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
