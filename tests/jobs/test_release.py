"""Packaging and planning a release, with versions from a real registry; where it releases to is a stand-in."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from jobs.models import registry
from plugins.registry import Unreleased, unreleased
from tests.known_versions import register, review
from tests.tidewheel.release.conftest import MemoryBackend
from tidewheel.errors import ExitCode, PlatformError
from tidewheel.ledger.probation_tables import ProbationRow
from tidewheel.ledger.probations import RETURNED, Probations
from tidewheel.ledger.releases import Releases, Status
from tidewheel.policies.verdict import Kind, Outcome
from tidewheel.release import Colour
from tidewheel.release.traffic import Traffic
from tidewheel.runs import read_record
from tidewheel.settings import Settings

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]


def nowhere(settings: Settings, pipeline: str) -> MemoryBackend:
    """A backend where nothing runs yet; named by TIDEWHEEL_RELEASE_BACKEND."""
    return MemoryBackend()


def version_2_live(settings: Settings, pipeline: str) -> MemoryBackend:
    """A backend where version 2 is routed to, and silent."""
    return MemoryBackend("http://127.0.0.1:1", {Colour.GREEN: "2"}, routes=Traffic(Colour.GREEN))


class Silent(MemoryBackend):
    """A backend whose router does not answer."""

    def __init__(self, settings: Settings, pipeline: str) -> None:
        super().__init__()

    def traffic(self) -> Traffic:
        raise PlatformError("Envoy does not answer")


@pytest.fixture
def parcels(registered_parcels: Callable[..., Parcels], monkeypatch: pytest.MonkeyPatch) -> Parcels:
    """A pipeline that releases to `nowhere`."""
    monkeypatch.setenv("TIDEWHEEL_RELEASE_BACKEND", f"{__name__}:nowhere")
    monkeypatch.setenv("TIDEWHEEL_ENDPOINT_URL", "http://127.0.0.1:1")
    return registered_parcels()


@pytest.fixture
def two_versions(parcels: Parcels) -> None:
    """Versions without a model behind them: version 1 has passed the gate, version 2 was never judged."""
    register(parcels, Outcome.PASSED)
    register(parcels)


@pytest.fixture
def version_2_runs(parcels: Parcels, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipeline releases to `version_2_live`."""
    monkeypatch.setenv("TIDEWHEEL_RELEASE_BACKEND", f"{__name__}:version_2_live")


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
    bento = registry.trained_version(parcels.settings, parcels.name, "1").bento
    assert parcels.lake.store.read(f"{parcels.name}/bentos/{bento['content_hash']}.tar"), "a pod can fetch it"
    packaged = run_job(parcels, "package", date(2024, 1, 13), "p1")
    assert packaged.figures["reused"] is True
    assert packaged.figures["format"] in ("onnx", "treelite")
    assert packaged.figures["max_difference"] <= 1e-5

    assert release("r1", "--stage=drain") == 0
    drained = read_record(parcels.lake, "r1", "release-drain")
    assert drained.sentence == "drain is not part of this plan: first release: version 1 as blue"


def champion(parcels: Parcels) -> str | None:
    found = registry.champion(parcels.settings, parcels.name)
    return found.version if found else None


def make_champion(parcels: Parcels, version: str) -> None:
    """As a reviewer does in MLflow."""
    registry.set_alias(parcels.settings, parcels.name, registry.CHAMPION, version)


def answers(parcels: Parcels, version: str, previous: str | None = None) -> None:
    """The ledger says that a version answers."""
    Releases(parcels.ledger).point(parcels.name, "green", version, previous, datetime.now(UTC))


def sentences(parcels: Parcels) -> list[tuple[str, str]]:
    return [(row.outcome, row.sentence) for row in parcels.ledger.verdicts(parcels.name, Kind.RELEASE)]


def tag(parcels: Parcels, version: str, key: str) -> str | None:
    return registry.model_version(parcels.settings, parcels.name, version).tags.get(key)


@pytest.mark.usefixtures("two_versions")
def test_a_version_that_was_not_judged_is_refused_and_the_alias_goes_back_to_what_answers(
    parcels: Parcels, release: Callable[..., int]
) -> None:
    answers(parcels, "1")
    make_champion(parcels, "2")

    assert release("r1", "--stage=plan") == ExitCode.DATA_REFUSED  # which Airflow does not try again

    said = read_record(parcels.lake, "r1", "release-plan").refused or ""
    assert "version 2 has not passed the gate (it was never judged), so it is not released" in said
    assert "version 1 answers and is champion again" in said
    assert f"start {parcels.name}.release with Version 2 and an Override reason" in said
    assert f"`tidewheel release {parcels.name} --version 2 --reason ...`" in said
    assert champion(parcels) == "1"
    refusal = "version 2 has not passed the gate (it was never judged), so it is not released"
    assert sentences(parcels) == [("refused", refusal)]
    assert tag(parcels, "2", registry.RELEASE) == refusal
    assert Releases(parcels.ledger).newest(parcels.name) == []


@pytest.mark.usefixtures("two_versions")
def test_a_reason_overrules_the_gate_is_kept_and_need_not_be_given_twice(
    parcels: Parcels, release: Callable[..., int]
) -> None:
    answers(parcels, "1")
    assert release("r1", "--version=2", "--reason=the old one is worse", "--dry-run") == 0
    assert (champion(parcels), sentences(parcels)) == (None, [])

    assert release("r2", "--stage=plan", "--version=2", "--reason=the old one is worse") == 0
    assert sentences(parcels) == [
        (
            "passed",
            "version 2 has not passed the gate (it was never judged) and is released by hand: the old one is worse",
        )
    ]
    assert tag(parcels, "2", registry.OVERRIDE_REASON) == "the old one is worse"
    assert champion(parcels) == "2"

    assert release("r3", "--stage=plan") == 0  # joins the release that is under way
    assert [row.version for row in Releases(parcels.ledger).newest(parcels.name)] == ["2"]


@pytest.mark.usefixtures("two_versions")
def test_a_version_that_a_reviewer_rejected_is_not_released_by_moving_the_alias(
    parcels: Parcels, release: Callable[..., int]
) -> None:
    review(parcels, "1", Outcome.REFUSED)
    make_champion(parcels, "1")
    assert release("r1", "--stage=plan") == ExitCode.DATA_REFUSED
    said = read_record(parcels.lake, "r1", "release-plan").refused or ""
    assert "version 1 was rejected in review by anna" in said
    assert "nothing answers yet" in said


@pytest.mark.usefixtures("two_versions")
def test_a_version_that_answers_already_is_nobodys_to_refuse(parcels: Parcels, release: Callable[..., int]) -> None:
    answers(parcels, "2")
    make_champion(parcels, "2")
    assert release("r1", "--dry-run") == 0


@pytest.mark.usefixtures("two_versions")
def test_a_release_that_fails_is_over_and_the_alias_goes_back_to_what_answers(
    parcels: Parcels, release: Callable[..., int]
) -> None:
    answers(parcels, "2")
    make_champion(parcels, "1")
    assert release("r1", "--stage=plan") == 0

    assert release("r1", "--stage=package") == ExitCode.DATA_REFUSED  # there is no model behind version 1

    said = read_record(parcels.lake, "r1", "release-package").refused or ""
    assert "stage package failed" in said
    assert "version 2 answers and is champion again" in said
    assert champion(parcels) == "2"
    assert (tag(parcels, "1", registry.RELEASE) or "").startswith("release 1 failed: package")
    [row] = Releases(parcels.ledger).newest(parcels.name)
    assert row.status == Status.FAILED
    make_champion(parcels, "1")
    assert release("r2", "--stage=plan") == 0  # asked again, it is tried again
    assert Releases(parcels.ledger).newest(parcels.name)[0].status == Status.RUNNING


@pytest.mark.usefixtures("two_versions")
def test_an_alias_that_moved_before_its_release_could_begin_is_seen_until_the_release_begins(
    parcels: Parcels, release: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_champion(parcels, "2")
    answers(parcels, "2")
    monkeypatch.setenv("TIDEWHEEL_RELEASE_BACKEND", f"{__name__}:Silent")

    assert release("r1", "--version=1") == ExitCode.FAILED  # which Airflow tries again

    assert (champion(parcels), Releases(parcels.ledger).newest(parcels.name)) == ("1", [])
    seen = unreleased(parcels.settings, parcels.ledger, datetime.now(UTC))
    assert seen[parcels.name] == Unreleased("1", "2")
    monkeypatch.setenv("TIDEWHEEL_RELEASE_BACKEND", f"{__name__}:nowhere")
    assert release("r2", "--stage=plan") == 0  # as the watcher has it begun
    assert [row.version for row in Releases(parcels.ledger).newest(parcels.name)] == ["1"]
    assert parcels.name not in unreleased(parcels.settings, parcels.ledger, datetime.now(UTC))


@pytest.mark.usefixtures("two_versions")
def test_a_rollback_goes_to_the_version_before_and_makes_it_champion(
    parcels: Parcels, release: Callable[..., int], caplog: pytest.LogCaptureFixture
) -> None:
    assert release("r1", "--rollback", "--stage=plan") == ExitCode.WRONG_USAGE
    assert "no version answered before the present one" in caplog.text
    make_champion(parcels, "2")
    answers(parcels, "2", previous="1")

    assert release("r2", "--rollback", "--dry-run") == 0
    assert (Releases(parcels.ledger).newest(parcels.name), champion(parcels)) == ([], "2")
    assert release("r2", "--rollback", "--stage=plan") == 0
    [planned] = Releases(parcels.ledger).newest(parcels.name)
    assert (planned.version, planned.status, champion(parcels)) == ("1", Status.RUNNING, "1")


@pytest.mark.usefixtures("two_versions", "version_2_runs")
def test_a_rollback_that_is_run_again_does_not_bring_the_bad_version_back(
    parcels: Parcels, release: Callable[..., int]
) -> None:
    make_champion(parcels, "2")
    answers(parcels, "2", previous="1")
    assert release("r1", "--rollback", "--stage=plan") == 0
    releases = Releases(parcels.ledger)
    [planned] = releases.newest(parcels.name)
    releases.end(planned.id, Status.DONE, "", datetime.now(UTC))
    answers(parcels, "1", previous="2")

    assert release("r1", "--rollback", "--stage=plan") == 0
    assert (releases.newest(parcels.name)[0].version, champion(parcels)) == ("1", "1")


@pytest.mark.usefixtures("two_versions")
def test_a_second_rollback_wants_the_version_by_name(
    parcels: Parcels, release: Callable[..., int], caplog: pytest.LogCaptureFixture
) -> None:
    make_champion(parcels, "1")
    answers(parcels, "1", previous="2")
    assert release("r2", "--rollback", "--stage=plan") == ExitCode.WRONG_USAGE
    assert "version 1 has taken over from version 2 in a rollback already" in caplog.text
    assert champion(parcels) == "1"


@pytest.mark.usefixtures("two_versions", "version_2_runs")
def test_moving_the_alias_back_to_an_older_version_is_a_rollback(parcels: Parcels, release: Callable[..., int]) -> None:
    answers(parcels, "2", previous="1")
    make_champion(parcels, "1")

    assert release("r1", "--stage=plan") == 0

    plan = read_record(parcels.lake, "r1", "release-plan")
    assert (plan.figures["version"], plan.figures["rolled_back_from"]) == ("1", "2")
    assert plan.sentence == "version 1 as blue takes over from version 2 as green, which does not answer,"
    said = "version 1 takes over again from version 2: the champion alias was moved back to it"
    assert sentences(parcels) == [("rolled_back", said)]
    assert release("r2", "--stage=plan", "--version=1", "--actor=anna") == 0  # joins it, and writes no second line
    assert sentences(parcels) == [("rolled_back", said)]


@pytest.mark.usefixtures("two_versions", "version_2_runs")
def test_the_release_of_a_predecessor_says_that_its_successor_was_worse_on_probation(
    parcels: Parcels, release: Callable[..., int]
) -> None:
    now, probations = datetime.now(UTC), Probations(parcels.ledger)
    judged = {"pipeline": parcels.name, "version": "2", "predecessor": "1", "as_of": "2024-01-10", "run_id": "r0"}
    probations.begin(ProbationRow(**judged, opened_at=now))
    probations.close(probations.all(parcels.name)[0].id, RETURNED, "worse", None, now)
    answers(parcels, "2", previous="1")
    make_champion(parcels, "1")

    assert release("r1", "--stage=plan") == 0

    said = "version 1 takes over again from version 2: version 2 was worse on probation"
    assert sentences(parcels) == [("rolled_back", said)]


@pytest.mark.usefixtures("two_versions", "version_2_runs")
def test_a_reconcile_says_what_it_repairs_and_gives_the_alias_back(
    parcels: Parcels, release: Callable[..., int]
) -> None:
    releases = Releases(parcels.ledger)
    row = releases.begin(parcels.name, "1", "blue", {"sentence": ""}, "r0", datetime.now(UTC))
    releases.end(row.id, Status.FAILED, "bake: it errs", datetime.now(UTC))
    make_champion(parcels, "1")
    answers(parcels, "1")

    assert release("r1", "--reconcile", "--dry-run") == 0
    assert (champion(parcels), releases.endpoint(parcels.name).version) == ("1", "1")  # type: ignore[union-attr]
    assert release("r2", "--reconcile") == 0
    assert read_record(parcels.lake, "r2", "release-all").sentence == (
        "version 2 answers as green, and the ledger says otherwise: write it down; "
        "version 1 is champion, but was taken back (bake: it errs): champion is version 2 again"
    )
    assert champion(parcels) == "2"
    assert release("r3", "--reconcile") == 0
    assert read_record(parcels.lake, "r3", "release-all").sentence == "registry, ledger and router agree"
