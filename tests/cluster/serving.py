"""A pod that serves a model, and callers that ask it and remember every answer."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from infra.kubernetes import serving_pod
from tests.cluster.kubernetes import CHECKOUT, INSTALLED, Namespace
from tests.conftest import wait_until

if TYPE_CHECKING:
    from tidewheel.release.artifact import Artifact
    from tidewheel.settings import Settings

KILL_SERVICE = """
import os, pathlib
for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
    if b'-m\\0bentos.serve' in path.read_bytes(): os.kill(int(path.parts[2]), 9)
"""
"""SIGKILL to the model's process, from a container of its pod that sees its processes."""
NAME = "orders-blue"
DRAIN_SECONDS = 30
PACE_SECONDS = 0.02


@dataclass
class ServingPod:
    """A pod built from `infra.kubernetes.serving_pod`."""

    namespace: Namespace
    settings: Settings
    artifact: Artifact

    def create(self) -> None:
        """Make the pod; do not wait for it."""
        init = serving_pod.model_init("orders", self.artifact, self.settings)
        shipper = serving_pod.log_shipper("orders", self.settings)
        model = {"name": "model", **serving_pod.model_container(self.settings)}
        model["env"] = [*model["env"], {"name": "TIDEWHEEL_COLOUR", "value": "blue"}]
        model["readinessProbe"] = {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1}
        volumes = serving_pod.volumes()
        if CHECKOUT:
            volumes.append({"name": "code", "hostPath": {"path": f"{CHECKOUT}/infra"}})
            for container in (init, shipper):
                mount = {"name": "code", "mountPath": f"{INSTALLED}/infra", "readOnly": True}
                container["volumeMounts"] = [*container["volumeMounts"], mount]
        spec = {
            "automountServiceAccountToken": False,
            "shareProcessNamespace": True,  # so that a test may kill the service from beside it
            "terminationGracePeriodSeconds": DRAIN_SECONDS + serving_pod.SHIP_SECONDS,
            "initContainers": [init, shipper],
            "containers": [model],
            "volumes": volumes,
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME}, "spec": spec}
        self.namespace.core.create_namespaced_pod(self.namespace.name, pod)

    def wait(self) -> None:
        """Wait until it answers."""
        wait_until(self._is_ready, "the pod is ready", 180)

    def delete(self) -> None:
        """Delete it as `kubectl delete pod` does, and wait for its end."""
        self.namespace.delete_pod(NAME)
        wait_until(lambda: not self.namespace.pods(), "the pod has ended", 90)

    def status(self) -> Any:
        """What the API says of it."""
        return self.namespace.core.read_namespaced_pod(NAME, self.namespace.name).status

    def said_at_its_end(self, container: str) -> str:
        """The last words of an init container that has failed; empty where it has not."""
        for status in self.status().init_container_statuses or ():
            for state in (status.state, status.last_state):
                if status.name == container and state.terminated and state.terminated.exit_code:
                    return str(state.terminated.message)
        return ""

    def restarts(self) -> int:
        """How often the model's container was started again."""
        return int(self.status().container_statuses[0].restart_count)

    def log(self, container: str) -> str:
        """What a container has printed."""
        return str(self.namespace.core.read_namespaced_pod_log(NAME, self.namespace.name, container=container))

    def kill_service(self) -> None:
        """SIGKILL to the model's process."""
        self._run(KILL_SERVICE)

    def shipper_usage(self) -> tuple[float, float]:
        """Seconds of CPU that the shipper has taken, and MiB of memory that it holds."""
        said = self._run(
            "import os, pathlib, re\n"
            "for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):\n"
            "    if b'-m\\0infra.pod.ship' in path.read_bytes():\n"
            "        times = (path.parent / 'stat').read_text().rpartition(')')[2].split()[11:13]\n"
            "        memory = re.search(r'VmRSS:\\s+(\\d+)', (path.parent / 'status').read_text())[1]\n"
            "        print(sum(map(int, times)) / os.sysconf('SC_CLK_TCK'), int(memory) / 1024)"
        )
        seconds, mebibytes = map(float, said.split())
        return seconds, mebibytes

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.status().pod_ip}:{serving_pod.PORT}"

    def asked(self) -> AbstractContextManager[Callers]:
        """Callers of it, until the end of the block."""
        return asking(self.url, dict(self.artifact.golden_rows()[0].row))

    def _run(self, program: str) -> str:
        """What a Python program prints that runs beside the service."""
        command = ["kubectl", "exec", "--namespace", self.namespace.name, NAME, "--container", "ship-requests"]
        done = subprocess.run([*command, "--", "python", "-c", program], capture_output=True, text=True, check=True)
        return done.stdout

    def _is_ready(self) -> bool:
        status = self.status()
        failed = self.said_at_its_end("fetch-model") or self.said_at_its_end("ship-requests")
        assert not failed, failed
        return bool(status.container_statuses) and all(each.ready for each in status.container_statuses)


@dataclass
class Callers:
    """Asks a model again and again, one request after the other.

    Attributes:
        answered: when each request was answered, by its id.
        refused: when a request came to nothing.
    """

    url: str
    row: dict[str, Any]
    answered: dict[str, float] = field(default_factory=dict)
    refused: list[float] = field(default_factory=list)

    def ask(self, until: Callable[[], bool]) -> None:
        """Ask until a condition holds."""
        client, number = httpx.Client(base_url=self.url, timeout=5), 0
        with client:
            while not until():
                number += 1
                name = f"q{number}"
                try:
                    answer = client.post("/predict", json={"rows": [self.row]}, headers={"x-request-id": name})
                except httpx.TransportError:
                    self.refused.append(time.time())
                else:
                    assert answer.is_success, answer.text
                    self.answered[name] = time.time()
                time.sleep(PACE_SECONDS)


@contextmanager
def asking(url: str, row: dict[str, Any]) -> Iterator[Callers]:
    """Callers in a thread of their own, until the end of the block."""
    callers, over = Callers(url, row), threading.Event()
    thread = threading.Thread(target=callers.ask, args=(over.is_set,))
    thread.start()
    try:
        yield callers
    finally:
        over.set()
        thread.join(30)
