"""What it costs to watch the champions of many pipelines: one look at registry and ledger, as the triggerer takes it.

    tidewheel up
    python -m benchmarks.watcher --pipelines 100

Registers models of its own in the MLflow of the running platform, and deletes them afterwards.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping

import psutil

from infra.embedded.platform import Platform
from plugins.registry import registered_aliases
from plugins.watcher import LOOK_SECONDS, RegistryWatch
from tidewheel.mlflow_api import ask
from tidewheel.settings import Settings, load_settings


def main() -> None:
    """Register, look, delete, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipelines", type=int, default=100, help="registered models with a champion")
    parser.add_argument("--looks", type=int, default=50, help="looks to take")
    asked = parser.parse_args()
    settings = load_settings()
    names = [f"watcher_benchmark_{n:04}" for n in range(asked.pipelines)]
    try:
        run = ask(settings, "POST", "runs/create", experiment_id="0")["run"]["info"]
        for name in names:
            _register(settings, name, run)
        _report(settings, asked.looks)
    finally:
        for name in set(names) & registered_aliases(settings).keys():
            ask(settings, "DELETE", "registered-models/delete", name=name)


def _register(settings: Settings, name: str, run: Mapping[str, str]) -> None:
    ask(settings, "POST", "registered-models/create", name=name)
    source = {"source": f"{run['artifact_uri']}/model", "run_id": run["run_id"]}
    made = ask(settings, "POST", "model-versions/create", name=name, **source)
    version = str(made["model_version"]["version"])
    ask(settings, "POST", "registered-models/alias", name=name, alias="champion", version=version)


def _report(settings: Settings, looks: int) -> None:
    watch, wall = RegistryWatch(), []
    watch.look()
    servers = _processes(settings, "mlflow")
    before, server_before = time.process_time(), _cpu(servers)
    for _ in range(looks):
        began = time.perf_counter()
        found = watch.look()
        wall.append(time.perf_counter() - began)
    own, server = time.process_time() - before, _cpu(servers) - server_before
    watch.close()
    print(f"{len(found)} champions that do not answer, {looks} looks")
    print(
        f"a look: {1000 * statistics.median(wall):.1f} ms (median), {1000 * own / looks:.1f} ms of CPU here, ", end=""
    )
    print(f"{1000 * server / looks:.1f} ms of CPU in MLflow")
    print(f"at one look in {LOOK_SECONDS:g} s: {100 * (own + server) / looks / LOOK_SECONDS:.2f}% of one core")


def _processes(settings: Settings, service: str) -> list[psutil.Process]:
    [pid] = [found.pid for found in Platform(settings).status() if found.name == service and found.pid]
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _cpu(processes: list[psutil.Process]) -> float:
    return sum(process.cpu_times().user + process.cpu_times().system for process in processes)


if __name__ == "__main__":
    main()
