"""What one pod of a model carries at its latency budget, through the Gateway, and what 10,000 requests a second take.

    python -m benchmarks.cluster_replicas     # about three minutes; KUBECONFIG names the cluster

One pod with a core of its own answers requests of one row; their rate is raised by half until one of a hundred takes
longer than the budget, one fails, or this machine cannot send as many. The CPU of its service is read before and after
each turn: a busy machine changes the rate at the budget, and that figure little. The cluster must have what
`tests/cluster` needs (docs/how-to/kubernetes.md).
"""

from __future__ import annotations

import math
import os
import sys
import time
from typing import NamedTuple

from benchmarks.cluster_release import benchmark_house, one_row_load
from tests.cluster.releases import ServingHouse
from tests.infra.local.conftest import Place
from tests.infra.release_contract import BLUE, start
from tidewheel.release.traffic import Traffic, reroute

BUDGET_MS, FIRST_RATE, GROWTH, TURN_SECONDS = 50.0, 50.0, 1.5, 10.0
PEAK, USED = 10_000.0, 0.65
"""Requests a second to serve, and how much of its rate a replica is given: docs/how-to/scale.md has the formula."""
RESOURCES = {"cpu": 1, "memory": "768Mi"}
CPU_SECONDS = """
import os, pathlib
spent = [path.read_text().rpartition(')')[2].split()[11:15] for path in pathlib.Path('/proc').glob('[0-9]*/stat')]
print(sum(int(ticks) for each in spent for ticks in each) / os.sysconf('SC_CLK_TCK'))
"""
"""What all processes of a container have spent, from inside it."""


class Turn(NamedTuple):
    """What one rate gave.

    Attributes:
        rate: requests a second.
        p99: milliseconds.
        cpu_ms: of the service, for a request.
        stopped: why no higher rate is tried; empty where one is.
    """

    rate: float
    p99: float
    cpu_ms: float
    stopped: str


def main() -> int:
    """Raise the rate, and print what benchmarks/README.md says; returns the exit code."""
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before\n")
    print("| Requests/s of one row | p50 ms | p99 ms | CPU of the service, ms a request | |")
    print("|---:|---:|---:|---:|---|", flush=True)
    with benchmark_house() as (house, database_url), house.place(database_url, resources=RESOURCES) as place:
        start(place, BLUE, "1")
        reroute(place.backend, Traffic(BLUE))
        turns, rate = [_turn(place, house, FIRST_RATE)], FIRST_RATE
        while not turns[-1].stopped:
            rate *= GROWTH
            turns.append(_turn(place, house, rate))
    print(f"\nload average {os.getloadavg()[0]:.1f} after")
    cpu_ms = min(turn.cpu_ms for turn in turns)
    print(f"by CPU, {PEAK:,.0f} requests/s of {cpu_ms:.2f} ms take {_replicas(1000 / cpu_ms)} replicas of a core each")
    if sustained := [turn.rate for turn in turns if not turn.stopped]:
        print(
            f"by the rate within {BUDGET_MS:g} ms, {_replicas(max(sustained))} of {max(sustained):.0f} requests/s each"
        )
        return 0
    return 1


def _turn(place: Place, house: ServingHouse, rate: float) -> Turn:
    before = _cpu_seconds(place, house)
    with one_row_load(place, rate=rate) as load:
        time.sleep(TURN_SECONDS)
    found = load.figures
    cpu_ms = 1000 * (_cpu_seconds(place, house) - before) / found.requests
    p50, p99 = found.latency["p50"], found.latency["p99"]
    stopped = load.not_reached or (f"{found.failures} failed" if found.failures else "")
    stopped = stopped or (f"p99 beyond {BUDGET_MS:g} ms" if p99 > BUDGET_MS else "")
    print(f"| {rate:.0f} | {p50:.1f} | {p99:.1f} | {cpu_ms:.2f} | {stopped} |", flush=True)
    return Turn(rate, p99, cpu_ms, stopped)


def _cpu_seconds(place: Place, house: ServingHouse) -> float:
    [pod] = house.pods(place, BLUE)
    said = house.python_beside_service(pod, CPU_SECONDS)
    return float(said)


def _replicas(rate: float) -> int:
    return max(2, math.ceil(PEAK / (rate * USED)) + 1)


if __name__ == "__main__":
    sys.exit(main())
