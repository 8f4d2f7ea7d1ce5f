"""A training that would only repeat the one before is skipped, and says so; a wish or a change makes it train."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.known_versions import register
from tidewheel.ledger.trainings import FitCost, Trainings, Window
from tidewheel.policies.verdict import Kind, Outcome
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

Assemble = Callable[..., "JobRecord"]
LAST = date(2024, 1, 14)  # the labels of all twelve days are known


@pytest.fixture
def parcels(registered_parcels: Callable[..., Parcels], monkeypatch: pytest.MonkeyPatch) -> Parcels:
    """Twelve days of parcels, and code whose version is known."""
    monkeypatch.setenv("TIDEWHEEL_CODE_VERSION", "4711")
    parcels = registered_parcels()
    parcels.publish_days(12)
    return parcels


@pytest.fixture
def assemble(parcels: Parcels, run_job: Callable[..., JobRecord]) -> Assemble:
    def run(run_id: str, *options: str, day: date = LAST) -> JobRecord:
        return run_job(parcels, "assemble", day, run_id, *options)

    return run


@pytest.fixture
def judged(parcels: Parcels, assemble: Assemble) -> None:
    """Version 1 was trained by run `one` and judged."""
    assert "skipped" not in assemble("one").figures
    register(parcels, Outcome.REFUSED, run_id="one", as_of=LAST.isoformat())


@pytest.mark.usefixtures("judged")
def test_the_same_days_declaration_and_code_are_not_trained_twice(parcels: Parcels, assemble: Assemble) -> None:
    again = assemble("two")
    assert again.figures["skipped"] is True
    assert again.sentence.startswith(
        "nothing new since version 1, trained as of 2024-01-14: no day's labels have become"
    )
    assert f"start {parcels.name}.training with *Train all the same*" in again.sentence
    parcels.publish_day(date(2024, 1, 13), unlabelled=None)
    later = assemble("three", day=date(2024, 1, 20))  # later by the calendar, and no label more
    assert later.figures["skipped"] is True


@pytest.mark.usefixtures("judged")
def test_somebody_who_asks_gets_a_training(parcels: Parcels, assemble: Assemble) -> None:
    assert "skipped" not in assemble("two", "--force").figures
    parcels.ledger.request_training(parcels.name, "log-loss rose", datetime.now(UTC))
    assert "skipped" not in assemble("three").figures


def test_no_training_begins_where_the_teams_quota_is_used_up(
    parcels: Parcels, assemble: Assemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = Window(LAST, date(2024, 1, 1), date(2024, 1, 10))
    Trainings(parcels.ledger).fitted(parcels.name, "earlier", window, FitCost(1, 5.0, 9.0, 0.0), datetime.now(UTC))
    parcels.ledger.fire_request(parcels.name, LAST.isoformat(), "fired: the calendar asks", datetime.now(UTC))
    team = find_pipeline(parcels.settings.pipelines_folder, parcels.name).owner.team
    monkeypatch.setenv("TIDEWHEEL_TEAM_CPU_SECONDS", json.dumps({team: 9}))
    skipped = assemble("one")
    assert skipped.figures["skipped"] is True
    assert skipped.sentence.startswith(f"team {team} has used 9 CPU seconds in 1 training in ")
    assert parcels.ledger.open_request(parcels.name) is None
    assert "skipped" not in assemble("by hand", "--force").figures
    monkeypatch.setenv("TIDEWHEEL_TEAM_CPU_SECONDS", json.dumps({team: 10, "another": 0}))
    assert "skipped" not in assemble("two").figures


@pytest.mark.usefixtures("judged")
def test_monitoring_that_asks_is_told_that_nothing_is_new(parcels: Parcels, assemble: Assemble) -> None:
    parcels.ledger.fire_request(parcels.name, LAST.isoformat(), "fired: the calendar asks", datetime.now(UTC))
    skipped = assemble("two")
    assert skipped.figures["skipped"] is True
    assert parcels.ledger.open_request(parcels.name) is None
    [told] = parcels.ledger.verdicts(parcels.name, Kind.TRIGGER)
    assert (told.outcome, told.sentence) == ("suppressed", f"suppressed: {skipped.sentence}")


@pytest.mark.usefixtures("judged")
def test_a_run_that_is_cleared_goes_on_with_its_own_version(assemble: Assemble) -> None:
    assert "skipped" not in assemble("one").figures


@pytest.mark.usefixtures("judged")
def test_newly_known_labels_are_new(parcels: Parcels, assemble: Assemble) -> None:
    parcels.publish_days(2, first=date(2024, 1, 13))
    assert "skipped" not in assemble("two", day=date(2024, 1, 16)).figures


@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize("day", [date(2024, 1, 3), date(2024, 1, 11)], ids=["learned from", "held out"])
def test_corrected_data_are_new(parcels: Parcels, assemble: Assemble, day: date) -> None:
    parcels.publish_day(day, rows=130)
    assert "skipped" not in assemble("two").figures


@pytest.mark.usefixtures("judged")
def test_another_declaration_or_other_code_is_new(
    parcels: Parcels, assemble: Assemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("4712", "4711-dirty"):
        monkeypatch.setenv("TIDEWHEEL_CODE_VERSION", version)
        assert "skipped" not in assemble(f"with {version}").figures
    monkeypatch.setenv("TIDEWHEEL_CODE_VERSION", "4711")
    file = parcels.settings.pipelines_folder / f"{parcels.name}.yaml"
    declared = file.read_text()
    file.write_text(declared.replace("Will the parcel be late?", "Is it late?"))
    assert assemble("reworded").figures["skipped"] is True
    file.write_text(declared.replace("minimum_rows: 300", "minimum_rows: 301"))
    assert "skipped" not in assemble("changed").figures


def test_a_value_deep_in_a_parameter_is_new(parcels: Parcels, assemble: Assemble) -> None:
    file = parcels.settings.pipelines_folder / f"{parcels.name}.yaml"
    sections = yaml.safe_load(file.read_text())

    def declare(parameters: object) -> None:
        sections["training"]["parameters"] = parameters
        file.write_text(yaml.safe_dump(sections))

    declare({"a": {"b": 1, "c": [1, 2]}})
    assemble("one")
    register(parcels, Outcome.REFUSED, run_id="one", as_of=LAST.isoformat())
    declare({"a": {"c": [1, 2], "b": 1}})
    assert assemble("in another order").figures["skipped"] is True
    for number, changed in enumerate(({"b": 2, "c": [1, 2]}, {"b": 1, "c": [2, 1]})):
        declare({"a": changed})
        assert "skipped" not in assemble(f"changed {number}").figures


def test_a_training_that_was_never_judged_does_not_count(parcels: Parcels, assemble: Assemble) -> None:
    assemble("one")
    register(parcels, run_id="one")
    assert "skipped" not in assemble("two").figures


def test_the_last_version_that_was_judged_counts_where_the_newest_was_not(parcels: Parcels, assemble: Assemble) -> None:
    assemble("one")
    register(parcels, Outcome.PASSED, run_id="one")
    register(parcels, run_id="killed")
    assert assemble("two").figures["skipped"] is True
