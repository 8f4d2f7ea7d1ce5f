"""The endpoint: beside plain FastAPI with the same model file, beside `mlflow models serve`, and behind Envoy.

    python -m benchmarks.serving                     # about four minutes
    python -m benchmarks.serving --before COMMIT     # the rate of one row alone, beside the code of a commit

The model is the flight_delay pipeline's estimator, fitted to random rows; its Bento is built as a release builds it.
Services run one process each, on loopback; what is compared is loaded in turns, a few seconds each, and the median of
the turns' ratios is told, so that a busy machine distorts both sides alike. CPU figures are of the service alone.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import mlflow
import numpy as np
import onnxruntime
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.attacks import with_code_of
from benchmarks.http_load import Load, request, send
from benchmarks.scoring import draw, fit
from bentos.encoding import Columns, Encoding
from bentos.packaged import MODEL
from infra.embedded import services
from infra.envoy.bootstrap import Address, write_initial_state
from infra.envoy.files import CLUSTER, ROUTES, EnvoyFiles, publish
from infra.envoy.routing import Target, clusters, routes
from jobs.models.contract import write_contract
from jobs.models.model_file import requirements, serialization
from jobs.models.prediction import model_frame
from jobs.packaging.bento import BentoStore
from jobs.packaging.compile import columns_of
from tests.free_ports import free_ports
from tidewheel.spec import Pipeline, load_pipeline

ROUNDS, TURN_SECONDS, CONNECTIONS = 5, 3.0, 16
MANY = 10_000
WRITTEN_SECONDS = 2.0
"""After so long all that was answered is in the log, which writes once a second."""
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"


@dataclass(frozen=True)
class Server:
    """A running service.

    Attributes:
        url: of its predictions.
        ready_seconds: from its start to its first answer.
        ready_cpu_seconds: CPU time it had used by then.
    """

    process: psutil.Process
    url: str
    ready_seconds: float
    ready_cpu_seconds: float

    def cpu_seconds(self) -> float:
        """CPU time of the process and its children."""
        times = [p.cpu_times() for p in (self.process, *self.process.children(recursive=True))]
        return float(sum(t.user + t.system for t in times))

    def megabytes(self) -> float:
        """Resident memory."""
        return float(self.process.memory_info().rss / 2**20)


def main() -> None:
    """Run all, and print what the benchmark page says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", metavar="COMMIT")
    before = parser.parse_args().before
    pipeline = load_pipeline(Path(__file__).parent.parent / "dags" / "flight_delay.yaml")
    model, frame = fit(pipeline)
    contract = write_contract(pipeline.name, pipeline.task, pipeline.features, frame, model)
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        root = Path(temporary)
        built = BentoStore(root / "bentos").build(pipeline, "1", "benchmark", contract, model)
        bento = Path(built.artifact.path)
        print(f"model: {built.model_format}, {built.milliseconds:.3f} ms a row")
        rows = [golden.row for golden in contract.golden_rows]
        one = json.dumps({"rows": rows[:1]}).encode()

        def ours(log: bool, folder: Path = bento) -> Server:
            variables = {"TIDEWHEEL_REQUEST_LOG": str(root / "requests")} if log else {}
            command = [sys.executable, "-m", "bentos.serve"]
            return stack.enter_context(serve(command, folder, "/predict", variables))

        command = [sys.executable, "-m", "benchmarks.plain_fastapi"]
        plain = stack.enter_context(serve(command, Path.cwd(), "/predict", {"BENCHMARK_BENTO": str(bento)}))
        if before:
            then = ours(log=True, folder=with_code_of(before, bento))
            compare({"ours": ours(log=True), f"ours at {before}": then, "plain FastAPI": plain}, one)
            return
        logging, silent = ours(log=True), ours(log=False)
        print(f"ready after {logging.ready_seconds:.1f} s, {logging.ready_cpu_seconds:.1f} s of CPU")
        their_rate, their_cpu = mlflow_serve(root, pipeline, model, one)
        compare({"ours": logging, "ours, no prediction log": silent, "plain FastAPI": plain}, one)
        print(f"`mlflow models serve`: {their_rate:.0f} requests/s, {their_cpu:.1f} ms of CPU a request")
        through_envoy(root, logging, one)
        steady(logging, one)
        many_rows(bento, logging, silent, pipeline)
        print(f"\nmemory after all of it: {logging.megabytes():.0f} MB")


@contextmanager
def serve(command: list[str], folder: Path, path: str, variables: Mapping[str, str] = {}) -> Iterator[Server]:
    """Run a service until the end of the block; `--port` is added to its command."""
    [port] = free_ports(1)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    binaries = f"{Path(sys.executable).parent}:{environment['PATH']}"
    environment |= {"OMP_NUM_THREADS": "1", "BENTOML_DO_NOT_TRACK": "True", "PATH": binaries, **variables}
    started = time.perf_counter()
    process = subprocess.Popen([*command, "--port", str(port)], cwd=folder, env=environment)
    watched, url = psutil.Process(process.pid), f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(trust_env=False) as client:
            while not answers(client, f"{url}/{'ping' if path == '/invocations' else 'readyz'}"):
                assert process.poll() is None, f"{command} ended"
                time.sleep(0.02)
        ready = time.perf_counter() - started
        server = Server(watched, f"{url}{path}", ready, 0.0)
        yield Server(watched, server.url, ready, server.cpu_seconds())
    finally:
        for each in (*watched.children(recursive=True), watched):
            each.kill()
        process.wait()


def answers(client: httpx.Client, url: str) -> bool:
    """Whether a page is there."""
    try:
        return client.get(url).is_success
    except httpx.TransportError:
        return False


def compare(servers: Mapping[str, Server], body: bytes) -> None:
    """Load each in turns, 16 connections, and print rates, CPU time a request, and their ratios to the last."""
    loads: dict[str, list[Load]] = {name: [] for name in servers}
    cpu: dict[str, list[float]] = {name: [] for name in servers}
    for server in servers.values():
        send(server.url, request(server.url, body), CONNECTIONS, 1.0)  # the first seconds of a process are its slowest
    for _ in range(ROUNDS):
        for name, server in servers.items():
            worked = server.cpu_seconds()
            load = send(server.url, request(server.url, body), CONNECTIONS, TURN_SECONDS)
            loads[name].append(load)
            cpu[name].append((server.cpu_seconds() - worked) / len(load.milliseconds) * 1000)
            assert not load.failures, f"{name}: {load.failures} failures"
    peer = list(servers)[-1]
    print("\n| one row, 16 connections | requests/s | p50 ms | p99 ms | CPU ms | rate to last | CPU to last |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name in servers:
        rates = statistics.median(a.rate / b.rate for a, b in zip(loads[name], loads[peer], strict=True))
        works = statistics.median(a / b for a, b in zip(cpu[name], cpu[peer], strict=True))
        median = [statistics.median(getattr(load, figure) for load in loads[name]) for figure in ("rate", "p50", "p99")]
        print(
            f"| {name} | {median[0]:.0f} | {median[1]:.1f} | {median[2]:.1f} | {statistics.median(cpu[name]):.3f} "
            f"| {rates:.2f} | {works:.2f} |"
        )
    first, second = list(servers)[:2]
    cost = statistics.median(1 - a.rate / b.rate for a, b in zip(loads[first], loads[second], strict=True))
    work = statistics.median(a / b - 1 for a, b in zip(cpu[first], cpu[second], strict=True))
    if second.endswith("no prediction log"):
        print(f"\nthe prediction log costs {cost:.1%} of the rate, {work:.1%} more CPU a request")


def through_envoy(root: Path, server: Server, body: bytes) -> None:
    """One connection, directly and through Envoy."""
    files = EnvoyFiles(root / "envoy")
    files.folder.mkdir()
    [port] = free_ports(1)
    write_initial_state(files, endpoint=Address(port), admin_socket=files.folder / "admin.sock")
    target = Target("flight_delay", "blue", "1", (int(server.url.split(":")[2].split("/")[0]),), live=True)
    publish(files.clusters, CLUSTER, clusters([target]))
    publish(files.routes, ROUTES, [routes([target])])
    envoy = subprocess.Popen(services.envoy(files).command, cwd=files.folder)
    url = f"http://127.0.0.1:{port}/flight_delay/predict"
    try:
        with httpx.Client(trust_env=False) as client:
            while not answers(client, f"http://127.0.0.1:{port}/flight_delay/readyz"):
                time.sleep(0.05)
        turns = [
            [send(where, request(where, body), 1, TURN_SECONDS).p50 for where in (server.url, url)]
            for _ in range(ROUNDS)
        ]
    finally:
        envoy.kill()
        envoy.wait()
    direct, routed = (statistics.median(turn[n] for turn in turns) for n in (0, 1))
    share = statistics.median(1 - turn[0] / turn[1] for turn in turns)
    print(f"one connection, p50: {direct:.2f} ms, through Envoy {routed:.2f} ms, of which Envoy {share:.0%}")


def steady(server: Server, body: bytes, rate: float = 500.0, seconds: float = 10.0) -> None:
    """500 requests a second: what the log kept, and what it dropped."""
    time.sleep(WRITTEN_SECONDS)
    before = log_figures(server)
    load = send(server.url, request(server.url, body), CONNECTIONS, seconds, rate)
    time.sleep(WRITTEN_SECONDS)
    kept, dropped = (after - b for after, b in zip(log_figures(server), before, strict=True))
    print(
        f"{load.rate:.0f} requests/s for {seconds:.0f} s: {len(load.milliseconds)} answered, {kept:.0f} logged, "
        f"{dropped:.0f} dropped; p50 {load.p50:.2f} ms, p99 {load.p99:.2f} ms; {server.megabytes():.0f} MB resident"
    )


def log_figures(server: Server) -> tuple[float, float]:
    """Requests that the prediction log has written, and that it has dropped."""
    page = httpx.get(server.url.replace("/predict", "/metrics"), trust_env=False).text
    figures = [line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#")]
    sums = [
        sum(float(value) for name, value in figures if name.startswith(prefix))
        for prefix in ("tidewheel_logged_requests_total", "tidewheel_log_dropped_requests_total")
    ]
    return sums[0], sums[1]


def many_rows(bento: Path, logging: Server, silent: Server, pipeline: Pipeline) -> None:
    """10,000 rows in one request, in each form, beside the model alone."""
    frame = model_frame(draw(7, MANY, pipeline), pipeline.features)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    stream, parquet = io.BytesIO(), io.BytesIO()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    pq.write_table(table, parquet)
    rows = json.dumps({"rows": json.loads(frame.to_json(orient="records"))}).encode()
    forms = {
        "Arrow": (stream.getvalue(), ARROW, ARROW),
        "Parquet": (parquet.getvalue(), PARQUET, ARROW),
        "JSON": (rows, "application/json", "*/*"),
    }
    alone = raw_model(bento, columns_of(frame, pipeline.features))
    times: dict[str, list[float]] = {"model alone": [], **{name: [] for name in forms}, "Arrow, logged": []}
    for _ in range(8):
        started = time.perf_counter()
        alone()
        times["model alone"].append((time.perf_counter() - started) * 1000)
        for name, (body, content_type, accept) in forms.items():
            wire = request(silent.url, body, content_type, accept)
            times[name].append(send(silent.url, wire, 1, 60.0, most=1).p50)
        wire = request(logging.url, stream.getvalue(), ARROW, ARROW)
        times["Arrow, logged"].append(send(logging.url, wire, 1, 60.0, most=1).p50)
    print("\n| 10,000 rows in one request | ms | rows/s | speed to the model alone |\n|---|---:|---:|---:|")
    for name, found in times.items():
        ratio = statistics.median(a / b for a, b in zip(times["model alone"], found, strict=True))
        middle = statistics.median(found)
        print(f"| {name} | {middle:.1f} | {MANY / middle * 1000:,.0f} | {ratio:.2f} |")


def raw_model(bento: Path, columns: Columns) -> Callable[[], object]:
    """ONNX Runtime on a matrix that lies ready, on one thread as in the service."""
    with zipfile.ZipFile(bento / MODEL) as archive:
        encoding, model = Encoding.from_json(archive.read("encoding.json")), archive.read("model")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    matrix = encoding.matrix(columns, np.float32)
    output = session.get_outputs()[-1].name
    return lambda: session.run([output], {"X": matrix})


def mlflow_serve(root: Path, pipeline: Pipeline, model: Any, body: bytes) -> tuple[float, float]:
    """The same model as MLflow serves it; returns requests a second, and CPU milliseconds of a request."""
    path = root / "model"
    mlflow.sklearn.save_model(
        model,
        path,
        pip_requirements=requirements(),
        pyfunc_predict_fn="predict_proba",
        **serialization(pipeline.training.estimator),
    )
    asked = json.dumps({"dataframe_records": json.loads(body)["rows"]}).encode()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(path), "--env-manager", "local"]
    with serve(command, root, "/invocations") as server:
        wire = request(server.url, asked)
        send(server.url, wire, CONNECTIONS, 2.0)
        worked = server.cpu_seconds()
        load = send(server.url, wire, CONNECTIONS, 3 * TURN_SECONDS)
        assert not load.failures, load.failures
        return load.rate, (server.cpu_seconds() - worked) / len(load.milliseconds) * 1000


if __name__ == "__main__":
    main()
