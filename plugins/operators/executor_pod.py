"""What a job's pod needs besides, where its Spark starts executors in pods of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kubernetes.client import models as k8s
from ruamel.yaml import YAML

if TYPE_CHECKING:
    from tidewheel.settings import Settings

COMMAND = {"command": ["python"], "args": ["-m", "jobs.data.executor_process"]}


def executor_pod(settings: Settings, labels: dict[str, str]) -> dict[str, Any]:
    """The Pod that executors start from: the installation's template, the labels of the job, and the command.

    Spark adds image, name, owner, CPU and memory. An executor has the account of the job, by which a cloud may let it
    read the lake, but no token: it asks the API of Kubernetes for nothing.

    Args:
        settings: `executor_pod_template`, or else `job_pod_template`.
        labels: of the job's pod that say whose it is.
    """
    path = settings.executor_pod_template or settings.job_pod_template
    pod = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")) if path else {}
    metadata, spec = pod.get("metadata") or {}, pod.get("spec") or {}
    first, *others = spec.get("containers") or [{}]
    account = settings.spark_service_account
    if settings.executor_pod_template:
        account = spec.get("serviceAccountName") or account
    first = {name: value for name, value in first.items() if name != "resources"} | {"name": "executor"} | COMMAND
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata | {"labels": (metadata.get("labels") or {}) | labels},
        "spec": spec
        | {"serviceAccountName": account, "automountServiceAccountToken": False, "containers": [first, *others]},
    }


def executor_environment(settings: Settings, labels: dict[str, str]) -> list[k8s.V1EnvVar]:
    """The variables by which a job's Spark finds the way to its executors, and they to it."""
    return [
        _field("TIDEWHEEL_POD_NAME", "metadata.name"),
        _field("TIDEWHEEL_POD_IP", "status.podIP"),
        *(
            k8s.V1EnvVar(name=name, value=value)
            for name, value in {
                "TIDEWHEEL_JOB_IMAGE": settings.job_image,
                "TIDEWHEEL_JOB_NAMESPACE": settings.job_namespace,
                "TIDEWHEEL_JOB_SCHEDULE_TIMEOUT_SECONDS": str(settings.job_schedule_timeout_seconds),
                "TIDEWHEEL_JOB_STARTUP_TIMEOUT_SECONDS": str(settings.job_startup_timeout_seconds),
                # The kubelet would replace $(NAME) by the job's own value, and show a password in the executor's pod.
                "TIDEWHEEL_EXECUTOR_POD": json.dumps(executor_pod(settings, labels)).replace("$(", "$$("),
            }.items()
        ),
    ]


def _field(name: str, path: str) -> k8s.V1EnvVar:
    source = k8s.V1EnvVarSource(field_ref=k8s.V1ObjectFieldSelector(field_path=path))
    return k8s.V1EnvVar(name=name, value_from=source)
