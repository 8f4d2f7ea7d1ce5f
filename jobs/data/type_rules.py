"""Rules about a column's type, judged by the type that was landed and not by what pandas makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.data.column_types import DECLARED, family
from jobs.data.expectations import ExpectationResult

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

TYPE_RULES = ("expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list")
_NAMES: Mapping[str, tuple[str, ...]] = {
    "boolean": ("bool", "bool_", "boolean", "BooleanDtype", "BooleanType"),
    "text": ("str", "string", "text", "object", "object_", "O", "StringDtype", "StringType", "unicode"),
    "decimal": ("Decimal", "decimal", "DecimalType", "object", "object_", "O"),
    "date": ("date", "date32", "DateType", "object", "object_", "O"),
    "time": ("time", "time64", "TimeType", "object", "object_", "O"),
    "timestamp": ("datetime", "datetime64", "timestamp", "Timestamp", "TimestampType"),
    "binary": ("bytes", "binary", "BinaryType", "object", "object_", "O"),
    "list": ("list", "ArrayType", "object", "object_", "O"),
}
"""Names of NumPy, pandas, Spark and Python for a type, by its family; its Arrow name and ours are names, too."""


def judge_type(expectation: Expectation, schema: pa.Schema) -> ExpectationResult:
    """Hold a batch's schema against a rule about one column's type. Missing values have the type of the column.

    Args:
        expectation: one of `TYPE_RULES`.
        schema: of the batch.
    """
    config: dict[str, Any] = expectation.configuration.to_json_dict()
    kwargs = {name: value for name, value in config["kwargs"].items() if value is not None}
    name, allowed = kwargs["column"], kwargs.get("type_list") or [kwargs.get("type_")]
    place = schema.get_field_index(name)
    if place < 0:
        passed, found = False, f"could not be computed: there is no column {name!r}"
    else:
        kind = schema.field(place).type
        passed = pa.types.is_null(kind) or any(one in names_of(kind) for one in allowed)
        found = f"found {kind}"
    return ExpectationResult(
        rule=config["type"],
        columns=(name,),
        expected={key: value for key, value in kwargs.items() if key in ("type_", "type_list")},
        passed=passed,
        found=found,
        critical=config.get("severity") == "critical",
        computed=place >= 0,
    )


def names_of(kind: pa.DataType) -> frozenset[str]:
    """Every name that a rule may call a type of the lake by."""
    return frozenset((str(kind), *_names(kind), *(word for word, declared in DECLARED.items() if declared == kind)))


def _names(kind: pa.DataType) -> Iterable[str]:
    word = family(kind)
    if word == "integer":
        bits = kind.bit_width
        spark = {8: "ByteType", 16: "ShortType", 32: "IntegerType", 64: "LongType"}[bits]
        return f"int{bits}", f"Int{bits}", f"Int{bits}Dtype", "int", "integer", spark
    if word == "float":
        bits = kind.bit_width
        spark = "FloatType" if bits == 32 else "DoubleType"
        return f"float{bits}", f"Float{bits}", f"Float{bits}Dtype", "float", "number", spark
    if word == "timestamp":
        zone = f", {kind.tz}" if kind.tz else ""
        exact = [f"datetime64[{unit}{zone}]" for unit in ("s", "ms", "us", "ns")]
        return (*_NAMES[word], *exact, "DatetimeTZDtype" if kind.tz else "TimestampNTZType")
    return _NAMES.get(word, ("dict", "StructType", "MapType", "object", "object_", "O"))
