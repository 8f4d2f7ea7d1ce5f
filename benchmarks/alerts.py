"""How long a round of the alerts service takes, and how soon a bad night reaches its channel.

    python -m benchmarks.alerts --database-url postgresql+psycopg2://USER:PASSWORD@HOST:PORT/EMPTY_DATABASE

Fills a ledger with pipelines and days, plays rounds, then starts the service and lets a night go wrong.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from sqlalchemy import text

import tidewheel
from tidewheel.alerts.round import Rounds
from tidewheel.ledger import Ledger, migrate
from tidewheel.ledger.alerts import AlertLog
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.settings import Settings

FILE = """\
name: {name}
description: Will an order be sent back?
owner: {{team: shop}}
source: {{reader: {{kind: csv, path: "{{partition}}.csv"}}, event_time: ordered_at, entity_key: [order_id]}}
labels: {{reader: {{kind: csv, path: "{{partition}}.csv"}}, column: returned}}
features: {{transform: "jobs.pipelines.orders.transform:features", numeric: [amount]}}
alerts: {{channels: {{team: {{url_variable: BENCHMARK_HOOK}}}}, rules: [roc_auc < 0.2 for 7 days]}}
"""
FIGURES = ("rows", "log_loss", "roc_auc", "bias", "pooled_excess_loss", "drifted_columns")
VERDICTS = {"raw/": Kind.VALIDATION, "": Kind.DRIFT}
FILL = """
INSERT INTO verdict (pipeline, kind, subject, run_id, outcome, sentence, inputs, thresholds, decided_at)
SELECT pipeline, :kind, :prefix || to_char(day, 'YYYY-MM-DD'), 'run ' || day, :outcome, 'as usual', '{}', '{}', day
FROM generate_series(CAST(:first AS date), CAST(:last AS date), interval '1 day') AS day,
    unnest(CAST(:pipelines AS text[])) AS pipeline
"""
FILL_FIGURES = """
INSERT INTO figure (pipeline, partition, name, slice, version, value, measured_at)
SELECT pipeline, to_char(day, 'YYYY-MM-DD'), name, '', '1', 0.5, day
FROM generate_series(CAST(:first AS date), CAST(:last AS date), interval '1 day') AS day,
    unnest(CAST(:pipelines AS text[])) AS pipeline, unnest(CAST(:names AS text[])) AS name
"""


class Hook(BaseHTTPRequestHandler):
    """Notes when the first message arrives."""

    arrived = threading.Event()

    def do_POST(self) -> None:
        """Take a message."""
        if b"drift" in self.rfile.read(int(self.headers["content-length"])):
            self.arrived.set()
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main() -> None:
    """Fill, play, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database-url", required=True, help="of an empty database")
    parser.add_argument("--pipelines", type=int, default=100)
    parser.add_argument("--days", type=int, default=3 * 365)
    parser.add_argument("--rounds", type=int, default=10)
    asked = parser.parse_args()
    names = [f"orders_{n:04}" for n in range(asked.pipelines)]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), project=Path(folder))
        (Path(folder) / "dags").mkdir()
        for name in names:
            (Path(folder) / "dags" / f"{name}.yaml").write_text(FILE.format(name=name), encoding="utf-8")
        migrate(asked.database_url)
        ledger = Ledger(asked.database_url)
        _fill(ledger, names, asked.days)
        _report_rounds(Rounds(settings, ledger), asked)
        _report_delay(settings, ledger, names[0], asked.database_url)


def _fill(ledger: Ledger, names: list[str], days: int) -> None:
    last = date.today() - timedelta(days=1)
    span = {"first": last - timedelta(days=days - 1), "last": last, "pipelines": names}
    with ledger.session() as session:
        for prefix, kind in VERDICTS.items():
            outcome = Outcome.PASSED if kind is Kind.VALIDATION else Outcome.NO_ACTION
            session.execute(text(FILL), {**span, "prefix": prefix, "kind": str(kind), "outcome": str(outcome)})
        session.execute(text(FILL_FIGURES), {**span, "names": list(FIGURES)})
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def _report_rounds(rounds: Rounds, asked: argparse.Namespace) -> None:
    began = time.perf_counter()
    rounds.play(datetime.now(UTC))
    first, wall, cpu = time.perf_counter() - began, [], time.process_time()
    for _ in range(asked.rounds):
        began = time.perf_counter()
        rounds.play(datetime.now(UTC))
        wall.append(time.perf_counter() - began)
    cpu = (time.process_time() - cpu) / asked.rounds
    print(f"{asked.pipelines} pipelines, {asked.days} days: first round {first:.2f} s (reads the files)")
    print(f"a round: {statistics.median(wall):.2f} s (median of {asked.rounds}), {cpu:.2f} s of CPU here")


def _report_delay(settings: Settings, ledger: Ledger, name: str, url: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = {
        **os.environ,
        "TIDEWHEEL_HOME": str(settings.home),
        "TIDEWHEEL_PROJECT": str(settings.project),
        "TIDEWHEEL_DATABASE_URL": url,
        "BENCHMARK_HOOK": f"http://127.0.0.1:{server.server_port}/hook",
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(Path(tidewheel.__file__).parents[1]),
    }
    log = settings.home / "alerts.log"
    with log.open("wb") as file:
        service = subprocess.Popen([sys.executable, "-m", "tidewheel.alerts.service"], env=env, stderr=file)
    AlertLog(ledger).task_failed(name, "features", "land", "run", "first", datetime.now(UTC))
    while "opened" not in log.read_text(encoding="utf-8"):  # it has begun its rounds
        time.sleep(0.05)
    time.sleep(2)
    day = date.today().isoformat()
    ledger.record(name, day, "run", Verdict(Kind.DRIFT, Outcome.FIRED, "fired: all columns"), datetime.now(UTC))
    began = time.perf_counter()
    Hook.arrived.wait(120)
    print(f"from the verdict to the message: {time.perf_counter() - began:.1f} s")
    service.terminate()
    service.wait(30)
    server.shutdown()
    ledger.engine.dispose()


if __name__ == "__main__":
    main()
