"""What a pipeline's transform is given: the published rows and labels of the requested days and of the look-back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import from_arrow_schema, from_arrow_type, to_arrow_schema

from jobs.data.batch_reader import BYTES, PATH, SHA256, BatchReader
from jobs.data.column_names import PARTITION
from jobs.data.column_types import in_words, lake_types
from jobs.data.conversions import together
from jobs.data.published_types import Schemas
from tidewheel.errors import DataRefused
from tidewheel.lake import Lake, Manifest
from tidewheel.lake.lake import DATA
from tidewheel.partitions import PartitionRange
from tidewheel.spec import Pipeline

__all__ = ["PARTITION", "FeatureInputs", "column", "read_manifests"]


def column(name: str) -> Column:
    """The column of this very name: `F.col` would take `user.age` for a field of `user`."""
    escaped = name.replace("`", "``")
    return F.col(f"`{escaped}`")


@dataclass(frozen=True)
class FeatureInputs:
    """The arguments of a transform.

    Attributes:
        spark: the session.
        pipeline: the pipeline's declaration.
        partitions: the days whose features are requested.
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
        """True for the rows of the requested days, false for those of the look-back."""
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

    Days whose columns differ are brought together by name: a column that a day lacks is null there, one of two types
    has the wider one, and one that no day has a value of fits wherever any type does.

    Args:
        spark: the session.
        lake: where the batches lie.
        manifests: batches of one dataset.
        empty: columns of the result where there are no batches.

    Raises:
        DataRefused: a column has types that no type holds.
    """
    if not manifests:
        return spark.createDataFrame([], T.StructType([*empty.fields, T.StructField(PARTITION, T.StringType())]))
    schemas = Schemas(lake)
    kinds = _common_types(manifests, schemas)
    alike: dict[tuple[tuple[str, str], ...], list[Manifest]] = defaultdict(list)
    for manifest in manifests:
        alike[tuple(manifest.columns.items())].append(manifest)
    frames = [_read_alike(spark, lake, group, _readable(schemas.of(group[0])), kinds) for group in alike.values()]
    return reduce(DataFrame.unionByName, frames)


def _common_types(manifests: Sequence[Manifest], schemas: Schemas) -> dict[str, pa.DataType]:
    """The type of each column in all batches, in the order in which they name the columns."""
    kinds: dict[str, pa.DataType] = {}
    named: dict[str, str] = {}
    for manifest in manifests:
        for field in _readable(schemas.of(manifest)):
            name = named.setdefault(field.name.casefold(), field.name)
            both = together(kinds.get(name, field.type), field.type)
            if both is None:
                raise DataRefused(
                    f"{manifest.key}: column {name!r} holds {in_words(field.type)}, and {in_words(kinds[name])} on "
                    "days before it; land these days again, in one range, so that the column has one type"
                )
            kinds[name] = both
    return kinds


def _readable(schema: pa.Schema) -> pa.Schema:
    """A batch's columns in types that Spark has, also of a batch that was landed before the lake had its own."""
    return pa.schema([(field.name, next(iter(lake_types(field.type)), field.type)) for field in schema])


def _read_alike(
    spark: SparkSession, lake: Lake, manifests: list[Manifest], found: pa.Schema, kinds: Mapping[str, pa.DataType]
) -> DataFrame:
    files = [(file, manifest.partition) for manifest in manifests for file in manifest.files]
    named = pa.table(
        {
            PATH: [file.path for file, _ in files],
            BYTES: [file.bytes for file, _ in files],
            SHA256: [file.sha256 for file, _ in files],
            PARTITION: [day for _, day in files],
        }
    )
    # Columns of Arrow's type null: a reader of Parquet has no such type.
    there = {field.name.casefold(): field for field in found if not pa.types.is_null(field.type)}
    day_of_file, schema = spark.createDataFrame(named), from_arrow_schema(pa.schema(list(there.values())))
    if lake.store.is_folder:
        # Here and not on the executors: Spark's own reader, which compares no hashes, is several times faster.
        lake.verify(manifests)
        urls = [url for manifest in manifests for url in lake.urls(manifest)]
        frame = spark.read.schema(schema).parquet(*urls)
        # Hadoop writes a URL's beginning in its own ways (file:/ for file:///): the path below the dataset is compared.
        url = frame.metadataColumn("_metadata")["file_path"]
        path = F.concat(F.lit(f"{DATA}/"), F.substring_index(url, f"/{DATA}/", -1))
        frame = frame.select("*", path.alias(PATH))
    else:
        folder = f"{manifests[0].pipeline}/{manifests[0].dataset}"
        typed = to_arrow_schema(schema, timezone="UTC")
        reader = BatchReader(lake.store.root, lake.store.options, folder, typed)
        with_path = T.StructType([*schema.fields, T.StructField(PATH, T.StringType())])
        frame = day_of_file.select(PATH, BYTES, SHA256, PARTITION).mapInArrow(reader.__call__, with_path)
    columns = [_as(there.get(name.casefold()), name, kind) for name, kind in kinds.items()]
    return frame.join(F.broadcast(day_of_file.select(PATH, PARTITION)), PATH).select(*columns, PARTITION)


def _as(field: pa.Field | None, name: str, kind: pa.DataType) -> Column:
    """A column in the type that it has on all days; where no day knows one, of the type that fits all others."""
    if pa.types.is_null(kind):
        return F.lit(None).alias(name)
    value = F.lit(None) if field is None else column(field.name)
    return (value if field is not None and field.type == kind else value.cast(from_arrow_type(kind))).alias(name)
