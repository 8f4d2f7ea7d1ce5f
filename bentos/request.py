"""Reading a request: JSON to columns, or an answer that names row, field, what was found and what was expected."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pydantic_core
from pydantic import ConfigDict, FailFast, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import NotRequired, TypedDict  # noqa: UP035  pydantic wants these before Python 3.12

from bentos.encoding import Coded, Columns

if TYPE_CHECKING:
    from bentos.contract import Column, Packaged, Row
    from bentos.encoding import Values

NAMED_PROBLEMS = 20
NAMED_FLAGS = 100
MOST_EXPLAINED = 2000
LONGEST_TEXT = 1000
LONGEST_SHOWN = 60
KEY_EXPECTED = "a whole number or text or null"
KeyField = Annotated[
    int | Annotated[str, Field(max_length=LONGEST_TEXT)],
    Field(description="says whose row it is: kept in the prediction log, not given to the model"),
]


class RequestRefused(Exception):
    """A request that cannot be answered.

    Attributes:
        status: HTTP status, 4xx.
        details: what is wrong, value by value.
    """

    def __init__(self, status: int, sentence: str, details: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(sentence)
        self.status = status
        self.details = list(details)


@dataclass(frozen=True, slots=True)
class Rows:
    """What was asked.

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
        self._packaged = packaged
        self._columns = {column.name: column for column in packaged.columns}
        self._numbers = tuple(column.name for column in packaged.numbers)
        self._categories = tuple(column.name for column in packaged.categories)
        self._low, self._high = np.array([_bounds(column) for column in packaged.numbers]).reshape(-1, 2).T
        self.adapter: TypeAdapter[Any] = TypeAdapter(_request_type(packaged))
        self._first_row_adapter: TypeAdapter[Any] = TypeAdapter(_request_type(packaged, FailFast()))

    def from_json(self, body: bytes) -> Rows:
        """The rows of a JSON body.

        Raises:
            RequestRefused: it is not JSON, or not what the contract says.
        """
        try:
            rows = self.adapter.validate_json(body)["rows"]
        except ValidationError as error:
            raise self._refusal(error, body) from None
        numbers = np.array([[*map(row.get, self._numbers)] for row in rows], np.float64)  # None becomes NaN
        categories, key = (
            tuple([[row.get(name) for row in rows] for name in names])
            for names in (self._categories, self._packaged.key)
        )
        return Rows(Columns(numbers, categories), key)

    def from_rows(self, rows: Sequence[Row]) -> Rows:
        """The same check for rows that are Python objects already."""
        return self.from_json(pydantic_core.to_json({"rows": list(rows)}, inf_nan_mode="constants"))

    def flags(self, rows: Rows) -> list[dict[str, Any]]:
        """Values that were answered although training saw none like them; `NAMED_FLAGS` of them at most."""
        unusual = islice(self._unusual(rows.columns), NAMED_FLAGS)
        found = [_flag(row, name, value, self._usual(name)) for row, name, value in unusual]
        return sorted(found, key=lambda flag: flag["row"])

    def _unusual(self, columns: Columns) -> Iterator[tuple[int, str, float | str]]:
        numbers = columns.numbers
        outside = (numbers < self._low) | (numbers > self._high)
        if outside.any():
            for row, place in np.argwhere(outside):
                yield int(row), self._numbers[place], float(numbers[row, place])
        for column, texts in zip(self._packaged.categories, columns.categories, strict=True):
            for row, text in _unknown(texts, column.known):
                yield row, column.name, text

    def _usual(self, name: str) -> str:
        column = self._columns[name]
        if not column.number:
            return "a category known from training"
        low, high = _bounds(column)
        return f"between {low:g} and {high:g}"

    def _refusal(self, error: ValidationError, body: bytes) -> RequestRefused:
        count = error.error_count()
        if count > MOST_EXPLAINED:
            # To explain each of a million problems would take seconds: look no further than the first wrong row.
            error = _failure(self._first_row_adapter, body)
            if error.error_count() > MOST_EXPLAINED:
                return RequestRefused(422, f"{count} problems, and more of them in one row than a row has fields")
        problems = {problem["loc"][:3]: problem for problem in error.errors(include_url=False)}
        first = next(iter(problems.values()))
        where = first["loc"]
        match first["type"]:
            case "json_invalid":
                return RequestRefused(400, f"the body is not JSON: {first['ctx']['error']}")
            case "too_long" if where == ("rows",):
                return too_many_rows(self._packaged)
        details = [self._explain(problem) for problem in islice(problems.values(), NAMED_PROBLEMS)]
        return refusal(details, count if count > MOST_EXPLAINED else len(problems))

    def _explain(self, problem: Any) -> dict[str, Any]:
        where, found = problem["loc"], brief(problem["input"])
        row = where[1] if len(where) > 1 else None
        if len(where) < 3:
            expected = "an object with the model's fields" if row is not None else 'an object {"rows": [{...}, ...]}'
            return {"row": row, "field": None, "found": found, "expected": expected}
        field = str(where[2])
        if problem["type"] == "extra_forbidden":
            nearest = difflib.get_close_matches(field, self._columns, n=1)
            expected = f"no such field; did you mean {nearest[0]!r}?" if nearest else "no such field"
            return {"row": row, "field": field, "found": found, "expected": expected}
        if field in self._packaged.key:
            return {"row": row, "field": field, "found": found, "expected": KEY_EXPECTED}
        column = self._columns[field]
        if problem["type"] == "missing":
            return {"row": row, "field": field, "found": "nothing", "expected": column.expected}
        unknown = problem["type"] == "literal_error" or (self._packaged.refuse_unknown and not column.number)
        expected = known_categories(column) if unknown else column.expected
        return {"row": row, "field": field, "found": found, "expected": expected}


def _unknown(texts: Values, known: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Rows with a text that is not known, and the text."""
    if not isinstance(texts, Coded):
        yield from ((row, text) for row, text in enumerate(texts) if text is not None and text not in known)
        return
    unknown = {code: text for code, text in enumerate(texts.values) if text is not None and text not in known}
    for row in np.flatnonzero(np.isin(texts.codes, list(unknown))) if unknown else ():
        yield int(row), unknown[int(texts.codes[row])]


def _bounds(column: Column) -> tuple[float, float]:
    """Smallest and largest number in training."""
    low = -math.inf if column.minimum is None else column.minimum
    return low, math.inf if column.maximum is None else column.maximum


def _request_type(packaged: Packaged, *more: Any) -> Any:
    """The type of a request: `{"rows": [{...}]}`, with the contract's fields and no others."""
    strict = with_config(ConfigDict(extra="forbid", strict=True))
    fields = {column.name: _field_type(column, packaged.refuse_unknown) for column in packaged.columns}
    fields |= dict.fromkeys(packaged.key, NotRequired[KeyField | None])
    row = strict(TypedDict("Row", fields))  # type: ignore[operator]
    examples = [[dict(golden.row) for golden in packaged.golden_rows[:1]]]
    limits = Field(min_length=1, max_length=packaged.maximum_rows, examples=examples)
    return strict(TypedDict("Request", {"rows": Annotated[list[row], limits, *more]}))  # type: ignore[operator,valid-type]


def _field_type(column: Column, refuse_unknown: bool) -> Any:
    kind: Any
    if column.number:
        seen = f"training saw {column.minimum:g} to {column.maximum:g}" if column.minimum is not None else None
        kind = Annotated[float, Field(allow_inf_nan=False, description=seen)]
    elif refuse_unknown and not column.categories:
        return NotRequired[None]
    elif refuse_unknown:
        kind = Literal[column.categories]
    else:
        count = len(column.categories)
        seen = f"training saw {count} categories, such as {_shown(column, 5)}" if count else "training saw no value"
        kind = Annotated[str, Field(max_length=column.longest, description=seen)]
    return NotRequired[kind | None] if column.nullable else kind


def refusal(details: Sequence[dict[str, Any]], count: int) -> RequestRefused:
    """Refuse rows for what is wrong with them.

    Args:
        details: the first problems, see `bentos.answer.Problem`.
        count: how many there are.
    """
    more = f" (and {count - 1} more)" if count > 1 else ""
    return RequestRefused(422, f"{_sentence(details[0])}{more}", details)


def too_many_rows(packaged: Packaged) -> RequestRefused:
    """Refuse a request for its length."""
    return RequestRefused(413, f"more than {packaged.maximum_rows} rows in one request; send them in several")


def _failure(adapter: TypeAdapter[Any], body: bytes) -> ValidationError:
    """Why a body that is wrong is wrong."""
    try:
        adapter.validate_json(body)
    except ValidationError as error:
        return error
    raise AssertionError("one adapter accepts what the other refuses")


def known_categories(column: Column) -> str:
    """What a column that refuses unknown categories takes, in words."""
    if not column.categories:
        return "null, since training never saw a value"
    shown = _shown(column, 10)
    return f"one of {shown}{', ...' if len(column.categories) > 10 else ''}{' or null' if column.nullable else ''}"


def _shown(column: Column, count: int) -> str:
    """The first categories, each cut to a readable length."""
    texts = column.categories[:count]
    return ", ".join(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..." for text in texts)


def _flag(row: int, field: str, found: Any, expected: str) -> dict[str, Any]:
    return {"row": row, "field": field, "found": found, "expected": expected}


def _sentence(detail: dict[str, Any]) -> str:
    place = [f"{name} {detail[name]}" for name in ("row", "field") if detail[name] is not None]
    return f"{', '.join(place) or 'the body'}: found {detail['found']}, expected {detail['expected']}"


def brief(value: Any) -> str:
    """A value as JSON, cut to a readable length."""
    text = pydantic_core.to_json(value, inf_nan_mode="constants", fallback=repr).decode(errors="replace")
    return text if len(text) <= 80 else f"{text[:77]}..."
