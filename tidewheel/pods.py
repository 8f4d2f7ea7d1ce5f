"""What must hold before jobs can run in pods: addresses that a pod reaches, and a pod template that is one."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlsplit

from tidewheel.partitions import HOUR
from tidewheel.spec.resources import PodJob

if TYPE_CHECKING:
    from pathlib import Path

    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

REACHED = "set it to an address that the cluster's pods reach"
OTHERWISE = "or let jobs run as processes (TIDEWHEEL_JOB_RUNNER=process and no gpu under `resources`)"


def jobs_in_pods(pipeline: Pipeline, settings: Settings) -> list[str]:
    """The jobs of a pipeline that run in pods, by name."""
    jobs = {job: pipeline.resources_of(job) for job in get_args(PodJob)}
    if pipeline.partition is not HOUR:
        del jobs["compact"]  # there are no hours to make days of
    return [job for job, asks in jobs.items() if asks and (settings.job_runner == "kubernetes" or asks.gpu)]


def executor_mistakes(pipeline: Pipeline, settings: Settings) -> list[str]:
    """Sentences about Spark executors that could never start: only a job in a pod can have executors in pods."""
    in_pods = jobs_in_pods(pipeline, settings)
    return [
        f"resources.{job}.executors is {asks.executors}, but {job} runs as a process of this machine, and executors "
        "are pods that only a job in a pod can start; set TIDEWHEEL_JOB_RUNNER=kubernetes, or take `executors` out"
        for job, asks in pipeline.resources.items()
        if asks.executors and job not in in_pods
    ]


def pod_mistakes(settings: Settings) -> list[str]:
    """Sentences about settings with which no pod can do its work; none where all is well."""
    return [
        *_lake(settings),
        *_address(settings, "database_url"),
        *_address(settings, "mlflow_url"),
        *_template(settings),
    ]


def _lake(settings: Settings) -> Iterator[str]:
    lake, endpoint = settings.lake_root, settings.lake_options.get("endpoint_url")
    if not lake.startswith("s3://"):
        yield (
            f"the lake is {lake}, a folder of this machine, which no pod sees; set TIDEWHEEL_LAKE_URL to "
            f"s3://BUCKET/FOLDER, {OTHERWISE}"
        )
    elif isinstance(endpoint, str) and (host := urlsplit(endpoint).hostname) and _is_this_machine(host):
        yield (
            f"the lake's endpoint_url in TIDEWHEEL_LAKE_OPTIONS is {endpoint}, which inside a pod is the pod itself; "
            f"{REACHED}"
        )


def _address(settings: Settings, name: str) -> Iterator[str]:
    variable, purpose = f"TIDEWHEEL_{name.upper()}", {"database_url": "the ledger", "mlflow_url": "MLflow"}[name]
    value = getattr(settings, name)
    if not value:
        yield f"{variable} is not set, and jobs in pods need {purpose}; {REACHED}"
        return
    host = _database_host(value.get_secret_value()) if name == "database_url" else urlsplit(value).hostname or ""
    if not host or _is_this_machine(host):  # the URL itself may hold a password
        yield (
            f"{variable} names {host or 'no host'}, which inside a pod is the pod itself, so jobs there cannot reach "
            f"{purpose}; {REACHED}, {OTHERWISE}"
        )


def _database_host(url: str) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).host or ""
    except (ArgumentError, ValueError):
        return ""


def _is_this_machine(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host.rstrip(".").lower() == "localhost" or host.lower().endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _template(settings: Settings) -> Iterator[str]:
    for name in ("job_pod_template", "executor_pod_template"):
        if (path := getattr(settings, name)) is not None and (wrong := template_mistake(path)):
            yield f"TIDEWHEEL_{name.upper()} names {path}, {wrong}; expected a YAML file with one Pod"


def template_mistake(path: Path) -> str:
    """What is wrong with a pod template; empty where it is one."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if not path.is_absolute():
        return "a relative path, which every process would look up in a folder of its own"
    try:
        pod = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError as error:
        return f"which cannot be read ({error.strerror})"
    except (UnicodeDecodeError, YAMLError):
        return "which is no YAML"
    kind = pod.get("kind") if isinstance(pod, dict) else None
    return "" if kind == "Pod" else f"which holds {f'a {kind}' if kind else 'no Kubernetes object'}"
