"""The chart's NetworkPolicies where the cluster's network enforces them: who reaches what, and nobody else."""

from __future__ import annotations

import json
import os

import pytest

from tests.cluster.chart import Installation
from tests.cluster.images import PLATFORM_IMAGE
from tests.conftest import wait_until
from tests.infra.helm.test_chart_network import CALLERS

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

ENFORCED = "TIDEWHEEL_TEST_POLICIES"
"""`enforced` says that the cluster's network does; most of those for tests ignore policies."""
REACHES = {
    "job": {"postgresql", "s3", "mlflow"},
    "executor": {"s3"},
    "model": {"s3"},
    "stranger": set[str](),
}
SERVERS = ("postgresql", "s3", "mlflow", "exporter", "airflow")
CONNECT = """
import json, socket, sys, time
from concurrent.futures import ThreadPoolExecutor

def reached(server):
    ends = time.monotonic() + 20
    while time.monotonic() < ends:  # a policy takes a moment to know a new pod
        try:
            socket.create_connection(tuple(server), 2).close()
            return True
        except OSError:
            time.sleep(0.5)
    return False

servers = json.loads(sys.argv[1])
with ThreadPoolExecutor(len(servers)) as pool:
    print(json.dumps(dict(zip(servers, pool.map(reached, servers.values())))))
"""


@pytest.mark.parametrize("caller", REACHES)
def test_a_pod_reaches_what_the_policies_admit_it_to_and_nothing_else(installed: Installation, caller: str) -> None:
    if os.environ.get(ENFORCED) != "enforced":
        pytest.skip(f"{ENFORCED}=enforced does not say that this cluster's network enforces policies")
    assert _reached(installed, caller) == REACHES[caller]


def _reached(installed: Installation, caller: str) -> set[str]:
    """The servers that a pod with a caller's labels connects to."""
    servers = {}
    for name in SERVERS:
        spec = installed.core.read_namespaced_service(f"tidewheel-{name}", installed.namespace).spec
        servers[name] = [f"tidewheel-{name}", spec.ports[0].port]
    name = f"caller-{caller}"
    connects = {
        "name": "connects",
        "image": PLATFORM_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", CONNECT, json.dumps(servers)],
    }
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [connects]}
    pod = {"metadata": {"name": name, "labels": dict(CALLERS[caller])}, "spec": spec}
    installed.core.create_namespaced_pod(installed.namespace, pod)
    try:
        wait_until(lambda: _phase(installed, name) in ("Succeeded", "Failed"), f"{name} has tried all servers", 120)
        said = installed.core.read_namespaced_pod_log(name, installed.namespace)
        assert _phase(installed, name) == "Succeeded", said
    finally:
        installed.core.delete_namespaced_pod(name, installed.namespace, grace_period_seconds=0)
    # The client gives a log that is JSON back as Python writes it.
    return {server for server in servers if f"'{server}': True" in said or f'"{server}": true' in said}


def _phase(installed: Installation, pod: str) -> str:
    return str(installed.core.read_namespaced_pod(pod, installed.namespace).status.phase)
