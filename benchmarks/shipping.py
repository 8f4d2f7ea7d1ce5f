"""What shipping the request log costs the endpoint: `python -m benchmarks.shipping`, about two minutes.

One service answers as fast as it is asked, with and without a shipper beside it, in turns; the shipper writes to an S3
server (moto). Printed are the median of the turns' ratios, and what service and shipper use of a core. On a machine
with two cores, where caller, S3 server and shipper compete with the service, its own CPU says more than its rate.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from moto.server import ThreadedMotoServer

from benchmarks.http_load import request, send
from jobs.packaging.bento import BentoStore
from tests import small_models
from tests.bentos.service_process import serving
from tidewheel.lake import Lake, Store

ROUNDS, TURN_SECONDS, CONNECTIONS = 5, 8.0, 8
RATE = 200
"""Requests a second for the shipper's own figure."""


@contextmanager
def shipper(folder: Path, environment: dict[str, str]) -> Iterator[psutil.Process]:
    """A shipper, as a pod runs it, until the end of the block."""
    command = [sys.executable, "-m", "infra.pod.ship", "orders", str(folder)]
    with subprocess.Popen(command, env={**os.environ, **environment}) as process:
        yield psutil.Process(process.pid)
        process.kill()


def cpu(process: psutil.Process) -> float:
    """Seconds of a core that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    """Measure, and print the figures."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options: dict[str, object] = {"endpoint_url": f"http://{host}:{port}", "key": "key", "secret": "secret"}
    Store("s3://lake", options).fs.mkdir("lake")
    environment = {"TIDEWHEEL_LAKE_URL": "s3://lake/root", "TIDEWHEEL_LAKE_OPTIONS": json.dumps(options)}
    with tempfile.TemporaryDirectory() as name:
        home, trained = Path(name), small_models.train()
        spec = small_models.pipeline(home)
        artifact = BentoStore(home / "bentos").build(spec, "7", "run", trained.contract, trained.model).artifact
        archive = artifact.publish(Lake("orders", Store(f"file://{home}/lake", {})))
        size = Path(archive.removeprefix("file://")).stat().st_size
        print(f"archive of the model: {size / 1e6:.2f} MB")
        log = home / "requests"
        variables = {"TIDEWHEEL_REQUEST_LOG": str(log), "TIDEWHEEL_ENDPOINT_LOG_SEGMENT_MB": "1"}
        with serving(artifact.path, home / "output", variables) as service:
            url = f"{service.client.base_url}/predict".replace("//predict", "/predict")
            wire = request(url, json.dumps({"rows": [dict(artifact.golden_rows()[0].row)]}).encode())
            model = psutil.Process(service.process.pid)

            def turn() -> tuple[float, float]:
                before = cpu(model)
                load = send(url, wire, CONNECTIONS, TURN_SECONDS)
                return load.rate, 1e6 * (cpu(model) - before) / len(load.milliseconds)

            turn()
            rates, costs = [], []
            for _ in range(ROUNDS):
                alone, alone_cost = turn()
                with shipper(log, environment):
                    beside, beside_cost = turn()
                rates.append(beside / alone)
                costs.append(beside_cost / alone_cost)
                print(f"{alone:.0f} answers/s alone, {beside:.0f} beside a shipper")
            rate, cost = statistics.median(rates), statistics.median(costs)
            print(f"beside a shipper: {rate:.3f} of the rate, {cost:.3f} of the service's CPU for a request")
            with shipper(log, environment) as process:
                send(url, wire, CONNECTIONS, 5, RATE)
                before, started = cpu(process), time.monotonic()
                load = send(url, wire, CONNECTIONS, 30, RATE)
                share = (cpu(process) - before) / (time.monotonic() - started)
                memory = process.memory_info().rss / 2**20
                print(f"shipper at {load.rate:.0f} requests/s: {share:.1%} of a core, {memory:.0f} MiB")
    server.stop()


if __name__ == "__main__":
    main()
