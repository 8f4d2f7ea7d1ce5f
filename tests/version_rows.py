"""Rows of the ledger's table of model versions, as `train` writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tidewheel.ledger.tables import ModelVersionRow


def version_row(pipeline: str, version: str | None, **facts: Any) -> ModelVersionRow:
    """A version; `facts` replace what is not said here."""
    usual: dict[str, Any] = {
        "mlflow_run": "run",
        "source": "runs:/run/model",
        "run_id": f"run of {version}",
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
    return ModelVersionRow(pipeline=pipeline, version=version, **(usual | facts))
