"""The nights of a version on probation: what they compare, what ends it, and what goes wrong meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jobs.models import registry, standing
from jobs.models.files import Untrusted
from jobs.monitoring.attempts import attempts
from tests.jobs.monitoring.conftest import DAY, predict_day
from tests.known_versions import judge
from tests.version_rows import version_row
from tidewheel.ledger.models import Models
from tidewheel.ledger.probation_tables import ProbationRow
from tidewheel.ledger.probations import Probations
from tidewheel.policies.probation import PairedDay
from tidewheel.policies.trigger.attempts import Ended
from tidewheel.policies.verdict import Kind, Outcome

if TYPE_CHECKING:
    import pandas as pd

    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

AS_OF = DAY - timedelta(days=6)
"""Version 5 was trained as of this day; four days since have known labels on `DAY`."""
NIGHTS = [DAY - timedelta(days=n) for n in (3, 2, 1, 0)]


class Parting:
    """A model of the parcels that follows their weight, by so much."""

    def __init__(self, slope: float) -> None:
        self.slope = slope

    def predict_proba(self, frame: pd.DataFrame) -> Any:
        chance = 1 / (1 + np.exp(-self.slope * frame["weight"].fillna(0).to_numpy()))
        return np.column_stack([1 - chance, chance])


@dataclass
class Columns:
    """The columns of a contract."""

    numeric: list[str] = field(default_factory=lambda: ["weight", "distance"])
    categorical: list[str] = field(default_factory=lambda: ["carrier"])

    @property
    def columns(self) -> list[Any]:
        return [type("Column", (), {"name": name}) for name in (*self.numeric, *self.categorical)]


@dataclass
class Registry:
    """What a registry would answer: the champion, and the predecessor's model."""

    champion: str = "5"
    gone: bool = False


@pytest.fixture
def served(parcels: Parcels, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Version 5 took the place of version 4 on `AS_OF`, and predicted the days since."""
    file = parcels.settings.pipelines_folder / f"{parcels.name}.yaml"
    file.write_text(file.read_text().replace("mode: before", "mode: probation"))
    found, models = Registry(), Models(parcels.ledger)
    models.add(version_row(parcels.name, "5", as_of=str(AS_OF)))
    judge(parcels, "5")

    def moved(settings: Any, pipeline: str, alias: str, version: str) -> None:
        found.champion = version

    def loaded(settings: Any, pipeline: str, version: str) -> Parting:
        if found.gone:
            raise Untrusted(f"version {version} was deleted in MLflow")
        return Parting(2.0)

    monkeypatch.setattr(standing, "standing", lambda s, p: standing.Standing(models.get(parcels.name, found.champion)))
    monkeypatch.setattr(registry, "set_alias", moved)
    monkeypatch.setattr(registry, "load_model", loaded)
    monkeypatch.setattr(registry, "contract", lambda *asked: Columns())
    monkeypatch.setattr(registry, "lost", lambda *asked: "")
    Probations(parcels.ledger).keep_days(parcels.name, "5", "4", usual(), datetime.now(UTC))
    Probations(parcels.ledger).begin(row(parcels, "5", "4"))
    return found


def usual() -> list[PairedDay]:
    """Days before the promotion, on which the two versions differ by a little."""
    days = [AS_OF - timedelta(days=n) for n in range(30)]
    return [PairedDay(day, 120, 0.5 + 0.01 * (-1) ** n, 0.5, 0.01) for n, day in enumerate(days)]


def row(parcels: Parcels, version: str, predecessor: str) -> ProbationRow:
    return ProbationRow(
        pipeline=parcels.name,
        version=version,
        predecessor=predecessor,
        as_of=str(AS_OF),
        run_id=f"run of {version}",
        opened_at=datetime.now(UTC),
    )


def nights(parcels: Parcels, run_job: Callable[..., JobRecord], spread: float, days: list[date] = NIGHTS) -> list[str]:
    """Let nights pass on which version 5 follows the weight by `spread`; returns what each said of the probation."""
    for day in (AS_OF + timedelta(days=n) for n in range(1, 5)):
        predict_day(parcels, day, "5", spread)
    for day in days:
        run_job(parcels, "monitor", day, f"m{day}")
    rows = parcels.ledger.verdicts(parcels.name, Kind.PROBATION, limit=None)
    return [f"{one.outcome}: {one.sentence}" for one in reversed(rows)]


def test_a_worse_version_gives_way_to_its_predecessor_and_counts_as_a_challenger_in_vain(
    parcels: Parcels, served: Registry, run_job: Callable[..., JobRecord]
) -> None:
    said = nights(parcels, run_job, spread=-2.0)
    assert said[-1].startswith("rolled_back: rolled back: version 5 against version 4: +")
    assert served.champion == "4"
    promotion = Models(parcels.ledger).promotion(parcels.name)
    assert promotion is not None
    assert (promotion.version, promotion.reason) == ("4", said[-1].removeprefix("rolled_back: "))
    assert Probations(parcels.ledger).open(parcels.name) is None
    ended = attempts(parcels.ledger, parcels.name, datetime.now(UTC))
    assert [(one.as_of, one.ended) for one in ended] == [(AS_OF, Ended.REJECTED)]


def test_a_version_that_is_as_good_stays_and_a_day_that_is_monitored_again_counts_once(
    parcels: Parcels, served: Registry, run_job: Callable[..., JobRecord]
) -> None:
    said = nights(parcels, run_job, spread=2.0, days=[*NIGHTS, NIGHTS[-1]])
    assert said[-1] == (
        "no_action: no action: version 5 against version 4: +0.0% loss over 4 days; probation continues for at most 10 "
        "labelled days or 22 nights more"
    )
    assert served.champion == "5"


def test_labels_that_are_corrected_are_compared_anew(
    parcels: Parcels, served: Registry, run_job: Callable[..., JobRecord]
) -> None:
    nights(parcels, run_job, spread=1.5)
    before = Probations(parcels.ledger).days(parcels.name, "5", "4")[-1]
    parcels.publish_day(before.day, signal=-2.0)  # every label turned round
    run_job(parcels, "monitor", DAY, "again")
    after = Probations(parcels.ledger).days(parcels.name, "5", "4")[-1]
    assert after.day == before.day
    assert after.loss > before.loss + 0.2


def test_a_predecessor_that_was_deleted_ends_probation_and_the_version_stays(
    parcels: Parcels, served: Registry, run_job: Callable[..., JobRecord]
) -> None:
    served.gone = True
    said = nights(parcels, run_job, spread=-2.0, days=NIGHTS[-1:])
    assert "version 4, the predecessor of version 5, cannot be opened" in said[-1]
    assert served.champion == "5"
    assert Probations(parcels.ledger).open(parcels.name) is None


def test_a_rollback_by_hand_ends_probation_as_a_return(
    parcels: Parcels, served: Registry, run_job: Callable[..., JobRecord]
) -> None:
    served.champion = "4"
    said = nights(parcels, run_job, spread=2.0, days=NIGHTS[-1:])
    assert said == ["rolled_back: rolled back: version 5 was taken back to version 4 by hand while it was on probation"]
    assert Probations(parcels.ledger).all(parcels.name)[-1].outcome == Outcome.ROLLED_BACK


def test_a_second_promotion_takes_the_place_of_the_first_on_probation(parcels: Parcels, served: Registry) -> None:
    probations = Probations(parcels.ledger)
    for _ in range(2):  # a task that is cleared says it again
        probations.begin(row(parcels, "6", "5"))
    assert [(one.version, one.outcome) for one in probations.all(parcels.name)] == [("5", "inconclusive"), ("6", "")]


def test_without_labels_probation_waits(parcels: Parcels, served: Registry, run_job: Callable[..., JobRecord]) -> None:
    run_job(parcels, "monitor", DAY, "one")
    verdict = parcels.ledger.verdicts(parcels.name, Kind.PROBATION)[0]
    assert verdict.sentence == (
        "no action: version 5 against version 4: no labels yet; probation continues for at most 14 labelled days or 22 "
        "nights more"
    )


def test_labels_that_never_come_end_probation_after_four_weeks_and_the_version_stays(
    parcels: Parcels, served: Registry, run_job: Callable[..., JobRecord]
) -> None:
    for nights in (27, 28):
        run_job(parcels, "monitor", AS_OF + timedelta(days=nights), f"night {nights}")
    last, before = parcels.ledger.verdicts(parcels.name, Kind.PROBATION)[:2]
    assert (before.outcome, last.outcome) == (Outcome.NO_ACTION, Outcome.PASSED)
    assert "no labels yet; not shown to be worse in time, so probation ends, and version 5 stays" in last.sentence
    assert served.champion == "5"
    assert Probations(parcels.ledger).open(parcels.name) is None


def test_a_night_that_was_killed_while_the_predecessor_predicted_is_made_up_by_the_next(
    parcels: Parcels, served: Registry, run_job: Callable[..., JobRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(model: Parting, frame: pd.DataFrame) -> Any:
        raise KeyboardInterrupt

    whole = Parting.predict_proba
    for day in (AS_OF + timedelta(days=n) for n in range(1, 5)):
        predict_day(parcels, day, "5", 2.0)
    monkeypatch.setattr(Parting, "predict_proba", killed)
    with pytest.raises(KeyboardInterrupt):
        run_job(parcels, "monitor", DAY, "killed")
    compared = [day for day in Probations(parcels.ledger).days(parcels.name, "5", "4") if day.day > AS_OF]
    assert compared == []
    assert Probations(parcels.ledger).open(parcels.name) is not None

    monkeypatch.setattr(Parting, "predict_proba", whole)
    run_job(parcels, "monitor", DAY, "again")
    compared = [day for day in Probations(parcels.ledger).days(parcels.name, "5", "4") if day.day > AS_OF]
    assert [day.day for day in compared] == [AS_OF + timedelta(days=n) for n in range(1, 5)]
    assert served.champion == "5"


def test_a_correction_after_probation_has_ended_changes_nothing(
    parcels: Parcels, served: Registry, run_job: Callable[..., JobRecord]
) -> None:
    nights(parcels, run_job, spread=-2.0)
    assert served.champion == "4"
    known, ended = Probations(parcels.ledger).days(parcels.name, "5", "4"), parcels.ledger.verdicts
    said = [one.sentence for one in ended(parcels.name, Kind.PROBATION)]
    parcels.publish_day(AS_OF + timedelta(days=1), signal=-2.0)  # every label turned round: version 5 was right
    run_job(parcels, "monitor", DAY, "corrected")
    assert served.champion == "4"
    assert Probations(parcels.ledger).days(parcels.name, "5", "4") == known
    assert [one.sentence for one in ended(parcels.name, Kind.PROBATION)] == said
