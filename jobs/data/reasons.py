"""Days that failed for the same reason, reported once: how many, which, and the finding of the first of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tidewheel.errors import DataRefused, SourceError
from tidewheel.hours import is_hour
from tidewheel.partitions import DAY, HOUR, day_ranges, partition_of

T = TypeVar("T")


@dataclass(frozen=True)
class DayProblem:
    """Why the data of a day is refused, or is not there.

    Attributes:
        source: file, query or function that the data came from; empty where the reason names none.
        found: what is wrong with this day, with its numbers and examples.
        expected: the rule and what to do; the same on each day that breaks it.
        columns: that it is about.
    """

    source: str
    found: str
    expected: str = ""
    columns: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """All of it, for a person."""
        where = f"{self.source}: " if self.source else ""
        return f"{where}{self.found}{'; ' if self.expected else ''}{self.expected}"

    @property
    def kind(self) -> Hashable:
        """What days have in common that fail for this reason."""
        return self.columns, self.expected or self.found


class RowsRefused(DataRefused):
    """The data of a day breaks a rule.

    Args:
        source: see `DayProblem`.
        found: see `DayProblem`.
        expected: see `DayProblem`.
        columns: see `DayProblem`.
    """

    def __init__(self, source: str, found: str, expected: str, columns: Sequence[str] = ()) -> None:
        self.reason = DayProblem(source, found, expected, tuple(columns))
        super().__init__(self.reason.sentence)


class NothingThere(SourceError):
    """A source has nothing for a day yet, or does not answer. The arguments are those of `RowsRefused`."""

    def __init__(self, source: str, found: str, expected: str) -> None:
        self.reason = DayProblem(source, found, expected)
        super().__init__(self.reason.sentence)


def reason_of(error: DataRefused | SourceError) -> DayProblem:
    """The reason that an error has; that of a team's own code is its words alone."""
    return error.reason if isinstance(error, RowsRefused | NothingThere) else DayProblem("", str(error))


@dataclass(frozen=True)
class Failure:
    """Why one day failed.

    Attributes:
        day: the partition.
        reason: see there.
        place: where what was refused is stored; empty where nothing is.
    """

    day: str
    reason: DayProblem
    place: str = ""

    @property
    def sentence(self) -> str:
        """Reason and place."""
        return f"{self.reason.sentence} (stored in {self.place})" if self.place else self.reason.sentence


def failure_sentences(failures: Sequence[Failure], total: int) -> list[str]:
    """One sentence for each reason.

    Args:
        failures: of some days.
        total: how many days were tried.
    """
    sentences = []
    for group in alike(failures, lambda failure: failure.reason.kind):
        first = group[0]
        if len(group) == 1:
            sentences.append(first.sentence)
        else:
            sentences.append(f"{days_sentence([one.day for one in group], total)}; on {first.day}: {first.sentence}")
    return sentences


def days_sentence(days: Sequence[str], total: int) -> str:
    """How many days, which, and that their reason is the same."""
    unit = HOUR if is_hour(days[0]) else DAY
    ranges = ", ".join(day_ranges([partition_of(day) for day in days], unit))
    return f"{len(days)} of {total} {unit}s failed for the same reason ({ranges})"


def alike(things: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Things with the same key together, in the order in which each key first occurs."""
    groups: dict[Hashable, list[T]] = {}
    for thing in things:
        groups.setdefault(key(thing), []).append(thing)
    return list(groups.values())
