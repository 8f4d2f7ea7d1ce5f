"""A model's life without a hand but the reviewer's: trained, approved, drifted from, replaced, and back again.

A program outside requests a training by an event of the asset `retrain`. A reviewer approves the model in Airflow's
page, and rejects the next one. Then the file says `gate.approval: automatic`, and nobody does anything any more: every
label turns into its opposite, monitoring raises an alarm and a new model serves; the labels turn back, and its
predecessor serves again. Days between those that decide are published and scored as ranges, which saves their nights.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import httpx
import pytest

from tests.chromium import CHROMIUM, MISSING, headless_chromium
from tests.conftest import wait_until
from tests.e2e.airflow_page import AirflowPage
from tests.e2e.shop import Files, Shop
from tests.installation import Installation
from tidewheel.airflow_api import DagRun
from tidewheel.ledger import Ledger
from tidewheel.policies.verdict import Kind, Outcome

pytestmark = [pytest.mark.timeout(1200), pytest.mark.e2e, pytest.mark.platform, pytest.mark.spark, pytest.mark.slow]

NAME = "turning"
MINUTES_TO_FIRST_NIGHT = 720
"""Its schedule must not come into the test."""
DAYS = [date(2026, 3, 1) + timedelta(days=n) for n in range(26)]
HISTORY, CALM, TURNED, BACK = DAYS[:8], DAYS[8:15], DAYS[15:19], DAYS[19:]
"""What the first model learns from; days like those; days with opposite labels; days like the first again."""
SECONDS_TO_READ = 120
WAITING = frozenset({"deferred", "awaiting_input"})
"""States of a task that waits for a person."""


@pytest.fixture(scope="module")
def turning(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Its first days are published; it has no model yet. A reviewer must approve one, where there is a browser."""
    shop = Shop(installation, NAME, MINUTES_TO_FIRST_NIGHT)
    Files(shop, tmp_path_factory.mktemp("turning"), DAYS, TURNED)
    approve_by("manual" if CHROMIUM else "automatic", shop)
    shop.run("features", "backfill", first=str(HISTORY[0]), last=str(HISTORY[-1]))
    return shop


@pytest.fixture(scope="module")
def reviewer(installation: Installation) -> Iterator[AirflowPage]:
    """Somebody with Airflow open in a browser."""
    with headless_chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        yield AirflowPage(page, installation.settings)


def approve_by(approval: str, shop: Shop) -> None:
    """Say in the pipeline file whether a reviewer is required, and wait until Airflow has read it."""
    with shop.declaration() as declared:
        declared["gate"]["approval"] = approval
    api, training = shop.installation.api, f"{NAME}.training"
    wait_until(
        lambda: ("approve" in (api.dag_tasks(training) or ())) is (approval == "manual"),
        f"Airflow reads that approval is {approval}",
        SECONDS_TO_READ,
    )


def printed(shop: Shop, command: str, *options: str) -> str:
    """What a command prints about the pipeline, without line breaks."""
    ran = shop.installation.command(command, shop.name, *options)
    assert ran.returncode == 0, ran.stderr
    return " ".join(ran.stdout.split())


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


def waits_for_reviewer(shop: Shop, run: DagRun) -> None:
    """Wait until a training has come to its reviewer."""
    api = shop.installation.api

    def asks() -> bool:
        return {task.task_id: task.state for task in api.tasks(run.dag_id, run.run_id)}.get("approve") in WAITING

    wait_until(asks, f"{run.run_id} waits for a reviewer", 300)


def test_an_event_from_outside_requests_a_training(turning: Shop) -> None:
    send_event(turning, f"{NAME}.retrain")
    assert turning.begun("training").run_type == "asset_triggered"


@pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
def test_a_model_approved_in_airflows_page_is_released_and_the_audit_log_names_the_reviewer(
    turning: Shop, reviewer: AirflowPage
) -> None:
    run = turning.begun("training")
    waits_for_reviewer(turning, run)
    shown = reviewer.open_review(f"Make {NAME} version 1 the champion?")
    assert "passed: version 1 has log-loss" in shown

    reviewer.answer("Approve", "as good as the old rules")

    turning.finish("training", run.run_id)
    assert turning.after("release").run_type == "asset_triggered"
    assert turning.ask(HISTORY[-1])["model_version"] == "1"
    audited = printed(turning, "audit")
    assert "review version 1 passed by admin (Airflow)" in audited
    assert "approved by admin: as good as the old rules" in audited


@pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
def test_a_model_refused_in_airflows_page_is_not_released_and_the_champion_stays(
    turning: Shop, reviewer: AirflowPage
) -> None:
    releases = turning.runs("release")
    run = turning.installation.api.trigger(f"{NAME}.training", "by_hand", conf={"force": True, "reason": "a try"})
    waits_for_reviewer(turning, run)
    reviewer.open_review(f"Make {NAME} version 2 the champion?")

    reviewer.answer("Reject", "not before the sale")

    turning.finish("training", run.run_id)
    assert turning.ask(HISTORY[-1])["model_version"] == "1"
    assert turning.runs("release") == releases
    said = printed(turning, "why", "-n", "1")
    assert "rejected by admin: not before the sale" in said


@pytest.fixture(scope="module")
def unattended(turning: Shop) -> Shop:
    """From here on no reviewer is required; version 1 serves, and has predicted some quiet days and turned ones."""
    approve_by("automatic", turning)
    turning.finish("training", turning.begun("training").run_id)
    turning.after("release")
    publish_and_score(turning, [*CALM, *TURNED[:-1]])
    return turning


def publish_and_score(shop: Shop, days: list[date]) -> None:
    """Publish and score days as ranges: no run of monitoring follows these."""
    form = {"first": str(days[0]), "last": str(days[-1])}
    shop.run("features", f"until_{days[-1]}", **form)
    shop.run("scoring", f"until_{days[-1]}", **form)


def play_night(shop: Shop, day: date) -> None:
    """The night of a day, from features to monitoring."""
    shop.night(f"night_{day}", str(day))
    shop.wait_for("monitoring", str(day))
    run = shop.newest("monitoring", str(day))
    assert run is not None
    assert run.state == "success"


def test_turned_labels_raise_an_alarm_and_a_new_model_serves_without_a_hand(unattended: Shop) -> None:
    trained, released = unattended.runs("training"), unattended.runs("release")
    before = unattended.ask(TURNED[0])
    play_night(unattended, TURNED[-1])

    training = unattended.after("training", trained)
    assert training.run_id.endswith(f"__{TURNED[-1]}")
    assert unattended.after("release", released).run_type == "asset_triggered"

    after = unattended.ask(TURNED[0])
    assert int(after["model_version"]) == int(before["model_version"]) + (2 if CHROMIUM else 1)
    said = printed(unattended, "why")
    assert f"trigger {TURNED[-1]} fired" in said
    assert "something is badly wrong (log-loss rose by at least" in said


def test_labels_that_turn_back_bring_the_predecessor_back_without_a_hand(unattended: Shop) -> None:
    fallen = unattended.ask(TURNED[0])["model_version"]
    assert fallen != "1"
    publish_and_score(unattended, BACK[:-1])
    released = unattended.runs("release")
    play_night(unattended, BACK[-1])

    assert unattended.after("release", released).run_type == "asset_triggered"
    assert unattended.ask(BACK[0])["model_version"] == "1"
    said = printed(unattended, "why")
    assert f"probation version {fallen} on probation rolled back" in said
    assert f"version {fallen} against version 1: +" in said
    assert f"version 1 takes over again from version {fallen}" in said
    ledger = Ledger.open(unattended.installation.settings)
    [back] = [v for v in ledger.verdicts(NAME, Kind.PROBATION) if v.outcome == Outcome.ROLLED_BACK]
    assert back.inputs["predecessor"] == "1"
