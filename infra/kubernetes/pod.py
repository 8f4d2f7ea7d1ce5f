"""The pod that serves a version: what an installation adds to it, and what every one has.

Partial pod specifications are laid on each other (`infra.kubernetes.merge`): first the installation's template
(TIDEWHEEL_SERVING_POD_TEMPLATE), then what this module says, then what brings the model
into it and its request log out (`infra.kubernetes.serving_pod`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.kubernetes.merge import merged
from infra.kubernetes.names import CONTENT, TOKEN, VERSION, colour_labels
from infra.kubernetes.serving_pod import (
    CONFINED,
    PORT,
)
from tidewheel.errors import SettingsError
from tidewheel.pods import template_mistake

if TYPE_CHECKING:
    from tidewheel.release import Colour
    from tidewheel.release.artifact import Artifact
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

PodSpec = dict[str, Any]

CONTAINER, PORT = "endpoint", 3000
BENTO, REQUESTS = "/bento", "/var/lib/tidewheel/requests"
USER = 10001
"""Of the image `serving`."""
LEAVING_SECONDS = 5
"""Between the moment that a pod is to end and SIGTERM: the gateway hears of it and sends nothing more."""
GRACE_SECONDS = LEAVING_SECONDS + 60
"""A service may drain for 30 s and write its prediction log for 20 more before it is killed."""

BentoSource = Callable[["Artifact"], PodSpec]
"""Gives the part of a pod that brings a Bento to `BENTO`: volumes, and a container that fetches it if need be."""


def from_node(artifact: Artifact) -> PodSpec:
    """Mounts the Bento's folder from the node: for a cluster of one machine, on which releases run too."""
    return {
        "containers": [{"name": CONTAINER, "volumeMounts": [{"name": "bento", "mountPath": BENTO, "readOnly": True}]}],
        "volumes": [{"name": "bento", "hostPath": {"path": str(Path(artifact.path).absolute()), "type": "Directory"}}],
    }


def pod_template(
    settings: Settings, pipeline: Pipeline, colour: Colour, artifact: Artifact, source: BentoSource
) -> dict[str, Any]:
    """Template of the pods of a colour.

    Raises:
        SettingsError: there is no image, or the installation's template is none.
    """
    installation = _installation(settings.serving_pod_template)
    spec = reduce(
        merged, [installation.get("spec", {}), _spec(pipeline, colour), source(pipeline.name, artifact, settings)]
    )
    added = installation.get("metadata", {})
    return {
        "metadata": {
            "labels": {**added.get("labels", {}), **colour_labels(pipeline.name, colour)},
            "annotations": {**added.get("annotations", {}), **version_annotations(artifact)},
        },
        "spec": spec,
    }


def version_annotations(artifact: Artifact) -> dict[str, str]:
    """What says which version an object holds."""
    return {VERSION: artifact.version, CONTENT: artifact.content_hash}


def _installation(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    if wrong := template_mistake(path):
        raise SettingsError(f"TIDEWHEEL_SERVING_POD_TEMPLATE names {path}, {wrong}; expected a YAML file with one Pod")
    from ruamel.yaml import YAML

    found: dict[str, Any] = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return found


def _spec(pipeline: Pipeline, colour: Colour) -> PodSpec:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {"fsGroup": CONFINED["runAsGroup"]},
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": dict(colour_labels(pipeline.name, colour))},
            }
        ],
        "containers": [_container(pipeline, colour)],
    }


def _container(pipeline: Pipeline, colour: Colour) -> dict[str, Any]:
    asked = pipeline.serving.resources
    return {
        "name": CONTAINER,
        "env": [
            {"name": "TIDEWHEEL_COLOUR", "value": str(colour)},
            {"name": "TIDEWHEEL_PLATFORM_TOKEN", "valueFrom": {"secretKeyRef": {"name": TOKEN, "key": "token"}}},
            {"name": "BENTOML_HOME", "value": "/tmp/bentoml"},  # noqa: S108  the pod's own
            {"name": "PYTHONUNBUFFERED", "value": "1"},
        ],
        # No limit of CPU: one would hold requests up while the node is idle.
        "resources": {
            "requests": {"cpu": f"{asked.cpu:g}", "memory": asked.memory},
            "limits": {"memory": asked.memory},
        },
        "startupProbe": _probe("/readyz", periodSeconds=1, failureThreshold=120),
        "readinessProbe": _probe("/readyz", periodSeconds=2, failureThreshold=2),
        "livenessProbe": _probe("/livez", periodSeconds=10, failureThreshold=3),
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVING_SECONDS}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _probe(path: str, **times: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": PORT}, "timeoutSeconds": 5, **times}
