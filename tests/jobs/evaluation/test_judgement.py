"""What a training's row keeps of its judgement."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.evaluation.judgement import holdout_uses, judgement
from jobs.models.recalibration import LITERAL, CalibrationLine
from tests.pipelines import PIPELINE_FILE
from tidewheel.ledger.trainings import Judgement, Trainings
from tidewheel.policies.gate.measurement import Comparison, GateMeasurement
from tidewheel.policies.verdict import Outcome
from tidewheel.spec import load_pipeline

if TYPE_CHECKING:
    from tests.parcels import Parcels

AS_OF, NOW = date(2024, 1, 13), datetime(2026, 11, 22, 3, tzinfo=UTC)
DAYS = ("2024-01-11 f l", "2024-01-12 f l")


def judged(folder: Path, mode: str, line: CalibrationLine = LITERAL, comparison: Comparison | None = None) -> Judgement:
    path = folder / "orders.yaml"
    path.write_text(f"{PIPELINE_FILE}gate: {{mode: {mode}}}\n")
    measured = GateMeasurement("5", {"log_loss": 0.48, "rmse": 0.5}, 100, 2, comparison=comparison, holdout=DAYS)
    return judgement(load_pipeline(path), AS_OF, measured, Outcome.PASSED, line)


def compared(metric: str = "log_loss") -> Comparison:
    return Comparison("4", {metric: 0.5}, loss_difference=-0.02, upper_bound=-0.01)


def test_the_gain_is_the_far_end_of_the_interval_as_a_share_of_the_champions_loss(tmp_path: Path) -> None:
    found = judged(tmp_path, "before", comparison=compared())

    assert found.gain == pytest.approx(0.06)
    assert (found.version, found.as_of, found.outcome, found.holdout) == ("5", AS_OF, Outcome.PASSED, DAYS)
    assert found.squared_error == 0.25


def test_days_that_it_has_learned_from_say_nothing_of_its_gain_and_its_errors(tmp_path: Path) -> None:
    found = judged(tmp_path, "probation", comparison=compared())

    assert (found.gain, found.squared_error) == (None, None)


@pytest.mark.parametrize("comparison", [None, compared("brier")])
def test_what_was_not_compared_has_no_gain(tmp_path: Path, comparison: Comparison | None) -> None:
    assert judged(tmp_path, "before", comparison=comparison).gain is None


def test_what_predictions_mean_is_kept_where_it_is_not_what_they_say(tmp_path: Path) -> None:
    line = CalibrationLine(slope=0.5)

    assert CalibrationLine.from_json(judged(tmp_path, "before", line).meaning) == line
    assert judged(tmp_path, "before").meaning == {}


def test_earlier_challengers_that_were_judged_on_some_of_the_days_are_counted(
    make_parcels: Callable[..., Parcels],
) -> None:
    parcels = make_parcels()
    trainings = Trainings(parcels.ledger)
    for version, days in (("9", DAYS[:1]), ("10", DAYS), ("11", DAYS[1:]), ("12", DAYS), ("8", ("2024-01-01 f l",))):
        found = Judgement(version, AS_OF, Outcome.REFUSED, days)
        trainings.judged(parcels.name, f"run {version}", found, NOW)

    assert holdout_uses(Trainings(parcels.ledger).judgements(parcels.name), "11", DAYS) == 2
    assert holdout_uses(Trainings(parcels.ledger).judgements(parcels.name), "11", DAYS[1:]) == 1
    assert holdout_uses(Trainings(parcels.ledger).judgements(parcels.name), "11", ("2024-01-12 corrected l",)) == 0
