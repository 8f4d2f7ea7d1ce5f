"""MLflow's interfaces, as far as the registry needs them. Only this module tells MLflow where its server is.

Importing `mlflow` costs 2.3 seconds of CPU; asking who the champion is should not, several times a night.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import httpx

from tidewheel.errors import RegistryError
from tidewheel.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

TIMEOUT_SECONDS = 30


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


class Refused(RegistryError):
    """MLflow answers, and does not do it."""


class NotInRegistry(Refused):
    """MLflow answers, and has no such model, version or alias."""


def ask(settings: Settings, method: str, path: str, **fields: str) -> dict[str, Any]:
    """One request to MLflow's REST interface, version 2.0.

    Args:
        settings: address and password of the server.
        method: HTTP method; the fields of a GET go into the query, all others into the body.
        path: such as `model-versions/get`.
        fields: of the request.

    Returns:
        The answer.

    Raises:
        NotInRegistry: there is nothing of that name.
        Refused: MLflow refuses for another reason.
        RegistryError: MLflow cannot be reached.
    """
    url = settings.require("mlflow_url").rstrip("/")
    user = (settings.mlflow_username, settings.require("mlflow_password")) if settings.mlflow_username else None
    sent: dict[str, Any] = {"params": fields} if method == "GET" else {"json": fields}
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=3), auth=user, timeout=TIMEOUT_SECONDS) as client:
            answer = client.request(method, f"{url}/api/2.0/mlflow/{path}", **sent)
    except httpx.TransportError as error:
        raise RegistryError(
            f"MLflow at {url} cannot be reached: {error}; is the platform up (`tidewheel status`)?"
        ) from error
    if answer.is_success:
        return dict(answer.json())
    words = _refusal(answer)
    # a missing alias is worded as a wrong parameter
    missing = words.get("error_code") == "RESOURCE_DOES_NOT_EXIST" or words.get("message", "").endswith("not found.")
    kind = NotInRegistry if missing else Refused
    raise kind(f"MLflow at {url}: {words.get('message', answer.text[:300])} (HTTP {answer.status_code}, {path})")


def _refusal(answer: httpx.Response) -> dict[str, str]:
    try:
        return dict(answer.json())
    except ValueError:
        return {}
