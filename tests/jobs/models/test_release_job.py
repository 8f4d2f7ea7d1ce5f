"""Packaging and planning a release, with versions from a real registry; where it releases to is a stand-in."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from jobs import registry
from tests.tidewheel.release.conftest import MemoryBackend
from tidewheel.errors import ExitCode
from tidewheel.ledger.releases import Releases, Status
from tidewheel.policies.verdict import Kind
from tidewheel.runs import read_record
from tidewheel.settings import Settings

if TYPE_CHECKING:
    from conftest import Parcels

    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]


def nowhere(settings: Settings, pipeline: str) -> MemoryBackend:
    """A backend where nothing runs yet; named by TIDEWHEEL_RELEASE_BACKEND."""
    return MemoryBackend()


@pytest.fixture
def parcels(registered_parcels: Callable[..., Parcels], monkeypatch: pytest.MonkeyPatch) -> Parcels:
    """A pipeline that releases to `nowhere`."""
    monkeypatch.setenv("TIDEWHEEL_RELEASE_BACKEND", f"{__name__}:nowhere")
    monkeypatch.setenv("TIDEWHEEL_ENDPOINT_URL", "http://127.0.0.1:1")
    return registered_parcels()


@pytest.fixture
def two_versions(parcels: Parcels) -> None:
    """Entries in the registry, without a model: version 1 has passed the gate, version 2 was never judged."""
    client = registry.connect(parcels.settings)
    client.create_registered_model(parcels.name)
    for _ in range(2):
        run = client.create_run("0").info.run_id
        client.create_model_version(parcels.name, f"runs:/{run}/model", run)
    client.set_model_version_tag(parcels.name, "1", registry.VERDICT, "passed")


@pytest.fixture
def release(parcels: Parcels, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the release job as its command line would; returns the exit code."""

    def run(run_id: str, *options: str) -> int:
        arguments = ["--pipeline", parcels.name, "--partition", str(date(2024, 1, 13)), "--run-id", run_id, *options]
        monkeypatch.setattr(sys, "argv", ["jobs.release", *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module("jobs.release", run_name="__main__")
        return int(ended.value.code or 0)

    return run


def test_a_release_of_the_champion_is_planned_and_its_bento_built_once(
    parcels: Parcels, release: Callable[..., int], run_job: RunJob
) -> None:
    last = parcels.publish_days(12)[-1]
    for job in ("assemble", "train", "evaluate", "promote"):
        run_job(parcels, job, last, "one")
    assert release("r1", "--stage=plan") == 0
    plan = read_record(parcels.lake, "r1", "release-plan")
    assert (plan.figures["version"], plan.figures["colour"]) == ("1", "blue")
    assert plan.figures["stages"] == "package, start, ready, warm_up, parity, switch, confirm"
    assert plan.sentence == "first release: version 1 as blue"

    assert release("r1", "--stage=package") == 0
    packaged = run_job(parcels, "package", date(2024, 1, 13), "p1")
    assert packaged.figures["reused"] is True
    assert packaged.figures["format"] in ("onnx", "treelite")
    assert packaged.figures["max_difference"] <= 1e-5

    assert release("r1", "--stage=drain") == 0
    drained = read_record(parcels.lake, "r1", "release-drain")
    assert drained.sentence == "drain is not part of this plan: first release: version 1 as blue"


@pytest.mark.usefixtures("two_versions")
def test_a_version_that_was_not_judged_needs_a_reason_which_the_ledger_keeps(
    parcels: Parcels, release: Callable[..., int], caplog: pytest.LogCaptureFixture
) -> None:
    assert release("r1", "--stage=plan", "--version=2") == ExitCode.WRONG_USAGE
    assert "version 2 has not passed the gate (it was never judged); give --reason" in caplog.text
    assert release("r1", "--stage=plan", "--version=2", "--reason=the old one is worse") == 0
    kept = parcels.ledger.verdicts(parcels.name, Kind.RELEASE)
    assert [verdict.sentence for verdict in kept] == [
        "released without a passed verdict (it was never judged): the old one is worse"
    ]


@pytest.mark.usefixtures("two_versions")
def test_a_rollback_goes_to_the_version_before_and_makes_it_champion(
    parcels: Parcels, release: Callable[..., int], caplog: pytest.LogCaptureFixture
) -> None:
    assert release("r1", "--rollback=yes", "--stage=plan") == ExitCode.WRONG_USAGE
    assert "no version answered before the present one" in caplog.text
    registry.set_alias(parcels.settings, parcels.name, registry.CHAMPION, "2")
    releases = Releases(parcels.ledger)
    releases.point(parcels.name, "green", "2", "1", datetime.now(UTC))

    assert release("r2", "--rollback=yes", "--dry-run") == 0
    assert releases.newest(parcels.name) == []
    assert release("r2", "--rollback=yes", "--stage=plan") == 0
    [planned] = releases.newest(parcels.name)
    assert (planned.version, planned.status) == ("1", Status.RUNNING)
    champion = registry.champion(parcels.settings, parcels.name)
    assert champion is not None
    assert champion.version == "1"
