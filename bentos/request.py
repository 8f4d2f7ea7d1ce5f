"""Reading a request: JSON to columns, or an answer that names row, field, what was found and what was expected."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic_core
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import NotRequired, TypedDict  # noqa: UP035  pydantic wants these before Python 3.12

if TYPE_CHECKING:
    from bentos.contract import Column, Packaged, Row

NAMED_PROBLEMS = 20
NAMED_FLAGS = 100
LONGEST_TEXT = 1000


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


class Reader:
    """Checks requests for one model."""

    def __init__(self, packaged: Packaged) -> None:
        self._packaged = packaged
        self._columns = {column.name: column for column in packaged.columns}
        self.adapter: TypeAdapter[Any] = TypeAdapter(_request_type(packaged))

    def from_json(self, body: bytes) -> list[dict[str, Any]]:
        """The rows of a JSON body.

        Raises:
            RequestRefused: it is not JSON, or not what the contract says.
        """
        try:
            return self.adapter.validate_json(body)["rows"]  # type: ignore[no-any-return]
        except ValidationError as error:
            raise self._refusal(error) from None

    def from_rows(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """The same check for rows that are Python objects already."""
        return self.from_json(pydantic_core.to_json({"rows": list(rows)}, inf_nan_mode="constants"))

    def columns(self, rows: Sequence[Row]) -> dict[str, list[Any]]:
        """Rows as the model takes them, None where a field was left out."""
        return {name: [row.get(name) for row in rows] for name in self._columns}

    def flags(self, columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
        """Values that were answered although training saw none like them; `NAMED_FLAGS` of them at most."""
        found: list[dict[str, Any]] = []
        for flag in self._unusual(columns):
            found.append(flag)
            if len(found) == NAMED_FLAGS:
                break
        return sorted(found, key=lambda flag: flag["row"])

    def _unusual(self, columns: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
        for name, column in self._columns.items():
            if column.number:
                low = -math.inf if column.minimum is None else column.minimum
                high = math.inf if column.maximum is None else column.maximum
                for row, value in enumerate(columns[name]):
                    if value is not None and not low <= value <= high:
                        yield _flag(row, name, value, f"between {low:g} and {high:g}")
            else:
                for row, value in enumerate(columns[name]):
                    if value is not None and value not in column.known:
                        yield _flag(row, name, value, "a category known from training")

    def _refusal(self, error: ValidationError) -> RequestRefused:
        problems = error.errors(include_url=False, include_context=True)
        first = problems[0]
        where = first["loc"]
        match first["type"]:
            case "json_invalid":
                return RequestRefused(400, f"the body is not JSON: {first['ctx']['error']}")
            case "too_long" if where == ("rows",):
                limit = self._packaged.maximum_rows
                return RequestRefused(413, f"more than {limit} rows in one request; send them in several")
        details = [self._explain(problem) for problem in problems[:NAMED_PROBLEMS]]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return RequestRefused(422, f"{_sentence(details[0])}{more}", details)

    def _explain(self, problem: Any) -> dict[str, Any]:
        where, found = problem["loc"], _brief(problem["input"])
        row = where[1] if len(where) > 1 else None
        if len(where) < 3:
            expected = "an object with the model's fields" if row is not None else 'an object {"rows": [{...}, ...]}'
            return {"row": row, "field": None, "found": found, "expected": expected}
        field = str(where[2])
        if problem["type"] == "extra_forbidden":
            nearest = difflib.get_close_matches(field, self._columns, n=1)
            expected = f"no such field; did you mean {nearest[0]!r}?" if nearest else "no such field"
            return {"row": row, "field": field, "found": found, "expected": expected}
        column = self._columns[field]
        if problem["type"] == "missing":
            return {"row": row, "field": field, "found": "nothing", "expected": column.expected}
        expected = _known_categories(column) if problem["type"] == "literal_error" else column.expected
        return {"row": row, "field": field, "found": found, "expected": expected}


def _request_type(packaged: Packaged) -> Any:
    """The type of a request: `{"rows": [{...}]}`, with the contract's fields and no others."""
    strict = with_config(ConfigDict(extra="forbid", strict=True))
    fields = {column.name: _field_type(column, packaged.refuse_unknown) for column in packaged.columns}
    row = strict(TypedDict("Row", fields))  # type: ignore[operator]
    examples = [[dict(golden.row) for golden in packaged.golden_rows[:1]]]
    limits = Field(min_length=1, max_length=packaged.maximum_rows, examples=examples)
    return strict(TypedDict("Request", {"rows": Annotated[list[row], limits]}))  # type: ignore[operator,valid-type]


def _field_type(column: Column, refuse_unknown: bool) -> Any:
    kind: Any
    if column.number:
        seen = f"training saw {column.minimum:g} to {column.maximum:g}" if column.minimum is not None else None
        kind = Annotated[float, Field(allow_inf_nan=False, description=seen)]
    elif refuse_unknown:
        kind = Literal[column.categories]
    else:
        seen = f"training saw {len(column.categories)} categories, such as {', '.join(column.categories[:5])}"
        kind = Annotated[str, Field(max_length=LONGEST_TEXT, description=seen)]
    return NotRequired[kind | None] if column.nullable else kind


def _known_categories(column: Column) -> str:
    shown = ", ".join(column.categories[:10])
    return f"one of {shown}{', ...' if len(column.categories) > 10 else ''}{' or null' if column.nullable else ''}"


def _flag(row: int, field: str, found: Any, expected: str) -> dict[str, Any]:
    return {"row": row, "field": field, "found": found, "expected": expected}


def _sentence(detail: dict[str, Any]) -> str:
    place = [f"{name} {detail[name]}" for name in ("row", "field") if detail[name] is not None]
    return f"{', '.join(place) or 'the body'}: found {detail['found']}, expected {detail['expected']}"


def _brief(value: Any) -> str:
    text = pydantic_core.to_json(value, inf_nan_mode="constants", fallback=repr).decode(errors="replace")
    return text if len(text) <= 80 else f"{text[:77]}..."
