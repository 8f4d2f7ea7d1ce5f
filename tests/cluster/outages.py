"""Parts of the cluster that are away for a while: cut off for the tests alone, or ended and started again for all."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import yaml

from tests.cluster.relay import Relay

API_SERVER, KUBELET = "kube-apiserver", "kubelet"
RESTART = "TIDEWHEEL_TEST_CLUSTER_RESTART"
"""Names the program that brings the cluster's processes back, by `PROGRAM up`. It disturbs whoever uses the cluster."""
HOME = "TIDEWHEEL_CLUSTER_HOME"
"""Names that program's folder; `run/NAME.pid` in it begins with a process's id."""
ENDING_SECONDS, STARTING_SECONDS, SETTLING_SECONDS = 10, 300, 3


class Kit:
    """The processes of a cluster on this machine.

    Args:
        program: brings back what has ended.
        home: its folder.
    """

    def __init__(self, program: Path, home: Path) -> None:
        self._program, self._home = program, home

    @classmethod
    def of_environment(cls) -> Kit | None:
        """The one that the environment names, None where restarts are not allowed."""
        program = os.environ.get(RESTART)
        home = os.environ.get(HOME) or Path.home() / ".cache" / "tidewheel-cluster"
        return cls(Path(program), Path(home)) if program else None

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """End a process, by force if need be; after the block it is started again, and the cluster is ready."""
        process = psutil.Process(_identity(self._home / "run" / f"{name}.pid"))
        process.terminate()
        _, alive = psutil.wait_procs([process], ENDING_SECONDS)
        for each in alive:
            each.kill()
        try:
            yield
        finally:
            self._start()

    def _start(self) -> None:
        """Start what has ended. That writes kube-proxy's configuration anew and so ends it: then once more."""
        for _ in range(3):
            subprocess.run([self._program, "up"], check=True, timeout=STARTING_SECONDS)
            time.sleep(SETTLING_SECONDS)
            ended = [path.stem for path in (self._home / "run").glob("*.pid") if not psutil.pid_exists(_identity(path))]
            if not ended:
                return
        raise AssertionError(f"{self._program} up has not brought back {', '.join(ended)}")


def _identity(path: Path) -> int:
    """The process id that a file begins with."""
    return int(path.read_text().split()[0])


class CutOff:
    """A way to the API server that can be cut, for those who are given its kubeconfig.

    Args:
        kubeconfig: names the server.
        folder: for the kubeconfig that names the way.
    """

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        content = yaml.safe_load(kubeconfig.read_text())
        [cluster] = content["clusters"]
        server = urlsplit(cluster["cluster"]["server"])
        assert server.hostname
        self._relay = Relay("127.0.0.1", server.port or 443, server.hostname)
        cluster["cluster"]["server"] = f"https://127.0.0.1:{self._relay.port}"
        self.kubeconfig = folder / "cut-off.kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump(content))

    @contextmanager
    def away(self) -> Iterator[None]:
        """Cut the way during the block."""
        self._relay.cut()
        try:
            yield
        finally:
            self._relay.mend()

    def close(self) -> None:
        """End the way."""
        self._relay.close()
