"""Versions as `train` and `evaluate` leave them in MLflow and in the ledger, without a model behind them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from jobs.models import registry
from tests.version_rows import version_row
from tidewheel.ledger.models import Models, subject
from tidewheel.ledger.tables import ModelVersionRow
from tidewheel.ledger.trainings import Judgement, Trainings
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
    named = {"mlflow_run": version.mlflow_run, "source": f"runs:/{version.mlflow_run}/model"}
    return Models(parcels.ledger).add(version_row(parcels.name, version.version, **(named | facts)))


def judge(parcels: Parcels, version: str, outcome: Outcome = Outcome.PASSED) -> None:
    """What `evaluate` leaves in the ledger."""
    verdict = Verdict(Kind.GATE, outcome, f"{outcome}: by a test", {"version": version})
    now, row = datetime.now(UTC), Models(parcels.ledger).get(parcels.name, version)
    parcels.ledger.record(parcels.name, subject(version), f"run of {version}", verdict, now)
    if row is not None:
        judged = Judgement(version, date.fromisoformat(row.as_of), outcome)
        Trainings(parcels.ledger).judged(parcels.name, f"run of {version}", judged, now)


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
    Trainings(parcels.ledger).reviewed(parcels.name, version, outcome)
