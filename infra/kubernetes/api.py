"""Kubernetes' API server: objects as plain data, each change one that may be made twice."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from tidewheel.errors import PlatformError, SettingsError
from tidewheel.pod_status import api_message

Document = dict[str, Any]

FIELD_MANAGER = "tidewheel"
TIMEOUT_SECONDS = 10
NOT_FOUND, CONFLICT = 404, 409
PATHS = {
    "Secret": ("/api/v1", "secrets"),
    "Service": ("/api/v1", "services"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets"),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices"),
    "HTTPRoute": ("/apis/gateway.networking.k8s.io/v1", "httproutes"),
    "HTTPRouteFilter": ("/apis/gateway.envoyproxy.io/v1alpha1", "httproutefilters"),
    "BackendTrafficPolicy": ("/apis/gateway.envoyproxy.io/v1alpha1", "backendtrafficpolicies"),
}


class KubernetesApi:
    """One namespace of the cluster that KUBECONFIG names, or that this process runs in.

    Args:
        namespace: where objects are, unless a call says otherwise.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._client = client.ApiClient(_configuration())

    def get(self, kind: str, name: str, namespace: str = "") -> Document | None:
        """An object, None where there is none of that name.

        Raises:
            PlatformError: the API server refuses, or does not answer.
        """
        found: Document | None = self._call("GET", self._path(kind, namespace, name), absent=NOT_FOUND)
        return found

    def listed(self, kind: str, labels: Mapping[str, str], namespace: str = "") -> list[Document]:
        """All objects with these labels."""
        query = [("labelSelector", _selector(labels))]
        found: list[Document] = self._call("GET", self._path(kind, namespace), query=query)["items"]
        return found

    def pods(self, labels: Mapping[str, str], namespace: str = "") -> list[client.V1Pod]:
        """All pods with these labels, oldest first."""
        path = f"/api/v1/namespaces/{namespace or self.namespace}/pods"
        found = self._call("GET", path, query=[("labelSelector", _selector(labels))], answer="V1PodList")
        return sorted(found.items, key=lambda pod: pod.metadata.creation_timestamp)

    def serves(self, group: str) -> bool:
        """Whether the API server, or what extends it, knows a group of kinds."""
        return self._call("GET", f"/apis/{group}", absent=NOT_FOUND) is not None

    def create(self, document: Document) -> Document | None:
        """Make an object; None where one of its name is there already."""
        path, query = self._path(document["kind"], ""), [("fieldManager", f"{FIELD_MANAGER}-create")]
        found: Document | None = self._call("POST", path, document, query, absent=CONFLICT)
        return found

    def apply(self, document: Document) -> Document:
        """Make an object as this says, whether it is there or not; what others have set beside it stays."""
        path = self._path(document["kind"], "", document["metadata"]["name"])
        query = [("fieldManager", FIELD_MANAGER), ("force", "true")]
        found: Document = self._call("PATCH", path, document, query)
        return found

    def delete(self, kind: str, name: str) -> None:
        """Delete an object and what it owns, if it is there."""
        query = [("propagationPolicy", "Background")]
        self._call("DELETE", self._path(kind, "", name), query=query, absent=NOT_FOUND)

    def _path(self, kind: str, namespace: str, name: str = "") -> str:
        group, plural = PATHS[kind]
        return f"{group}/namespaces/{namespace or self.namespace}/{plural}{f'/{name}' if name else ''}"

    def _call(
        self,
        method: str,
        path: str,
        body: Document | None = None,
        query: list[tuple[str, str]] | None = None,
        *,
        answer: str = "object",
        absent: int | None = None,
    ) -> Any:
        content = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        try:
            return self._client.call_api(
                path,
                method,
                query_params=query or [],
                header_params={"Accept": "application/json", "Content-Type": content},
                body=body,
                response_types_map=dict.fromkeys((200, 201, 202), answer),
                auth_settings=["BearerToken"],
                _return_http_data_only=True,
                _request_timeout=TIMEOUT_SECONDS,
            )
        except ApiException as error:
            if error.status == absent:
                return None
            raise PlatformError(self._refusal(method, path, error)) from error
        except HTTPError as error:
            host = self._client.configuration.host
            raise PlatformError(f"Kubernetes' API server does not answer at {host}: {error}") from error

    def _refusal(self, method: str, path: str, error: ApiException) -> str:
        message = api_message(error)
        if error.status == 403 and "cannot" in message:
            return f"{message}; bind that user to the Roles of infra/kubernetes/serving.yaml"
        if error.status == 404 and "the server could not find the requested resource" in message:
            return f"{method} {path}: {message}; install Envoy Gateway, which brings these kinds of objects"
        return f"Kubernetes refused {method} {path}: {message}"


def _configuration() -> client.Configuration:
    """How to reach the cluster: by KUBECONFIG, else as a pod's account, else by the user's own file.

    Raises:
        SettingsError: by none of them.
    """
    configuration, named = client.Configuration(), os.environ.get("KUBECONFIG")
    try:
        if not named and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)
        else:
            config.load_kube_config(named, client_configuration=configuration)
    except config.ConfigException as error:
        raise SettingsError(
            f"no cluster to release to: {error}; set KUBECONFIG, or run where a service account is mounted"
        ) from error
    return configuration


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in labels.items())
