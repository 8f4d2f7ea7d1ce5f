"""The page of one pipeline, over a real ledger: what it shows, and what it does about missing and hostile content."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
from sqlalchemy import insert

from benchmarks.made_up_ledger import write_ledger
from benchmarks.made_up_past import MadeUp
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.ledger.tables import FigureRow
from tidewheel.policies.verdict import Kind, Outcome, Verdict

if TYPE_CHECKING:
    import pytest

    from tests.plugins.conftest import Project
    from tidewheel.lake import Lake

NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
NEWEST = date(2026, 11, 21)
STORY = MadeUp("orders", NEWEST, days=60, trained_every=14, drifting=True, falling=True)
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
Get = Callable[..., httpx.Response]


def data_of(page: str) -> dict[str, object]:
    """What the script of the page is given to draw."""
    [found] = re.findall(r'<script type="application/json" id="quality-data">(.*?)</script>', page, re.DOTALL)
    drawn: dict[str, object] = json.loads(found)
    return drawn


def test_a_regressions_page_says_that_nothing_is_estimated(get: Get, ledger: Ledger, project: Project) -> None:
    says = "Nothing is estimated before labels: a regression says no confidence."
    ledger.put_figures("orders", str(NEWEST), {"log_loss": 0.4, "rmse": 1.5, "rows": 900}, NOW, version="1")
    assert says not in get("/pipeline/orders").text
    with (project.folder / "dags" / "orders.yaml").open("a") as file:
        file.write("task: regression\n")
    assert says in get("/pipeline/orders").text


def test_the_page_shows_quality_drift_slices_trainings_releases_and_what_is_next(
    get: Get, lake: Lake, ledger: Ledger, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_ENDPOINT_URL", "http://router.example")
    monkeypatch.setenv("TIDEWHEEL_CPU_HOUR_PRICE", "3.6")
    write_ledger(ledger, STORY)
    newest = Models(ledger).all("orders")[-1]
    lake.store.replace(f"orders/reports/{NEWEST}/drift.html", b"<h1>drift</h1>")

    found = get("/pipeline/orders")

    assert found.status_code == 200
    page = found.text
    for shown in (
        "log-loss (lower is better) of 2026-11-20",
        "quality falling",
        "days beyond the limit: discount on 10, channel on 10",
        f'<a href="/tidewheel/lake/orders/reports/{NEWEST}/drift.html" tabindex="-1">',
        '<th scope="row" class="clip" title="region=coast">',
        "Groups of",
        f'<a href="{registry}/#/models/orders/versions/{newest.version}">version {newest.version}</a>',
        "may be worse: log-loss 0.4752",
        "8 fits in 4 trainings",
        "40 s by the clock, 2 min of CPU",
        "; 0.1 EUR, ",
        "EUR a champion",
        '<th scope="col">EUR</th>',
        '<td class="nowrap">0.025</td>',
        "9 stages, 2 min",
        "Labels of 2026-11-21 are known",
        "has reached its maximum age, and a training is due",
        'href="http://router.example/orders/"',
        'href="/dags/orders.training/runs/scheduled__',
    ):
        assert shown in page
    drawn = data_of(page)
    assert len(drawn["days"]) == 60, "59 days with labels, and one that is estimated"  # type: ignore[arg-type]
    marks = {event["mark"] for event in drawn["events"]}  # type: ignore[attr-defined]
    assert marks == {"promoted", "released", "training requested", "training held back"}


def test_what_callers_send_is_shown_by_column_the_worst_first_and_runs_no_script(
    get: Get, lake: Lake, ledger: Ledger, registry: str
) -> None:
    assert "No requests have been published yet." in get("/pipeline/orders").text
    for n in range(30):
        ledger.put_figures("orders", "2026-11-21", {"skew_share": n / 1000}, NOW, slice=f"column {n}")
    ledger.put_figures("orders", "2026-11-21", {"skew_share": 0.25, "skew_size": 2.0}, NOW, slice=HOSTILE)
    ledger.put_figures("orders", "2026-11-21", {"live_drift": 0.5, "live_drift_limit": 0.2}, NOW, slice="amount")
    ledger.put_figures("orders", "2026-11-20", {"skew_share": 0.9}, NOW, slice="of the day before")
    verdict = Verdict(Kind.REQUESTS, Outcome.FIRED, f"fired: other values: {HOSTILE} in 25%", {"due": ["skew"]})
    ledger.record("orders", "2026-11-21", "run", verdict, NOW)
    page = get("/pipeline/orders").text
    section = page[page.index('id="callers-heading"') : page.index('id="trainings-heading"')]
    assert "2026-11-21: other values: &lt;/script&gt;" in section
    assert HOSTILE not in page
    rows = re.findall(r'title="([^"]*)"', section)
    assert (rows[0].startswith("&lt;/script"), rows[1], len(rows)) == (True, "column 29", 20)
    assert "25.0%" in section
    assert "12 more columns are not shown" in section
    assert "of the day before" not in section
    assert 'class="notice watch"><b>skew</b>' in page


def test_a_pipeline_without_labels_shows_the_rest(get: Get, lake: Lake, ledger: Ledger, registry: str) -> None:
    ledger.put_figures("orders", "2026-11-21", {"estimated_log_loss": 0.47}, NOW, version="4")
    ledger.put_figures("orders", "2026-11-21", {"feature_drift": 0.5, "feature_drift_limit": 0.2}, NOW, slice="amount")
    page = get("/pipeline/orders").text
    assert "No day has labels yet, so nothing is known of the quality." in page
    assert "days beyond the limit: amount on 1" in page
    assert "No slice has been measured yet." in page
    assert data_of(page)["estimates"] == [0.47]


def test_a_pipeline_of_which_nothing_is_known_has_a_page(get: Get, lake: Lake, ledger: Ledger, registry: str) -> None:
    page = get("/pipeline/orders").text
    for shown in (
        "no model yet",
        "No model has been trained yet.",
        "Nothing has been released yet.",
        "not been measured",
    ):
        assert shown in page


def test_figures_of_a_version_that_was_deleted_stay(get: Get, lake: Lake, ledger: Ledger, registry: str) -> None:
    write_ledger(ledger, STORY)
    Models(ledger).forget("orders")
    page = get("/pipeline/orders")
    assert page.status_code == 200
    assert "59 days and" in page.text
    assert ">version 3</a>" in page.text


def test_the_page_stands_when_the_ledger_does_not_answer(
    get: Get, lake: Lake, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", "postgresql+psycopg2://nobody:geheim@127.0.0.1:1/ledger")
    found = get("/pipeline/orders")
    assert found.status_code == 200
    assert "is the platform up (`tidewheel status`)?" in found.text
    assert "Unknown: the ledger does not answer." in found.text
    assert "2026-01-05" in found.text, "what the lake knows is shown"
    assert "geheim" not in found.text
    for claim in ("no model yet", "No day has labels yet", "has not been measured yet", "none yet"):
        assert claim not in found.text, "what nobody can say is not said to be nothing"


def test_ten_thousand_columns_are_shown_by_their_most_restless(
    get: Get, lake: Lake, ledger: Ledger, registry: str
) -> None:
    rows = [
        {"pipeline": "orders", "partition": f"2026-11-{day}", "name": name, "slice": f"column_{n}", "version": ""}
        | {"value": value * (9 if n == 7_777 else 1), "measured_at": NOW}
        for n in range(10_000)
        for day in ("20", "21")
        for name, value in (("feature_drift", 0.1 + n / 1e6), ("feature_drift_limit", 0.2))
        if name == "feature_drift" or n != 7_777
    ]
    rows += [
        {**rows[0], "slice": "column_7777", "partition": "2026-11-21", "name": "feature_drift_limit", "value": 0.2}
    ]
    with ledger.session() as session:
        session.execute(insert(FigureRow), rows)
    began = time.monotonic()
    page = get("/pipeline/orders").text
    assert time.monotonic() - began < 10
    assert "9,970 quieter columns are not shown." in page
    assert page.index("column_7777") < page.index("column_9999")
    assert len(page) < 100_000


def test_whatever_stands_in_ledger_and_file_is_text(
    get: Get, lake: Lake, ledger: Ledger, registry: str, project: Project
) -> None:
    file = project.folder / "dags" / "orders.yaml"
    file.write_text(file.read_text().replace("Will an order be sent back?", json.dumps(HOSTILE)))
    write_ledger(ledger, MadeUp("orders", NEWEST, days=40, columns=[HOSTILE], slices=[f"channel={HOSTILE}"]))
    refused = Verdict(Kind.TRIGGER, Outcome.SUPPRESSED, f"suppressed: {HOSTILE}", inputs={"due": ["performance"]})
    ledger.record("orders", str(NEWEST), "zz", refused, NOW, actor=HOSTILE)
    for path in ("/", "/pipeline/orders"):
        found = get(path)
        assert found.status_code == 200
        assert "<script>alert" not in found.text
        assert "<img" not in found.text
        assert "&lt;script&gt;alert(1)" in found.text
        assert "unsafe-inline" not in found.headers["content-security-policy"]
    events = data_of(get("/pipeline/orders").text)["events"]
    assert HOSTILE in str(events), "the script gets it as it stands, and writes it as text"


def test_a_page_that_is_not_there_is_not_found_in_a_sentence(get: Get, lake: Lake) -> None:
    for path in (
        "/pipeline/elsewhere",
        f"/pipeline/{'x' * 500}",
        "/pipeline/..%2f..%2fsecret",
        "/static/app.py",
        "/static/../app.py",
    ):
        found = get(path)
        assert found.status_code == 404
        assert len(found.text) < 700


def test_the_pages_of_a_weekly_pipeline_count_weeks(get: Get, ledger: Ledger, project: Project) -> None:
    with (project.folder / "dags" / "orders.yaml").open("a") as file:
        file.write("partition: week\n")
    mondays = [date(2026, 9, 21) + timedelta(weeks=n) for n in range(8)]
    for n, monday in enumerate(mondays):
        ledger.put_figures("orders", str(monday), {"log_loss": 0.4 + n / 100, "rows": 900}, NOW, version="1")
    ledger.record("orders", str(mondays[-1]), "run", Verdict(Kind.DRIFT, Outcome.NO_ACTION, "no action: calm"), NOW)
    page = get("/pipeline/orders").text
    assert data_of(page)["days"] == [str(monday) for monday in mondays]
    assert "over the last 60 weeks with labels" in page
    assert "The newest 60 weeks as a table" in page
    assert "the last 30 weeks" in page
    assert "0.47" in get("/").text
