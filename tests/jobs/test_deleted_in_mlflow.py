"""What somebody deletes, renames or moves in MLflow is reported at once, and nothing unjudged follows from it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from jobs.models import registry
from plugins.registry import unreleased
from tests.known_versions import by_hand
from tidewheel.errors import ExitCode
from tidewheel.ledger.models import Models
from tidewheel.ledger.releases import Releases
from tidewheel.mlflow_api import ask
from tidewheel.policies.verdict import Kind
from tidewheel.runs import read_record

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
LAST, LATER = date(2024, 1, 12), date(2024, 1, 15)
TRAINING = ("assemble", "train", "evaluate")


@pytest.fixture
def parcels(registered_parcels: Callable[..., Parcels], run_job: RunJob, monkeypatch: pytest.MonkeyPatch) -> Parcels:
    """Version 1 is champion and answers; days for another have come since."""
    monkeypatch.setenv("TIDEWHEEL_RELEASE_BACKEND", "tests.jobs.test_release:nowhere")
    monkeypatch.setenv("TIDEWHEEL_ENDPOINT_URL", "http://127.0.0.1:1")
    made = registered_parcels(refit="never")
    made.publish_days(12)
    for job in (*TRAINING, "promote"):
        run_job(made, job, LAST, "one")
    Releases(made.ledger).point(made.name, "blue", "1", None, datetime.now(UTC))
    made.publish_days(3, first=date(2024, 1, 13))
    return made


@pytest.fixture
def release(parcels: Parcels, run_job: RunJob) -> Callable[[], str]:
    """Plans a release, as the watcher has it begun; returns why it is refused, empty where it is not."""

    def plan() -> str:
        with pytest.raises((SystemExit, Exception)):
            run_job(parcels, "release", LATER, "r", "--stage=plan")
        return read_record(parcels.lake, "r", "release-plan").refused or ""

    return plan


def delete_version(parcels: Parcels) -> None:
    ask(parcels.settings, "DELETE", "model-versions/delete", name=parcels.name, version="1")


def delete_model(parcels: Parcels) -> None:
    ask(parcels.settings, "DELETE", "registered-models/delete", name=parcels.name)


def rename_model(parcels: Parcels) -> None:
    ask(parcels.settings, "POST", "registered-models/rename", name=parcels.name, new_name=f"{parcels.name}_new")


def delete_alias(parcels: Parcels) -> None:
    registry.delete_alias(parcels.settings, parcels.name, registry.CHAMPION)


def move_alias_to_foreign_version(parcels: Parcels) -> None:
    version = by_hand(parcels).version
    registry.set_alias(parcels.settings, parcels.name, registry.CHAMPION, version)


HANDS = {
    delete_version: "version 1, the champion, is no longer in the registry: it was deleted in MLflow",
    delete_model: "version 1, the champion, is no longer in the registry: it was deleted in MLflow",
    rename_model: "the registered model was renamed to",
    delete_alias: "the alias champion is gone from MLflow; version 1 is the last that had it",
    move_alias_to_foreign_version: "the alias champion names version 2, which is not in the ledger",
}


@pytest.mark.parametrize("hand", HANDS, ids=lambda hand: hand.__name__)
def test_what_answers_goes_on_scoring_and_the_next_challenger_is_held_against_it(
    parcels: Parcels, run_job: RunJob, hand: Callable[[Parcels], None]
) -> None:
    hand(parcels)
    shutil.rmtree(parcels.settings.model_cache)  # also on a machine that has never opened it
    scored = run_job(parcels, "score", LAST, "night")
    assert (scored.figures["version"], scored.figures["rows"]) == ("1", 120)
    assert HANDS[hand] in scored.sentence
    assert unreleased(parcels.settings, parcels.ledger, datetime.now(UTC))[parcels.name].live == "1"
    for job in TRAINING:
        record = run_job(parcels, job, LATER, "two")
    assert record.figures["champion_version"] == "1"
    assert record.figures["version"] == ("3" if hand is move_alias_to_foreign_version else "2")


@pytest.mark.parametrize("hand", [delete_version, delete_model, rename_model], ids=lambda hand: hand.__name__)
def test_the_release_that_the_watcher_starts_says_what_is_gone_once(
    parcels: Parcels, release: Callable[[], str], hand: Callable[[Parcels], None]
) -> None:
    hand(parcels)
    seen = unreleased(parcels.settings, parcels.ledger, datetime.now(UTC))[parcels.name]
    assert (seen.champion, seen.live) == ("", "1")
    assert "version 1 answers, and MLflow names no champion any more" in (seen.gone or "")
    for _ in range(2):
        said = release()
        assert HANDS[hand] in said
        assert "version 1 goes on answering" in said
    [row] = parcels.ledger.verdicts(parcels.name, Kind.RELEASE)
    assert (row.outcome, row.actor) == ("refused", "somebody in MLflow")


def test_an_alias_that_was_deleted_comes_back_to_what_answers(parcels: Parcels, release: Callable[[], str]) -> None:
    delete_alias(parcels)
    assert release() == ""
    found = registry.champion(parcels.settings, parcels.name)
    assert found is not None
    assert found.version == "1"
    assert parcels.name not in unreleased(parcels.settings, parcels.ledger, datetime.now(UTC))


def test_an_experiment_that_was_deleted_is_restored_before_the_fit(
    parcels: Parcels, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ask(parcels.settings, "GET", "experiments/get-by-name", experiment_name=parcels.name)["experiment"]
    ask(parcels.settings, "POST", "experiments/delete", experiment_id=found["experiment_id"])
    run_job(parcels, "assemble", LATER, "two")
    trained = run_job(parcels, "train", LATER, "two")
    assert trained.figures["version"] == "2"
    assert f"the experiment {parcels.name} had been deleted in MLflow, and was restored" in trained.sentence
    down = parcels.settings.model_copy(update={"mlflow_url": "http://127.0.0.1:9"})
    monkeypatch.setenv("TIDEWHEEL_MLFLOW_URL", down.mlflow_url)
    monkeypatch.setattr("jobs.train.make_challenger", lambda *_: pytest.fail("it was fitted"))
    run_job(parcels, "assemble", LATER, "three", "--force")
    with pytest.raises(SystemExit) as failed:  # before the fit
        run_job(parcels, "train", LATER, "three")
    assert failed.value.code == ExitCode.FAILED


def test_a_registered_model_that_was_deleted_is_made_anew_with_the_numbers_that_it_had(
    parcels: Parcels, run_job: RunJob
) -> None:
    run_job(parcels, "assemble", LATER, "two")
    run_job(parcels, "train", LATER, "two")
    ask(parcels.settings, "DELETE", "model-versions/delete", name=parcels.name, version="1")
    delete_model(parcels)
    run_job(parcels, "assemble", LATER, "three", "--force")
    trained = run_job(parcels, "train", LATER, "three")
    assert trained.figures["version"] == "3"
    assert "was registered anew from the ledger (versions 1, 2)" in trained.sentence
    for version in "12":
        row = registry.trained_version(parcels.settings, parcels.name, version)
        assert registry.lost(parcels.settings, row) == ""


def test_a_challenger_whose_run_was_deleted_is_neither_judged_nor_promoted(
    parcels: Parcels, run_job: RunJob, caplog: pytest.LogCaptureFixture
) -> None:
    for job in TRAINING:
        run_job(parcels, job, LATER, "two")
    row = registry.trained_version(parcels.settings, parcels.name, "2")
    ask(parcels.settings, "POST", "runs/delete", run_id=row.mlflow_run)
    for job, options in (("evaluate", []), ("promote", []), ("promote", ["--override-reason=now"])):
        caplog.clear()
        with pytest.raises(SystemExit) as refused:
            run_job(parcels, job, LATER, "two", *options)
        assert refused.value.code == ExitCode.WRONG_USAGE  # which Airflow does not try again
        assert f"version 2 cannot be {'judged' if job == 'evaluate' else 'champion'}: it has lost its" in caplog.text
        assert f"`mlflow runs restore --run-id {row.mlflow_run}`" in caplog.text
    ask(parcels.settings, "POST", "runs/restore", run_id=row.mlflow_run)
    assert run_job(parcels, "promote", LATER, "two", "--override-reason=now").figures["promoted"] is True


def test_a_champion_without_alias_or_files_is_an_error_and_never_a_night_that_is_skipped(
    parcels: Parcels, run_job: RunJob, caplog: pytest.LogCaptureFixture, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run_job(parcels, "score", LAST, "before")  # after which a verified copy is on this machine
    row = registry.trained_version(parcels.settings, parcels.name, "1")
    for folder in tmp_path_factory.getbasetemp().glob("mlflow*/artifacts/**/*"):
        if folder.name in (row.mlflow_run, row.source.rpartition("/")[2]) and folder.is_dir():
            shutil.rmtree(folder)
    assert run_job(parcels, "score", LAST, "cached").figures["rows"] == 120  # verified, and there
    shutil.rmtree(parcels.settings.model_cache)
    delete_alias(parcels)
    with pytest.raises(SystemExit) as failed:
        run_job(parcels, "score", LAST, "night")
    assert failed.value.code == ExitCode.FAILED
    assert "version 1 has lost its" in caplog.text
    assert f"Restore MLflow run {row.mlflow_run}" in caplog.text


def test_a_version_that_only_mlflow_knows_is_no_champion_of_a_pipeline_that_never_had_one(
    registered_parcels: Callable[..., Parcels], run_job: RunJob
) -> None:
    parcels = registered_parcels()
    parcels.publish_day(date(2024, 1, 1))
    registry.set_alias(parcels.settings, parcels.name, registry.CHAMPION, by_hand(parcels).version)
    with pytest.raises(SystemExit) as refused:
        run_job(parcels, "score", "2024-01-01", "night")
    assert refused.value.code == ExitCode.DATA_REFUSED
    said = read_record(parcels.lake, "night", "score").refused or ""
    assert "version 1, which is not in the ledger" in said
    assert "there is no other champion, so 2024-01-01 is not scored" in said
    assert Models(parcels.ledger).promotion(parcels.name) is None
