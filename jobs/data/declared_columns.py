"""What a transform returns, held against what the pipeline file declares, before any value is computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyspark.errors import (
    AnalysisException,
    ArithmeticException,
    DateTimeException,
    NumberFormatException,
    ParseException,
)
from pyspark.sql import Column, DataFrame
from pyspark.sql import types as T

from jobs.data.column_names import PARTITION, without_case
from jobs.data.feature_inputs import column
from tidewheel.errors import SpecError, did_you_mean

if TYPE_CHECKING:
    from tidewheel.spec import Pipeline

_ADVICE: dict[type[T.DataType], str] = {
    T.DateType: "compute a number in the transform, such as F.dayofyear or F.datediff, or list it under categorical",
    T.TimestampType: "compute a number in the transform, such as F.hour or F.unix_timestamp",
    T.TimestampNTZType: "compute a number in the transform, such as F.hour or F.unix_timestamp",
    T.TimeType: "compute a number in the transform, such as F.hour, or list it under categorical",
}
_NUMERIC = (T.NumericType, T.BooleanType, T.StringType, T.NullType)
_NO_CATEGORY = (T.BinaryType, T.ArrayType, T.MapType, T.StructType, T.VariantType)


def declared_columns(frame: DataFrame, rows: DataFrame, pipeline: Pipeline) -> DataFrame:
    """Exactly the columns that the pipeline declares: categories as text, and numbers as they are or as doubles.

    Integers, floats and text are left to the writer, which says what is no number; Spark would make null of it, or a
    neighbour. Booleans are 0 and 1; a decimal is the nearest double.

    Args:
        frame: what the transform returned.
        rows: what it was given: key and event time must still have their types.
        pipeline: the declaration.

    Raises:
        SpecError: a column is missing, is there twice, or has a type that it cannot have.
    """
    features, name = pipeline.features, pipeline.features.transform
    if not isinstance(frame, DataFrame):
        returned = f"{type(frame).__module__}.{type(frame).__name__}"
        raise SpecError(f"{name} returned a {returned}; expected a DataFrame of Spark, made from `inputs.rows`")
    weight = pipeline.training.sample_weight
    required = [*pipeline.key, pipeline.source.event_time, *pipeline.feature_columns, PARTITION]
    if missing := [column for column in required if column not in frame.columns]:
        hints = "".join(did_you_mean(column, frame.columns) for column in missing[:1])
        raise SpecError(
            f"{name} returned no column {', '.join(missing)}{hints}; expected the key, the event time, {PARTITION!r} "
            f"and every column under features of {pipeline.name}"
            + (f", and {weight} for training.sample_weight" if weight else "")
        )
    spelled = [without_case(returned) for returned in frame.columns]
    if twice := [column for column in required if spelled.count(without_case(column)) > 1]:
        raise SpecError(f"{name} returned column {', '.join(twice)} more than once; drop or rename the others")
    kinds = {field.name: field.dataType for field in frame.schema}
    for same in (*pipeline.key, pipeline.source.event_time):
        landed = rows.schema[same].dataType
        if kinds[same] != landed:
            raise SpecError(
                f"{name} returned column {same!r} as {_word(kinds[same])}, landed was {_word(landed)}; key and event "
                "time must stay as they are, or no label would match them"
            )
    for feature in features.numeric:
        if not isinstance(kinds[feature], _NUMERIC):
            advice = _ADVICE.get(type(kinds[feature]), "compute a number in the transform, or leave it out")
            raise SpecError(
                f"features.numeric: column {feature!r} is {_word(kinds[feature])} in what {name} returns; a numeric "
                f"feature is a number: {advice}"
            )
    if weight is not None and not isinstance(kinds[weight], _NUMERIC):
        raise SpecError(
            f"training.sample_weight: column {weight!r} is {_word(kinds[weight])} in what {name} returns; a weight is "
            "a number: compute one in the transform, or leave training.sample_weight out"
        )
    for feature in features.categorical:
        if isinstance(kinds[feature], _NO_CATEGORY):
            raise SpecError(
                f"features.categorical: column {feature!r} is {_word(kinds[feature])} in what {name} returns; a "
                "category is one text: take one value of it in the transform, or leave it out"
            )
    return frame.select(*(_in_its_kind(column, kinds[column], pipeline) for column in required))


def _in_its_kind(name: str, kind: T.DataType, pipeline: Pipeline) -> Column:
    if name in pipeline.features.categorical:
        return column(name).cast("string").alias(name)
    if name in (*pipeline.features.numeric, pipeline.training.sample_weight) and isinstance(
        kind, T.BooleanType | T.DecimalType | T.NullType
    ):
        return column(name).cast("double").alias(name)
    return column(name)


def _word(kind: T.DataType) -> str:
    return kind.simpleString().upper()


@contextmanager
def spark_errors(transform: str, rows: DataFrame) -> Iterator[None]:
    """What Spark says of a transform that cannot be computed, as a mistake in the declaration and not as a traceback.

    Args:
        transform: its name, for the message.
        rows: what it is given; a column that has no value on any day may be what it cannot compute with.

    Raises:
        SpecError: a column is not there or has no such type, or a value cannot be computed with.
    """
    try:
        yield
    except (
        AnalysisException,
        ArithmeticException,
        DateTimeException,
        NumberFormatException,
        ParseException,
    ) as error:
        message = str(error).partition("\n\n")[0].partition(" SQLSTATE")[0].replace("\n", " ")
        empty = [field.name for field in rows.schema if isinstance(field.dataType, T.NullType)]
        if empty:
            message += f" No day has a value in {', '.join(empty)}: declare in source.types what such a column holds."
        raise SpecError(f"{transform} cannot be computed: {message}") from error
