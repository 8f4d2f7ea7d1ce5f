"""What MLflow keeps of a version: enough for a reviewer who has never seen the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import mlflow
import numpy as np
import pytest

from jobs.evaluation.importances import LabelledFrame, importances
from jobs.evaluation.plots import plots
from jobs.models import registry
from tests.small_models import train as small_model

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
MakeParcels = Callable[..., "Parcels"]
GATE = """{roc_auc: 0.6}
  slices: {columns: [carrier], minimum_rows: 50}
  fairness: [{column: carrier, figure: bias, maximum_gap: 0.5, minimum_rows: 50}]
  maximum_latency_ms: 1000
  maximum_size_mb: 20"""


def test_a_judged_version_has_a_card_curves_importances_slices_and_counted_uses_of_its_days(
    registered_parcels: MakeParcels, run_job: RunJob
) -> None:
    parcels = registered_parcels(floors=GATE)
    days = parcels.publish_days(15)
    for day, run_id in ((days[11], "one"), (days[14], "two"), (days[14], "three")):
        for job in ("assemble", "train", "evaluate"):
            record = run_job(parcels, job, day, run_id, *(["--force"] if job == "assemble" else []))
        if run_id == "one":
            run_job(parcels, "promote", day, run_id)
    assert "some of these days have judged 1 challenger before" in record.sentence
    assert "slices are shown to be within 5%" in record.sentence

    version = registry.model_version(parcels.settings, parcels.name, "3")
    client = registry.connect(parcels.settings)
    found = {file.path for folder in ("", "plots") for file in client.list_artifacts(version.mlflow_run, folder)}
    assert {"model_card.md", "importances.json", "slices.json", "plots/curves.png", "plots/calibration.png"} <= found
    metrics = client.get_run(version.mlflow_run).data.metrics
    assert metrics["holdout_log_loss"] == record.figures["log_loss"]

    card = mlflow.artifacts.load_text(f"runs:/{version.mlflow_run}/model_card.md")
    chosen = mlflow.artifacts.load_dict(f"runs:/{version.mlflow_run}/training_data.json")
    assert record.sentence in card
    assert chosen["training"][0]["features"]["content_hash"] in card
    assert "| carrier=slow |" in card
    assert "version 1 (champion)" in card
    told = client.get_model_version(parcels.name, "3").description
    assert told.startswith(record.sentence)
    assert "## Limits" in told
    assert record.links["Model card"].endswith(f"/runs/{version.mlflow_run}/artifacts/model_card.md")

    verdict = parcels.ledger.verdicts(parcels.name, limit=1)[0]
    assert {part["name"] for part in verdict.inputs["slices"]} >= {"carrier=fast", "carrier=slow"}
    assert verdict.inputs["latency_ms"] > 0
    assert 0 < verdict.inputs["size_mb"] < 20
    assert verdict.inputs["holdout_uses"] == 1
    page = (parcels.lake.store.read(record.links["Report"]) or b"").decode()
    assert "<td>carrier=slow</td>" in page
    assert "<td>bias by carrier</td><td>slow</td>" in page


def test_what_matters_is_found_by_shuffling_and_the_same_seed_finds_the_same() -> None:
    model, _, frame = small_model()
    truth = (frame["weight"] + (frame["carrier"] == "slow") > 0).to_numpy("float64")
    first, again = (
        importances(model, LabelledFrame(frame, truth, "classification"), "log_loss", seed=0) for _ in range(2)
    )
    assert list(first)[:2] == ["weight", "carrier"]
    assert first == again
    assert importances(model, LabelledFrame(frame, np.ones(len(frame)), "classification"), "roc_auc", seed=0) == {}


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_task_has_its_pictures(task: str) -> None:
    rng = np.random.default_rng(0)
    chance = rng.uniform(size=500)
    truth = (rng.random(500) < chance).astype(float) if task == "classification" else 10 * chance
    drawn = plots(truth, {"version 2": chance, "version 1": chance / 2}, task)  # type: ignore[arg-type]
    assert "calibration.png" in drawn
    words = drawn["calibration.png"].axes[0].get_legend().get_texts()
    assert [text.get_text() for text in words] == ["version 2", "version 1"]
