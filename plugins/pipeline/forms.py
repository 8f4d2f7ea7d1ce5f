"""The fields of the forms with which DAGs are started by hand."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param


def days(default: str) -> dict[str, Param]:
    """Two date fields, both of them optional.

    Args:
        default: in words, the day that is used when both are left empty.
    """
    return {
        "first": optional_day("First day", f"First day (UTC), for example 2013-01-01. Empty: {default}."),
        "last": optional_day("Last day", "Last day (UTC), included. Empty: the first day alone."),
    }


def optional_day(title: str, description: str) -> Param:
    """A date that may be left empty."""
    return Param(None, type=["null", "string"], format="date", title=title, description=description)


def optional_text(title: str, description: str, pattern: str | None = None) -> Param:
    """A line of text that may be left empty."""
    rule: dict[str, Any] = {"pattern": pattern} if pattern else {}
    return Param(None, type=["null", "string"], title=title, description=description, **rule)


def switch(title: str, description: str) -> Param:
    """A switch that is off."""
    return Param(False, type="boolean", title=title, description=description)
