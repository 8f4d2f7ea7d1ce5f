"""How fast the console's pages are: the front page of many pipelines, and the page of one with years of days.

    python -m benchmarks.console --pipelines 100 --days 1095

A PostgreSQL of its own holds the ledger, a folder the lake; a server on loopback answers as MLflow's registry does. The
pages are made as Airflow's API server does after the login, and rendered; where there is a `chromium`, they are then
opened in it.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlalchemy import text

from benchmarks.made_up_ledger import write_ledger
from benchmarks.made_up_past import MadeUp
from benchmarks.made_up_traffic import write_traffic
from benchmarks.small_platform import database as make_database
from infra.embedded import postgres
from infra.embedded.layout import Layout
from infra.embedded.platform import start_supervisord
from tests import airflow_home  # noqa: F401  before anything imports Airflow
from tests.chromium import CHROMIUM, MISSING
from tests.free_ports import free_port
from tests.pipelines import PIPELINE_FILE
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger
from tidewheel.ledger.tables import (
    EndpointRow,
    FigureRow,
    ModelVersionRow,
    PromotionRow,
    ReleaseRow,
    RetrainRequestRow,
    TrafficRow,
    VerdictRow,
)
from tidewheel.ledger.training_tables import TrainingRow

if TYPE_CHECKING:
    from fastapi import Response

COPIED = (
    *(FigureRow, VerdictRow, ModelVersionRow, PromotionRow, ReleaseRow, EndpointRow, RetrainRequestRow),
    *(TrainingRow, TrafficRow),
)
REPEATS = 15
ROWS = 200_000
"""Predictions of the newest day."""


def main() -> None:
    """Fill the ledger, ask for the pages, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipelines", type=int, default=100, help="how many, two or more")
    parser.add_argument("--days", type=int, default=1095, help="monitored days of each")
    options = parser.parse_args()
    names = [f"model_{number:03}" for number in range(options.pipelines)]
    with tempfile.TemporaryDirectory() as folder, _postgres(Path(folder)) as url, _registry(names) as registry:
        os.environ |= {
            "TIDEWHEEL_PROJECT": folder,
            "TIDEWHEEL_HOME": f"{folder}/home",
            "TIDEWHEEL_DATABASE_URL": url,
            "TIDEWHEEL_MLFLOW_URL": registry,
            "TIDEWHEEL_CPU_HOUR_PRICE": "0.05",
            "NO_PROXY": "127.0.0.1",
        }
        rows = _fill(Ledger(url), Path(folder), names, options.days)
        _airflow_tables()
        _report(names[0], f"{options.pipelines} pipelines, {options.days:,} days, {rows:,} figures")


def _report(name: str, what: str) -> None:
    from plugins.web.app import show_fleet, show_pipeline, show_row

    print(what)
    day = str(Lake.open(name).newest("predictions"))
    pages: dict[str, Callable[[], Response]] = {
        "front page": show_fleet,
        "page of a pipeline": partial(show_pipeline, name),
        "the same with another figure": partial(show_pipeline, name, "expected_cost"),
        f"page of a row, one of {ROWS:,}": partial(show_row, name, day, ["7"]),
    }
    for page, show in pages.items():
        milliseconds, processor, size = _measure(show)
        slowest, first = max(milliseconds), milliseconds[0]
        print(f"{page}: median {statistics.median(milliseconds):.0f} ms, slowest of {REPEATS} {slowest:.0f} ms")
        print(f"  first {first:.0f} ms; {processor:.0f} ms of this process's CPU; {size / 1024:.0f} KB")
    if CHROMIUM is None:
        print(MISSING)
        return
    from benchmarks.drawing import report_drawing

    report_drawing(
        {
            "front page": ("/", ".fleet tbody tr:last-child"),
            "page of a pipeline": (f"/pipeline/{name}", "#traffic-times canvas"),
            "page of a row": (f"/pipeline/{name}/row?day={day}&key=7", "svg.bars"),
        }
    )


def _measure(show: Callable[[], Response]) -> tuple[list[float], float, int]:
    taken, computed, size = [], [], 0
    for _ in range(REPEATS):
        began, before = time.perf_counter(), time.process_time()
        size = len(show().body)
        taken.append(1000 * (time.perf_counter() - began))
        computed.append(1000 * (time.process_time() - before))
    return taken, statistics.median(computed), size


def _fill(ledger: Ledger, folder: Path, names: Sequence[str], days: int) -> int:
    """Write the past of two pipelines, and copy the second one's to the others without its slices and columns.

    A version of the first one waits for an approval.

    Returns:
        How many figures there are.
    """
    newest = datetime.now(UTC).date() - timedelta(days=1)
    (folder / "dags").mkdir()
    for name in names:
        (folder / "dags" / f"{name}.yaml").write_text(PIPELINE_FILE.replace("name: orders", f"name: {name}"))
        lake = Lake.open(name)
        features = folder / "home" / "lake" / name / "features"
        for age in range(days):
            day = features / str(newest - timedelta(days=age))
            day.mkdir(parents=True)
            if age == 0:
                (day / "manifest.json").write_text("{}")
        assert lake.newest("features") == str(newest)
    story = MadeUp(names[0], newest, days=days, drifting=True, waiting=True)
    for written in (story, replace(story, name=names[1], waiting=False)):
        write_ledger(ledger, written)
        write_traffic(ledger, written, datetime.now(UTC))
    _score(Lake.open(names[0]), str(newest))
    with ledger.session() as session:
        for table in COPIED:
            copied = [column.name for column in table.__table__.columns if column.name not in ("id", "pipeline")]
            listed = ", ".join(f'"{column}"' for column in copied)
            statement = text(
                f"INSERT INTO {table.__tablename__} (pipeline, {listed}) SELECT :to, {listed} "  # noqa: S608
                f"FROM {table.__tablename__} WHERE pipeline = :name{' AND slice = :all' if table is FigureRow else ''}"
            )
            for name in names[2:]:
                session.execute(statement, {"to": name, "name": names[1], "all": ""})
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
        rows = connection.scalar(text("SELECT count(*) FROM figure"))
    ledger.engine.dispose()
    return int(rows or 0)


def _score(lake: Lake, day: str) -> None:
    """Publish a day of explained predictions."""
    keys = pa.array(range(ROWS), pa.int64())
    amounts = pa.array(range(ROWS), pa.float64())
    lake.publish(features := lake.write_table("features", day, pa.table({"order_id": keys, "amount": amounts}), {}, ""))
    predictions = {
        "order_id": keys,
        "prediction": pa.array([0.25] * ROWS),
        "model_version": pa.array(["1"] * ROWS),
        "top_field_1": pa.array(["amount"] * ROWS),
        "top_contribution_1": pa.array([0.4] * ROWS),
    }
    inputs = {features.key: features.content_hash, "model": "version 1"}
    lake.publish(lake.write_table("predictions", day, pa.table(predictions), inputs, ""))


def _airflow_tables() -> None:
    from airflow import settings
    from airflow.models import import_all_models
    from airflow.models.base import Base

    import_all_models()
    Base.metadata.create_all(settings.get_engine())


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    layout, password, port = Layout(folder / "home"), secrets.token_hex(8), free_port()
    layout.create()
    supervisor = start_supervisord(layout, {"PATH": os.environ["PATH"]})
    try:
        postgres.create_data_folder(layout, password)
        program = postgres.program(layout, port)
        supervisor.add(program)
        supervisor.start(program.name)
        yield make_database(postgres.url(password, port, "postgres"), postgres.url(password, port, "tidewheel"))
    finally:
        supervisor.shutdown()


@contextmanager
def _registry(names: Sequence[str]) -> Iterator[str]:
    champion = [{"alias": "champion", "version": "1"}]
    answer = json.dumps({"registered_models": [{"name": name, "aliases": champion} for name in names]}).encode()
    run = json.dumps({"run": {"info": {"lifecycle_stage": "active"}}}).encode()

    class Registry(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # keeps connections open, as MLflow's server does

        def do_GET(self) -> None:
            body = answer if "registered-models" in self.path else run
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    main()
