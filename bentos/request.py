"""Reading a request: JSON to columns, or an answer that names row, field, what was found and what was expected."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pydantic_core
from pydantic import FailFast, TypeAdapter, ValidationError

from bentos.encoding import Coded, Columns
from bentos.problems import (
    BODY,
    LONGEST_EXAMPLE,
    NAMED_PROBLEMS,
    NOTHING,
    Problem,
    RequestRefused,
    brief,
    problem,
    refusal,
    refused_body,
    too_many_rows,
    unknown_name,
)
from bentos.request_schema import KEY_EXPECTED, known_categories, request_type

if TYPE_CHECKING:
    from bentos.contract import NumberColumn, Row
    from bentos.encoding import Values
    from bentos.packaged import Packaged
    from bentos.request_body import Body

NAMED_FLAGS = 100
MOST_EXPLAINED = 2000
EXPLAINED_BYTES = 16 << 10
"""Of a larger body only the first wrong row is explained: to note each of a million problems would take seconds."""


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """The rows of a request, checked.

    Attributes:
        columns: the model's features.
        key: what the caller says of the rows' identity: for each key field of the contract one value a row.
    """

    columns: Columns
    key: tuple[Sequence[int | str | None], ...]

    def __len__(self) -> int:
        return len(self.columns)


class Reader:
    """Checks requests for one model."""

    def __init__(self, packaged: Packaged) -> None:
        contract = packaged.contract
        self._packaged = packaged
        self._columns = {column.name: column for column in contract.columns}
        self._numbers = tuple(contract.numeric)
        self._categories, self._category_columns = tuple(contract.categorical), contract.categories
        self._low, self._high = np.array([_bounds(column) for column in contract.numbers]).reshape(-1, 2).T
        self.adapter: TypeAdapter[Any] = TypeAdapter(request_type(packaged))
        self._first_row_adapter: TypeAdapter[Any] = TypeAdapter(request_type(packaged, FailFast()))

    def from_json(self, body: Body) -> CheckedRows:
        """The rows of a JSON body.

        Raises:
            RequestRefused: it is not JSON, or not what the contract says.
        """
        try:
            rows = self._first_row_adapter.validate_json(body)["rows"]
        except ValidationError as error:
            raise self._refusal(error, body) from None
        numbers = np.array([[*map(row.get, self._numbers)] for row in rows], np.float64)  # None becomes NaN
        categories, key = (
            tuple([[row.get(name) for row in rows] for name in names])
            for names in (self._categories, self._packaged.key)
        )
        if self._packaged.refuse_unknown:
            self._refuse_unknown(categories)
        return CheckedRows(Columns(numbers, categories), key)

    def from_rows(self, rows: Sequence[Row]) -> CheckedRows:
        """The same check for rows that are Python objects already."""
        return self.from_json(pydantic_core.to_json({"rows": list(rows)}, inf_nan_mode="constants"))

    def flags(self, rows: CheckedRows) -> list[dict[str, Any]]:
        """Values that were answered although training saw none like them; `NAMED_FLAGS` of them at most."""
        unusual = islice(self._unusual(rows.columns), NAMED_FLAGS)
        flags = [_flag(row, name, value, self._usual(name)) for row, name, value in unusual]
        return sorted(flags, key=lambda flag: flag["row"])

    def _unusual(self, columns: Columns) -> Iterator[tuple[int, str, float | str]]:
        numbers = columns.numbers
        outside = (numbers < self._low) | (numbers > self._high)
        if outside.any():
            for row, place in np.argwhere(outside):
                yield int(row), self._numbers[place], float(numbers[row, place])
        for column, texts in zip(self._category_columns, columns.categories, strict=True):
            for row, text in _unknown(texts, column.known):
                yield row, column.name, text

    def _usual(self, name: str) -> str:
        column = self._columns[name]
        if column.type == "category":
            return "a category known from training"
        low, high = _bounds(column)
        return f"between {low:g} and {high:g}"

    def _refuse_unknown(self, categories: Sequence[Values]) -> None:
        # Not a Literal of pydantic's, which writes all categories of the column into each of its errors.
        details, count = list[Problem](), 0
        for column, texts in zip(self._category_columns, categories, strict=True):
            for row, text in _unknown(texts, column.known):
                count += 1
                if len(details) < NAMED_PROBLEMS:
                    details.append(problem(row, column.name, brief(text), known_categories(column)))
        if details:
            raise refusal(sorted(details, key=lambda each: each["row"]), count)

    def _refusal(self, error: ValidationError, body: Body) -> RequestRefused:
        everywhere = len(body) <= EXPLAINED_BYTES
        if everywhere:
            error = _failure(self.adapter, body)
        count = error.error_count()
        if count > MOST_EXPLAINED:
            return RequestRefused(422, f"{count} problems in the first rows; the body shall be {BODY}")
        # Without their inputs: the row that lacks ten fields would be copied ten times.
        errors = error.errors(include_url=False, include_input=False)
        if errors[0]["type"] == "json_invalid":
            return _not_json(errors[0]["ctx"]["error"], body)
        problems = {each["loc"][:3]: each for each in errors}
        if ("rows",) in problems and problems["rows",]["type"] == "too_long":
            return too_many_rows(self._packaged)
        document = pydantic_core.from_json(body)
        if () in problems or ("rows",) in problems:
            return refusal([self._without_rows(document)], 1)
        details = [self._explain(each, document) for each in islice(problems.values(), NAMED_PROBLEMS)]
        return refusal(details, len(problems), "" if everywhere else " in the first wrong row")

    def _without_rows(self, document: Any) -> Problem:
        """What is wrong with a body in which there is no list of rows."""
        if not isinstance(document, dict):
            return problem(None, None, brief(document), BODY)
        if "rows" in document:
            if document["rows"] == []:
                example = brief(
                    {"rows": [dict(golden.row) for golden in self._packaged.contract.golden_rows[:1]]}, LONGEST_EXAMPLE
                )
                return problem(None, None, "an empty list of rows", f"at least one row, such as {example}")
            return problem(None, None, brief(document), f'{BODY}: under "rows" a list of objects')
        if any(name in self._columns for name in document):
            return problem(None, None, "a row by itself", f'{BODY}: the row in a list under "rows"')
        return problem(None, None, brief(document), f'{BODY}: the name "rows" is missing')

    def _explain(self, error: Any, document: Any) -> Problem:
        where = error["loc"]
        row = where[1] if len(where) > 1 else None
        if error["type"] == "missing":
            return problem(row, str(where[2]), NOTHING, self._columns[where[2]].expected)
        value = brief(_value_at(document, where[:3]))
        if len(where) == 1:
            return problem(None, str(where[0]), value, f"no such field: the body is {BODY} and nothing else")
        if len(where) == 2:
            return problem(row, None, value, "an object with the model's fields")
        field = str(where[2])
        if error["type"] == "extra_forbidden":
            return problem(row, field, value, unknown_name("field", field, self._columns))
        if field in self._packaged.key:
            return problem(row, field, value, KEY_EXPECTED)
        column = self._columns[field]
        if column.type == "category" and self._packaged.refuse_unknown:
            return problem(row, field, value, known_categories(column))
        return problem(row, field, value, column.expected)


def _value_at(document: Any, where: Sequence[int | str]) -> Any:
    for step in where:
        document = document[step]
    return document


def _not_json(why: str, body: Body) -> RequestRefused:
    if not body:
        return refused_body(400, f"the body is empty: expected {BODY}", "an empty body", BODY)
    beginning = bytes(body[:LONGEST_EXAMPLE]).decode(errors="replace")
    return refused_body(400, f"the body is not JSON: {why}", brief(beginning), BODY)


def _unknown(texts: Values, known: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Rows with a text that is not known, and the text."""
    if not isinstance(texts, Coded):
        yield from ((row, text) for row, text in enumerate(texts) if text is not None and text not in known)
        return
    unknown = {code: text for code, text in enumerate(texts.values) if text is not None and text not in known}
    for row in np.flatnonzero(np.isin(texts.codes, list(unknown))) if unknown else ():
        yield int(row), unknown[int(texts.codes[row])]


def _bounds(column: NumberColumn) -> tuple[float, float]:
    """Smallest and largest number in training."""
    low = -math.inf if column.minimum is None else column.minimum
    return low, math.inf if column.maximum is None else column.maximum


def _failure(adapter: TypeAdapter[Any], body: Body) -> ValidationError:
    """Why a body that is wrong is wrong."""
    try:
        adapter.validate_json(body)
    except ValidationError as error:
        return error
    raise AssertionError("one adapter accepts what the other refuses")


def _flag(row: int, field: str, found: Any, expected: str) -> dict[str, Any]:
    return {"row": row, "field": field, "found": found, "expected": expected}
