"""What JSON logs and traces cost the endpoint: `python -m benchmarks.observing` (about a minute).

Two chains of Envoy and a model service, one row a request, 16 connections, loaded in turns: one as it is by default,
one with an access log and traces of 1% of the requests, sent to a collector that takes them and does nothing. Where
other work runs beside it, go by the CPU time of the quieter turns, which bounds the rate of a machine that has none.
"""

from __future__ import annotations

import ctypes
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil

from benchmarks.http_load import Load, request, send
from benchmarks.scoring import fit
from benchmarks.serving import CONNECTIONS, Server, answers, serve
from infra.embedded import router
from infra.envoy.bootstrap import write_initial_state
from infra.envoy.files import CLUSTER, ROUTES, EnvoyFiles, publish
from infra.envoy.observation import Observation
from infra.envoy.routing import Target, clusters, routes
from jobs.models.contract import write_contract
from jobs.packaging.bento import BentoStore
from tests.free_ports import free_ports
from tidewheel.spec import load_pipeline

ROUNDS, REQUESTS = 80, 100
MOST_SECONDS = 60.0
SHARE = 0.01


@dataclass(frozen=True)
class Chain:
    """Envoy and the service behind it."""

    url: str
    envoy: psutil.Process
    service: Server

    def cpu_milliseconds(self) -> tuple[float, float]:
        """CPU time of the service and of Envoy."""
        return cpu_milliseconds(self.service.process.pid), cpu_milliseconds(self.envoy.pid)


def cpu_milliseconds(pid: int) -> float:
    """CPU time of a process, to the nanosecond: /proc counts ticks of ten milliseconds, too coarse for short turns."""
    clock = ctypes.c_int()
    assert not ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock))
    return time.clock_gettime_ns(clock.value) / 1e6


def main() -> None:
    """Measure, and print the page's line."""
    pipeline = load_pipeline(Path(__file__).parent.parent / "dags" / "flight_delay.yaml")
    model, frame = fit(pipeline)
    contract = write_contract(pipeline.name, pipeline.task, pipeline.features, frame, model)
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        root = Path(temporary)
        built = BentoStore(root / "bentos").build(pipeline, "1", "benchmark", contract, model)
        body = json.dumps({"rows": [contract.golden_rows[0].row]}).encode()
        observed = {
            "TIDEWHEEL_LOG_FORMAT": "json",
            "OTEL_EXPORTER_OTLP_ENDPOINT": stack.enter_context(collector()),
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": str(SHARE),
        }
        chains = {
            name: stack.enter_context(chain(root / name, Path(built.artifact.path), variables))
            for name, variables in (("plain", {}), ("observed", observed))
        }
        loads: dict[str, list[Load]] = {name: [] for name in chains}
        cpu: dict[str, list[tuple[float, float]]] = {name: [] for name in chains}
        for turn in range(-1, ROUNDS):
            # In turns that begin with each: who comes first is not always the same.
            for name in sorted(chains, reverse=bool(turn % 2)):
                worked = chains[name].cpu_milliseconds()
                load = send(chains[name].url, request(chains[name].url, body), CONNECTIONS, MOST_SECONDS, most=REQUESTS)
                assert not load.failures, f"{name}: {load.failures} failures"
                if turn >= 0:  # the first seconds of a process are its slowest
                    loads[name].append(load)
                    used = zip(chains[name].cpu_milliseconds(), worked, strict=True)
                    service, envoy = ((after - before) / len(load.milliseconds) for after, before in used)
                    cpu[name].append((service, envoy))
        lines = (root / "observed" / "envoy.log").read_text(encoding="utf-8").count("\n")
    rate = [a.rate / b.rate - 1 for a, b in zip(loads["observed"], loads["plain"], strict=True)]
    low, high = statistics.quantiles(rate, n=4)[::2]
    # Other work only ever adds to a turn.
    quiet = {
        name: [statistics.quantiles([each[n] for each in found], n=4)[0] for n in (0, 1)] for name, found in cpu.items()
    }
    print("\n| | requests/s | CPU ms a request, service | Envoy |\n|---|---:|---:|---:|")
    for name, found in loads.items():
        service, envoy = quiet[name]
        print(f"| {name} | {statistics.median(load.rate for load in found):.0f} | {service:.3f} | {envoy:.3f} |")
    (ours, theirs), (before, its) = quiet["observed"], quiet["plain"]
    both = (ours + theirs) / (before + its) - 1
    print(f"CPU: service {ours / before - 1:+.1%}, Envoy {theirs / its - 1:+.1%}, both {both:+.1%}")
    print(f"rate: {statistics.median(rate):+.1%} (quartiles {low:+.1%}, {high:+.1%})")
    print(f"{lines} lines in the access log; load {psutil.getloadavg()[0]:.0f}")


@contextmanager
def chain(folder: Path, bento: Path, variables: Mapping[str, str]) -> Iterator[Chain]:
    """Run a service and Envoy before it until the end of the block."""
    folder.mkdir()
    files, [port] = EnvoyFiles(folder), free_ports(1)
    observation = Observation.from_environment(variables)
    write_initial_state(files, endpoint_port=port, admin_socket=folder / "admin.sock", observation=observation)
    logged = {"TIDEWHEEL_REQUEST_LOG": str(folder / "requests"), **variables}
    with serve([sys.executable, "-m", "bentos.serve"], bento, "/predict", logged) as service:
        target = Target("flight_delay", "blue", "1", (int(service.url.split(":")[2].split("/")[0]),), live=True)
        publish(files.clusters, CLUSTER, clusters([target]))
        publish(files.routes, ROUTES, [routes([target])])
        program = router.program(files)
        with (folder / "envoy.log").open("w", encoding="utf-8") as log:
            envoy = subprocess.Popen(program.command, env=dict(program.env), stdout=log, stderr=log)
        below = f"http://127.0.0.1:{port}/flight_delay"
        try:
            with httpx.Client(trust_env=False) as client:
                while not answers(client, f"{below}/readyz"):
                    time.sleep(0.05)
            yield Chain(f"{below}/predict", psutil.Process(envoy.pid), service)
        finally:
            envoy.terminate()
            envoy.wait()


@contextmanager
def collector() -> Iterator[str]:
    """Takes whatever it is sent; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer at once; the body goes with the connection."""
            self.send_response(200)
            self.send_header("content-length", "0")
            self.send_header("connection", "close")
            self.end_headers()
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


if __name__ == "__main__":
    main()
