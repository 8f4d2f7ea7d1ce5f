"""The files of weekly and hourly pipelines: what they count in weeks or hours becomes the model's counts of partitions.

The sections of a pipeline count partitions, and their keys end with `days`, since a partition was a day once. A weekly
pipeline's file says `weeks` instead (`delay_weeks`, `window_weeks`), so that nobody takes the one for the other. An
hourly pipeline has hours of data and is judged by day: only `HOURLY` keys count hours, and say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidewheel.partitions import Partitioning
from tidewheel.spec.explain import models_in, place_of
from tidewheel.spec.retention import LONG, Retention

if TYPE_CHECKING:
    from pydantic import BaseModel

DEFAULTS: Mapping[tuple[str, ...], int | str] = {
    ("schedule",): "0 3 * * 1",
    ("alerts", "labels_late_days"): 1,
    ("monitoring", "catch_up_days"): 2,
    ("monitoring", "drift", "history_days"): 13,
    ("monitoring", "drift", "reference_days"): 13,
    **{("retention", key): LONG[Partitioning.WEEK] for key in Retention.model_fields},
    ("training", "search", "validation_days"): 2,
    ("triggers", "back_off_maximum_days"): 4,
    ("triggers", "budget", "days"): 12,
    ("triggers", "cool_down_days"): 1,
    ("triggers", "maximum_age_days"): 3,
    ("triggers", "patience_days"): 1,
}
"""Of a weekly pipeline, where they are not those of a daily one: times of the calendar, and a quarter's drift.

The others count blocks of a statistic (holdouts, pooled windows, least numbers), and a week is one block like a day.
"""

HOURLY: Mapping[tuple[str, ...], str] = {
    ("features", "look_back_days"): "look_back_hours",
    ("source", "empty_days"): "empty_hours",
}
"""Keys of the model that are about partitions of data, and how an hourly pipeline's file writes them."""
HOURLY_DEFAULTS: Mapping[tuple[str, ...], int | str] = {("schedule",): "10 * * * *"}

Lines = Mapping[tuple[str, ...], int]


Keys = Iterable[tuple[tuple[str, ...], str]]
"""Paths of keys of a file, and the model's names of them."""


def unit_of(content: Mapping[str, Any]) -> Partitioning:
    """The unit that a file declares; days where it declares none, or one that there is not."""
    declared = content.get("partition")
    return next((unit for unit in Partitioning if unit == declared), Partitioning.DAY)


def weekly_name(name: str) -> str:
    """How a weekly pipeline's file writes a key: `holdout_weeks` for `holdout_days`."""
    return re.sub(r"(^|_)days$", r"\1weeks", name)


def in_partitions(root: type[BaseModel], content: dict[str, Any], lines: Lines) -> tuple[dict[str, Any], Lines]:
    """What the file of a weekly or hourly pipeline says, in the keys of the model, with its defaults.

    Args:
        root: the model of a pipeline.
        content: the file's content, without keys that count days.
        lines: line numbers of its keys.
    """
    unit = unit_of(content)
    renamed = dict(_keys(root, content, unit, written=True))
    converted = _renamed(content, (), renamed)
    for (*sections, key), value in {Partitioning.WEEK: DEFAULTS, Partitioning.HOUR: HOURLY_DEFAULTS}[unit].items():
        _set_default(converted, sections, key, value)
    moved = {_moved(path, renamed): line for path, line in lines.items()}
    return converted, moved


def keys_in_days(root: type[BaseModel], content: Mapping[str, Any], lines: Lines) -> list[str]:
    """A sentence for each key of a weekly or hourly pipeline's file that counts days in place of its partitions."""
    unit = unit_of(content)
    write = weekly_name if unit is Partitioning.WEEK else hourly_name
    return [
        f"{place_of(lines, path)}: a partition of this pipeline is {_A[unit]} {unit}; write {write(path[-1])}, "
        f"in {unit}s"
        for path, _ in _keys(root, content, unit, written=False)
    ]


def in_words_of(unit: Partitioning, sentence: str) -> str:
    """What the sections of a model say of their days, for a pipeline whose partitions are weeks or hours."""
    if unit is Partitioning.HOUR:
        names = {model[-1]: file for model, file in HOURLY.items()}
        return re.sub(r"\b(look_back|empty)_days\b", lambda found: names[found[0]], sentence)
    if unit is Partitioning.DAY:
        return sentence
    return re.sub(r"(?<![A-Za-z])days\b", "weeks", re.sub(r"(?<![A-Za-z])1 day\b", "1 week", sentence))


_A = {Partitioning.WEEK: "a", Partitioning.HOUR: "an"}


def hourly_name(name: str) -> str:
    """How an hourly pipeline's file writes a key that is about its data: `look_back_hours` for `look_back_days`."""
    return next((written for path, written in HOURLY.items() if path[-1] == name), name)


def _keys(root: type[BaseModel], content: Mapping[str, Any], unit: Partitioning, *, written: bool) -> Keys:
    """The keys of a file that count partitions: as they are to be written, or as the model names them."""
    if unit is Partitioning.WEEK:
        return _weekly_keys(root, content, (), weekly_name if written else lambda name: name)
    paths = {(*path[:-1], name if written else path[-1]): path[-1] for path, name in HOURLY.items()}
    sections = {path: content.get(path[0]) for path in paths}
    return [
        (path, name)
        for path, name in paths.items()
        if isinstance(section := sections[path], Mapping) and path[-1] in section
    ]


def _weekly_keys(
    model: type[BaseModel], content: Mapping[str, Any], path: tuple[str, ...], written: Any
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Paths of the keys of a file that count partitions, as they are written, and the model's names of them."""
    for name, field in model.model_fields.items():
        if weekly_name(name) != name:
            if written(name) in content:
                yield (*path, written(name)), name
        elif isinstance(inner := content.get(name), dict):
            sections = list(models_in(field.annotation))
            if len(sections) == 1:
                yield from _weekly_keys(sections[0], inner, (*path, name), written)


def _renamed(
    content: Mapping[str, Any], path: tuple[str, ...], renamed: Mapping[tuple[str, ...], str]
) -> dict[str, Any]:
    return {
        renamed.get((*path, str(key)), key): _renamed(value, (*path, str(key)), renamed)
        if isinstance(value, dict)
        else value
        for key, value in content.items()
    }


def _moved(path: tuple[str, ...], renamed: Mapping[tuple[str, ...], str]) -> tuple[str, ...]:
    return tuple(renamed.get(path[: place + 1], part) for place, part in enumerate(path))


def _set_default(content: dict[str, Any], sections: Sequence[str], key: str, value: int | str) -> None:
    """Set a key that is not there; a section that is null, or no section at all, stays as it is."""
    inside = content
    for section in sections:
        if section not in inside and section == "search":
            return  # no search is declared
        inside = inside.setdefault(section, {})
        if not isinstance(inside, dict):
            return
    inside.setdefault(key, value)
