"""What a scrape of many pipelines costs, and what it costs to keep their traffic in the ledger.

    python -m benchmarks.exporter --pipelines 100

Starts a PostgreSQL and an Envoy of its own: each pipeline has a year of figures, two colours and requests.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client import generate_latest
from sqlalchemy import insert

from infra.prometheus.collector import LedgerCollector
from infra.prometheus.exporter import registry
from infra.prometheus.recorder import TrafficRecorder
from infra.prometheus.routers import ReadRouters, routers
from tests.conftest import PostgresServer
from tests.infra.prometheus.envoy import RunningEnvoy
from tests.pipelines import PIPELINE_FILE
from tidewheel.ledger import Ledger, migrate
from tidewheel.ledger.tables import FigureRow, TrafficRow, VerdictRow
from tidewheel.ledger.task_tables import TaskRunsRow
from tidewheel.ledger.traffic import HOUR, MINUTE, TrafficLog
from tidewheel.settings import Settings

FIGURES = ("log_loss", "roc_auc", "drifted_columns", "rows")
DRIFTING_COLUMNS = 20
KINDS = ("trigger", "drift", "validation")
TASKS = 12
TIMES = [[float(ms), 40] for ms in range(1, 26)]


def main() -> None:
    """Start, fill, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipelines", type=int, default=100, help="declared pipelines")
    parser.add_argument("--scrapes", type=int, default=20, help="scrapes to take")
    asked = parser.parse_args()
    names = [f"pipeline_{n:04}" for n in range(asked.pipelines)]
    with tempfile.TemporaryDirectory() as folder, started(Path(folder), names) as (settings, ledger):
        fill(ledger, names)
        read = routers(settings)
        assert read is not None
        report(settings, ledger, read, names, asked.scrapes)
        ledger.engine.dispose()


@contextmanager
def started(folder: Path, names: list[str]) -> Iterator[tuple[Settings, Ledger]]:
    """A ledger, and an Envoy that knows two colours of each pipeline."""
    (folder / "dags").mkdir()
    for name in names:
        (folder / "dags" / f"{name}.yaml").write_text(PIPELINE_FILE.replace("orders", name))
    server, envoy = PostgresServer(folder / "home"), RunningEnvoy(folder, *names)
    server.start()
    try:
        envoy.start()
        url = server.url("postgres")
        migrate(url)
        for name in names:
            envoy.send(20, pipeline=name)
        settings = Settings(project=folder, home=folder / "home", database_url=url, envoy_admin_url=envoy.admin_url)  # type: ignore[arg-type]
        yield settings, Ledger(url)
    finally:
        envoy.close()
        server.stop()


def fill(ledger: Ledger, names: list[str]) -> None:
    """A year of figures of each pipeline, and the traffic of one: two days of minutes, 60 of hours."""
    now = datetime.now(UTC)
    with ledger.session() as session:
        for name in names:
            rows = []
            for ago in range(1, 366):
                day = str(now.date() - timedelta(days=ago))
                row = {"pipeline": name, "partition": day, "slice": "", "version": "1", "measured_at": now}
                rows += [{**row, "name": figure, "value": 0.5} for figure in FIGURES]
                drift = {"name": "feature_drift", "value": 0.1, "version": ""}
                rows += [{**row, **drift, "slice": f"column_{n}"} for n in range(DRIFTING_COLUMNS)]
            session.execute(insert(FigureRow), rows)
            session.execute(insert(VerdictRow), verdicts(name, now))
            tasks = {"purpose": "features", "outcome": "succeeded", "runs": 365, "seconds": 9e3}
            tasks |= {"pipeline": name, "last_seconds": 25.0, "last_ended_at": now}
            session.execute(insert(TaskRunsRow), [{**tasks, "task_id": f"task_{n}"} for n in range(TASKS)])
        for seconds, count in ((MINUTE, 2 * 1440), (HOUR, 60 * 24)):
            start = datetime.fromtimestamp(now.timestamp() // HOUR * HOUR, UTC)
            row = {"pipeline": names[0], "colour": "blue", "version": "1", "seconds": seconds, "times": TIMES}
            row |= {"requests": 1000, "errors": 0, "refused": 0}
            spans = [{**row, "start": start - timedelta(seconds=seconds * n)} for n in range(1, count)]
            session.execute(insert(TrafficRow), spans)


def verdicts(name: str, now: datetime) -> list[dict[str, object]]:
    """What was decided in a year: each night the trigger, drift and validation."""
    row = {"pipeline": name, "outcome": "no_action", "sentence": "x" * 200, "thresholds": {"t": 3.0}, "decided_at": now}
    row |= {"inputs": {"fits_saved": 1.5, "attempts": [{"as_of": "2026-01-01", "ended": "rejected"}] * 20}}
    days = [str(now.date() - timedelta(days=ago)) for ago in range(1, 366)]
    return [{**row, "kind": kind, "subject": day, "run_id": day} for day in days for kind in KINDS]


def report(settings: Settings, ledger: Ledger, read: ReadRouters, names: list[str], scrapes: int) -> None:
    """Measure and print."""
    collector, page, traffic = LedgerCollector(settings), registry(settings, read), TrafficLog(ledger)
    recorder, now = TrafficRecorder(read, traffic), datetime.now(UTC)
    measured: dict[str, Callable[[], object]] = {
        "the ledger's metrics": lambda: list(collector.collect()),
        "the routers' counters": read,
        "the whole page": lambda: shared_anew(page),
        "a reading of the routers into the ledger, nothing new": recorder.step,
        "two days of minutes of a pipeline's traffic": lambda: traffic.series(names[0], now - timedelta(days=2), now),
        "60 days of hours": lambda: traffic.series(names[0], now - timedelta(days=60), now, HOUR),
    }
    print(f"{len(names)} pipelines, page of {len(generate_latest(page)) / 1e6:.2f} MB")
    for what, work in measured.items():
        work()
        walls, cpu = [], time.process_time()
        for _ in range(scrapes):
            began = time.perf_counter()
            work()
            walls.append(time.perf_counter() - began)
        own = (time.process_time() - cpu) / scrapes
        print(
            f"{what}: {1000 * statistics.median(walls):.0f} ms (median of {scrapes}), {1000 * own:.0f} ms of CPU here"
        )


def shared_anew(page: object) -> bytes:
    """The page, collected anew although the last one is younger than a second."""
    from infra.prometheus import shared

    shared.FRESH_SECONDS = -1.0
    return generate_latest(page)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
