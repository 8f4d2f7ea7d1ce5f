"""What monitoring expects of a version's predictions is what its training's row says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from jobs.models.recalibration import LITERAL, CalibrationLine
from jobs.monitoring.expectation import FIRST_DAYS, expectations
from tidewheel.ledger import Ledger
from tidewheel.ledger.trainings import Judgement, Trainings, Window
from tidewheel.policies.verdict import Outcome

NOW, AS_OF, SHOP = datetime(2026, 11, 22, 3, tzinfo=UTC), date(2026, 11, 21), "shop"


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    ledger = Ledger(database_url)
    yield ledger
    ledger.engine.dispose()


def judge(
    ledger: Ledger, version: str, *holdout: str, error: float | None = None, line: CalibrationLine = LITERAL
) -> None:
    meaning = {} if line.is_literal else line.to_json()
    found = Judgement(version, AS_OF, Outcome.PASSED, holdout, None, error, meaning)
    Trainings(ledger).judged(SHOP, f"run {version}", found, NOW)


def label_days(ledger: Ledger, version: str, days: int) -> None:
    for day in range(1, days + 1):
        ledger.put_figures(SHOP, f"2026-11-{day:02}", {"squared_error": float(day)}, NOW, version=version)


def test_a_version_is_expected_to_do_as_on_its_holdout(ledger: Ledger) -> None:
    line = CalibrationLine(slope=0.5)
    judge(ledger, "7", "2026-11-20 f l", error=0.25, line=line)
    label_days(ledger, "7", FIRST_DAYS)

    found = expectations(ledger, SHOP)["7"]
    assert (found.squared_error, found.line) == (0.25, line)


@pytest.mark.parametrize(("days", "error"), [(FIRST_DAYS - 1, math.nan), (FIRST_DAYS + 3, 3.0)])
def test_one_that_was_judged_on_what_it_had_learned_from_is_known_by_its_first_days(
    ledger: Ledger, days: int, error: float
) -> None:
    judge(ledger, "7")
    label_days(ledger, "7", days)

    found = expectations(ledger, SHOP)["7"]
    assert found.squared_error == pytest.approx(error, nan_ok=True)
    assert found.line == LITERAL


def test_of_one_that_was_not_judged_nothing_is_expected(ledger: Ledger) -> None:
    trainings = Trainings(ledger)
    trainings.registered(SHOP, "under way", "8", NOW)
    trainings.begin(SHOP, "no version", Window(AS_OF, AS_OF, AS_OF), NOW)
    trainings.failed(SHOP, "no version", AS_OF, NOW)

    assert expectations(ledger, SHOP) == {}
