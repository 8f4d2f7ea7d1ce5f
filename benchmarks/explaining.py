"""One row with an explanation beside one without, from the service of the flight_delay pipeline's estimator.

    python -m benchmarks.explaining                  # about two minutes

The model and its service are those of `benchmarks.serving`. Latencies are of one connection, in turns; CPU figures are
of the service alone, and say what a busy machine's clock does not.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.http_load import Load, request, send
from benchmarks.scoring import fit
from benchmarks.serving import ROUNDS, TURN_SECONDS, Server, serve
from bentos.packaged import EXPLANATION
from jobs.models.contract import write_contract
from jobs.packaging.bento import BentoStore
from jobs.packaging.compile import comparison_frame
from jobs.packaging.explanation import explanation_of
from tidewheel.spec import load_pipeline

MOST_ROWS = 100
PLAIN_RATE = 200.0


def main() -> None:
    """Measure, and print what the benchmark page says."""
    pipeline = load_pipeline(Path(__file__).parent.parent / "dags" / "flight_delay.yaml")
    model, frame = fit(pipeline)
    contract = write_contract(pipeline.name, pipeline.task, pipeline.features, frame, model)
    with tempfile.TemporaryDirectory() as temporary:
        built = BentoStore(Path(temporary) / "bentos").build(pipeline, "1", "benchmark", contract, model)
        size = (Path(built.artifact.path) / EXPLANATION).stat().st_size
        started = time.process_time()
        explanation_of(model, contract, comparison_frame(contract), pipeline.release.parity_tolerance)
        print(f"{size / 1e6:.2f} MB beside the model, made in {time.process_time() - started:.1f} s of CPU")
        one, many = (json.dumps({"rows": [contract.golden_rows[0].row] * count}).encode() for count in (1, MOST_ROWS))
        with serve([sys.executable, "-m", "bentos.serve"], Path(built.artifact.path), "/predict") as server:
            before = server.megabytes()
            compare(server, {"one row": ("", one), "explained": ("?explain=true", one)}, TURN_SECONDS)
            compare(server, {f"{MOST_ROWS} rows": ("", many), "explained": ("?explain=true", many)}, TURN_SECONDS)
            beside(server, one)
            print(
                f"memory: {before:.0f} MB before the first explanation, {server.megabytes():.0f} MB after all of them"
            )


def compare(server: Server, bodies: dict[str, tuple[str, bytes]], seconds: float) -> None:
    """Send each body over one connection, in turns; print medians of time and of CPU time."""
    loads: dict[str, list[Load]] = {name: [] for name in bodies}
    cpu: dict[str, list[float]] = {name: [] for name in bodies}
    for turn in range(ROUNDS + 1):
        for name, (query, body) in bodies.items():
            worked = server.cpu_seconds()
            load = send(server.url, request(f"{server.url}{query}", body), 1, seconds)
            assert not load.failures, f"{name}: {load.failures} failures"
            if turn:  # the first warms up
                loads[name].append(load)
                cpu[name].append((server.cpu_seconds() - worked) / len(load.milliseconds) * 1000)
    print("\n| one connection | p50 ms | p99 ms | CPU ms |\n|---|---:|---:|---:|")
    for name, found in loads.items():
        p50, p99 = (statistics.median(getattr(load, figure) for load in found) for figure in ("p50", "p99"))
        print(f"| {name} | {p50:.2f} | {p99:.2f} | {statistics.median(cpu[name]):.2f} |")


def beside(server: Server, body: bytes) -> None:
    """Plain requests at a steady rate, alone and while another connection has one row after another explained."""
    plain, explained = request(server.url, body), request(f"{server.url}?explain=true", body)
    alone = send(server.url, plain, 4, TURN_SECONDS, PLAIN_RATE)
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(send, server.url, explained, 1, TURN_SECONDS)
        both = send(server.url, plain, 4, TURN_SECONDS, PLAIN_RATE)
    print(
        f"\nplain rows at {PLAIN_RATE:.0f} a second: p50 {alone.p50:.2f} ms, p99 {alone.p99:.2f} ms; beside "
        f"{other.result().rate:.0f} explained ones a second p50 {both.p50:.2f} ms, p99 {both.p99:.2f} ms"
    )


if __name__ == "__main__":
    main()
