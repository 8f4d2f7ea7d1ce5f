"""A reviewer works in MLflow alone: the alias is moved there, and the release follows, or the alias comes back."""

from __future__ import annotations

import httpx
import pytest

from jobs.models import registry
from tests.conftest import wait_until
from tests.e2e.conftest import Played
from tests.installation import Installation
from tidewheel.demo.story import PIPELINE
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases
from tidewheel.mlflow_api import ask
from tidewheel.policies.verdict import Kind, Outcome

pytestmark = [pytest.mark.timeout(900), pytest.mark.e2e, pytest.mark.platform, pytest.mark.spark, pytest.mark.slow]

WITHIN_SECONDS = 30


def champion(installation: Installation) -> str:
    found = registry.champion(installation.settings, PIPELINE)
    assert found is not None
    return found.version


def move_alias(installation: Installation, version: str) -> None:
    """What the button in MLflow's page does."""
    registry.set_alias(installation.settings, PIPELINE, registry.CHAMPION, version)


def newest_run(installation: Installation) -> str:
    """The newest run of the release DAG."""
    return installation.api.runs(f"{PIPELINE}.release")[0].run_id


def answering(installation: Installation, played: Played) -> str:
    """The version that the endpoint answers with."""
    url = f"{installation.settings.endpoint_url}/{PIPELINE}/predict"
    answer = httpx.post(url, json={"rows": [played.ending.example]}, timeout=30).raise_for_status()
    return str(answer.json()["model_version"])


def test_moving_the_alias_back_rolls_back_and_begins_within_half_a_minute(
    installation: Installation, played: Played
) -> None:
    older, newer = (str(judged.figures["version"]) for judged in played.ending.judged)
    releases, before = Releases(Ledger.open(installation.settings)), newest_run(installation)
    move_alias(installation, older)
    wait_until(lambda: newest_run(installation) != before, "the release begins", WITHIN_SECONDS)
    ended, _ = installation.finish(f"{PIPELINE}.release", newest_run(installation))
    assert ended.state == "success"

    assert (answering(installation, played), champion(installation)) == (older, older)
    verdicts = Ledger.open(installation.settings).verdicts(PIPELINE, Kind.RELEASE, limit=5)
    [said] = [verdict.sentence for verdict in verdicts if verdict.outcome == Outcome.ROLLED_BACK]
    assert said == f"version {older} takes over again from version {newer}: the champion alias was moved back to it"

    before = newest_run(installation)
    move_alias(installation, newer)
    wait_until(lambda: newest_run(installation) != before, "the release begins", WITHIN_SECONDS)
    installation.finish(f"{PIPELINE}.release", newest_run(installation))
    assert answering(installation, played) == newer
    assert [row.version for row in releases.newest(PIPELINE, limit=2)] == [newer, older]


def test_a_version_that_was_registered_by_hand_is_not_released_and_the_alias_comes_back(
    installation: Installation, played: Played
) -> None:
    settings, live = installation.settings, champion(installation)
    source = ask(settings, "GET", "model-versions/get", name=PIPELINE, version=live)["model_version"]
    model = {"source": source["source"], "model_id": source["source"].removeprefix("models:/")}
    copied = {"name": PIPELINE, "run_id": source["run_id"], **model}
    unjudged = str(ask(settings, "POST", "model-versions/create", **copied)["model_version"]["version"])
    move_alias(installation, unjudged)
    wait_until(lambda: champion(installation) == live, "the alias comes back", 120)

    said = registry.model_version(settings, PIPELINE, unjudged).tags[registry.RELEASE]
    assert said.startswith(f"version {unjudged} is not in the ledger: it was registered by hand in MLflow")
    assert answering(installation, played) == live
    refused = newest_run(installation)
    ended, _ = installation.finish(f"{PIPELINE}.release", refused, 120)
    assert ended.state == "failed"
    log = "\n".join(installation.api.log(f"{PIPELINE}.release", refused, "plan"))
    assert f"version {unjudged} is not in the ledger" in log
