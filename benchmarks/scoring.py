"""Batch scoring: rows a second and peak memory of our scorer, of MLflow's `spark_udf`, and of an identity `mapInArrow`.

    python -m benchmarks.scoring                      # 1M rows of each kind, then ours with 10M
    python -m benchmarks.scoring --kind ours --rows 1000000

Rows have the columns of the flight_delay pipeline, 100,000 to a file; the model is its estimator. Each kind runs in a
process of its own, on local[2], after a warm-up that starts Spark's workers. What `ours` writes is on disk at the end;
the other two hand their rows to Spark's `noop` sink, so their writing is not counted.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.data.spark import spark_session
from jobs.models.contract import write_contract
from jobs.models.model_file import requirements, serialization
from jobs.models.prediction import model_frame, predict
from jobs.models.scorer import FILE_COLUMNS, RESULT, Scorer, packed
from jobs.training.estimators import build_model, settle_for_prediction
from tidewheel.lake import LakeFile
from tidewheel.settings import Settings
from tidewheel.spec import Pipeline, load_pipeline

ROWS_PER_FILE = 100_000
TRAINING_ROWS = 50_000
SHAPES = {"carrier": 16, "origin": 3, "dest": 105}
KEY, TIME = "flight_id", "scheduled_departure"


def main() -> None:
    """Run one kind, or all of them, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    if options.kind:
        print(json.dumps(measure(options.kind, options.rows)))
        return
    runs = [
        ("identity", options.rows),
        ("spark_udf", options.rows),
        ("ours", options.rows),
        ("ours", options.rows * 10),
    ]
    found = []
    for kind, rows in runs:
        command = [sys.executable, "-m", "benchmarks.scoring", "--kind", kind, "--rows", str(rows)]
        answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found.append(json.loads(answer.stdout.splitlines()[-1]))
    print("| kind | rows | seconds | rows a second | rows a CPU second | largest Python worker, MB |")
    print("|---|---:|---:|---:|---:|---:|")
    for run in found:
        cells = "| {kind} | {rows:,} | {seconds:.1f} | {rate:,.0f} | {rate_per_cpu:,.0f} | {worker_megabytes:,.0f} |"
        print(cells.format(**run))
    _, udf, ours, _ = found
    print(
        f"\nours / spark_udf: {ours['rate'] / udf['rate']:.2f}; ours / identity: {ours['rate'] / found[0]['rate']:.2f}"
    )


def measure(kind: str, rows: int) -> dict[str, Any]:
    """Time one kind over some rows."""
    pipeline = load_pipeline(Path(__file__).parent.parent / "dags" / "flight_delay.yaml")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        sources = [write_rows(root, n, pipeline) for n in range(-(-rows // ROWS_PER_FILE))]
        settings = Settings(home=root / "home", lake_url=root.as_uri(), spark_master="local[2]", spark_memory="2g")
        score = KINDS[kind](settings, pipeline, root)
        score(sources[:2])
        with PeakMemory() as memory:
            started, worked = time.perf_counter(), cpu_seconds()
            score(sources)
            seconds, worked = time.perf_counter() - started, cpu_seconds() - worked
    rates = {"rate": rows / seconds, "rate_per_cpu": rows / worked}
    return {"kind": kind, "rows": rows, "seconds": seconds, **rates, "worker_megabytes": memory.megabytes}


def cpu_seconds() -> float:
    """CPU time of this process and of all it has started, which a busy machine does not distort as much."""
    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children(recursive=True))]
    return float(sum(t.user + t.system + t.children_user + t.children_system for t in times))


def write_rows(root: Path, number: int, pipeline: Pipeline) -> str:
    """Write one file of random features; returns its path relative to the root."""
    path = f"flight_delay/features/_data/rows/part-{number:05}.parquet"
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.Table.from_pandas(draw(number, ROWS_PER_FILE, pipeline)),
        root / path,
        compression="zstd",
        coerce_timestamps="us",
    )
    return path


def draw(seed: int, rows: int, pipeline: Pipeline) -> pd.DataFrame:
    """Random rows with the pipeline's columns."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {KEY: [f"{seed}-{n}" for n in range(rows)]}
    columns[TIME] = pd.Timestamp("2013-03-01", tz="UTC") + pd.to_timedelta(rng.integers(0, 86400, rows), unit="s")
    columns |= {name: rng.normal(size=rows) for name in pipeline.features.numeric}
    for name, size in SHAPES.items():
        columns[name] = np.array([f"{name}{n}" for n in range(size)], dtype=object)[rng.integers(0, size, rows)]
    return pd.DataFrame(columns)


def fit(pipeline: Pipeline) -> tuple[Any, pd.DataFrame]:
    """The pipeline's own estimator, fitted to random rows, and the rows."""
    frame = model_frame(draw(10**6, TRAINING_ROWS, pipeline), pipeline.features)
    late = frame[pipeline.features.numeric].sum(axis=1) + np.random.default_rng(0).normal(0, 5, len(frame)) > 0
    return settle_for_prediction(
        build_model(pipeline.training, pipeline.features, pipeline.task).fit(frame, late)
    ), frame


def ours(settings: Settings, pipeline: Pipeline, root: Path) -> Callable[[list[str]], None]:
    """The executors' work of the job `score`."""
    model, frame = fit(pipeline)
    contract = write_contract(pipeline.name, pipeline.task, pipeline.features, frame, model)
    scorer = Scorer(
        packed(model),
        contract,
        pipeline.task,
        "1",
        (KEY, TIME),
        settings.lake_root,
        {},
        "flight_delay/predictions/_data/x",
    )
    spark = spark_session(settings, "ours")
    names = ", ".join(f"{field.name} {'long' if field.type == pa.int64() else 'string'}" for field in RESULT)

    def described(source: str) -> tuple[Any, ...]:
        content = (root / source).read_bytes()
        return astuple(LakeFile(source, len(content), hashlib.sha256(content).hexdigest(), ROWS_PER_FILE, source))

    known: dict[str, tuple[Any, ...]] = {}  # a manifest has them: what is timed is the executors' work

    def score(sources: list[str]) -> None:
        rows = [known.setdefault(source, described(source)) for source in sources]
        spark.createDataFrame(rows, FILE_COLUMNS).mapInArrow(scorer.__call__, names).collect()

    return score


def spark_udf(settings: Settings, pipeline: Pipeline, root: Path) -> Callable[[list[str]], None]:
    """MLflow's own way, on the same model."""
    import mlflow
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    model, frame = fit(pipeline)
    example = frame.head(5)
    mlflow.sklearn.save_model(
        model,
        root / "model",
        signature=mlflow.models.infer_signature(example, predict(model, example, pipeline.task)),
        pip_requirements=requirements(),
        pyfunc_predict_fn="predict_proba",
        **serialization(pipeline.training.estimator),
    )
    spark = spark_session(settings, "spark_udf")
    asked = mlflow.pyfunc.spark_udf(spark, str(root / "model"), T.ArrayType(T.DoubleType()), env_manager="local")
    columns = F.struct(*[F.col(name) for name in frame.columns])

    def score(sources: list[str]) -> None:
        rows = spark.read.parquet(*(f"{settings.lake_root}/{source}" for source in sources))
        said = rows.select(KEY, TIME, asked(columns)[1].alias("prediction"))
        said.write.format("noop").mode("overwrite").save()

    return score


def identity(settings: Settings, pipeline: Pipeline, root: Path) -> Callable[[list[str]], None]:
    """What it costs to take the rows through the JVM to Python and back, doing nothing."""
    spark = spark_session(settings, "identity")

    def score(sources: list[str]) -> None:
        rows = spark.read.parquet(*(f"{settings.lake_root}/{source}" for source in sources))
        rows.mapInArrow(lambda batches: batches, rows.schema).write.format("noop").mode("overwrite").save()

    return score


class PeakMemory:
    """Largest resident size of one of Spark's Python workers, looked at ten times a second."""

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._over.wait(0.1):
            for child in me.children(recursive=True):
                try:
                    if "python" in child.name():
                        self.megabytes = max(self.megabytes, child.memory_info().rss / 1e6)
                except psutil.NoSuchProcess:
                    continue


KINDS: dict[str, Callable[[Settings, Pipeline, Path], Callable[[list[str]], None]]] = {
    "identity": identity,
    "spark_udf": spark_udf,
    "ours": ours,
}

if __name__ == "__main__":
    main()
