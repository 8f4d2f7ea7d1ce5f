"""A registered version is trained again from the same bytes: the same model comes out, or it is said what differs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

import pytest
from sklearn.tree import DecisionTreeClassifier
from typer.testing import CliRunner

from jobs.models.files import Untrusted
from jobs.reproduce import reproduce
from tests.known_versions import by_hand
from tidewheel.cli.app import app
from tidewheel.errors import ExitCode, LakeError

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
MakeParcels = Callable[..., "Parcels"]


class Unrepeatable(DecisionTreeClassifier):
    """A tree that does not take the seed it is given."""

    def fit(self, frame: object, truth: object) -> Unrepeatable:
        seed = int.from_bytes(os.urandom(4))
        self.set_params(max_features=1, random_state=seed)
        return super().fit(frame, truth)  # type: ignore[no-any-return]


def unrepeatable() -> object:
    return Unrepeatable()


@pytest.fixture
def trained(registered_parcels: MakeParcels, run_job: RunJob) -> Callable[..., Parcels]:
    """A pipeline with one registered version, trained by its jobs."""

    def train(*, refit: str = "never", **keys: str) -> Parcels:
        parcels = registered_parcels(refit=refit, **keys)
        day = parcels.publish_days(12)[-1]
        for job in ("assemble", "train"):
            run_job(parcels, job, day, "one")
        return parcels

    return train


def test_the_same_model_comes_out_though_the_days_were_corrected_since(
    trained: Callable[..., Parcels], monkeypatch: pytest.MonkeyPatch
) -> None:
    parcels = trained()
    parcels.publish_day(date(2024, 1, 3), rows=150)  # what is published now is not what it was trained on
    monkeypatch.setenv("TIDEWHEEL_CODE_VERSION", "a-later-commit")

    found = reproduce(parcels.settings, parcels.name, "1")
    assert (found.same, found.max_difference, found.rows) == (True, 0.0, 840)
    assert [(each.what, each.learned) for each in found.compared] == [("golden rows", True), ("holdout rows", False)]
    assert found.compared[0].rows >= 20
    assert found.compared[1].rows == 360
    assert [d for d in found.differences if not d.endswith("now a-later-commit")] == []

    shown = CliRunner().invoke(app, ["reproduce", parcels.name, "--version", "1"])
    assert shown.exit_code == ExitCode.DONE
    assert "the same model" in shown.output
    assert "to the last bit" in shown.output
    assert "version 1: 360 holdout rows (not learned)" in shown.output
    assert "code version" in shown.output


def test_rows_that_were_erased_since_are_named_and_the_others_are_learned_from(
    trained: Callable[..., Parcels], run_job: RunJob
) -> None:
    parcels = trained()
    run_job(parcels, "erase", "2024-01-20", "erase-1", "--key", "2024-01-02-00007")

    found = reproduce(parcels.settings, parcels.name, "1")

    assert found.rows == 839
    assert "features/2024-01-02: 1 of 120 rows were erased on" in found.differences[0]


def test_another_model_is_said_to_be_one(trained: Callable[..., Parcels]) -> None:
    parcels = trained(estimator=f"{__name__}:unrepeatable", floors="{}")
    found = reproduce(parcels.settings, parcels.name, "1")
    assert not found.same
    assert found.max_difference > 0.1


def test_a_model_that_was_fitted_again_through_its_holdout_is_compared_on_later_days_and_its_twin_on_the_holdout(
    trained: Callable[..., Parcels],
) -> None:
    parcels = trained(refit="always")
    found = reproduce(parcels.settings, parcels.name, "1")
    assert (found.same, found.notes) == (True, ())
    assert [(each.model, each.what, each.rows, each.learned) for each in found.compared[1:]] == [
        ("version 1", "rows of 2024-01-11 to 2024-01-12", 240, False),  # their labels are not known yet
        ("its twin that the gate judged", "holdout rows", 360, False),
    ]


def test_a_memorising_model_that_has_learned_its_holdout_is_told_from_another(
    trained: Callable[..., Parcels],
) -> None:
    parcels = trained(refit="always", estimator=f"{__name__}:unrepeatable", floors="{}")
    found = reproduce(parcels.settings, parcels.name, "1")
    learned, later, twin = (each.difference for each in found.compared)
    assert learned < later  # the tree knows what it has learned by heart, however it was grown
    assert min(later, twin) > 0.1
    assert not found.same
    shown = CliRunner().invoke(app, ["reproduce", parcels.name, "--version", "1"])
    assert shown.exit_code == ExitCode.DIFFERENT
    assert "another model" in shown.output


def test_days_of_the_holdout_that_are_gone_are_a_note_and_training_days_an_error(
    trained: Callable[..., Parcels],
) -> None:
    parcels = trained()
    chosen = json.loads(parcels.lake.store.read(f"{parcels.name}/runs/one/training_data.json") or b"")

    def lose(day: dict[str, dict[str, str]]) -> None:
        batch = day["features"]
        manifest = parcels.lake.manifest("features", batch["partition"], batch["content_hash"])
        for file in manifest.files:
            parcels.lake.store.fs.rm(parcels.lake.store.local(f"{parcels.name}/features/{file.path}"))

    lose(chosen["holdout"][0])
    found = reproduce(parcels.settings, parcels.name, "1")
    assert found.same
    assert [each.what for each in found.compared] == ["golden rows"]
    assert "could not be read" in found.notes[0]
    assert "memorising looks the same there" in found.notes[1]

    lose(chosen["training"][2])
    with pytest.raises(LakeError, match="features/2024-01-03"):
        reproduce(parcels.settings, parcels.name, "1")
    shown = CliRunner().invoke(app, ["reproduce", parcels.name, "--version", "1", "--json"])
    assert (shown.exit_code, shown.stdout) == (ExitCode.FAILED, "")


def test_a_version_that_is_not_there_or_was_registered_by_hand_cannot_be_reproduced(
    trained: Callable[..., Parcels],
) -> None:
    parcels = trained()
    by_hand(parcels)
    for version in ("7", "2"):
        with pytest.raises(Untrusted, match=f"version {version} is not in the ledger: it was registered by hand"):
            reproduce(parcels.settings, parcels.name, version)
