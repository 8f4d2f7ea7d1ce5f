"""What one replica carries at its latency budget, by rows a request, and what losing one of two costs callers.

    python -m benchmarks.replicas             # about two minutes

The model is the flight_delay pipeline's estimator, fitted to random rows; its Bento is built as a release builds it and
runs behind Envoy as a colour does. The rate is raised by half until one of a hundred requests takes longer than the
budget, or one fails. The load is `tidewheel load`'s, from this machine, and takes its share of the cores.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import psutil

from benchmarks.scoring import fit
from benchmarks.serving import Server, answers, serve
from infra.embedded import services
from infra.envoy.bootstrap import Address, write_initial_state
from infra.envoy.files import CLUSTER, ROUTES, EnvoyFiles, publish
from infra.envoy.routing import Target, clusters, routes
from jobs.load.arrivals import Arrivals, Plan
from jobs.load.connection import LoadTarget
from jobs.load.figures import Figures, figures, not_reached
from jobs.models.contract import write_contract
from jobs.packaging.bento import BentoStore
from tests.free_ports import free_ports
from tidewheel.spec import load_pipeline

BUDGET_MS, FIRST_RATE, GROWTH, TURN_SECONDS = 50.0, {1: 200.0, 100: 50.0}, 1.5, 5.0
KILLED_RATE, KILLED_SECONDS = 100.0, 8.0
COMMAND = [sys.executable, "-m", "bentos.serve"]


def main() -> None:
    """Run all, and print what the benchmark page says."""
    pipeline = load_pipeline(Path(__file__).parent.parent / "dags" / "flight_delay.yaml")
    model, frame = fit(pipeline)
    contract = write_contract(pipeline.name, pipeline.task, pipeline.features, frame, model)
    rows = [golden.row for golden in contract.golden_rows]
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        bento = Path(BentoStore(root / "bentos").build(pipeline, "1", "benchmark", contract, model).artifact.path)
        print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before\n")
        print("| rows a request | requests/s within 50 ms | p50 ms | p99 ms | CPU ms a request | stopped by |")
        print("|---:|---:|---:|---:|---:|---|")
        for batch in FIRST_RATE:
            with behind_envoy(root, bento, 1) as (url, servers):
                capacity(url, servers[0], body(rows, batch), batch)
        with behind_envoy(root, bento, 2) as (url, servers):
            found = killed(url, servers[0], body(rows, 1))
        print(
            f"\none of two replicas killed at {KILLED_RATE:g} requests/s and not started again: {found.failures} of "
            f"{found.requests} failed, p50 {found.latency['p50']:.1f} ms, p99 {found.latency['p99']:.1f} ms"
        )
        print(f"the sender alone keeps {sender():.0f} requests/s, against answers that cost nothing")
        print(f"\nload average {os.getloadavg()[0]:.1f} after")


def body(rows: Sequence[dict[str, Any]], count: int) -> bytes:
    """A request of so many rows."""
    return json.dumps({"rows": [rows[n % len(rows)] for n in range(count)]}).encode()


@contextmanager
def behind_envoy(root: Path, bento: Path, replicas: int) -> Iterator[tuple[str, list[Server]]]:
    """So many processes of a service as the live colour of a router of their own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=root)))
        servers = [stack.enter_context(serve(COMMAND, bento, "/predict", {})) for _ in range(replicas)]
        files, [port] = EnvoyFiles(folder), free_ports(1)
        write_initial_state(files, endpoint=Address(port), admin_socket=folder / "admin.sock")
        ports = tuple(int(server.url.split(":")[2].split("/")[0]) for server in servers)
        target = Target("flight_delay", "blue", "1", ports, live=True)
        publish(files.clusters, CLUSTER, clusters([target]))
        publish(files.routes, ROUTES, [routes([target])])
        with (folder / "envoy.log").open("wb") as log:
            envoy = subprocess.Popen(services.envoy(files).command, cwd=folder, stdout=log, stderr=log)
        stack.callback(envoy.wait)
        stack.callback(envoy.kill)
        url = f"http://127.0.0.1:{port}/flight_delay"
        with httpx.Client(trust_env=False) as client:
            while not answers(client, f"{url}/readyz"):
                time.sleep(0.05)
        yield url, servers


def play(url: str, content: bytes, rate: float, seconds: float) -> tuple[Figures, str]:
    """The figures, and why they are not those of the rate."""
    played = asyncio.run(Arrivals(LoadTarget(url, {}), [content]).play(Plan(rate, seconds)))
    found = figures(played)
    return found, not_reached(played, found)


def capacity(url: str, server: Server, content: bytes, batch: int) -> None:
    """Raise the rate until the budget is broken, and print the last one that held."""
    play(url, content, FIRST_RATE[batch], 2.0)
    rate, held = FIRST_RATE[batch], None
    while True:
        worked = server.cpu_seconds()
        found, sender = play(url, content, rate, TURN_SECONDS)
        cpu = (server.cpu_seconds() - worked) / found.requests * 1000
        if sender or found.failures or found.latency["p99"] > BUDGET_MS:
            why = "the sender" if sender else f"{found.failures} failures, p99 {found.latency['p99']:.0f} ms"
            break
        held, rate = (found, cpu), rate * GROWTH
    if held is None:
        print(f"| {batch} | below {rate:.0f} | | | {cpu:.2f} | {why} at {rate:.0f} |")
        return
    kept, cpu = held
    stopped = f"{why} at {rate:.0f}"
    latency = kept.latency
    print(f"| {batch} | {kept.rate:.0f} | {latency['p50']:.1f} | {latency['p99']:.1f} | {cpu:.2f} | {stopped} |")


def killed(url: str, server: Server, content: bytes) -> Figures:
    """Kill a replica in the middle of a load; nobody starts it again."""
    play(url, content, KILLED_RATE, 2.0)
    killer = threading.Timer(KILLED_SECONDS / 2, server.process.kill)
    killer.start()
    found, _ = play(url, content, KILLED_RATE, KILLED_SECONDS)
    killer.join()
    assert server.process.status() == psutil.STATUS_ZOMBIE
    return found


def sender() -> float:
    """The highest rate that the load keeps by itself."""
    [port] = free_ports(1)
    process = multiprocessing.get_context("spawn").Process(target=answer_at_once, args=(port,), daemon=True)
    process.start()
    try:
        with httpx.Client(trust_env=False) as client:
            while not answers(client, f"http://127.0.0.1:{port}/"):
                time.sleep(0.05)
        rate, kept = 1000.0, 0.0
        while True:
            found, late = play(f"http://127.0.0.1:{port}", b"{}", rate, TURN_SECONDS)
            if late or found.failures:
                return kept
            kept, rate = found.rate, rate * GROWTH
    finally:
        process.kill()
        process.join()


def answer_at_once(port: int) -> None:
    """Give whatever comes the same answer."""

    class Same(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.Transport", transport)

        def data_received(self, data: bytes) -> None:
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    async def serve_for_ever() -> None:
        server = await asyncio.get_running_loop().create_server(Same, "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(serve_for_ever())


if __name__ == "__main__":
    main()
