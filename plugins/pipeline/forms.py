"""The fields of the forms with which DAGs are started by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

from tidewheel.partitions import DAY, Partitioning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidewheel.options import JobOptions


def fields(model: type[JobOptions]) -> dict[str, Param]:
    """A field for each option of a job that has a title, with the job's own rules for its value."""
    rules = model.model_json_schema()["properties"]
    return {
        name: Param(
            option.default,
            title=option.option.title,
            description=option.option.sentences,
            **_rule(rules[name]),
        )
        for name, option in model.declared().items()
        if option.option.title
    }


def filled_in(model: type[JobOptions]) -> dict[str, str]:
    """A template for each of these fields, which gives a job what stands there, and nothing where it is empty."""
    return {name: f"{{{{ '' if params.{name} is none else params.{name} }}}}" for name in fields(model)}


def days(default: str, unit: Partitioning = DAY) -> dict[str, Param]:
    """Two date fields, both of them optional.

    Args:
        default: in words, the partition that is used when both are left empty.
        unit: what a partition holds.
    """
    if unit is Partitioning.WEEK:
        return {
            "first": optional_day("First week", f"Its Monday (UTC), for example 2013-01-07. Empty: {default}."),
            "last": optional_day("Last week", "Its Monday (UTC), included. Empty: the first week alone."),
        }
    if unit is Partitioning.HOUR:
        return {
            "first": optional_text(
                "First hour", f"Hour (UTC), for example 2013-01-01T05, or a day for all of its hours. Empty: {default}."
            ),
            "last": optional_text("Last hour", "Hour or day (UTC), included. Empty: the first hour, or day, alone."),
        }
    return {
        "first": optional_day("First day", f"First day (UTC), for example 2013-01-01. Empty: {default}."),
        "last": optional_day("Last day", "Last day (UTC), included. Empty: the first day alone."),
    }


def optional_day(title: str, description: str) -> Param:
    """A date that may be left empty."""
    return Param(None, type=["null", "string"], format="date", title=title, description=description)


def optional_text(title: str, description: str) -> Param:
    """A line of text that may be left empty."""
    return Param(None, type=["null", "string"], title=title, description=description)


def _rule(schema: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Schema of a value as Airflow's form wants it: what may be empty has two types, not two alternatives."""
    options = schema.get("anyOf", [schema])
    [value] = [each for each in options if each.get("type") != "null"]
    rule = {name: each for name, each in value.items() if name not in ("default", "title")}
    return rule | {"type": ["null", rule["type"]]} if len(options) > 1 else rule
