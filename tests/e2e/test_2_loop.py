"""The demo closes the loop on real flights, and what it leaves is what it says."""

from __future__ import annotations

from dataclasses import asdict
from urllib.parse import urljoin

import httpx
import pytest

from infra.embedded.layout import load_or_generate
from tests.e2e.conftest import Played, play
from tests.installation import Installation
from tests.json_rows import json_rows
from tidewheel.demo.story import HISTORY, NIGHTS, PIPELINE
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases, Status
from tidewheel.policies.verdict import Kind

pytestmark = [pytest.mark.timeout(1500), pytest.mark.e2e, pytest.mark.platform, pytest.mark.spark, pytest.mark.slow]

LARGE = 10_000_000
DATASETS = ("landing", "labels", "features", "predictions")


def test_two_models_are_judged_and_the_second_answers_without_a_lost_request(played: Played) -> None:
    first, second = played.ending.judged
    assert [first.figures["outcome"], second.figures["outcome"]] == ["passed", "passed"]
    assert played.ending.live_version == second.figures["version"] != first.figures["version"]
    traffic = played.ending.traffic
    assert traffic is not None
    assert traffic.failures == {}
    assert set(traffic.versions) == {first.figures["version"], second.figures["version"]}


def test_both_models_were_judged_on_days_that_they_had_not_seen(played: Played) -> None:
    for judged in played.ending.judged:
        assert judged.figures["days"] == 7
        assert judged.sentence.startswith("passed: ")


def test_history_is_one_run_and_every_night_is_scored_and_monitored(installation: Installation, played: Played) -> None:
    lake = installation.lake(PIPELINE)
    assert lake.partitions("features") == [*HISTORY.keys, *NIGHTS.keys]
    assert lake.partitions("predictions") == NIGHTS.keys
    runs = {run.run_id for run in installation.api.runs(f"{PIPELINE}.features") if run.run_type == "manual"}
    assert runs == {"demo__history", *(f"demo__night_{key}" for key in NIGHTS.keys)}
    monitored = {run.partition_key: run.state for run in installation.api.runs(f"{PIPELINE}.monitoring")}
    assert {key: monitored.get(key) for key in NIGHTS.keys} == dict.fromkeys(NIGHTS.keys, "success")


def test_every_verdict_of_the_demo_stands_in_the_ledger_with_a_sentence(
    installation: Installation, played: Played
) -> None:
    ledger = Ledger.open(installation.settings)
    assert len(ledger.verdicts(PIPELINE, Kind.GATE)) == 2
    assert len(ledger.verdicts(PIPELINE, Kind.TRIGGER)) == len(NIGHTS.keys)
    assert all(verdict.sentence for verdict in ledger.verdicts(PIPELINE, limit=500))
    released = Releases(ledger).newest(PIPELINE)
    assert [release.status for release in released] == [Status.DONE, Status.DONE]


def test_the_endpoint_answers_like_the_batch_scored_offline(installation: Installation, played: Played) -> None:
    api, lake = installation.api, installation.lake(PIPELINE)
    api.trigger(f"{PIPELINE}.scoring", "e2e__score_again", partition_key=NIGHTS.last.isoformat())
    run, _ = installation.finish(f"{PIPELINE}.scoring", "e2e__score_again")
    assert run.state == "success"
    day = NIGHTS.last.isoformat()
    features = lake.read(lake.need("features", day)).to_pandas().set_index("flight_id")
    offline = lake.read(lake.need("predictions", day)).to_pandas().set_index("flight_id")
    asked = features.loc[features.index[:100], played.ending.example.keys()]
    url = f"{installation.settings.endpoint_url}/{PIPELINE}/predict"
    answer = httpx.post(url, json={"rows": json_rows(asked)}, timeout=30).raise_for_status().json()
    assert answer["model_version"] == played.ending.live_version
    assert answer["predictions"] == pytest.approx(list(offline.loc[asked.index, "prediction"]), abs=1e-5)


def test_playing_the_demo_again_changes_nothing(installation: Installation, played: Played) -> None:
    before = installation.hashes(PIPELINE, *DATASETS)
    again = play(installation)
    assert installation.hashes(PIPELINE, *DATASETS) == before
    assert again.ending.judged == played.ending.judged
    assert again.ending.live_version == played.ending.live_version


def test_a_day_after_the_source_has_ended_is_skipped_and_fails_nothing(installation: Installation) -> None:
    installation.api.wait_for_dag(f"{PIPELINE}.features")
    installation.api.trigger(f"{PIPELINE}.features", "e2e__after_the_end", partition_key="2014-06-01")
    run, tasks = installation.finish(f"{PIPELINE}.features", "e2e__after_the_end")
    assert run.state == "success"
    assert set(tasks.values()) == {"skipped"}


def test_what_holds_a_secret_is_for_its_owner_and_is_no_log(installation: Installation, played: Played) -> None:
    layout = installation.platform.layout
    secrets = {name: secret.encode() for name, secret in asdict(load_or_generate(layout.secrets)).items()}
    files = [path for path in layout.home.rglob("*") if path.is_file() and layout.postgres not in path.parents]
    holding = {
        path: [name for name, secret in secrets.items() if secret in path.read_bytes()]
        for path in files
        if path.stat().st_size < LARGE
    }
    assert any(names for names in holding.values())
    assert [path for path, names in holding.items() if names and path.stat().st_mode & 0o077] == []
    told = [path for path, names in holding.items() if names and (".log" in path.suffixes or "lake" in path.parts)]
    assert told == []


def test_tasks_link_to_reports_that_open_behind_the_login(installation: Installation, played: Played) -> None:
    token = httpx.post(
        f"{installation.settings.airflow_url}/auth/token",
        json={"username": "admin", "password": installation.settings.require("airflow_password")},
    ).json()["access_token"]
    login = {"authorization": f"Bearer {token}"}
    task = f"dags/{PIPELINE}.features/dagRuns/demo__history/taskInstances/validate_raw"
    links = httpx.get(f"{installation.settings.airflow_url}/api/v2/{task}/links", headers=login).json()["extra_links"]
    address = urljoin(installation.settings.airflow_url, links["Report"])
    assert httpx.get(address, follow_redirects=False).status_code in {302, 303, 307, 401, 403}
    page = httpx.get(address, headers=login, follow_redirects=True)
    assert page.status_code == 200
    assert "<html" in page.text
