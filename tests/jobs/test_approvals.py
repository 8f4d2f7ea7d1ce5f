"""`approval: manual` cannot be gone round: an approval is a row of the ledger, with the name of whoever gave it."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from jobs.models import registry
from jobs.models.standing import standing
from tests.known_versions import judge, register, review
from tidewheel.cli.app import app
from tidewheel.errors import ExitCode
from tidewheel.ledger.models import Models
from tidewheel.ledger.releases import Releases
from tidewheel.policies.verdict import Kind, Outcome
from tidewheel.runs import read_record
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

DAY = date(2024, 1, 13)
MANUAL = "{roc_auc: 0.6}\n  approval: manual"
Run = Callable[..., str]


@pytest.fixture
def parcels(registered_parcels: Callable[..., Parcels], monkeypatch: pytest.MonkeyPatch) -> Parcels:
    """Version 1 answers and was approved; version 2 has passed the gate and waits; version 3 was refused by it."""
    monkeypatch.setenv("TIDEWHEEL_RELEASE_BACKEND", "tests.jobs.test_release:nowhere")
    monkeypatch.setenv("TIDEWHEEL_ENDPOINT_URL", "http://127.0.0.1:1")
    parcels = registered_parcels(floors=MANUAL)
    for outcome in (Outcome.PASSED, Outcome.PASSED, Outcome.REFUSED):
        register(parcels, outcome)
    review(parcels, "1", Outcome.PASSED)
    Models(parcels.ledger).promote(parcels.name, "1", "", "anna (Airflow)", "one", datetime.now(UTC))
    Releases(parcels.ledger).point(parcels.name, "blue", "1", None, datetime.now(UTC))
    registry.set_alias(parcels.settings, parcels.name, registry.CHAMPION, "1")
    return parcels


@pytest.fixture
def refused(parcels: Parcels, run_job: Callable[..., JobRecord], caplog: pytest.LogCaptureFixture) -> Run:
    """Runs a job that must refuse; returns its words."""

    def run(job: str, *options: str) -> str:
        caplog.clear()
        with pytest.raises(SystemExit) as ended:
            run_job(parcels, job, DAY, "r", *options)
        assert ended.value.code in (ExitCode.WRONG_USAGE, ExitCode.DATA_REFUSED)
        return caplog.text

    return run


def champion(parcels: Parcels) -> str:
    """By the ledger and by the alias, which must agree."""
    found = registry.champion(parcels.settings, parcels.name)
    by_ledger = standing(parcels.settings, find_pipeline(parcels.settings.pipelines_folder, parcels.name))
    assert found is not None
    assert found.version == by_ledger.version
    return found.version


def move_alias(parcels: Parcels, version: str) -> None:
    registry.set_alias(parcels.settings, parcels.name, registry.CHAMPION, version)


WAYS = {
    "the alias": ("release", ["--stage=plan"]),
    "the alias and a reason": ("release", ["--stage=plan", "--reason=now"]),
    "release --version": ("release", ["--stage=plan", "--version=2"]),
    "release --version --reason": ("release", ["--stage=plan", "--version=2", "--reason=now"]),
    "promote": ("promote", ["--version=2"]),
    "promote with a reason": ("promote", ["--version=2", "--override-reason=now"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_round_an_approval(parcels: Parcels, refused: Run, way: str) -> None:
    job, options = WAYS[way]
    if way.startswith("the alias"):
        move_alias(parcels, "2")
    said = refused(job, *options)
    assert "version 2 waits for an approval (`gate.approval` is `manual`)" in said
    assert f"`tidewheel approve {parcels.name} --version 2 --reason ...`" in said
    assert champion(parcels) == "1"
    assert Models(parcels.ledger).promotion(parcels.name).version == "1"  # type: ignore[union-attr]
    assert Releases(parcels.ledger).newest(parcels.name) == []


@pytest.mark.parametrize("way", WAYS)
def test_a_rejected_version_stays_rejected_by_every_way_though_it_was_approved_before(
    parcels: Parcels, refused: Run, way: str
) -> None:
    review(parcels, "2", Outcome.PASSED, "ben")
    review(parcels, "2", Outcome.REFUSED, "anna")
    job, options = WAYS[way]
    if way.startswith("the alias"):
        move_alias(parcels, "2")
    assert "version 2 was rejected in review by anna" in refused(job, *options)
    assert champion(parcels) == "1"


def test_an_alias_that_somebody_moved_to_a_waiting_version_is_not_made_right_by_promoting_that(
    parcels: Parcels, refused: Run
) -> None:
    move_alias(parcels, "2")
    assert "version 2 waits for an approval" in refused("promote", "--version=2")
    assert Models(parcels.ledger).promotion(parcels.name).version == "1"  # type: ignore[union-attr]


def test_an_approval_at_a_terminal_carries_the_users_name_and_opens_the_way(
    parcels: Parcels, run_job: Callable[..., JobRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "ben")
    said = CliRunner().invoke(app, ["approve", parcels.name, "--version", "2", "--reason", "the board agrees"])
    assert said.exit_code == ExitCode.DONE, said.output
    assert run_job(parcels, "promote", DAY, "r", "--version=2", "--actor=ben (Airflow)").figures["promoted"] is True
    assert champion(parcels) == "2"
    [row, *_] = parcels.ledger.verdicts(parcels.name, Kind.REVIEW)
    assert row.actor.startswith(f"{getpass.getuser()}@")
    assert row.actor.endswith(", by sudo from ben")
    assert "the board agrees" in row.sentence
    promotion = Models(parcels.ledger).promotion(parcels.name)
    assert promotion is not None
    assert (promotion.version, promotion.previous_version, promotion.actor) == ("2", "1", "ben (Airflow)")
    shown = CliRunner().invoke(app, ["why", parcels.name, "--kind", "review"])
    assert f"by {row.actor}" in " ".join(shown.output.split())


def test_a_version_that_the_gate_refused_needs_an_approval_and_a_reason(parcels: Parcels, refused: Run) -> None:
    review(parcels, "3", Outcome.PASSED)
    assert "version 3 has not passed the gate" in refused("release", "--stage=plan", "--version=3")


def test_a_reason_overrules_the_gate_of_an_approved_version_with_the_name_of_who_gave_it(
    parcels: Parcels, run_job: Callable[..., JobRecord]
) -> None:
    review(parcels, "3", Outcome.PASSED)
    with pytest.raises(Exception, match="release"):  # the record is that of the stage
        run_job(
            parcels, "release", DAY, "r", "--stage=plan", "--version=3", "--reason=now", "--actor=ben (Airflow, manual)"
        )
    assert read_record(parcels.lake, "r", "release-plan").figures["version"] == "3"
    [row] = [row for row in parcels.ledger.verdicts(parcels.name, Kind.RELEASE) if row.outcome == Outcome.PASSED]
    assert (row.actor, row.sentence) == (
        "ben (Airflow, manual)",
        "version 3 has not passed the gate (refused: by a test) and is released by hand: now",
    )


def test_a_champion_from_before_approvals_were_asked_for_goes_on(parcels: Parcels) -> None:
    judge(parcels, "3")
    Models(parcels.ledger).promote(parcels.name, "3", "", "the gate", "two", datetime.now(UTC))
    move_alias(parcels, "3")
    assert champion(parcels) == "3"
