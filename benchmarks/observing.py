"""What JSON logs and traces cost the endpoint: `python -m benchmarks.observing` (about a minute).

Envoy and a model service, one row a request, 16 connections, loaded in turns through two listeners of the same Envoy:
one as it is by default, one with an access log and traces of 1% of the requests, sent to a collector that takes them
and does nothing. Two runs of the same program differ by 5% and more, which is more than what is measured here: so both
listeners belong to one process, and one service answers them. What tracing costs a service whose requests
bring no trace is the draw of a random number, which both sides pay here.
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
import numpy as np
import psutil

from benchmarks.http_load import request, send
from benchmarks.scoring import fit
from benchmarks.serving import CONNECTIONS, Server, answers, serve
from infra.embedded import services
from infra.envoy.bootstrap import Address, listener, write_initial_state
from infra.envoy.files import CLUSTER, LISTENER, ROUTES, EnvoyFiles, publish
from infra.envoy.limits import LIMITS
from infra.envoy.observation import Observation
from infra.envoy.routing import Target, clusters, routes
from jobs.models.contract import write_contract
from jobs.packaging.bento import BentoStore
from tests.free_ports import free_ports
from tidewheel.spec import load_pipeline

ROUNDS, REQUESTS = 300, 200
MOST_SECONDS = 60.0
SHARE = 0.01
PLAIN, OBSERVED = LISTENERS = ("plain", "observed")
FIGURES = ("rate", "service", "envoy")


@dataclass(frozen=True)
class Chain:
    """Envoy and the service behind it.

    Attributes:
        urls: of /predict, by listener.
    """

    urls: Mapping[str, str]
    envoy: psutil.Process
    service: Server

    def cpu_milliseconds(self) -> tuple[float, float]:
        """CPU time of the service and of Envoy."""
        return cpu_milliseconds(self.service.process.pid), cpu_milliseconds(self.envoy.pid)


@dataclass(frozen=True)
class Turn:
    """What was measured in one turn: requests a second, and milliseconds of CPU a request."""

    rate: float
    service: float
    envoy: float


def cpu_milliseconds(pid: int) -> float:
    """CPU time of a process, to the nanosecond: /proc counts ticks of ten milliseconds, too coarse for short turns."""
    clock = ctypes.c_int()
    assert not ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock))
    return time.clock_gettime_ns(clock.value) / 1e6


def main() -> None:
    """Measure, and print the page's table."""
    pipeline = load_pipeline(Path(__file__).parent.parent / "dags" / "flight_delay.yaml")
    model, frame = fit(pipeline)
    contract = write_contract(pipeline.name, pipeline.task, pipeline.features, frame, model)
    turns: dict[str, list[Turn]] = {name: [] for name in LISTENERS}
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        root = Path(temporary)
        built = BentoStore(root / "bentos").build(pipeline, "1", "benchmark", contract, model)
        body = json.dumps({"rows": [contract.golden_rows[0].row]}).encode()
        address = stack.enter_context(collector())
        loaded = stack.enter_context(chain(root / "chain", Path(built.artifact.path), address))
        for number in range(-1, ROUNDS):
            # Which one begins changes, and the first round is that of cold processes.
            for name in sorted(LISTENERS, reverse=bool(number % 2)):
                turn = one_turn(loaded, loaded.urls[name], body)
                if number >= 0:
                    turns[name].append(turn)
        lines = (root / "chain" / "envoy.log").read_text(encoding="utf-8").count("\n")
    print("\n| | requests/s | CPU ms a request, service | Envoy |\n|---|---:|---:|---:|")
    for name, found in turns.items():
        rate, service, envoy = (statistics.median(getattr(turn, figure) for turn in found) for figure in FIGURES)
        print(f"| {name} | {rate:.0f} | {service:.3f} | {envoy:.3f} |")
    changes = [
        change([getattr(turn, figure) for turn in turns[OBSERVED]], [getattr(turn, figure) for turn in turns[PLAIN]])
        for figure in FIGURES
    ]
    print("| change | " + " | ".join(changes) + " |")
    print(f"{lines} lines in the access log; load {psutil.getloadavg()[0]:.0f}")


def one_turn(chain: Chain, url: str, body: bytes) -> Turn:
    """Send a turn's requests, and see what they took."""
    before = chain.cpu_milliseconds()
    load = send(url, request(url, body), CONNECTIONS, MOST_SECONDS, most=REQUESTS)
    assert not load.failures, f"{load.failures} failures at {url}"
    service, envoy = ((b - a) / REQUESTS for a, b in zip(before, chain.cpu_milliseconds(), strict=True))
    return Turn(load.rate, service, envoy)


def change(these: list[float], those: list[float]) -> str:
    """The median of the turns' ratios, with its 95% interval (bootstrap over turns)."""
    ratios = np.array(these) / np.array(those) - 1
    drawn = np.random.default_rng(0).choice(ratios, size=(2000, len(ratios)))
    low, high = np.quantile(np.median(drawn, axis=1), (0.025, 0.975))
    return f"{np.median(ratios):+.1%} ({low:+.1%} to {high:+.1%})"


@contextmanager
def chain(folder: Path, bento: Path, collector: str) -> Iterator[Chain]:
    """Run a service, and Envoy before it with both listeners, until the end of the block.

    Args:
        folder: for all that they write.
        bento: the model's.
        collector: address that takes spans.
    """
    folder.mkdir()
    files, ports = EnvoyFiles(folder), dict(zip(LISTENERS, free_ports(2), strict=True))
    logs = {"TIDEWHEEL_LOG_FORMAT": "json", "OTEL_EXPORTER_OTLP_ENDPOINT": collector}
    share = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": str(SHARE)}
    observation = Observation.from_environment(logs | share)
    write_initial_state(
        files, endpoint=Address(ports[OBSERVED]), admin_socket=folder / "admin.sock", observation=observation
    )
    observed, plain = (
        listener(files, ports[OBSERVED], LIMITS, observation=observation),
        listener(files, ports[PLAIN], LIMITS),
    )
    publish(files.listeners, LISTENER, [observed, {**plain, "name": PLAIN}])
    variables = {**logs, "OTEL_TRACES_SAMPLER": "parentbased_always_off"}  # only what Envoy has drawn
    variables["TIDEWHEEL_REQUEST_LOG"] = str(folder / "requests")
    with serve([sys.executable, "-m", "bentos.serve"], bento, "/predict", variables) as service:
        target = Target("flight_delay", "blue", "1", (int(service.url.split(":")[2].split("/")[0]),), live=True)
        publish(files.clusters, CLUSTER, clusters([target]))
        publish(files.routes, ROUTES, [routes([target])])
        program = services.envoy(files)
        with (folder / "envoy.log").open("w", encoding="utf-8") as log:
            envoy = subprocess.Popen(program.command, env=dict(program.env), stdout=log, stderr=log)
        below = {name: f"http://127.0.0.1:{port}/flight_delay" for name, port in ports.items()}
        try:
            with httpx.Client(trust_env=False) as client:
                while not all(answers(client, f"{url}/readyz") for url in below.values()):
                    time.sleep(0.05)
            urls = {name: f"{url}/predict" for name, url in below.items()}
            yield Chain(urls, psutil.Process(envoy.pid), service)
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
