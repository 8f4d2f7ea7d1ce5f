"""The world turns and turns back: a model comes for it and leaves again, and nobody lends a hand."""

from __future__ import annotations

from datetime import date, timedelta

import httpx
import pytest

from tests.e2e.shop import Files, Shop
from tests.installation import Installation
from tidewheel.ledger import Ledger
from tidewheel.ledger.probations import Probations
from tidewheel.ledger.releases import Releases, Status
from tidewheel.policies.verdict import Kind, Outcome

pytestmark = [pytest.mark.timeout(900), pytest.mark.e2e, pytest.mark.platform, pytest.mark.spark, pytest.mark.slow]

NAME = "turning"
MINUTES_TO_FIRST_NIGHT = 720
"""Its schedule must not come into the nights of the test."""
DAYS = [date(2026, 3, 1) + timedelta(days=n) for n in range(29)]
LEARNED, USUAL, TURNED, BACK = DAYS[:6], DAYS[6:18], DAYS[18:22], DAYS[22:]
"""What the first model is trained as of; days that are as usual; days on which others send back; days as before."""
WINDOW_DAYS = 3


@pytest.fixture(scope="module")
def turning(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Its first days are published; it has no model yet."""
    shop = Shop(installation, NAME, MINUTES_TO_FIRST_NIGHT)
    files = Files(shop, tmp_path_factory.mktemp("turning"), DAYS)
    for day in TURNED:
        labels = shop.reader.returns(day)
        labels.assign(returned=1 - labels.returned).to_parquet(files.returns(day))
    with shop.declaration() as declared:
        declared["training"] = {"window_days": WINDOW_DAYS}
    publish(shop, LEARNED)
    return shop


def publish(shop: Shop, days: list[date]) -> None:
    """Make features of some days, as a backfill does; it starts nothing."""
    shop.run("features", f"backfill_{days[0]}", first=str(days[0]), last=str(days[-1]))


def score(shop: Shop, days: list[date]) -> None:
    """Score them with the champion."""
    shop.run("scoring", f"backfill_{days[0]}", first=str(days[0]), last=str(days[-1]))


def night(shop: Shop, day: date) -> None:
    """Begin a night as the schedule does, and wait until it is monitored."""
    shop.night(f"night_{day}", str(day))
    for purpose in ("features", "scoring", "monitoring"):
        shop.wait_for(purpose, str(day))
        run = shop.newest(purpose, str(day))
        assert run is not None
        assert run.state == "success", purpose


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
    trained = turning.after("training", ())
    released = turning.after("release", ())
    assert (trained.run_type, released.run_type) == ("asset_triggered", "asset_triggered")
    assert turning.ask()["model_version"] == "1"


def test_concept_drift_brings_a_model_that_has_learned_it(turning: Shop) -> None:
    publish(turning, USUAL + TURNED[:-1])
    score(turning, USUAL + TURNED[:-1])
    trainings, releases, last = turning.run_ids("training"), turning.run_ids("release"), TURNED[-1]
    night(turning, last)

    ledger = Ledger.open(turning.installation.settings)
    fired = ledger.verdicts(NAME, Kind.TRIGGER)[0]
    assert (fired.outcome, fired.subject) == (Outcome.FIRED, str(last)), fired.sentence
    assert "fall" in fired.inputs["due"], fired.sentence
    assert turning.after("training", trainings).conf["reason"] == fired.sentence
    assert turning.after("release", releases).run_type == "asset_triggered"
    assert [verdict.outcome for verdict in ledger.verdicts(NAME, Kind.GATE)] == [Outcome.PASSED, Outcome.PASSED]
    assert turning.ask()["model_version"] == "2"
    probation = Probations(ledger).open(NAME)
    assert probation is not None
    assert (probation.version, probation.predecessor) == ("2", "1")


def test_the_predecessor_returns_where_the_new_model_is_worse(turning: Shop) -> None:
    with turning.declaration() as declared:  # here the return is the question, not the training that it may call for
        declared["triggers"] = {"performance": None, "concept_drift": None}
    publish(turning, BACK[:-1])
    score(turning, BACK[:-1])
    releases = turning.run_ids("release")
    night(turning, BACK[-1])

    assert turning.after("release", releases).run_type == "asset_triggered"
    assert turning.ask()["model_version"] == "1"
    ledger = Ledger.open(turning.installation.settings)
    released = [(row.version, row.status) for row in Releases(ledger).newest(NAME, limit=3)]
    assert released == [("1", Status.DONE), ("2", Status.DONE), ("1", Status.DONE)]
    told = turning.installation.command("why", NAME)
    assert told.returncode == 0, told.stderr
    words = " ".join(told.stdout.split())
    [returned] = ledger.verdicts(NAME, Kind.PROBATION, limit=1)
    assert returned.outcome == Outcome.ROLLED_BACK
    assert returned.sentence.removeprefix("rolled back: ") in words
    assert "version 1 takes over again from version 2: the champion alias was moved back to it" in words
