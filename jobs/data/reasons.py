"""Days that failed for the same reason, told once: how many, which, and what was found on the first of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tidewheel.partitions import day_ranges, parse_day

T = TypeVar("T")

# What differs from day to day within one reason: examples, and numbers that are not part of a name such as `price_2`.
_EXAMPLES = re.compile(r"\(?for example [^;)]*\)?")
_NUMBERS = re.compile(r"(?<![\w.])\d[\d.,:%-]*(?![A-Za-z_])")


@dataclass(frozen=True)
class Failure:
    """Why one day failed.

    Attributes:
        day: the partition.
        reason: in a sentence.
        place: where what was refused is kept; empty where nothing is.
    """

    day: str
    reason: str
    place: str = ""

    @property
    def sentence(self) -> str:
        """Reason and place."""
        return f"{self.reason} (kept in {self.place})" if self.place else self.reason

    @property
    def kind(self) -> str:
        """The reason without what belongs to its day alone."""
        return _NUMBERS.sub("#", _EXAMPLES.sub("", self.reason.replace(self.day, "#")))


def failure_sentences(failures: Sequence[Failure], total: int) -> list[str]:
    """One sentence for each reason.

    Args:
        failures: of some days.
        total: how many days were tried.
    """
    sentences = []
    for group in alike(failures, lambda failure: failure.kind):
        first = group[0]
        if len(group) == 1:
            sentences.append(first.sentence)
        else:
            sentences.append(f"{days_sentence([one.day for one in group], total)}; on {first.day}: {first.sentence}")
    return sentences


def days_sentence(days: Sequence[str], total: int) -> str:
    """How many days, which, and that their reason is the same."""
    ranges = ", ".join(day_ranges([parse_day(day) for day in days]))
    return f"{len(days)} of {total} days failed for the same reason ({ranges})"


def alike(things: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Things with the same key together, in the order in which each key first occurs."""
    groups: dict[Hashable, list[T]] = {}
    for thing in things:
        groups.setdefault(key(thing), []).append(thing)
    return list(groups.values())
