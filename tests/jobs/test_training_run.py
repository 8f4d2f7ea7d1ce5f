"""A training run from end to end: assemble, train, evaluate, promote, against a real MLflow server."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import mlflow
import pandas as pd
import pytest

from jobs.models import registry
from jobs.models.prediction import predict
from tidewheel.errors import ExitCode, RegistryError
from tidewheel.ledger.trainings import Trainings
from tidewheel.policies.verdict import Kind

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
MakeParcels = Callable[..., "Parcels"]


def train(run_job: RunJob, parcels: Parcels, day: date, run_id: str) -> JobRecord:
    run_job(parcels, "assemble", day, run_id)
    run_job(parcels, "train", day, run_id)
    return run_job(parcels, "evaluate", day, run_id)


def champion(parcels: Parcels) -> registry.ModelVersion:
    found = registry.champion(parcels.settings, parcels.name)
    assert found is not None
    return found


def gate_sentences(parcels: Parcels) -> dict[str, str]:
    return {v.subject: v.sentence for v in parcels.ledger.verdicts(parcels.name, Kind.GATE)}


def test_the_first_challenger_passes_on_floors_alone_and_becomes_champion(
    registered_parcels: MakeParcels, run_job: RunJob
) -> None:
    parcels = registered_parcels()
    day = parcels.publish_days(12)[-1]
    parcels.ledger.request_training(parcels.name, "first model", datetime.now(UTC))

    evaluated = train(run_job, parcels, day, "first")
    assert evaluated.figures["outcome"] == "passed"
    assert "there is no champion to compare with" in evaluated.sentence
    assert registry.champion(parcels.settings, parcels.name) is None
    assert parcels.ledger.open_request(parcels.name) is None  # the wish is answered
    [row] = Trainings(parcels.ledger).all(parcels.name)
    assert (row.run_id, row.version, row.outcome, row.as_of) == ("first", "1", "passed", "2024-01-12")
    assert (row.window_start, row.window_end) == ("2024-01-01", "2024-01-10")
    assert [day.split()[0] for day in row.holdout] == ["2024-01-08", "2024-01-09", "2024-01-10"]
    assert (row.fits, row.gpu_seconds, row.gain) == (2, 0.0, None)
    assert (row.cpu_seconds or 0) > 0
    assert row.closed_at is not None

    promoted = run_job(parcels, "promote", day, "first")
    assert promoted.figures["promoted"] is True
    tags = champion(parcels).tags
    assert tags[registry.VERDICT] == "passed"
    assert tags[registry.VERDICT_SENTENCE] == evaluated.sentence
    assert tags[registry.RUN_ID] == "first"
    assert tags[registry.JUDGED_TRAIN_END] == "2024-01-07"  # twelve days, two to mature, three held out
    assert tags[registry.TRAIN_END] == "2024-01-10"  # so large a holdout is learned from too, before it serves


def test_a_challenger_that_has_learned_nothing_is_seen_as_such_and_a_floor_refuses_it(
    registered_parcels: MakeParcels, run_job: RunJob, tmp_path: Path
) -> None:
    parcels = registered_parcels(floors="{}", parameters="{max_iter: 300}")
    day = parcels.publish_days(12, signal=0.0)[-1]
    judged = train(run_job, parcels, day, "first")
    assert judged.figures["outcome"] == "passed"
    assert "; a constant would do as well: the best one has log-loss 0." in judged.sentence
    assert float(str(judged.figures["d2"])) < 0

    file = tmp_path / "dags" / f"{parcels.name}.yaml"
    file.write_text(file.read_text().replace("floors: {}", "floors: {d2: 0.0}"))
    judged = run_job(parcels, "evaluate", day, "first")
    assert judged.figures["outcome"] == "refused"
    assert "has D² -0." in judged.sentence
    assert "below the floor of 0" in judged.sentence


def test_a_version_carries_its_lineage_and_answers_its_golden_rows(
    registered_parcels: MakeParcels, run_job: RunJob
) -> None:
    parcels = registered_parcels()
    day = parcels.publish_days(12)[-1]
    assembled = run_job(parcels, "assemble", day, "one")
    trained = run_job(parcels, "train", day, "one")

    assert trained.figures["data_hash"] == assembled.figures["data_hash"]
    version = registry.challenger(parcels.settings, parcels.name)
    assert version is not None
    logged = registry.connect(parcels.settings).get_run(version.mlflow_run)
    assert logged.data.tags["tidewheel.code_version"] == trained.code_version
    assert logged.data.params["device"] == "cpu"
    assert logged.inputs.dataset_inputs[0].dataset.digest == str(assembled.figures["data_hash"])[:32]
    data = mlflow.artifacts.load_dict(f"runs:/{version.mlflow_run}/training_data.json")
    assert [d["day"] for d in data["training"]] == [f"2024-01-0{n}" for n in range(1, 8)]

    contract = registry.contract(parcels.settings, parcels.name, version.version)
    model = registry.load_model(parcels.settings, parcels.name, version.version)
    golden = mlflow.pyfunc.load_model(f"models:/{parcels.name}/{version.version}")
    rows = golden.metadata.get_input_schema().input_names()
    assert rows == [column.name for column in contract.columns]
    frame = pd.DataFrame([g.row for g in contract.golden_rows], columns=rows)
    assert predict(model, frame, "classification").tolist() == [g.prediction for g in contract.golden_rows]


def test_running_every_job_of_a_run_twice_changes_nothing(registered_parcels: MakeParcels, run_job: RunJob) -> None:
    parcels = registered_parcels()
    days = parcels.publish_days(15)
    for day, run_id in ((days[11], "one"), (days[14], "two")):
        train(run_job, parcels, day, run_id)
        run_job(parcels, "promote", day, run_id)
    before = gate_sentences(parcels)
    assert "against" in before["version 2"]

    again = train(run_job, parcels, days[14], "two")
    promoted = run_job(parcels, "promote", days[14], "two")

    assert again.figures["version"] == "2"
    assert promoted.figures["promoted"] is False
    assert gate_sentences(parcels) == before
    assert (champion(parcels).version, champion(parcels).tags[registry.PREVIOUS_VERSION]) == ("2", "1")


def test_a_worse_challenger_is_refused_and_promoted_only_with_a_reason(
    registered_parcels: MakeParcels, run_job: RunJob
) -> None:
    parcels = registered_parcels(floors="{}")
    days = parcels.publish_days(12)
    train(run_job, parcels, days[-1], "good")
    run_job(parcels, "promote", days[-1], "good")
    # a broken source: in what the next challenger learns from, weight says nothing
    broken = parcels.publish_days(12, first=days[-1] + timedelta(days=1), signal=0.0, rows=400)
    later = parcels.publish_days(5, first=broken[-1] + timedelta(days=1))

    evaluated = train(run_job, parcels, later[-1], "bad")
    assert evaluated.figures["outcome"] == "refused"
    assert gate_sentences(parcels)["version 2"] == evaluated.sentence
    with pytest.raises(SystemExit) as refused:
        run_job(parcels, "promote", later[-1], "bad")
    assert refused.value.code == ExitCode.WRONG_USAGE
    assert champion(parcels).version == "1"

    run_job(parcels, "promote", later[-1], "bad", "--override-reason", "the old one cannot be kept")
    assert champion(parcels).version == "2"
    assert champion(parcels).tags[registry.OVERRIDE_REASON] == "the old one cannot be kept"
    assert "the old one cannot be kept" in gate_sentences(parcels)["version 2 by hand"]


def test_a_verdict_about_another_champion_promotes_nothing(
    registered_parcels: MakeParcels, run_job: RunJob, caplog: pytest.LogCaptureFixture
) -> None:
    parcels = registered_parcels()
    days = parcels.publish_days(12)
    train(run_job, parcels, days[-1], "one")
    train(run_job, parcels, days[-2], "two")  # neither has a champion to be compared with
    run_job(parcels, "promote", days[-1], "one")
    with pytest.raises(SystemExit) as refused:
        run_job(parcels, "promote", days[-2], "two")
    assert refused.value.code == ExitCode.WRONG_USAGE
    assert "version 2 was compared with no champion, and version 1 is champion now" in caplog.text
    assert champion(parcels).version == "1"


def test_days_the_champion_has_learned_from_do_not_count(registered_parcels: MakeParcels, run_job: RunJob) -> None:
    parcels = registered_parcels()
    days = parcels.publish_days(16)
    train(run_job, parcels, days[13], "one")  # learns until day 8
    run_job(parcels, "promote", days[13], "one")
    evaluated = train(run_job, parcels, days[12], "earlier")  # holds out days 8, 9 and 10
    assert evaluated.figures["days"] == 2
    assert evaluated.figures["outcome"] == "inconclusive"
    assert "only 2 days to compare on, 3 are needed" in evaluated.sentence


def test_a_training_killed_before_it_registered_is_done_again_once(
    registered_parcels: MakeParcels, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcels = registered_parcels()
    day = parcels.publish_days(12)[-1]
    run_job(parcels, "assemble", day, "one")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(mlflow, "register_model", killed)
        with pytest.raises(KeyboardInterrupt):
            run_job(parcels, "train", day, "one")
    assert registry.challenger(parcels.settings, parcels.name) is None
    # what a kill -9 leaves: a run that is still open in MLflow
    client = registry.connect(parcels.settings)
    left = client.create_run(
        client.get_experiment_by_name(parcels.name).experiment_id, tags={registry.RUN_ID: "one"}
    ).info.run_id

    assert run_job(parcels, "train", day, "one").figures["version"] == "1"
    assert client.get_run(left).info.status == "KILLED"
    assert len(client.search_model_versions(f"name = '{parcels.name}'")) == 1


def test_corrected_data_under_the_same_run_id_is_a_new_version(
    registered_parcels: MakeParcels, run_job: RunJob
) -> None:
    parcels = registered_parcels()
    day = parcels.publish_days(12)[-1]
    run_job(parcels, "assemble", day, "one")
    first = run_job(parcels, "train", day, "one").figures["version"]
    parcels.publish_day(date(2024, 1, 3), rows=130)
    run_job(parcels, "assemble", day, "one")
    assert run_job(parcels, "train", day, "one").figures["version"] != first


def test_labels_of_one_kind_are_refused(registered_parcels: MakeParcels, run_job: RunJob) -> None:
    parcels = registered_parcels()
    day = parcels.publish_days(12, always_late=True)[-1]
    parcels.ledger.request_training(parcels.name, "somebody asks", datetime.now(UTC))
    run_job(parcels, "assemble", day, "one")
    with pytest.raises(SystemExit) as refused:
        run_job(parcels, "train", day, "one")
    assert refused.value.code == ExitCode.DATA_REFUSED
    assert registry.challenger(parcels.settings, parcels.name) is None
    [sentence] = gate_sentences(parcels).values()
    assert sentence.startswith("inconclusive: there is no challenger, and the champion stays")
    assert "late is 1 in all 840 rows" in sentence
    assert parcels.ledger.open_request(parcels.name) is None  # it is answered


def test_too_few_rows_are_a_verdict_and_answer_the_wish(make_parcels: MakeParcels, run_job: RunJob) -> None:
    parcels = make_parcels()
    day = parcels.publish_days(12, rows=10)[-1]
    parcels.ledger.request_training(parcels.name, "somebody asks", datetime.now(UTC))
    with pytest.raises(SystemExit) as refused:
        run_job(parcels, "assemble", day, "one")
    assert refused.value.code == ExitCode.DATA_REFUSED
    [sentence] = gate_sentences(parcels).values()
    assert "70 rows of 7 days to train on" in sentence
    assert parcels.ledger.open_request(parcels.name) is None


def test_a_champion_whose_columns_are_gone_stays_and_the_verdict_says_why(
    registered_parcels: MakeParcels, run_job: RunJob
) -> None:
    parcels = registered_parcels()
    days = parcels.publish_days(15)
    train(run_job, parcels, days[11], "one")
    run_job(parcels, "promote", days[11], "one")
    file = parcels.settings.pipelines_folder / f"{parcels.name}.yaml"
    file.write_text(file.read_text().replace("[weight, distance]", "[weight]"))

    evaluated = train(run_job, parcels, days[14], "two")
    assert evaluated.figures["outcome"] == "inconclusive"
    assert "columns that the features have no more (distance)" in evaluated.sentence


def test_a_champion_whose_files_are_gone_stays_and_the_verdict_says_why(
    registered_parcels: MakeParcels, run_job: RunJob, tmp_path_factory: pytest.TempPathFactory
) -> None:
    parcels = registered_parcels()
    days = parcels.publish_days(15)
    train(run_job, parcels, days[11], "one")
    run_job(parcels, "promote", days[11], "one")
    first = champion(parcels)
    logged = mlflow.MlflowClient().get_model_version(parcels.name, first.version).source.rpartition("/")[2]
    for folder in tmp_path_factory.getbasetemp().glob("mlflow*/artifacts/**/*"):
        if folder.name in (first.mlflow_run, logged) and folder.is_dir():
            shutil.rmtree(folder)
    shutil.rmtree(parcels.settings.home / "cache" / "models")

    evaluated = train(run_job, parcels, days[14], "two")
    assert evaluated.figures["outcome"] == "inconclusive"
    assert f"version {first.version}, the champion, cannot be opened" in evaluated.sentence
    assert champion(parcels).version == first.version
    assert parcels.ledger.open_request(parcels.name) is None


def test_regression_is_judged_by_its_own_figures(registered_parcels: MakeParcels, run_job: RunJob) -> None:
    parcels = registered_parcels(task="regression", floors="{r2: 0.05}", estimator="xgboost")
    days = parcels.publish_days(15)
    train(run_job, parcels, days[11], "one")
    run_job(parcels, "promote", days[11], "one")
    evaluated = train(run_job, parcels, days[14], "two")
    assert {"rmse", "mae", "r2", "champion_rmse"} <= set(evaluated.figures)
    assert "RMSE" in evaluated.sentence


def test_the_report_is_one_page_that_loads_nothing(registered_parcels: MakeParcels, run_job: RunJob) -> None:
    parcels = registered_parcels()
    days = parcels.publish_days(15)
    train(run_job, parcels, days[11], "one")
    run_job(parcels, "promote", days[11], "one")
    evaluated = train(run_job, parcels, days[14], "two")
    page = (parcels.lake.store.read(evaluated.links["Report"]) or b"").decode()
    assert evaluated.sentence in page
    assert page.count("<tr><td>2024-01-") == 3
    assert "http" not in page


def test_a_registry_that_is_down_is_one_sentence(
    registered_parcels: MakeParcels,
) -> None:
    parcels = registered_parcels()
    down = parcels.settings.model_copy(update={"mlflow_url": "http://127.0.0.1:9"})
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:9 cannot be reached.*tidewheel status"):
        registry.champion(down, parcels.name)


def test_a_version_that_does_not_exist_is_named(registered_parcels: MakeParcels, mlflow_url: str) -> None:
    parcels = registered_parcels()
    assert httpx.get(f"{mlflow_url}/health").is_success
    with pytest.raises(RegistryError, match=parcels.name):
        registry.model_version(parcels.settings, parcels.name, "7")
