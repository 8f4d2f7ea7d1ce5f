"""Versions as `train` and `evaluate` leave them in MLflow and in the ledger, without a model behind them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jobs.models import registry
from tidewheel.ledger.models import Models, subject
from tidewheel.ledger.tables import ModelVersionRow
from tidewheel.policies.verdict import Kind, Outcome, Verdict

if TYPE_CHECKING:
    from tests.parcels import Parcels


def register(parcels: Parcels, outcome: Outcome | None = None, **facts: Any) -> ModelVersionRow:
    """Register a version in MLflow, as anybody can, and let the ledger know it, as `train` does.

    Args:
        parcels: the pipeline.
        outcome: of the gate; None where it was never judged.
        facts: of the ledger's row.
    """
    row = know(parcels, by_hand(parcels), **facts)
    if outcome is not None:
        judge(parcels, row.version or "", outcome)
    return row


def by_hand(parcels: Parcels, **made_of: str) -> registry.ModelVersion:
    """Register a version in MLflow alone."""
    client = registry.connect(parcels.settings)
    if not client.search_registered_models(f"name = '{parcels.name}'"):
        client.create_registered_model(parcels.name)
    run = client.create_run("0").info.run_id
    made = {"source": f"runs:/{run}/model", "run_id": run} | made_of
    version = client.create_model_version(parcels.name, made["source"], made["run_id"])
    return registry.model_version(parcels.settings, parcels.name, str(version.version))


def know(parcels: Parcels, version: registry.ModelVersion, **facts: Any) -> ModelVersionRow:
    """Let the ledger know a version."""
    told: dict[str, Any] = {
        "source": f"runs:/{version.mlflow_run}/model",
        "run_id": f"run of {version.version}",
        "data_hash": "",
        "as_of": "2024-01-13",
        "train_start": "2024-01-01",
        "train_end": "2024-01-10",
        "estimator": "hist_gradient_boosting",
        "files": {},
        "importances": {},
        "bento": {},
        "created_by": "a test",
        "created_at": datetime.now(UTC),
    }
    named = {"pipeline": parcels.name, "version": version.version, "mlflow_run": version.mlflow_run}
    return Models(parcels.ledger).add(ModelVersionRow(**(named | told | facts)))


def judge(parcels: Parcels, version: str, outcome: Outcome = Outcome.PASSED) -> None:
    """What `evaluate` leaves in the ledger."""
    verdict = Verdict(Kind.GATE, outcome, f"{outcome}: by a test", {"version": version})
    parcels.ledger.record(parcels.name, subject(version), f"run of {version}", verdict, datetime.now(UTC))


def review(parcels: Parcels, version: str, outcome: Outcome, reviewer: str = "anna") -> None:
    """What a reviewer's answer leaves in the ledger."""
    said = "approved" if outcome is Outcome.PASSED else "rejected"
    verdict = Verdict(Kind.REVIEW, outcome, f"{said} by {reviewer}", {"version": version, "reviewer": reviewer})
    parcels.ledger.record(
        parcels.name,
        subject(version),
        f"review by {reviewer}",
        verdict,
        datetime.now(UTC),
        actor=f"{reviewer} (Airflow)",
    )
