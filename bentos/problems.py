"""Refusing a request: a status, a sentence, and what is wrong value by value, all of bounded length."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pydantic_core

if TYPE_CHECKING:
    from bentos.packaged import Packaged

NAMED_PROBLEMS = 20
LONGEST_VALUE = 80
"""Characters of a value or a name in an answer."""
LONGEST_EXAMPLE = 400
LONGEST_GUESS = 100
"""A longer name is like no column's: comparing it would cost the square of its length."""
BODY = 'an object {"rows": [{...}, ...]}'
NOTHING, NO_COLUMN, NULL = "nothing", "no such column", "null"
"""What a refusal shows instead of a value that is missing."""

Problem = dict[str, Any]


class RequestRefused(Exception):
    """A request that cannot be answered.

    Attributes:
        status: HTTP status, 4xx.
        details: what is wrong, value by value.
    """

    def __init__(self, status: int, sentence: str, details: Sequence[Problem] = ()) -> None:
        super().__init__(sentence)
        self.status = status
        self.details = list(details)


def problem(row: int | None, field: str | None, found: str, expected: str) -> Problem:
    """One thing that is wrong, see `bentos.answer.Problem`."""
    return {"row": row, "field": None if field is None else shortened(field), "found": found, "expected": expected}


def refusal(details: Sequence[Problem], count: int, where: str = "") -> RequestRefused:
    """Refuse rows for what is wrong with them.

    Args:
        details: the first problems, see `bentos.answer.Problem`.
        count: how many there are.
        where: what was looked at, empty for all of it.
    """
    more = f" (and {count - 1} more{where})" if count > 1 else ""
    return RequestRefused(422, f"{_sentence(details[0])}{more}", details)


def refused_body(status: int, sentence: str, found: str, expected: str) -> RequestRefused:
    """Refuse a body as a whole."""
    return RequestRefused(status, sentence, [problem(None, None, found, expected)])


def too_many_rows(packaged: Packaged) -> RequestRefused:
    """Refuse a request for its length."""
    return RequestRefused(
        413, f"more than {quantity(packaged.maximum_rows, 'row')} in one request; send them in several"
    )


def unknown_name(what: str, name: str, known: Collection[str]) -> str:
    """What is expected instead of a field or column that the contract has not.

    Args:
        what: field or column.
        name: the caller's.
        known: the contract's.
    """
    nearest = difflib.get_close_matches(name, known, n=1) if len(name) <= LONGEST_GUESS else []
    return f"no such {what}; did you mean {shortened(nearest[0])!r}?" if nearest else f"no such {what}"


def quantity(count: int, one: str, several: str = "") -> str:
    """A count with its noun: `1 row`, `2 rows`.

    Args:
        count: how many.
        one: the noun in the singular.
        several: its plural, where that is not the singular with an s.
    """
    return f"{count} {one if count == 1 else several or f'{one}s'}"


def shortened(text: str, longest: int = LONGEST_VALUE) -> str:
    """A text cut to a readable length."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def brief(value: Any, longest: int = LONGEST_VALUE) -> str:
    """A value as JSON, cut to a readable length; what is cut off is never written out."""
    return shortened(_json(value, longest + 1), longest)


def _json(value: Any, room: int) -> str:
    """The beginning of a value as JSON: all of it, or at least `room` characters."""
    if isinstance(value, str):
        return pydantic_core.to_json(value[:room]).decode(errors="replace")
    if isinstance(value, Mapping):
        return _joined("{", (f"{_json(str(k), room)}:{_json(v, room)}" for k, v in value.items()), "}", room)
    if isinstance(value, list | tuple):
        return _joined("[", (_json(each, room) for each in value), "]", room)
    return pydantic_core.to_json(value, inf_nan_mode="constants", fallback=repr).decode(errors="replace")


def _joined(begin: str, parts: Any, end: str, room: int) -> str:
    text = begin
    for part in parts:
        text += part if text == begin else f",{part}"
        if len(text) >= room:
            return text
    return text + end


def _sentence(detail: Problem) -> str:
    place = [f"{name} {detail[name]}" for name in ("row", "field") if detail[name] is not None]
    return f"{', '.join(place) or 'the body'}: found {detail['found']}, expected {detail['expected']}"
