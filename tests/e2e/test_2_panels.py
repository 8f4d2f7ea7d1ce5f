"""The dashboards after the demo: a real Prometheus scrapes the platform, and a panel without data has a reason."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from infra.embedded.ports import variable
from tests.conftest import wait_until
from tests.e2e.conftest import Played
from tests.infra.prometheus.monitoring import scraping
from tests.infra.prometheus.panel_values import SILENT_AFTER_DEMO, SILENT_WITHOUT_PUSH, PanelValues
from tests.installation import Installation
from tidewheel.demo.story import PIPELINE

pytestmark = [pytest.mark.timeout(1500), pytest.mark.e2e, pytest.mark.platform, pytest.mark.spark, pytest.mark.slow]


def test_every_panel_has_data_after_the_demo(installation: Installation, played: Played, tmp_path: Path) -> None:
    url = f"{installation.settings.endpoint_url}/{PIPELINE}/predict"

    with scraping(tmp_path, int(installation.environment[variable("exporter")])) as prometheus:
        panels = PanelValues(prometheus.series, PIPELINE, "20s")

        def send() -> None:
            httpx.post(url, json={"rows": [played.ending.example]}, timeout=30).raise_for_status()
            assert httpx.post(url, json={"rows": []}, timeout=30).status_code == 422

        panels.wait(SILENT_AFTER_DEMO | SILENT_WITHOUT_PUSH, send)
        wait_until(lambda: prometheus.query("up == 0") == [], "every target answers")
