"""One expectation of a suite: the columns it names, and why it could never hold, whatever the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list", "column_set")
TYPE_ARGUMENTS = ("type_", "type_list")
OF_TEXT = ("regex", "length", "strftime", "json", "like_pattern", "dateutil")
OF_LISTS = ("value_set", "regex_list", "type_list", "like_pattern_list", "column_list", "ordered_values")
IMPOSSIBLE_WHEN_EMPTY = (
    "expect_column_values_to_be_in_set",
    "expect_column_distinct_values_to_be_in_set",
    "expect_column_most_common_value_to_be_in_set",
    "expect_column_values_to_be_in_type_list",
    "expect_column_values_to_match_regex_list",
    "expect_column_values_to_match_like_pattern_list",
)
OF_NAMES_AND_TYPES = (
    "expect_column_to_exist",
    "expect_table_columns_to_match_set",
    "expect_table_columns_to_match_ordered_list",
    "expect_table_column_count_to_equal",
    "expect_table_column_count_to_be_between",
    "expect_column_values_to_be_of_type",
    "expect_column_values_to_be_in_type_list",
)
"""Rules that columns alone decide: broken by columns that are sure, they are broken by every day."""


@dataclass(frozen=True)
class Rule:
    """An expectation as it stands in the file.

    Attributes:
        position: in the suite, from 1.
        kind: `expect_...`.
        arguments: its kwargs.
    """

    position: int
    kind: str
    arguments: Mapping[str, Any]

    @property
    def columns(self) -> list[str]:
        """The columns it speaks of, in order."""
        names: list[str] = []
        for argument in COLUMN_ARGUMENTS:
            value = self.arguments.get(argument) or []
            names += [value] if isinstance(value, str) else [name for name in value if isinstance(name, str)]
        return list(dict.fromkeys(names))

    @property
    def name(self) -> str:
        """The rule for a person: position, kind and columns."""
        return f"rule {self.position}, {self.kind}" + (f" of column {', '.join(self.columns)}" if self.columns else "")

    @property
    def column_kind(self) -> str:
        """What its columns most likely hold: number, text or time."""
        types = " ".join(str(self.arguments.get(name, "")) for name in TYPE_ARGUMENTS).lower()
        limits = [self.arguments.get(name) for name in ("min_value", "max_value")]
        values = self.arguments.get("value_set") or []
        if "datetime" in types or "timestamp" in types:
            return "time"
        if any(word in self.kind for word in OF_TEXT) or "str" in types or "object" in types:
            return "text"
        if any(isinstance(limit, str) for limit in limits):
            return "time"
        return "text" if any(isinstance(value, str) for value in values) else "number"


def rules_of(suite: Mapping[str, Any]) -> list[Rule]:
    """The expectations of a suite's JSON, in the file's order."""
    return [Rule(n, one["type"], one.get("kwargs") or {}) for n, one in enumerate(suite["expectations"], start=1)]


def never_holds(rule: Rule) -> Iterator[str]:
    """Why a rule contradicts itself; nothing where it does not."""
    arguments = rule.arguments
    for name in OF_LISTS:
        if arguments.get(name) == [] and rule.kind in IMPOSSIBLE_WHEN_EMPTY:
            yield f"{name} is empty, so no value could ever keep it"
    low, high = arguments.get("min_value"), arguments.get("max_value")
    if _comparable(low, high):
        strict = bool(arguments.get("strict_min") or arguments.get("strict_max"))
        if low > high or (strict and low == high):  # type: ignore[operator]
            yield f"min_value is {low}, max_value is {high}: no value lies between them"
    first, second = arguments.get("column_A"), arguments.get("column_B")
    if first is not None and first == second:
        yield f"column_A and column_B are both {first!r}"
    listed = arguments.get("column_list")
    if isinstance(listed, list) and len(set(map(str, listed))) < len(listed):
        yield "column_list names a column twice"
    for name in TYPE_ARGUMENTS:
        given = arguments.get(name) or []
        for kind in [given] if isinstance(given, str) else given:
            if not _is_type(kind):
                yield f"{name}: {kind!r} is the name of no type in pandas or NumPy; expected for example float64 or str"


def _comparable(low: object, high: object) -> bool:
    numbers = all(isinstance(limit, int | float) and not isinstance(limit, bool) for limit in (low, high))
    return numbers or (isinstance(low, str) and isinstance(high, str) and low[:4].isdigit() and high[:4].isdigit())


def _is_type(name: object) -> bool:
    if not isinstance(name, str):
        return False
    from great_expectations.expectations.type_comparison import native_type_type_map

    if native_type_type_map(name) is not None or name in vars(pd) or name in vars(np):
        return True
    try:
        pd.api.types.pandas_dtype(name)
    except (TypeError, ValueError):
        return False
    return True
