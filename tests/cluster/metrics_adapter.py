"""Prometheus and its adapter beside the cluster: what they have measured, autoscalers read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client
from prometheus_client import CollectorRegistry, generate_latest

from infra.kubernetes.api import KubernetesApi
from infra.kubernetes.gateway import Gateway
from infra.kubernetes.scaling import EXTERNAL_METRICS
from infra.prometheus.requests import RequestsCollector
from infra.prometheus.routers import gateway_counts
from tests.cluster.kubernetes import ROOT, Cluster, Namespace
from tests.cluster.relay import relay
from tests.conftest import wait_until
from tests.free_ports import free_ports
from tests.infra.prometheus.monitoring import Program, page
from tidewheel.settings import Settings

PROGRAM = "TIDEWHEEL_TEST_METRICS_ADAPTER"
"""Names the program of prometheus-adapter, where it is not `prometheus-adapter` on the path.

`.ci/go-program prometheus-adapter tests/cluster/adapter sigs.k8s.io/prometheus-adapter/cmd/adapter` builds it.
"""
RULES = ROOT / "infra" / "prometheus" / "metrics-adapter.yaml"
VERSION = "v1beta1"
SERVICE = "metrics-adapter"


@contextmanager
def external_metrics(cluster: Cluster, namespace: Namespace, settings: Settings, folder: Path) -> Iterator[None]:
    """The cluster serves external metrics, read from its gateway by the exporter's own collector."""
    programs = {name: _program(name) for name in ("prometheus", "prometheus-adapter")}
    gateway = Gateway(KubernetesApi(settings.serving_namespace), settings)
    registry = CollectorRegistry()
    registry.register(RequestsCollector(lambda: gateway_counts(gateway, settings)))
    prometheus, secure = free_ports(2)
    with ExitStack() as stack:
        exporter = stack.enter_context(page(lambda: generate_latest(registry)))
        scraped = {"job_name": "tidewheel", "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]}
        configuration = {"global": {"scrape_interval": "2s", "scrape_timeout": "2s"}, "scrape_configs": [scraped]}
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
        commands = {
            "prometheus": ["--config.file=prometheus.yaml", f"--web.listen-address=127.0.0.1:{prometheus}"],
            "prometheus-adapter": [
                f"--config={RULES}", f"--prometheus-url=http://127.0.0.1:{prometheus}", "--metrics-relist-interval=5s",
                f"--secure-port={secure}", "--bind-address=127.0.0.1", f"--cert-dir={folder}",
                *(f"--{use}-kubeconfig={os.environ['KUBECONFIG']}"
                  for use in ("lister", "authentication", "authorization")),
            ],
        }  # fmt: skip
        for name, arguments in commands.items():
            program = Program(folder, name, [programs[name], *arguments], os.environ)
            program.start()
            stack.callback(program.stop)
        port = stack.enter_context(relay(cluster.host, secure))
        stack.enter_context(_registered(cluster, namespace, port))
        yield


@contextmanager
def _registered(cluster: Cluster, namespace: Namespace, port: int) -> Iterator[None]:
    """The API server passes on what is asked of external metrics."""
    ports = [{"name": "https", "port": 443, "targetPort": port}]
    namespace.core.create_namespaced_service(namespace.name, {"metadata": {"name": SERVICE}, "spec": {"ports": ports}})
    slice_: dict[str, Any] = {
        "metadata": {"name": SERVICE, "labels": {"kubernetes.io/service-name": SERVICE}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [cluster.host]}],
        "ports": [{"name": "https", "port": port}],
    }
    client.DiscoveryV1Api(cluster.api).create_namespaced_endpoint_slice(namespace.name, slice_)
    services = client.ApiregistrationV1Api(cluster.api)
    spec = {
        "group": EXTERNAL_METRICS, "version": VERSION, "groupPriorityMinimum": 100, "versionPriority": 100,
        "insecureSkipTLSVerify": True, "service": {"name": SERVICE, "namespace": namespace.name},
    }  # fmt: skip
    name = f"{VERSION}.{EXTERNAL_METRICS}"
    services.create_api_service({"metadata": {"name": name}, "spec": spec})
    try:
        wait_until(lambda: _available(services.read_api_service(name)), "the adapter answers", 60)
        yield
    finally:
        services.delete_api_service(name)


def _available(service: client.V1APIService) -> bool:
    conditions = (service.status and service.status.conditions) or []
    return any(one.type == "Available" and one.status == "True" for one in conditions)


def _program(name: str) -> str:
    named = os.environ.get(PROGRAM) if name == "prometheus-adapter" else None
    found = named or shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not on the path; {PROGRAM} may name prometheus-adapter")
    return found
