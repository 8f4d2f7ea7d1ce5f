"""MLflow's REST interface: one request, and what MLflow says to it.

Importing `mlflow` costs 2.3 seconds of CPU; asking who the champion is should not, several times a night.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from tidewheel.errors import RegistryError

if TYPE_CHECKING:
    from tidewheel.settings import Settings

TIMEOUT_SECONDS = 30


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
