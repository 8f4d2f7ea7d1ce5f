"""The dashboards after the demo: a real Prometheus scrapes the platform, and a panel without data has a reason."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from infra.embedded.ports import variable
from tests.conftest import wait_until
from tests.e2e.conftest import Played
from tests.infra.prometheus.monitoring import scraping
from tests.infra.prometheus.panel_values import PanelValues
from tests.installation import Installation
from tidewheel.demo.story import PIPELINE

pytestmark = [pytest.mark.timeout(1500), pytest.mark.e2e, pytest.mark.platform, pytest.mark.spark, pytest.mark.slow]

LATER = "the nights are of 2013: requests of today belong to a day that no night has monitored"
EMPTY = {
    "live_drifted_columns": LATER,
    "skewed_columns": LATER,
    "column_refused_share": LATER,
    "column_skew_share": LATER,
    "requests_refused_share": LATER,
    "requests_unusual_share": LATER,
    "skew_row_share": LATER,
    "probation_loss_ratio": "the second model has been promoted, and no labelled day has come since",
    "training_cpu_seconds_": "the budget of the demo's pipeline is in fits",
    "release_started": "no release runs",
    "training_requested": "no training is requested",
    "team_training_cpu_quota": "its team has no quota",
    "team_training_gpu": "no training had a GPU",
    "(airflow_": "Airflow pushes its metrics to Prometheus 3, and tests/containers has one",
    "airflow_pool": "the same",
}
"""Why a panel's query returns nothing after the demo, by a part of the query."""


def test_every_panel_has_data_after_the_demo(installation: Installation, played: Played, tmp_path: Path) -> None:
    url = f"{installation.settings.endpoint_url}/{PIPELINE}/predict"

    with scraping(tmp_path, int(installation.environment[variable("exporter")])) as prometheus:
        panels = PanelValues(prometheus.series, PIPELINE, "20s")

        def only_those_with_a_reason() -> bool:
            httpx.post(url, json={"rows": [played.ending.example]}, timeout=30).raise_for_status()
            assert httpx.post(url, json={"rows": []}, timeout=30).status_code == 422
            panels.read()
            return {reason_of(query) for _, _, query in panels.missing} <= EMPTY.keys()

        try:
            wait_until(only_those_with_a_reason, "all panels have data", 120)
        except AssertionError as error:
            silent = sorted(query for query in panels.missing if not reason_of(query[2]))
            raise AssertionError(f"queries without data: {silent}") from error
        wait_until(lambda: prometheus.query("up == 0") == [], "every target answers")
    unnecessary = EMPTY.keys() - {reason_of(query) for _, _, query in panels.missing}
    assert not unnecessary, "these have data after all"


def reason_of(query: str) -> str:
    """The part of the query that `EMPTY` has a reason for; empty where none has."""
    return next((part for part in EMPTY if part in query), "")
