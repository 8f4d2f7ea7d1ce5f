"""The few questions that a job in a pod puts to Kubernetes' API, by its pod's own account."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from tidewheel.errors import PlatformError
from tidewheel.http_client import failure, http_client, json_object

API = "https://kubernetes.default.svc"
SECONDS = 30


@dataclass(frozen=True)
class PodRefusal:
    """What the API refused.

    Attributes:
        message: in Kubernetes' words.
        permission: whether the account lacks a permission, and not the pod a quota or something it names.
    """

    message: str
    permission: bool


class PodsApi:
    """Pods of one namespace.

    Args:
        account: folder with the token and the certificate of the pod's account.
        namespace: whose pods.
        url: of the API.
    """

    def __init__(self, account: Path, namespace: str, url: str = API) -> None:
        self._account, self._url = account, f"{url}/api/v1/namespaces/{namespace}/pods"

    def refusal(self, pod: Mapping[str, object]) -> PodRefusal | None:
        """Why the API would refuse a pod; None where it would not. Nothing is started."""
        answer = self._ask("POST", params={"dryRun": "All"}, json=pod)
        if answer.is_success:
            return None
        message = str(_json(answer).get("message") or answer.text)
        return PodRefusal(message, answer.status_code == 401 or ("User" in message and "cannot" in message))

    def why_none_runs(self, selector: str) -> str:
        """What keeps the newest of some pods from its work, in a few words."""
        answer = self._ask("GET", params={"labelSelector": selector})
        if not answer.is_success:
            return f"their pods cannot be listed ({_json(answer).get('message') or answer.text})"
        pods = sorted(_json(answer).get("items") or [], key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
        return _state(pods[-1]) if pods else "there is no pod of theirs"

    def _ask(self, method: str, **arguments: Any) -> httpx.Response:
        try:
            token = (self._account / "token").read_text()
            transport, headers = httpx.HTTPTransport(verify=self._certificates), {"Authorization": f"Bearer {token}"}
            with http_client(seconds=SECONDS, transport=transport, headers=headers) as client:
                return client.request(method, self._url, **arguments)
        except FileNotFoundError:
            raise PlatformError(
                f"{self._account}/token is not there, so this pod cannot start executors; let the pod template mount "
                "the token of its account (automountServiceAccountToken)"
            ) from None
        except httpx.HTTPError as error:
            raise PlatformError(
                f"Kubernetes' API at {self._url} does not answer: {failure(error)}; try again"
            ) from error

    @cached_property
    def _certificates(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self._account / "ca.crt"))


def _json(answer: httpx.Response) -> dict[str, Any]:
    return json_object(answer) or {}


def _state(pod: Mapping[str, Any]) -> str:
    status, subject = pod.get("status") or {}, f"pod {pod['metadata']['name']}"
    for container in status.get("containerStatuses") or []:
        for state, facts in (container.get("state") or {}).items():
            if state in ("waiting", "terminated"):
                said = " ".join(filter(None, [facts.get("reason"), facts.get("message")]))
                return f"{subject} is {state}: {said.strip()[:600]}"
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{subject} has no node: {condition.get('message', '').rstrip('.')}"
    return f"{subject} is {status.get('phase', 'unknown')}, and has not reached the driver"
