"""Releases on a Kubernetes cluster under 100 requests a second through its Gateway: what callers notice, and times.

    python -m benchmarks.cluster_release              # about five minutes; KUBECONFIG names the cluster
    python -m benchmarks.cluster_release pods         # or some of: switches scaling pods rollback

Twenty switches; scaling from one pod to three and back to one; a pod deleted, and both evicted, as `kubectl drain` does
it; a rollback by hand and one by the guard. It prints lines for benchmarks/README.md, and ends with exit code 1 where a
part of it was not finished. The cluster must have what `tests/cluster` needs (docs/how-to/kubernetes.md), and its pods
must see this machine's files: versions are mounted from there.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kubernetes.client.exceptions import ApiException

from benchmarks.open_loop import OpenLoop
from tests.cluster.conftest import HOST
from tests.cluster.kubernetes import Cluster
from tests.cluster.releases import RESOURCES, ServingHouse, serving_house
from tests.conftest import PostgresServer, wait_until
from tests.infra.local.conftest import Place
from tests.infra.local.test_release import release
from tests.infra.release_contract import BLUE, GREEN, await_ready, start
from tests.pipelines import PIPELINE_FILE
from tidewheel.errors import ReleaseError, TidewheelError
from tidewheel.ledger import migrate
from tidewheel.release.traffic import Traffic, reroute

RATE, SWITCHES, PAUSE_SECONDS = 100.0, 20, 1.0
QUIET_SECONDS, SETTLING_SECONDS = 5.0, 5.0
LIGHT_RATE = 10.0
"""Requests a second of one row while pods are to be taken away: one small pod has the CPU for it."""
HEAVY_ROWS = 60
"""Rows of a request while pods are to be added: the CPU of one pod no longer suffices for its share."""
SCALING_SECONDS, READY_SECONDS = 240.0, 180.0
PATIENT = {"bake_seconds": 60, "ready_timeout_seconds": READY_SECONDS}
TOO_MANY_REQUESTS = 429
"""What the API server answers where a PodDisruptionBudget does not allow an eviction yet."""


def main(names: Sequence[str]) -> int:
    """Play the named parts, and print their lines; returns the exit code."""
    if unknown := set(names) - set(PARTS):
        raise SystemExit(f"found {', '.join(sorted(unknown))}; expected some of {', '.join(PARTS)}")
    began, code = time.monotonic(), 0
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before\n")
    print(f"| At {RATE:g} requests/s through the Gateway | Requests | Failed | p50 ms | p99 ms | Times |")
    print("|---|---:|---:|---:|---:|---|", flush=True)
    with benchmark_house() as (house, database_url):
        for name in names or PARTS:
            replicas, part = PARTS[name]
            with house.place(database_url, dict(replicas)) as place:
                try:
                    part(place, house)
                except (AssertionError, TimeoutError, TidewheelError) as error:
                    print(f"| {name} | | | | | not finished: {error} |", flush=True)
                    code = 1
    print(f"\n{time.monotonic() - began:.0f} s in all, load average {os.getloadavg()[0]:.1f} after")
    return code


@contextmanager
def benchmark_house() -> Iterator[tuple[ServingHouse, str]]:
    """A namespace, built versions and a ledger; this process releases as the account that may do nothing else."""
    with tempfile.TemporaryDirectory() as folder, serving_house(Cluster(HOST), Path(folder)) as house:
        server = PostgresServer(Path(folder) / "postgres")
        server.start()
        try:
            migrate(url := server.url("postgres"))
            os.environ["KUBECONFIG"] = str(house.kubeconfig)
            yield house, url
        finally:
            server.stop()


def switches(place: Place, house: ServingHouse) -> None:
    """Send all requests to the other colour, again and again."""
    start(place, BLUE, "1")
    start(place, GREEN, "2")
    reroute(place.backend, Traffic(BLUE))
    seconds = []
    with one_row_load(place) as load:
        time.sleep(QUIET_SECONDS)
        for number in range(SWITCHES):
            began = time.monotonic()
            reroute(place.backend, Traffic((GREEN, BLUE)[number % 2]))
            seconds.append(time.monotonic() - began)
            time.sleep(PAUSE_SECONDS)
    answered = ", ".join(f"version {version} answered {count:,}" for version, count in sorted(load.versions.items()))
    median, longest = statistics.median(seconds), max(seconds)
    _report(
        f"{SWITCHES} switches",
        load,
        f"a switch and its confirmation {median:.2f} s (median), {longest:.2f} s (longest); {answered}",
    )


def scaling(place: Place, house: ServingHouse) -> None:
    """Have the autoscaler add two pods and take them away again."""
    start(place, BLUE, "1")
    house.let_pods_go_at_once(place, BLUE)
    reroute(place.backend, Traffic(BLUE))
    # The light one throughout: pods are taken away as soon as the heavy one has ended.
    with one_row_load(place, rate=LIGHT_RATE) as light:
        with one_row_load(place, rows=HEAVY_ROWS) as heavy:
            began = time.monotonic()
            wait_until(lambda: place.backend.ready_replicas(BLUE) == 3, "three pods answer", SCALING_SECONDS)
            up = time.monotonic() - began
            time.sleep(SETTLING_SECONDS)
        _report(f"1 to 3 pods, {HEAVY_ROWS} rows a request", heavy, f"three pods answer after {up:.0f} s")
        began = time.monotonic()
        wait_until(lambda: len(house.pods(place, BLUE)) == 1, "one pod is left", SCALING_SECONDS)
        down = time.monotonic() - began
        time.sleep(SETTLING_SECONDS)
    _report(
        f"the same and back to 1, {LIGHT_RATE:g} requests/s of 1 row beside",
        light,
        f"one pod is left after {down:.0f} s",
    )


def pods(place: Place, house: ServingHouse) -> None:
    """Take pods away from a version with two."""
    start(place, BLUE, "1")
    reroute(place.backend, Traffic(BLUE))
    pod_deleted(place, house)
    pods_evicted(place, house)


def pod_deleted(place: Place, house: ServingHouse) -> None:
    """Delete one of two pods."""
    with one_row_load(place) as load:
        began = time.monotonic()
        house.namespace.delete_pod(house.pods(place, BLUE)[0])
        wait_until(lambda: len(house.pods(place, BLUE)) == 2, "another pod was made", READY_SECONDS)
        await_ready(place, BLUE)
        seconds = time.monotonic() - began
        time.sleep(SETTLING_SECONDS)
    _report("one of 2 pods deleted", load, f"two answer again after {seconds:.0f} s")


def pods_evicted(place: Place, house: ServingHouse) -> None:
    """Evict both pods as a drain of their node does: again and again until the disruption budget allows it."""
    with one_row_load(place) as load:
        began, left, refused = time.monotonic(), set(house.pods(place, BLUE)), 0
        while left:
            for pod in sorted(left):
                try:
                    house.namespace.evict(pod)
                    left.remove(pod)
                except ApiException as error:
                    if error.status != TOO_MANY_REQUESTS:
                        raise
                    refused += 1
            time.sleep(PAUSE_SECONDS)
        wait_until(lambda: len(house.pods(place, BLUE)) == 2, "two other pods were made", READY_SECONDS)
        await_ready(place, BLUE)
        seconds = time.monotonic() - began
        time.sleep(SETTLING_SECONDS)
    _report(
        "both of 2 pods evicted",
        load,
        f"both replaced after {seconds:.0f} s; the disruption budget put {refused} evictions off",
    )


def rollback(place: Place, house: ServingHouse) -> None:
    """Go back to the version that was live before."""
    release(place, "1")
    rollback_by_hand(place)
    rollback_by_guard(place)


def rollback_by_hand(place: Place) -> None:
    """Have `tidewheel rollback` take a release back while it bakes."""
    spec = place.pipeline.release.model_copy(update=PATIENT)
    executor = place.executor_for(place.pipeline.model_copy(update={"release": spec}))
    with tempfile.TemporaryDirectory() as project, ThreadPoolExecutor(1) as thread, one_row_load(place) as load:
        command, variables = _rollback_command(place, Path(project))
        number = executor.begin("2", "benchmark").number
        running = thread.submit(executor.run, number)
        wait_until(lambda: _has_begun(place, number, "bake"), "the release bakes", READY_SECONDS)
        time.sleep(QUIET_SECONDS)
        began = time.time()
        # Its second half, which moves the registry's alias, finds no registry here.
        asked = subprocess.run(
            command,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        with suppress(ReleaseError):
            running.result()
        time.sleep(SETTLING_SECONDS)
    new = [load.answered_at(one) for one in load.played.outcomes if one.answered_by[0] == "2"]
    _report(
        "`tidewheel rollback` in a bake",
        load,
        f"{max(new) - began:.1f} s from the command's start to the last answer of the new version; it prints "
        f'"{asked.stdout.splitlines()[0]}"',
    )


def rollback_by_guard(place: Place) -> None:
    """Release a version that fails some of its requests."""
    spec = place.pipeline.release.model_copy(update=PATIENT)
    executor = place.executor_for(place.pipeline.model_copy(update={"release": spec}))
    with one_row_load(place) as load:
        number = executor.begin("errs", "benchmark").number
        with suppress(ReleaseError):
            executor.run(number)
        time.sleep(SETTLING_SECONDS)
    [bake] = [row for row in place.releases.stages(number) if row.name == "bake"]
    back = bake.detail["back_after_seconds"]
    _report(
        "a version that fails 5% (its failures are meant)",
        load,
        f"{back} s from the end of the guard's window to the router's confirmation",
    )


def one_row_load(place: Place, rows: int = 1, rate: float = RATE) -> OpenLoop:
    """Requests of the model's first golden row, `rows` times each."""
    [golden, *_] = place.build("1").golden_rows()
    body = json.dumps({"rows": [dict(golden.row)] * rows}).encode()
    return OpenLoop(place.backend.endpoint(), [body], rate)


def _report(what: str, load: OpenLoop, times: str) -> None:
    found = load.figures
    kinds = ", ".join(f"{count} {kind}" for kind, count in found.errors.items())
    p50, p99 = found.latency["p50"], found.latency["p99"]
    failed = f"{found.failures}{f' ({kinds})' if kinds else ''}"
    print(f"| {what} | {found.requests:,} | {failed} | {p50:.1f} | {p99:.1f} | {times} |", flush=True)
    if load.not_reached:
        print(f"  {load.not_reached}", file=sys.stderr)


def _rollback_command(place: Place, project: Path) -> tuple[list[str], dict[str, str]]:
    """The command and the variables of an installation with this one pipeline."""
    pipeline, settings = place.pipeline.name, place.settings
    (project / "dags").mkdir()
    serving: dict[str, Any] = {"serving": {"resources": RESOURCES}}
    file = PIPELINE_FILE.replace("name: orders", f"name: {pipeline}") + json.dumps(serving)[1:-1] + "\n"
    (project / "dags" / f"{pipeline}.yaml").write_text(file, encoding="utf-8")
    needed = (
        "home",
        "database_url",
        "endpoint_url",
        "release_backend",
        "serving_image",
        "serving_namespace",
        "gateway",
        "gateway_pods_namespace",
    )
    variables = {f"TIDEWHEEL_{name.upper()}": str(settings.require(name)) for name in needed}
    program = Path(sys.executable).parent / "tidewheel"
    return [str(program), "rollback", pipeline, "--reason", "benchmark"], variables | {
        "TIDEWHEEL_PROJECT": str(project)
    }


def _has_begun(place: Place, number: int, stage: str) -> bool:
    return any(row.name == stage for row in place.releases.stages(number))


PARTS: dict[str, tuple[Mapping[str, int], Callable[[Place, ServingHouse], None]]] = {
    "switches": ({}, switches),
    "scaling": ({"minimum": 1, "maximum": 3}, scaling),
    "pods": ({"minimum": 2}, pods),
    "rollback": ({}, rollback),
}
"""How many pods each part has, and what it does."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
