"""Scoring many rows: files of features in, files of predictions out.

Spark spreads *files* over its executors; the rows go from Parquet to the model and back to Parquet in small Arrow
batches, without a way through the JVM. One file of features is always one file of predictions in the same order, so
the same features and the same model give the same bytes, on however many machines.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from bentos.contract import Contract
from jobs.models.portable import dump_model
from jobs.models.prediction import FittedModel, model_frame, predict
from tidewheel.lake import LakeFile, Store, open_parquet, open_verified

if TYPE_CHECKING:
    import pandas as pd

    from jobs.data.executors import Executors
    from jobs.models.prediction import Task
    from tidewheel.settings import Settings

BATCH_ROWS = 20_000
ROWS_BEFORE_SPARK_PAYS = 500_000
"""One core scores about 200,000 rows a second, and Spark takes several seconds to start."""
FILE_COLUMNS = "path string, bytes long, sha256 string, rows long, batch string"
"""A `LakeFile` as a row of Spark's."""
EXPLAINED_BEFORE_SPARK_PAYS = 10_000
"""As many, where each prediction is explained."""
RESULT = pa.schema([("source", pa.string()), ("path", pa.string()), ("rows", pa.int64())])


class Explain(Protocol):
    """Further columns that say what a prediction comes from."""

    @property
    def fields(self) -> list[pa.Field]:
        """Names and types of the columns."""
        ...

    def __call__(self, frame: pd.DataFrame) -> list[pa.Array]:
        """The columns for rows as a model sees them."""
        ...


@dataclass(frozen=True)
class Scorer:
    """Scores files; Spark sends it to the executors.

    Attributes:
        model: the model, pickled; Spark broadcasts it, and each executor process opens it once.
        columns: names and types of the model's columns.
        task: kind of label.
        version: the registered version, written beside each prediction.
        key: columns of the features that identify a prediction: entity key and event time.
        lake_root: URL of the lake's root.
        lake_options: fsspec options of the lake.
        folder: where the files of predictions go, relative to the lake's root.
        explain: what explains each prediction; None: nothing does.
    """

    model: bytes
    columns: Contract
    task: Task
    version: str
    key: tuple[str, ...]
    lake_root: str
    lake_options: Mapping[str, object]
    folder: str
    explain: Explain | None = None

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Score each file that a row describes (see `LakeFile`); answers where its predictions are (see `RESULT`)."""
        from threadpoolctl import threadpool_limits

        # One thread: Spark runs as many of these beside each other as there are cores.
        with threadpool_limits(1):
            for batch in batches:
                for named in batch.to_pylist():
                    path, rows = self.score_file(LakeFile(**named))
                    yield pa.RecordBatch.from_pylist([{"source": named["path"], "path": path, "rows": rows}], RESULT)

    def score_file(self, source: LakeFile) -> tuple[str, int]:
        """Score one file.

        Args:
            source: a Parquet file of features.

        Returns:
            Path of the file of predictions, relative to the lake's root, and its rows. A task that Spark tries again
            writes another file; only what is returned is ever staged.
        """
        store, path, rows = Store(self.lake_root, self.lake_options), f"{self.folder}/{uuid4().hex}.parquet", 0
        names = [*self.key, *self.columns.numeric, *self.columns.categorical]
        with open_verified(store, source) as opened, store.open(path, "wb") as written:
            features = open_parquet(opened)
            schema = self._schema(features.schema_arrow)
            with pq.ParquetWriter(written, schema, compression="zstd") as writer:
                for batch in features.iter_batches(BATCH_ROWS, columns=names, use_threads=False):
                    writer.write_batch(self.score_batch(batch, schema))
                    rows += batch.num_rows
        return path, rows

    def score_batch(self, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
        """Score some rows: key and event time as they are, the prediction, and the version that made it."""
        frame = model_frame(batch.to_pandas(), self.columns)
        answers = predict(_opened(self.model), frame, self.task)
        explained = self.explain(frame) if self.explain else []
        version = pa.repeat(pa.scalar(self.version), batch.num_rows)
        key = [batch.column(name) for name in self.key]
        said = self.columns.outputs.arrays(answers)
        return pa.RecordBatch.from_arrays([*key, *said, version, *explained], schema=schema)

    def _schema(self, features: pa.Schema) -> pa.Schema:
        key = [pa.field(name, features.field(name).type) for name in self.key]
        explained = self.explain.fields if self.explain else []
        return pa.schema([*key, *self.columns.outputs.fields, ("model_version", pa.string()), *explained])


def score_files(
    settings: Settings,
    name: str,
    scorer: Scorer,
    sources: Sequence[LakeFile],
    executors: Executors | None = None,
    options: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Score files on Spark's executors, or, where that is done before Spark has started, in this process.

    Either way the same code scores the same files, so the predictions are the same bytes.

    Args:
        settings: name the Spark master.
        name: of the Spark application.
        scorer: what scores a file.
        sources: files of features.
        executors: pods that do the work; without, this process does.
        options: the pipeline's own options of Spark.

    Returns:
        Path of the predictions by path of the features.
    """
    few = EXPLAINED_BEFORE_SPARK_PAYS if scorer.explain else ROWS_BEFORE_SPARK_PAYS
    if executors is None and sum(source.rows for source in sources) <= few:
        return {source.path: scorer.score_file(source)[0] for source in sources}
    from jobs.data.spark import spark_session

    spark = spark_session(settings, name, executors=executors, options=options)
    files = spark.createDataFrame([astuple(source) for source in sources], FILE_COLUMNS)
    try:
        found = files.mapInArrow(scorer.__call__, "source string, path string, rows long").collect()
    finally:
        spark.stop()
    return {row.source: row.path for row in found}


def packed(model: Any) -> bytes:
    """A model as `Scorer.model` wants it.

    Raises:
        ModelRefused: something in it cannot be written.
    """
    return dump_model(model)


@lru_cache(maxsize=1)
def _opened(model: bytes) -> FittedModel:
    """The model, once a process. Pickled by the job that sends it, in this very run: nothing foreign is opened."""
    return pickle.loads(model)  # type: ignore[no-any-return]  # noqa: S301
