"""A team's own model from training to the service: it goes all the way, or is refused before it is registered."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from bentos.loaded_model import LoadedModel
from jobs.models import registry
from tests.jobs.models import own_models
from tidewheel.errors import ExitCode
from tidewheel.policies.verdict import Kind

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
MakeParcels = Callable[..., "Parcels"]
OWN = own_models.__name__


def test_a_model_with_code_of_its_own_is_trained_scored_packaged_and_served(
    registered_parcels: MakeParcels, run_job: RunJob
) -> None:
    parcels = registered_parcels(estimator=f"{OWN}:with_everything_of_its_own")
    day = parcels.publish_days(12)[-1]
    for job in ("assemble", "train", "evaluate", "promote", "score"):
        record = run_job(parcels, job, day, "one")
    assert record.figures["rows"] == 120
    packaged = run_job(parcels, "package", day, "one")
    path = Path(str(packaged.figures["path"]))
    served = LoadedModel.open(path)
    golden = served.packaged.contract.golden_rows
    answers = served.answer(served.reader.from_rows([row.row for row in golden]), "q").predictions
    assert answers.tolist() == pytest.approx([row.prediction for row in golden], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("with_a_lock", "which uses lock: is a _thread.lock, which cannot be written to a file"),
        ("with_an_import_of_the_project", "opened in the packaged service it fails"),
    ],
)
def test_a_model_that_cannot_travel_is_refused_before_it_is_registered(
    registered_parcels: MakeParcels, run_job: RunJob, name: str, told: str
) -> None:
    parcels = registered_parcels(estimator=f"{OWN}:{name}")
    day = parcels.publish_days(12)[-1]
    parcels.ledger.request_training(parcels.name, "somebody asks", datetime.now(UTC))
    run_job(parcels, "assemble", day, "one")
    with pytest.raises(SystemExit) as refused:
        run_job(parcels, "train", day, "one")
    assert refused.value.code == ExitCode.WRONG_USAGE
    assert registry.challenger(parcels.settings, parcels.name) is None
    [verdict] = parcels.ledger.verdicts(parcels.name, Kind.GATE)
    assert verdict.sentence.startswith("inconclusive: there is no challenger, and the champion stays")
    assert told in verdict.sentence
    assert parcels.ledger.open_request(parcels.name) is None, "it is answered"


def test_a_model_whose_features_depend_on_the_batch_is_refused_by_the_gate(
    registered_parcels: MakeParcels, run_job: RunJob
) -> None:
    parcels = registered_parcels(estimator=f"{OWN}:with_ranks")
    day = parcels.publish_days(12)[-1]
    for job in ("assemble", "train", "evaluate"):
        record = run_job(parcels, job, day, "one")
    assert record.figures["outcome"] == "refused"
    assert "apart from the same row among the golden rows; a prediction must not depend on the other" in record.sentence
    [verdict] = parcels.ledger.verdicts(parcels.name, Kind.GATE)
    assert verdict.inputs["unsteady"]["way"] == "alone"


def test_a_category_without_a_value_and_one_of_1100_characters_are_trained_packaged_and_served(
    registered_parcels: MakeParcels, run_job: RunJob
) -> None:
    parcels = registered_parcels()
    file = parcels.settings.pipelines_folder / f"{parcels.name}.yaml"
    file.write_text(file.read_text().replace("categorical: [carrier]", "categorical: [carrier, coupon, note]"))
    days = parcels.publish_days(12)
    for day in days:
        table = parcels.lake.read(parcels.lake.need("features", str(day)))
        table = table.append_column("coupon", pa.nulls(table.num_rows, pa.string()))
        table = table.append_column("note", pa.array(["x" * 1100, ""] * (table.num_rows // 2)))
        parcels.lake.publish(parcels.lake.write_table("features", str(day), table, {}, "test"))
    for job in ("assemble", "train", "evaluate", "promote", "score"):
        run_job(parcels, job, days[-1], "one")
    served = LoadedModel.open(Path(str(run_job(parcels, "package", days[-1], "one").figures["path"])))
    golden = served.packaged.contract.golden_rows
    assert max(len(str(row.row["note"])) for row in golden) == 1100
    answers = served.answer(served.reader.from_rows([row.row for row in golden]), "q").predictions
    assert answers.tolist() == pytest.approx([row.prediction for row in golden], abs=1e-5)


def test_balanced_weights_are_written_into_the_verdict(registered_parcels: MakeParcels, run_job: RunJob) -> None:
    parcels = registered_parcels(floors="{}", estimator="logistic_regression", parameters="{class_weight: balanced}")
    days = parcels.publish_days(16, rows=300, signal=1.0)
    for day in days:  # one in some fifteen
        labels = parcels.lake.read(parcels.lake.need("labels", str(day))).to_pandas()
        labels.loc[labels.index % 8 > 0, "late"] = 0
        parcels.lake.publish(
            parcels.lake.write_table("labels", str(day), pa.Table.from_pandas(labels, preserve_index=False), {}, "test")
        )
    for job in ("assemble", "train", "evaluate"):
        run_job(parcels, job, days[-1], "one")
    [verdict] = parcels.ledger.verdicts(parcels.name, Kind.GATE)
    meaning = verdict.inputs["meaning"]
    assert meaning["intercept"] < -1.5, json.dumps(meaning)
