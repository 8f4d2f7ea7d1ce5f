"""The console in a real browser: charts are drawn, keys work, nothing hostile runs, narrow screens do not overflow."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
import uvicorn
from fastapi import FastAPI

from benchmarks.made_up_ledger import write_ledger
from benchmarks.made_up_past import MadeUp
from benchmarks.made_up_traffic import write_traffic
from plugins.web.app import app
from tests.chromium import CHROMIUM, MISSING, headless_chromium
from tests.conftest import wait_until
from tests.free_ports import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.plugins.conftest import Project
    from tidewheel.lake import Lake
    from tidewheel.ledger import Ledger

NEWEST = date(2026, 11, 21)
INLINE = "{ const s = document.createElement('script'); s.textContent = 'window.hostile = 1'; document.body.append(s) }"
HOSTILE = "</script><script>window.hostile = 1</script><img src=x onerror='window.hostile = 1'>"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)


@pytest.fixture
def address(project: Project) -> Iterator[str]:
    """The pages, served below `/tidewheel` as Airflow's API server does."""
    outer = FastAPI()
    outer.mount("/tidewheel", app)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(outer, "127.0.0.1", port, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started, "the server of the pages has started")
    yield f"http://127.0.0.1:{port}/tidewheel"
    server.should_exit = True
    thread.join()


@pytest.fixture
def page(address: str, token: Callable[[str], str]) -> Iterator[Page]:
    """A tab of a logged-in user, in a window of 1200 pixels."""
    with headless_chromium() as browser:
        context = browser.new_context(viewport={"width": 1200, "height": 800})
        context.add_cookies([{"name": "_token", "value": token("ADMIN"), "url": address}])
        yield context.new_page()


def test_the_console_is_drawn_steered_by_keys_and_runs_nothing_hostile(
    page: Page, address: str, lake: Lake, ledger: Ledger, registry: str, project: Project
) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    file = project.folder / "dags" / "orders.yaml"
    file.write_text(file.read_text().replace("Will an order be sent back?", json.dumps(HOSTILE)))
    columns, slices = [HOSTILE, "amount"], [f"channel={HOSTILE}", "channel=web"]
    write_ledger(
        ledger, MadeUp("orders", NEWEST, days=60, trained_every=14, columns=columns, slices=slices, probation=True)
    )
    write_traffic(ledger, MadeUp("orders", NEWEST, days=60, trained_every=14), datetime.now(UTC))
    lake.store.replace(f"orders/reports/{NEWEST}/drift.html", b"<title>drift of the day</title>")

    page.goto(f"{address}/")
    page.locator(".fleet a", has_text="orders").first.click()

    page.wait_for_selector("#quality-chart canvas")
    page.wait_for_selector("#excess-chart canvas")
    page.locator("#quality-chart").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert "2026-11-20 · version" in page.locator("#quality-readout").inner_text()
    page.get_by_role("button", name="all").click()
    assert page.get_by_role("button", name="all").get_attribute("aria-pressed") == "true"

    page.wait_for_selector("#probation-chart canvas")
    page.locator("#probation-chart").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert re.match(
        r"2026-11-14 · .*% loss on 5,000 rows · .*% so far", page.locator("#probation-readout").inner_text()
    )

    page.wait_for_selector("#traffic-times canvas")
    page.locator("#traffic-chart").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    said = page.locator("#traffic-readout").inner_text()
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d0 · version \d+: \d+ requests, \d+ failed, p50 2.5 ms", said)
    page.get_by_role("button", name="60 days").click()
    page.keyboard.press("End")
    assert page.locator("#traffic-legend li").count() >= 3
    assert page.locator("#traffic-chart canvas").count() == 1, "the day's chart has made room"

    page.locator("#heat td[tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    assert " on 2026-11-21: 0." in page.locator("#heat-readout").inner_text()

    assert page.evaluate("window.hostile") is None
    assert complaints == []
    page.evaluate(INLINE)
    assert page.evaluate("window.hostile") is None, "an inline script does not run, wherever it came from"

    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    for path in ("/", "/pipeline/orders"):
        page.set_viewport_size({"width": 400, "height": 800})
        page.goto(f"{address}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.locator("#heat td[tabindex='0']").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/drift.html")
    assert page.title() == "drift of the day"
