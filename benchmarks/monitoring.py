"""What monitoring a large day costs: drift, page, performance by slice and estimate of 1M rows x 30 columns.

    python -m benchmarks.monitoring [--rows 1000000] [--online]

Made-up rows in a lake of their own, which is deleted afterwards: four weeks of smaller days, then the day. What job
`monitor` computes is computed in this process; ledger and registry, which see a few hundred figures, are left out. With
`--online` the pipeline scores no batches: the same rows were asked of its endpoint, and are compared with the night's.
"""

from __future__ import annotations

import argparse
import os
import resource
import secrets
import tempfile
import time
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from jobs.monitoring.answered_rows import answered_day
from jobs.monitoring.drift import day_drift
from jobs.monitoring.labelled_answers import labelled_answers
from jobs.monitoring.labelled_predictions import labelled_predictions
from jobs.monitoring.performance import day_performance, sliced_columns
from jobs.monitoring.skew import day_skew
from tidewheel.lake import Lake
from tidewheel.settings import load_settings
from tidewheel.spec import Pipeline

NUMERIC, CATEGORICAL = [f"number_{n}" for n in range(25)], [f"kind_{n}" for n in range(5)]
DAY = date(2026, 10, 31)
SMALLER = 20_000
READER = {"kind": "parquet", "path": "unused/{partition}.parquet"}
PIPELINE = {
    "name": "large",
    "description": "made up",
    "owner": {"team": "benchmarks"},
    "source": {"reader": READER, "event_time": "at", "entity_key": ["id"]},
    "labels": {"reader": READER, "column": "label"},
    "features": {"transform": "unused:unused", "numeric": NUMERIC, "categorical": CATEGORICAL},
}


def main() -> None:
    """Print the figures of one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--online", action="store_true")
    options = parser.parse_args()
    pipeline = Pipeline.model_validate({**PIPELINE, "scoring": {"enabled": not options.online}})
    with tempfile.TemporaryDirectory() as home:
        os.environ["TIDEWHEEL_HOME"] = home
        settings = load_settings()
        lake = Lake.open(pipeline.name, settings)
        for n in range(28, -1, -1):
            publish_day(lake, DAY - timedelta(days=n), options.rows if n == 0 else SMALLER, online=options.online)
        began, cpu = time.monotonic(), time.process_time()
        drift = day_drift(lake, pipeline, DAY)
        drifted = time.process_time()
        if options.online:
            rows = labelled_answers(lake, pipeline, str(DAY), str(DAY), sliced_columns(pipeline))
        else:
            rows = labelled_predictions(lake, settings, pipeline, str(DAY), sliced_columns(pipeline))
        performance = day_performance(pipeline, rows, {})
        measured = time.process_time()
        answered = answered_day(lake, pipeline, str(DAY))
        skew = day_skew(lake, pipeline, answered, lambda version: None) if answered else None
        seconds, done = time.monotonic() - began, time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{options.rows:,} rows x {len(pipeline.features.columns)} columns, {seconds:.0f} s, peak {peak:,.0f} MB")
    print(f"drift of {len(drift.findings)} columns with Evidently's page: {drifted - cpu:.0f} s of CPU")
    print(f"performance of {len(performance.figures)} parts: {measured - drifted:.0f} s of CPU")
    if skew:
        print(f"skew of {len(skew.columns)} columns in {skew.rows:,} rows: {done - measured:.0f} s of CPU")


def publish_day(lake: Lake, day: date, count: int, *, online: bool) -> None:
    """Publish features, predictions (or requests) and labels of a day."""
    rng = np.random.default_rng(day.toordinal())
    key = pa.array([f"{day}-{n:07}" for n in range(count)])
    numbers = {name: rng.normal(size=count) for name in NUMERIC}
    kinds = {name: pa.array(np.array(list("abcdefgh"))[rng.integers(0, 8, count)]) for name in CATEGORICAL}
    chance = 1 / (1 + np.exp(-numbers["number_0"]))
    said = {"prediction": chance, "model_version": pa.repeat("1", count)}
    for dataset, columns in (
        ("features", {**numbers, **kinds}),
        *([] if online else [("predictions", said)]),
        ("labels", {"label": (rng.random(count) < chance).astype("int64")}),
    ):
        lake.publish(lake.write_table(dataset, str(day), pa.table({"id": key, **columns}), {}, "benchmark"))
    if online:
        sent = {f"features.{name}": values for name, values in {**numbers, **kinds}.items()}
        ids = {"request_id": pa.array([secrets.token_hex(16) for _ in range(count)]), "row": pa.repeat(0, count)}
        asked = {**ids, "mirrored": pa.repeat(False, count), **said, "key.id": key, **sent}
        lake.publish(lake.write_table("requests", str(day), pa.table(asked), {}, "benchmark"))


if __name__ == "__main__":
    main()
