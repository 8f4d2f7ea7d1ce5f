"""Which days a training learns from, by who called for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tidewheel.policies.verdict import Kind, Outcome, Verdict

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


@pytest.mark.parametrize(("role", "held"), [("alarm", 4), ("routine", 6)])
def test_what_an_alarm_called_for_keeps_fewer_days_for_the_gate(
    parcels: Parcels, run_job: Callable[..., JobRecord], role: str, held: int
) -> None:
    fired = Verdict(Kind.TRIGGER, Outcome.FIRED, "fired: performance fell", {"role": role})
    parcels.ledger.record(parcels.name, str(DAY), "night", fired, NOW)
    parcels.ledger.fire_request(parcels.name, str(DAY), fired.sentence, NOW)
    for n in range(1, 22):  # nights that were caught up before the training began
        waits = Verdict(Kind.TRIGGER, Outcome.SUPPRESSED, "suppressed: but the training is not judged yet")
        parcels.ledger.record(parcels.name, str(DAY + timedelta(days=n)), "night", waits, NOW + timedelta(minutes=n))

    assert run_job(parcels, "assemble", DAY, "training").figures["holdout_days"] == held


def test_what_a_person_asked_for_is_no_alarm(parcels: Parcels, run_job: Callable[..., JobRecord]) -> None:
    parcels.ledger.request_training(parcels.name, "look again", NOW)

    assert run_job(parcels, "assemble", DAY, "training").figures["holdout_days"] == 6


def test_what_the_gate_could_not_tell_is_judged_on_twice_as_many_days(
    parcels: Parcels, run_job: Callable[..., JobRecord]
) -> None:
    parcels.publish_days(30)
    figures = {"as_of": str(DAY), "loss_difference": -0.05, "upper_bound": 0.08, "champion": {"log_loss": 0.5}}
    refused = Verdict(
        Kind.GATE, Outcome.REFUSED, "refused: not shown", {"version": "2", **figures}, {"metric": "log_loss"}
    )
    parcels.ledger.record(parcels.name, "2", "before", refused, NOW)

    assert run_job(parcels, "assemble", date(2024, 2, 20), "training").figures["holdout_days"] == 7
