"""How long a headless Chromium takes from opening a page of the console until its charts are drawn."""

from __future__ import annotations

import os
import statistics
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn
from airflow.api_fastapi.app import create_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi import FastAPI

from tests.chromium import headless_chromium
from tests.conftest import wait_until
from tests.free_ports import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

OPENED = 7
DRAWN = "() => new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"
RECEIVED = "() => performance.getEntriesByType('navigation')[0].responseEnd"


@dataclass(frozen=True)
class Drawn:
    """Milliseconds of one opening, counted from the navigation.

    Attributes:
        received: until the page had come.
        drawn: until its charts were drawn, in the next frame.
    """

    received: float
    drawn: float


def report_drawing(pages: Mapping[str, tuple[str, str]]) -> None:
    """Open pages again and again, and print medians.

    Args:
        pages: by title: the path below the console's address, and a selector of what is drawn last.
    """
    os.environ["AIRFLOW__API_AUTH__JWT_SECRET"] = "x" * 64
    with _served() as address, headless_chromium() as browser:
        context = browser.new_context(viewport={"width": 1200, "height": 800})
        user = SimpleAuthManagerUser(username="somebody", role="ADMIN")
        context.add_cookies([{"name": "_token", "value": create_auth_manager().generate_jwt(user), "url": address}])
        for title, (path, selector) in pages.items():
            page = context.new_page()
            opened = [_open(page, f"{address}{path}", selector) for _ in range(OPENED)]
            first, later = opened[0], opened[1:]
            print(f"{title} in Chromium: first {first.drawn:.0f} ms, then {_median(later, 'drawn'):.0f} ms", end="")
            print(f", of which {_median(later, 'drawn') - _median(later, 'received'):.0f} ms after the page had come")
            page.close()


def _open(page: Page, url: str, selector: str) -> Drawn:
    page.goto(url, wait_until="commit")
    page.wait_for_selector(selector)
    drawn = page.evaluate(DRAWN)
    return Drawn(float(page.evaluate(RECEIVED)), float(drawn))


def _median(opened: list[Drawn], name: str) -> float:
    return statistics.median(float(getattr(one, name)) for one in opened)


@contextmanager
def _served() -> Iterator[str]:
    from plugins.web.app import app

    outer, port = FastAPI(), free_port()
    outer.mount("/tidewheel", app)
    server = uvicorn.Server(uvicorn.Config(outer, "127.0.0.1", port, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started, "the server of the pages has started")
    try:
        yield f"http://127.0.0.1:{port}/tidewheel"
    finally:
        server.should_exit = True
        thread.join()
