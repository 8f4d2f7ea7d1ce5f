"""A program outside asks for a training by an event of the asset `retrain`; the release follows by itself."""

from __future__ import annotations

from datetime import date, timedelta

import httpx
import pytest

from tests.e2e.shop import Shop
from tests.installation import Installation

pytestmark = [pytest.mark.timeout(900), pytest.mark.e2e, pytest.mark.platform, pytest.mark.spark, pytest.mark.slow]

NAME = "turning"
MINUTES_TO_FIRST_NIGHT = 720
"""Its schedule must not come into the test."""
DAYS = [date(2026, 3, 1) + timedelta(days=n) for n in range(6)]


@pytest.fixture(scope="module")
def turning(installation: Installation) -> Shop:
    """Its first days are published; it has no model yet."""
    shop = Shop(installation, NAME, MINUTES_TO_FIRST_NIGHT)
    shop.run("features", "backfill", first=str(DAYS[0]), last=str(DAYS[-1]))
    return shop


def send_event(shop: Shop, asset: str) -> None:
    """What `Create asset event` does in Airflow's page."""
    settings = shop.installation.settings
    login = {"username": "admin", "password": settings.require("airflow_password")}
    token = httpx.post(f"{settings.airflow_url}/auth/token", json=login).raise_for_status().json()["access_token"]
    with httpx.Client(
        base_url=f"{settings.airflow_url}/api/v2", headers={"authorization": f"Bearer {token}"}
    ) as airflow:
        found = airflow.get("/assets", params={"name_pattern": asset}).raise_for_status().json()["assets"]
        [number] = [one["id"] for one in found if one["name"] == asset]
        airflow.post("/assets/events", json={"asset_id": number, "extra": {}}).raise_for_status()


def test_an_event_from_outside_trains_and_releases(turning: Shop) -> None:
    send_event(turning, f"{NAME}.retrain")
    trained = turning.after("training")
    released = turning.after("release")
    assert (trained.run_type, released.run_type) == ("asset_triggered", "asset_triggered")
    assert turning.ask(DAYS[-1])["model_version"] == "1"
