"""MLflow's own client. Only this module tells `mlflow` where its server is; single requests: `tidewheel.mlflow_api`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tidewheel.errors import RegistryError
from tidewheel.mlflow_api import Refused, ask
from tidewheel.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient


def connect(settings: Settings) -> MlflowClient:
    """A client of this installation's MLflow; the fluent `mlflow` functions of this process use the same server.

    Raises:
        SettingsError: TIDEWHEEL_MLFLOW_URL is not set and no platform runs here.
    """
    url = settings.require("mlflow_url")
    if settings.mlflow_username:
        os.environ["MLFLOW_TRACKING_USERNAME"] = settings.mlflow_username
        os.environ["MLFLOW_TRACKING_PASSWORD"] = settings.require("mlflow_password")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # a server that is down is said so in seconds
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow
    from mlflow.utils.logging_utils import disable_logging

    disable_logging()  # type: ignore[no-untyped-call]  # what MLflow prints past logging: each model that it registers
    mlflow.set_tracking_uri(url)
    mlflow.set_registry_uri(url)
    return mlflow.MlflowClient()


def is_up(settings: Settings) -> bool:
    """Whether MLflow answers: then what it does not have is not there."""
    try:
        ask(settings, "GET", "experiments/get", experiment_id="0")
    except Refused:
        return True
    except RegistryError:
        return False
    return True
