"""Which days a training learns from, by who called for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from tidewheel.ledger.trainings import Judgement, Trainings
from tidewheel.policies.trigger.restraints import Role
from tidewheel.policies.verdict import Outcome

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

DAY, NOW = date(2024, 1, 20), datetime(2026, 11, 22, 3, tzinfo=UTC)


@pytest.fixture
def parcels(registered_parcels: Callable[..., Parcels]) -> Parcels:
    """Keeps six days for the gate, four where an alarm has called."""
    parcels = registered_parcels()
    file = parcels.settings.pipelines_folder / f"{parcels.name}.yaml"
    file.write_text(file.read_text().replace("holdout_days: 3", "holdout_days: 6\n  alarm_holdout_days: 4"))
    parcels.publish_days(18)
    return parcels


@pytest.mark.parametrize(("role", "held"), [(Role.ALARM, 4), (Role.ROUTINE, 6)])
def test_what_an_alarm_called_for_keeps_fewer_days_for_the_gate(
    parcels: Parcels, run_job: Callable[..., JobRecord], role: Role, held: int
) -> None:
    parcels.ledger.fire_request(parcels.name, str(DAY), "fired: performance fell", NOW, role)

    assert run_job(parcels, "assemble", DAY, "training").figures["holdout_days"] == held


def test_what_a_person_asked_for_is_no_alarm(parcels: Parcels, run_job: Callable[..., JobRecord]) -> None:
    parcels.ledger.request_training(parcels.name, "look again", NOW)

    assert run_job(parcels, "assemble", DAY, "training").figures["holdout_days"] == 6


def test_what_the_gate_could_not_tell_is_judged_on_twice_as_many_days(
    parcels: Parcels, run_job: Callable[..., JobRecord]
) -> None:
    parcels.publish_days(30)
    refused = Judgement("2", DAY, Outcome.REFUSED, gain=0.36)
    Trainings(parcels.ledger).judged(parcels.name, "before", refused, NOW)

    assert run_job(parcels, "assemble", date(2024, 2, 20), "training").figures["holdout_days"] == 7
