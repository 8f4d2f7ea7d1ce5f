"""How a reader names the day it reads: `{partition}` in a path, `:partition` in a query."""

from __future__ import annotations

import re

from tidewheel.errors import did_you_mean

PLACEHOLDER = "{partition}"
PARAMETER = "partition"
_IN_BRACES = re.compile(r"\{[^{}]*\}")
_BOUND = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")  # as SQLAlchemy finds them, also within quotes and comments
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
_CHANGES = frozenset({"insert", "update", "delete", "drop", "truncate", "create", "alter", "merge", "grant", "revoke"})


def path_mistake(path: str) -> str:
    """Why a path can never name the files of one day; empty where it can."""
    inside = _IN_BRACES.findall(path)
    unknown = [placeholder for placeholder in inside if placeholder != PLACEHOLDER]
    if unknown:
        return f"expected {PLACEHOLDER} and no other name in braces{did_you_mean(unknown[0], [PLACEHOLDER])}"
    if not inside:
        return f"expected a path with {PLACEHOLDER}, which becomes the day: without it every day reads the same file"
    if path != path.strip() or "\0" in path or "\n" in path:
        return "expected a path without spaces around it and without line breaks"
    return ""


def query_mistake(query: str) -> str:
    """Why a query can never read one day; empty where it can."""
    names = _BOUND.findall(query)
    if f":{PARAMETER}::" in query:  # of which SQLAlchemy makes a shorter name
        return (
            f"the cast right behind :{PARAMETER} hides its name; expected cast(:{PARAMETER} as …), or a blank between"
        )
    if other := [name for name in names if name != PARAMETER]:
        return (
            f"nothing is bound to :{other[0]}; expected :{PARAMETER} as the only parameter, other colons written "
            f"\\:{did_you_mean(other[0], [PARAMETER])}"
        )
    if not names:
        return f"the query has no :{PARAMETER} parameter, so every day would read the whole table"
    statement = _QUOTED.sub(" ", query)
    if PARAMETER not in _BOUND.findall(statement):
        return f":{PARAMETER} stands in quotes or in a comment only, where no day is put in its place"
    first = re.match(r"\s*(\w*)", statement)
    if first and first[1].lower() in _CHANGES and "returning" not in statement.lower():
        return f"the query begins with {first[1].upper()} and returns no rows; expected a SELECT"
    return ""
