"""Parts of a pod that serves a model: its model comes from the lake, and its request log goes there.

    {"initContainers": [model_init(...), log_shipper(...)], "containers": [{..., **model_container(...)}],
     "volumes": volumes(), "terminationGracePeriodSeconds": ... + SHIP_SECONDS}

The shipper is a native sidecar (Kubernetes 1.29): it starts before the model's container and is ended after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidewheel.errors import SettingsError
from tidewheel.logs import FORMAT_VARIABLE
from tidewheel.tracing import variables_for_pods

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidewheel.release.artifact import Artifact
    from tidewheel.settings import Settings

Container = dict[str, Any]

SECRET = "tidewheel"  # noqa: S105 - a name
LAKE_OPTIONS = "TIDEWHEEL_LAKE_OPTIONS"
CODE = "/opt/tidewheel"
"""Where the image has `infra.pod`."""
MODEL, LOG = "/model", "/requests"
BENTO = f"{MODEL}/bento"
PORT = 3000
SHIP_SECONDS = 10
"""What the shipper needs for the rest of the log, once the model's container has ended."""
LOG_MIB, SEGMENT_MIB = 512, 1
"""Of the log that waits to be shipped, and of one of its files, which is written to the lake anew while it grows."""
BESIDE_MIB = 128
"""Beyond the log's own limit, at which the service stops to log, the kubelet would evict the pod."""
CONFINED: Mapping[str, Any] = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "runAsGroup": 10001,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def model_init(pipeline: str, artifact: Artifact, settings: Settings) -> Container:
    """An init container that fetches a published model and compares every byte of it with its content hash.

    Args:
        pipeline: name of the pipeline.
        artifact: was published to the lake, see `Artifact.publish`.
        settings: of the installation.

    Raises:
        SettingsError: the lake is none that a pod reaches.
    """
    return {
        **_program(settings, "fetch", pipeline, artifact.content_hash, BENTO),
        "name": "fetch-model",
        "volumeMounts": [_mount("model", MODEL), _mount("tmp", "/tmp")],  # noqa: S108 - of the container
    }


def log_shipper(pipeline: str, settings: Settings) -> Container:
    """A native sidecar that ships the request log to the lake, and its rest after the model's container has ended.

    Args:
        pipeline: name of the pipeline.
        settings: of the installation.

    Raises:
        SettingsError: the lake is none that a pod reaches.
    """
    return {
        **_program(settings, "ship", pipeline, LOG),
        "name": "ship-requests",
        "restartPolicy": "Always",
        "volumeMounts": [_mount("requests", LOG), _mount("tmp", "/tmp")],  # noqa: S108 - of the container
    }


def model_container(settings: Settings) -> Container:
    """What the model's own container needs of both; it knows nothing of the lake.

    The backend adds its name, resources, probes, and the variables TIDEWHEEL_COLOUR and TIDEWHEEL_PLATFORM_TOKEN.
    """
    environment = {
        "TIDEWHEEL_REQUEST_LOG": LOG,
        "TIDEWHEEL_ENDPOINT_LOG_FOLDER_MB": str(LOG_MIB),
        "TIDEWHEEL_ENDPOINT_LOG_SEGMENT_MB": str(SEGMENT_MIB),
        "BENTOML_DO_NOT_TRACK": "True",
        "OMP_NUM_THREADS": "1",  # one request, one thread: more only fight over the cores
        **variables_for_pods(),
    }
    return {
        "image": settings.serving_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "bentos.serve", "--host", "0.0.0.0", "--port", str(PORT)],  # noqa: S104 - a pod's
        "workingDir": BENTO,
        "env": _environment(environment),
        "ports": [{"name": "http", "containerPort": PORT}],
        "volumeMounts": [
            {**_mount("model", MODEL), "readOnly": True},
            _mount("requests", LOG),
            _mount("tmp", "/tmp"),  # noqa: S108 - of the container
        ],
        "securityContext": dict(CONFINED),
    }


def volumes() -> list[dict[str, Any]]:
    """The volumes that these containers share; all are emptied with the pod."""
    return [
        {"name": "model", "emptyDir": {}},
        {"name": "requests", "emptyDir": {"sizeLimit": f"{LOG_MIB + BESIDE_MIB}Mi"}},
        {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
    ]


def _program(settings: Settings, module: str, *arguments: str) -> Container:
    lake = settings.lake_root
    if not lake.startswith("s3://"):
        raise SettingsError(
            f"the lake is {lake}, a folder of this machine, which no serving pod sees; set TIDEWHEEL_LAKE_URL to "
            "s3://BUCKET/FOLDER"
        )
    options = {
        "secretKeyRef": {"name": SECRET, "key": LAKE_OPTIONS, "optional": not settings.lake_options}
    }  # pods may have a role
    return {
        "image": settings.serving_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", f"infra.pod.{module}", *arguments],
        "env": [
            *_environment({"PYTHONPATH": CODE, "TIDEWHEEL_LAKE_URL": lake, FORMAT_VARIABLE: settings.log_format}),
            {"name": LAKE_OPTIONS, "valueFrom": options},
        ],
        "resources": {"requests": {"cpu": "10m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": dict(CONFINED),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _environment(variables: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in variables.items()]


def _mount(volume: str, path: str) -> dict[str, Any]:
    return {"name": volume, "mountPath": path}
