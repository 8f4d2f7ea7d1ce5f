"""Airflow's own pages, as a reviewer sees them in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tidewheel.settings import Settings

MILLISECONDS = 60_000
"""Within which a page must show what is looked for; the machine trains models meanwhile."""


class AirflowPage:
    """A tab with somebody logged in.

    Args:
        page: the tab.
        settings: of the installation.
    """

    def __init__(self, page: Page, settings: Settings) -> None:
        self.page = page
        self.url = settings.airflow_url
        page.set_default_timeout(MILLISECONDS)
        page.goto(f"{self.url}/auth/login/")
        page.locator("input[name=username]").fill(settings.airflow_username)
        page.locator("input[name=password]").fill(settings.require("airflow_password"))
        page.locator("input[name=password]").press("Enter")
        page.get_by_test_id("nav-home-link").wait_for()

    def open_review(self, subject: str) -> str:
        """Open what waits for a person from the list of required actions; returns the text of its page."""
        self.page.goto(f"{self.url}/required_actions")
        self.page.get_by_role("link", name=subject).click()
        self.page.get_by_role("button", name="Approve").wait_for()
        return self.page.locator("body").inner_text()

    def answer(self, option: str, reason: str) -> None:
        """Give a reason and press the button of an option; returns when Airflow has accepted it, with an empty tab."""
        self.page.locator("#element_review_reason").fill(reason)
        with self.page.expect_response(lambda response: response.request.method == "PATCH") as answered:
            self.page.get_by_role("button", name=option, exact=True).click()
        assert answered.value.ok, answered.value.text()
        self.page.goto("about:blank")  # Airflow's pages refresh themselves, which takes a good part of a processor
