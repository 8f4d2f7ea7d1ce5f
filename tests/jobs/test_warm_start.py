"""A warm start through the jobs: from the champion, judged like any challenger; from nothing where that cannot be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import pytest

from jobs.models import files, registry
from jobs.models.lineage import Lineage
from jobs.reproduce import reproduce
from tidewheel.ledger.trainings import Trainings

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
MakeParcels = Callable[..., "Parcels"]
DAYS = [date(2024, 1, n) for n in (12, 15, 18, 21)]
PARAMETERS = "{n_estimators: 30}\n  warm_start: {rounds: 10, in_a_row: 2}"


@pytest.fixture
def parcels(registered_parcels: MakeParcels) -> Parcels:
    made = registered_parcels(estimator="xgboost", parameters=PARAMETERS, mode="probation")
    made.publish_days(21)
    return made


@pytest.fixture
def train(run_job: RunJob, parcels: Parcels) -> Callable[..., str]:
    """Trains as of a day, and promotes; returns the sentence of `train`."""

    def run(day: date, *, promoted: bool = True) -> str:
        for job in ("assemble", "train", "evaluate"):
            record = run_job(parcels, job, day, f"run-{day}")
            if job == "train":
                sentence = record.sentence
        if promoted:
            run_job(parcels, "promote", day, f"run-{day}")
        return sentence

    return run


def lineage(parcels: Parcels, version: str) -> Lineage:
    row = registry.trained_version(parcels.settings, parcels.name, version)
    return Lineage.model_validate_json(files.read(parcels.settings, row, files.LINEAGE_FILE))


def rounds(parcels: Parcels, version: str) -> int:
    model: Any = registry.load_model(parcels.settings, parcels.name, version)
    return int(model[-1].get_booster().num_boosted_rounds())


def test_a_training_goes_on_from_the_champion_is_judged_and_after_some_fits_from_nothing(
    parcels: Parcels, train: Callable[..., str]
) -> None:
    sentences = [train(day) for day in DAYS]

    assert "fitted from the start: there is no champion to go on from" in sentences[0]
    assert "went on from version 1 by 10 rounds" in sentences[1]
    assert "went on from version 2 by 10 rounds" in sentences[2]
    assert "fitted from the start: version 3 ended 2 warm starts in a row" in sentences[3]
    assert [rounds(parcels, n) for n in "1234"] == [30, 40, 50, 30]
    assert [getattr(lineage(parcels, n).warm, "number", 0) for n in "1234"] == [0, 1, 2, 0]
    rows = Trainings(parcels.ledger).all(parcels.name)
    assert [row.outcome for row in rows] == ["passed"] * 4
    assert all((row.cpu_seconds or 0) > 0 for row in rows)


def test_a_warm_start_is_reproduced_from_its_predecessor(parcels: Parcels, train: Callable[..., str]) -> None:
    for day in DAYS[:2]:
        train(day)
    found = reproduce(parcels.settings, parcels.name, "2")
    assert found.same
    assert found.max_difference == 0


def test_a_warm_start_that_did_not_become_champion_is_followed_by_a_fit_from_nothing(
    parcels: Parcels, train: Callable[..., str]
) -> None:
    train(DAYS[0])
    train(DAYS[1], promoted=False)
    assert "fitted from the start: version 2, a warm start, is not the champion" in train(DAYS[2])


def test_a_deleted_predecessor_is_named_and_the_fit_is_from_nothing(
    parcels: Parcels, train: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    train(DAYS[0])
    first = registry.champion(parcels.settings, parcels.name)
    assert first is not None
    logged = mlflow.MlflowClient().get_model_version(parcels.name, first.version).source.rpartition("/")[2]
    for folder in tmp_path_factory.getbasetemp().glob("mlflow*/artifacts/**/*"):
        if folder.name in (first.mlflow_run, logged) and folder.is_dir():
            shutil.rmtree(folder)
    shutil.rmtree(parcels.settings.home / "cache" / "models")

    assert "fitted from the start: version 1, the champion, cannot be opened" in train(DAYS[1], promoted=False)
    assert rounds(parcels, "2") == 30


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("numeric: [weight, distance]", "numeric: [weight]", "version 1 has other features (distance is gone)"),
        ("n_estimators: 30", "n_estimators: 20", "version 1 was declared with other training.parameters"),
        ("estimator: xgboost", "estimator: lightgbm", "version 1 was declared with other training.estimator"),
    ],
)
def test_another_declaration_than_the_predecessors_is_named_and_the_fit_is_from_nothing(
    old: str, new: str, said: str, parcels: Parcels, train: Callable[..., str]
) -> None:
    train(DAYS[0])
    path: Path = parcels.settings.pipelines_folder / f"{parcels.name}.yaml"
    path.write_text(path.read_text().replace(old, new))
    assert f"fitted from the start: {said}" in train(DAYS[1], promoted=False)


def test_days_that_the_gate_holds_out_are_not_learned_by_way_of_the_predecessor(
    registered_parcels: MakeParcels, run_job: RunJob
) -> None:
    parcels = registered_parcels(estimator="xgboost", parameters=PARAMETERS, mode="before", refit="always")
    parcels.publish_days(15)
    for day in (DAYS[0], DAYS[1]):
        for job in ("assemble", "train", "evaluate"):
            record = run_job(parcels, job, day, f"run-{day}")
            if job == "train":
                sentence = record.sentence
        run_job(parcels, "promote", day, f"run-{day}", "--override-reason=these few days decide nothing")
    assert "went on from version 1 by 10 rounds" in sentence  # which learned until the 10th; held out: 11th to 13th
    assert not lineage(parcels, "2").warm.judged  # type: ignore[union-attr]

    parcels.publish_day(date(2024, 1, 16))
    run_job(parcels, "assemble", date(2024, 1, 16), "next")
    sentence = run_job(parcels, "train", date(2024, 1, 16), "next").sentence
    assert "went on from version 2" in sentence  # held out: 12th to 14th, and version 2 itself has learned the 13th
    assert lineage(parcels, "3").warm.judged  # type: ignore[union-attr]
    assert reproduce(parcels.settings, parcels.name, "3").same
