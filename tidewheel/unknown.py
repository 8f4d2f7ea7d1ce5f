"""Figures that are not known: NaN where something is computed, None where it is stored or shown."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def is_unknown(value: object) -> bool:
    """Whether a value is None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def known_or_none(value: V | None) -> V | None:
    """The value; None for NaN, which JSON and the database do not know."""
    return None if is_unknown(value) else value


def known_figures(figures: Mapping[K, float]) -> dict[K, float]:
    """Those of the figures that are known, in their order."""
    return {name: value for name, value in figures.items() if not is_unknown(value)}
