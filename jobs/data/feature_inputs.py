"""What a pipeline's transform is given: the published rows and labels of the asked days and of the look-back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from jobs.data.batch_reader import PATH, BatchReader
from tidewheel.lake import Lake, Manifest
from tidewheel.lake.lake import DATA
from tidewheel.partitions import PartitionRange
from tidewheel.spec import Pipeline

PARTITION = "partition"


@dataclass(frozen=True)
class FeatureInputs:
    """The arguments of a transform.

    Attributes:
        spark: the session.
        pipeline: the pipeline's declaration.
        partitions: the days whose features are asked for.
        rows: published rows of these days and of `look_back_days` before them, with their day as `partition`, and
            without the label, which a source's rows may hold: it is not known yet when a row is to be predicted.
        labels: published labels (key columns, label, `partition`). For an early day of a range they may hold days that
            are not yet known on it: use them through `jobs.lookback`, or compare `partition` with the day yourself.
    """

    spark: SparkSession
    pipeline: Pipeline
    partitions: PartitionRange
    rows: DataFrame
    labels: DataFrame

    @property
    def is_asked(self) -> Column:
        """True for the rows of the asked days, false for those of the look-back."""
        return F.col(PARTITION).between(str(self.partitions.first), str(self.partitions.last))


def label_columns(columns: Iterable[str], pipeline: Pipeline) -> list[str]:
    """Which of some columns are the label, in any spelling: Spark takes `Late` and `late` for the same."""
    return [name for name in columns if name.casefold() == pipeline.labels.column.casefold()]


def label_sentence(names: Sequence[str]) -> str:
    """What to say of rows that hold the label; empty where they do not."""
    if not names:
        return ""
    return f"the source's rows hold the label column {', '.join(map(repr, names))}; it is not given to the transform"


def read_manifests(spark: SparkSession, lake: Lake, manifests: Sequence[Manifest], empty: T.StructType) -> DataFrame:
    """Read batches, and only the files they name, with each row's day as the column `partition`.

    Days whose columns differ are brought together by name: a column that a day lacks is null there, and of two types
    the wider one holds.

    Args:
        spark: the session.
        lake: where the batches lie.
        manifests: batches of one dataset.
        empty: columns of the result where there are no batches.
    """
    if not manifests:
        return spark.createDataFrame([], T.StructType([*empty.fields, T.StructField(PARTITION, T.StringType())]))
    alike: dict[tuple[tuple[str, str], ...], list[Manifest]] = defaultdict(list)
    for manifest in manifests:
        alike[tuple(manifest.columns.items())].append(manifest)
    frames = [_read_alike(spark, lake, group) for group in alike.values()]
    return reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), frames)


def _read_alike(spark: SparkSession, lake: Lake, manifests: list[Manifest]) -> DataFrame:
    files = [(file.path, manifest.partition) for manifest in manifests for file in manifest.files]
    named = pa.table({PATH: [path for path, _ in files], PARTITION: [day for _, day in files]})
    day_of_file, schema = spark.createDataFrame(named), _schema(lake, manifests[0])
    if lake.store.is_folder:
        urls = [url for manifest in manifests for url in lake.urls(manifest)]
        # Hadoop writes a URL's beginning in its own ways (file:/ for file:///): the path below the dataset is compared.
        path = F.concat(F.lit(f"{DATA}/"), F.substring_index("_metadata.file_path", f"/{DATA}/", -1))
        frame = spark.read.schema(schema).parquet(*urls).select("*", path.alias(PATH))
    else:
        folder, wanted = f"{manifests[0].pipeline}/{manifests[0].dataset}", to_arrow_schema(schema, timezone="UTC")
        reader = BatchReader(lake.store.root, lake.store.options, folder, wanted)
        found = T.StructType([*schema.fields, T.StructField(PATH, T.StringType())])
        frame = day_of_file.select(PATH).mapInArrow(reader.__call__, found)
    # A day of which nothing is known has columns of Arrow's type null, which is no type in Spark.
    columns = [
        F.lit(None).cast("double").alias(name) if kind == "null" else F.col(name)
        for name, kind in manifests[0].columns.items()
    ]
    return frame.join(F.broadcast(day_of_file), PATH).select(*columns, PARTITION)


def _schema(lake: Lake, manifest: Manifest) -> T.StructType:
    """The columns of a batch, from one footer; Spark would start a job to find them."""
    with lake.store.open(f"{manifest.pipeline}/{manifest.dataset}/{manifest.files[0].path}") as file:
        found = pq.read_schema(file)
    return from_arrow_schema(pa.schema([field for field in found if not pa.types.is_null(field.type)]))
