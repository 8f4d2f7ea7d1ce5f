"""Putting partial objects of Kubernetes together, by the rules of its own strategic merge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEYS = {"volumeMounts": "mountPath", "ports": "containerPort", "imagePullSecrets": "name"}
NAMED = frozenset({"containers", "initContainers", "volumes", "env"})


def merged(base: Any, over: Any, field: str = "") -> Any:
    """`over` laid on `base`: objects key by key, named lists entry by entry, other lists one behind the other.

    Args:
        base: what holds where `over` says nothing.
        over: what wins.
        field: name of the field whose values these are.
    """
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        return {
            name: merged(base[name], over[name], name) if name in base and name in over else {**base, **over}[name]
            for name in {**base, **over}
        }
    if isinstance(base, list) and isinstance(over, list):
        key = "name" if field in NAMED else KEYS.get(field)
        return _merged_lists(base, over, key) if key else [*base, *over] if _of_objects(base, over) else over
    return over


def _of_objects(base: list[Any], over: list[Any]) -> bool:
    """Whether these are lists of objects, such as tolerations; a list of words, such as a command, is one value."""
    return all(isinstance(entry, Mapping) for entry in (*base, *over))


def _merged_lists(base: list[Any], over: list[Any], key: str) -> list[Any]:
    laid = {entry[key]: entry for entry in over}
    known = {entry[key] for entry in base}
    return [
        *(merged(entry, laid[entry[key]]) if entry[key] in laid else entry for entry in base),
        *(entry for entry in over if entry[key] not in known),
    ]
