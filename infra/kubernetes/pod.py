"""The pod that serves a version: what an installation adds to it, and what every one has.

Partial pod specifications are laid on each other (`infra.kubernetes.merge`): first the installation's template
(TIDEWHEEL_SERVING_POD_TEMPLATE), then what this module says, then what brings the model in and its request log out
(`infra.kubernetes.serving_pod`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.kubernetes.merge import merged
from infra.kubernetes.names import CONTENT, PIPELINE, TOKEN, VERSION, colour_labels
from infra.kubernetes.serving_pod import (
    CONFINED,
    PORT,
    SHIP_SECONDS,
    log_shipper,
    model_container,
    model_init,
    volumes,
)
from tidewheel.errors import SettingsError
from tidewheel.pods import template_mistake

if TYPE_CHECKING:
    from tidewheel.release import Colour
    from tidewheel.release.artifact import Artifact
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

PodSpec = dict[str, Any]

CONTAINER = "endpoint"
LEAVING_SECONDS = 5
"""Between the moment that a pod is to end and SIGTERM: the gateway hears of it and sends nothing more."""
GRACE_SECONDS = LEAVING_SECONDS + 60 + SHIP_SECONDS
"""A service may drain for 30 s and write its prediction log for 20 more before it is killed."""

BentoSource = Callable[[str, "Artifact", "Settings"], PodSpec]
"""Gives, for a pipeline's version, the part of a pod that brings the version in and its request log out."""


def from_lake(pipeline: str, artifact: Artifact, settings: Settings) -> PodSpec:
    """A container that fetches the version from the lake and verifies it, and one that ships the request log there.

    Raises:
        SettingsError: the lake is none that a pod reaches.
    """
    return {
        "initContainers": [model_init(pipeline, artifact, settings), log_shipper(pipeline, settings)],
        "containers": [{"name": CONTAINER, **model_container(settings)}],
        "volumes": volumes(),
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
            # A label's value cannot be every pipeline's name, and metrics have the name.
            "annotations": {**added.get("annotations", {}), PIPELINE: pipeline.name, **version_annotations(artifact)},
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
    resources = pipeline.serving.resources
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
            "requests": {"cpu": f"{resources.cpu:g}", "memory": resources.memory},
            "limits": {"memory": resources.memory},
        },
        "startupProbe": _probe("/readyz", periodSeconds=1, failureThreshold=120),
        "readinessProbe": _probe("/readyz", periodSeconds=2, failureThreshold=2),
        "livenessProbe": _probe("/livez", periodSeconds=10, failureThreshold=3),
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVING_SECONDS}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _probe(path: str, **times: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": PORT}, "timeoutSeconds": 5, **times}
