"""Where figures of measured days are read from: the ledger, or the memory of a replay."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol


class Figure(Protocol):
    """One figure of a day."""

    @property
    def partition(self) -> str:
        """The day, YYYY-MM-DD."""
        ...

    @property
    def version(self) -> str:
        """Who predicted it."""
        ...

    @property
    def slice(self) -> str:
        """Which part of the rows, `column=value`; empty: all of them."""
        ...

    @property
    def name(self) -> str:
        """What was measured."""
        ...

    @property
    def value(self) -> float:
        """The number."""
        ...


class FigureSource(Protocol):
    """Figures of measured days, oldest first."""

    def figures(self, pipeline: str, name: str) -> Iterable[Figure]:
        """One figure of all rows over the days."""
        ...

    def figures_of_days(self, pipeline: str, first: str, last: str, names: Collection[str]) -> Iterable[Figure]:
        """Some figures of the days `first` to `last`, of all slices and versions."""
        ...
