"""MLflow's REST interface: one request, and what MLflow says to it.

Importing `mlflow` costs 2.3 seconds of CPU; asking who the champion is should not, several times a night.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from tidewheel.errors import RegistryError
from tidewheel.http_client import failure, http_client, json_object

if TYPE_CHECKING:
    from tidewheel.settings import Settings

CHAMPION = "champion"
CHALLENGER = "challenger"
"""Aliases of a registered model's versions."""
TIMEOUT_SECONDS = 30
AWAY = (502, 503, 504)
"""What a proxy in front of MLflow answers when MLflow does not."""


class Refused(RegistryError):
    """MLflow answers, and does not do it."""


class NotInRegistry(Refused):
    """MLflow answers, and has no such model, version or alias."""


def mlflow_client(settings: Settings, timeout_seconds: float = TIMEOUT_SECONDS, retries: int = 0) -> httpx.Client:
    """A client of MLflow's REST interface, version 2.0, logged in; paths such as `model-versions/get` are below it.

    Args:
        settings: address and password of the server.
        timeout_seconds: how long to wait for an answer.
        retries: how often to try again where no connection comes about.

    Raises:
        SettingsError: no registry is configured.
    """
    user = (settings.mlflow_username, settings.require("mlflow_password")) if settings.mlflow_username else None
    base_url = f"{settings.require('mlflow_url').rstrip('/')}/api/2.0/mlflow/"
    return http_client(base_url, seconds=timeout_seconds, retries=retries, auth=user)


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
        RegistryError: MLflow cannot be reached, or something else answers in its place.
    """
    url = settings.require("mlflow_url").rstrip("/")
    sent: dict[str, Any] = {"params": fields} if method == "GET" else {"json": fields}
    try:
        with mlflow_client(settings, retries=3) as client:
            answer = client.request(method, path, **sent)
    except httpx.TransportError as error:
        raise RegistryError(
            f"MLflow at {url} cannot be reached: {failure(error)}; is the platform up (`tidewheel status`)?"
        ) from error
    words = json_object(answer)
    if answer.is_success and words is not None:
        return words
    answered = f"(HTTP {answer.status_code}, {path})"
    if answer.is_success or answer.status_code in AWAY:
        raise RegistryError(
            f"what answers at {url} is not MLflow {answered}: is it up, and is TIDEWHEEL_MLFLOW_URL right?"
        )
    code, message = (str((words or {}).get(name) or "") for name in ("error_code", "message"))
    # A missing alias is worded as a wrong parameter.
    missing = code == "RESOURCE_DOES_NOT_EXIST" or (
        code == "INVALID_PARAMETER_VALUE" and message.endswith("not found.")
    )
    raise (NotInRegistry if missing else Refused)(f"MLflow at {url}: {message or answer.text[:300]} {answered}")
