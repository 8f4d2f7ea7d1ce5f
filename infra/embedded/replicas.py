"""Names and ports of the replicas of a model's service, one supervised program each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def program_names(pipeline: str, colour: str, replicas: int) -> list[str]:
    """Names of the programs of a colour.

    The first is `<pipeline>-<colour>`, as it was before there were replicas; the others add their number.
    """
    first = f"{pipeline}-{colour}"
    return [first, *(f"{first}-{number}" for number in range(2, replicas + 1))]


def ports_of(place: Mapping[str, Any]) -> tuple[int, ...]:
    """Ports of a colour's replicas, from its entry in an endpoint's file.

    Files of releases before replicas hold one `port` instead of a list.
    """
    return tuple(place["ports"]) if "ports" in place else (place["port"],)
