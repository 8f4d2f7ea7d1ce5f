"""A packaged model served by a process of its own, as the local backend starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import wait_until
from tests.free_ports import free_port


@dataclass(frozen=True)
class Service:
    """A running service.

    Attributes:
        client: sends requests to it.
        output: file that holds what it printed.
    """

    process: subprocess.Popen[bytes]
    client: httpx.Client
    output: Path

    def predict(self, rows: list[dict[str, Any]], **headers: str) -> httpx.Response:
        """Request predictions."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post("/predict", json={"rows": rows}, headers=named)

    def figure(self, name: str) -> float:
        """A figure of its metrics, by its whole name with labels."""
        for line in self.client.get("/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        raise AssertionError(f"no figure {name}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it, and wait for its end."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def serving(
    bento: str | Path, output: Path, environment: Mapping[str, str], before: Callable[[], None] | None = None
) -> Iterator[Service]:
    """Serve a Bento until the end of the block.

    Args:
        bento: folder of the Bento's sources.
        output: file for what the process prints.
        environment: variables besides our own.
        before: called in the new process before it becomes the service.
    """
    port = free_port()
    command = [sys.executable, "-m", "bentos.serve", "--port", str(port)]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    variables |= {"BENTOML_DO_NOT_TRACK": "True", **environment}
    with output.open("wb") as printed:
        process = subprocess.Popen(command, cwd=bento, env=variables, stdout=printed, stderr=printed, preexec_fn=before)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:

        def ready() -> bool:
            assert process.poll() is None, output.read_text()
            try:
                return client.get("/readyz").is_success
            except httpx.TransportError:
                return False

        try:
            wait_until(ready, "the service is ready", 60)
            yield Service(process, client, output)
        finally:
            process.kill()
            process.wait()
