"""Twenty releases in a row under load, a version that errs, and a rollback by hand: requests lost, times, seconds back.

    python -m benchmarks.release [number of switches]

Real processes of its own: PostgreSQL, supervisord, Envoy and BentoML services of two small models. A second process
asks 200 times a second, three quarters over kept connections, the others over a fresh one each.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx
from sqlalchemy import create_engine, text

from infra.embedded import postgres, router
from infra.embedded.daemon import start_supervisord
from infra.embedded.layout import Layout
from infra.envoy.bootstrap import write_initial_state
from infra.envoy.files import EnvoyFiles
from infra.local import LocalBackend
from tests.free_ports import free_ports
from tests.infra.local.conftest import build_artifacts
from tests.pipelines import PIPELINE_FILE
from tidewheel.errors import ReleaseError
from tidewheel.ledger import Ledger, migrate
from tidewheel.ledger.releases import Releases
from tidewheel.release.artifact import Artifact
from tidewheel.release.executor import Executor
from tidewheel.settings import Settings
from tidewheel.spec import Pipeline, find_pipeline
from tidewheel.spec.release import Release

PER_SECOND, KEPT, FRESH = 200, 15, 5
ROW = {"weight": 1.0, "distance": 100.0, "carrier": "fast"}
QUIET_SECONDS = 10.0
SETTLING_SECONDS = 1.0
"""Before and after a switch: what happens here is put down to it."""


@dataclass(frozen=True)
class Answer:
    """One request: when it was sent (seconds since 1970), how long it took, and who answered (empty: nobody)."""

    at: float
    milliseconds: float
    version: str
    failure: str


def load(url: str) -> None:
    """Ask until standard input ends, and print every answer as a line of JSON."""
    over, lock = threading.Event(), threading.Lock()
    threads = [
        threading.Thread(target=_ask, args=(url, n, n >= KEPT, over, lock), daemon=True) for n in range(KEPT + FRESH)
    ]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join()


def _ask(url: str, number: int, fresh: bool, over: threading.Event, lock: threading.Lock) -> None:
    address = urlsplit(url)
    body = json.dumps({"rows": [ROW]})
    headers = {"content-type": "application/json"} | ({"connection": "close"} if fresh else {})
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    pause = (KEPT + FRESH) / PER_SECOND
    due = time.monotonic() + pause * number / (KEPT + FRESH)
    while not over.wait(max(0.0, due - time.monotonic())):
        due = max(due + pause, time.monotonic())
        at, started, version, failure = time.time(), time.perf_counter(), "", ""
        try:
            connection.request("POST", f"{address.path}/predict", body, headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status == 200:
                version = json.loads(content)["model_version"]
            else:
                failure = f"{answer.status}: {content[:200]!r}"
        except (OSError, http.client.HTTPException) as error:
            failure = repr(error)
            connection.close()
        if fresh:
            connection.close()
        line = json.dumps([at, (time.perf_counter() - started) * 1000, version, failure])
        with lock:
            sys.stdout.write(f"{line}\n")


class Asking:
    """The process that asks, until it is left.

    Args:
        url: of the pipeline.
        file: for the answers.
    """

    def __init__(self, url: str, file: Path) -> None:
        self._file = file
        command = [sys.executable, "-m", "benchmarks.release", "load", url]
        with file.open("w") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()

    def answers(self) -> list[Answer]:
        """What came, in the order of sending; complete once it is left."""
        with self._file.open() as lines:
            return sorted((Answer(*json.loads(line)) for line in lines), key=lambda answer: answer.at)


@dataclass(frozen=True)
class Stage:
    """What is released to."""

    pipeline: Pipeline
    settings: Settings
    releases: Releases
    backend: LocalBackend
    artifacts: dict[str, Artifact]

    def executor(self, bake_seconds: float) -> Executor:
        """An executor that bakes so long."""
        return Executor(self.baking(bake_seconds), self.backend, self.releases, self.artifacts.__getitem__)

    def baking(self, seconds: float) -> Pipeline:
        """The pipeline, its versions baking so long."""
        guard = {"window_seconds": 1, "minimum_requests": 50}
        release = Release.model_validate({"bake_seconds": seconds, "guard": guard})
        return self.pipeline.model_copy(update={"release": release})


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """PostgreSQL, supervisord and Envoy in a folder of their own."""
    layout, password = Layout(folder / "home"), secrets.token_hex(8)
    layout.create()
    (folder / "dags").mkdir()
    (folder / "dags" / "orders.yaml").write_text(PIPELINE_FILE, encoding="utf-8")
    endpoint, admin, database = free_ports(3)
    supervisor = start_supervisord(layout, {"PATH": os.environ["PATH"]})
    try:
        files = EnvoyFiles(layout.envoy)
        write_initial_state(files, endpoint_port=endpoint, admin_port=admin)
        postgres.create_data_folder(layout, password)
        for program in (router.program(files), postgres.program(layout, database)):
            supervisor.add(program)
            supervisor.start(program.name)
        url = _database(postgres.url(password, database, "postgres"), postgres.url(password, database, "tidewheel"))
        settings = Settings(
            home=layout.home,
            project=folder,
            endpoint_url=f"http://127.0.0.1:{endpoint}",
            envoy_admin_url=f"http://127.0.0.1:{admin}",
            database_url=url,
        )
        pipeline = find_pipeline(settings.pipelines_folder, "orders")
        artifacts = build_artifacts(layout.home, pipeline)
        backend = LocalBackend(settings, pipeline.name)
        yield Stage(pipeline, settings, Releases(Ledger(url)), backend, artifacts)
    finally:
        supervisor.shutdown()


def _database(server: str, url: str) -> str:
    deadline = time.monotonic() + 60
    while postgres.refusal(server) and time.monotonic() < deadline:
        time.sleep(0.1)
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE tidewheel"))
    engine.dispose()
    migrate(url)
    return url


def main(switches: int) -> None:
    """Play, and print what came of it."""
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as found:
        release(found.executor(1), "1")
        with Asking(found.backend.endpoint(), Path(folder) / "answers.jsonl") as asking:
            time.sleep(QUIET_SECONDS)
            quiet = (time.time() - QUIET_SECONDS + SETTLING_SECONDS, time.time())
            numbers = [release(found.executor(1), "2" if n % 2 == 0 else "1") for n in range(switches)]
            over = time.time()
            breach = failing_release(found)
            by_hand = rollback_by_hand(found)
        report(found, asking.answers(), quiet, over, numbers)
        sys.stdout.write(f"\n{breach}\n{by_hand}\n")


def release(executor: Executor, version: str) -> int:
    """Release a version from plan to end."""
    number = executor.begin(version, "benchmark").number
    executor.run(number)
    return number


def failing_release(found: Stage) -> str:
    """Release a version that errs on 5% of the requests; what the guard did."""
    with suppress(ReleaseError):
        release(found.executor(30), "errs")
    row = found.releases.newest("orders")[0]
    last = found.releases.stages(row.id)[-1]
    assert last.ended_at is not None
    seconds = (last.ended_at - last.started_at).total_seconds()
    return (
        f"a version that errs on 5%: taken back in {last.name} after {seconds:.1f} s; from the close of the window to "
        f"the router's acknowledgement {last.detail.get('back_after_seconds')} s\n  {row.reason}"
    )


def rollback_by_hand(found: Stage) -> str:
    """Have the command take a bake back; seconds from its start until the endpoint is answered by the old version."""
    live = found.releases.endpoint("orders")
    assert live is not None
    old, new = live.version, "2" if live.version == "1" else "1"
    executor = found.executor(60)
    number = executor.begin(new, "benchmark").number
    variables = {
        "TIDEWHEEL_HOME": str(found.settings.home),
        "TIDEWHEEL_PROJECT": str(found.settings.project),
        "TIDEWHEEL_ENDPOINT_URL": found.settings.endpoint_url,
        "TIDEWHEEL_ENVOY_ADMIN_URL": found.settings.envoy_admin_url,
        "TIDEWHEEL_DATABASE_URL": found.settings.require("database_url"),
    }
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(executor.run, number)
        while not any(row.name == "bake" for row in found.releases.stages(number)):
            time.sleep(0.05)
        started = time.monotonic()
        # Its second half, which moves the registry's alias, finds no registry here.
        command = [str(Path(sys.executable).parent / "tidewheel"), "rollback", "orders", "--reason", "benchmark"]
        asked = subprocess.Popen(
            command, env=os.environ | variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        while _version(found) != old:
            time.sleep(0.01)
        seconds = time.monotonic() - started
        said = asked.communicate()[0].splitlines()[0]
        with suppress(ReleaseError):
            running.result()
    return f"`tidewheel rollback` in a bake: the old version answers {seconds:.2f} s after the command began\n  {said}"


def _version(found: Stage) -> str:
    answer = httpx.post(f"{found.backend.endpoint()}/predict", json={"rows": [ROW]}, trust_env=False)
    return str(answer.json()["model_version"])


def report(found: Stage, answers: list[Answer], quiet: tuple[float, float], over: float, numbers: list[int]) -> None:
    """Print requests lost and times: during the switches, outside them, and before the first release."""
    switches = []
    durations = []
    for number in numbers:
        stages = {row.name: row for row in found.releases.stages(number)}
        switch, confirm = stages["switch"], stages["confirm"]
        assert confirm.ended_at is not None
        switches.append((_seconds(switch.started_at) - SETTLING_SECONDS, _seconds(confirm.ended_at) + SETTLING_SECONDS))
        durations.append((confirm.ended_at - switch.started_at).total_seconds())
    counted = [answer for answer in answers if answer.at < over]
    inside = [a for a in counted if any(first <= a.at <= last for first, last in switches)]
    outside = [a for a in counted if a.at >= quiet[1] and not any(first <= a.at <= last for first, last in switches)]
    before = [a for a in counted if quiet[0] <= a.at < quiet[1]]
    failures = Counter(answer.failure for answer in counted if answer.failure)
    rate = len(counted) / (counted[-1].at - counted[0].at)
    sys.stdout.write(
        f"{len(numbers)} switches, {len(counted)} requests at {rate:.0f} a second, {failures.total()} failed\n"
        f"a switch and its confirmation: {statistics.median(durations):.2f} s (median)\n"
    )
    for failure, count in failures.most_common(5):
        sys.stdout.write(f"  {count} times {failure}\n")
    for name, some in (
        ("before the first release", before),
        ("outside switches", outside),
        ("during switches", inside),
    ):
        times = sorted(answer.milliseconds for answer in some)
        p50, p99 = (times[int(len(times) * share)] for share in (0.5, 0.99))
        sys.stdout.write(f"{name}: {len(times)} requests, p50 {p50:.1f} ms, p99 {p99:.1f} ms\n")


def _seconds(at: datetime) -> float:
    return at.timestamp()


if __name__ == "__main__":
    if sys.argv[1:2] == ["load"]:
        load(sys.argv[2])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
