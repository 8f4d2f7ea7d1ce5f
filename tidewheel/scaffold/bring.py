"""From a sample to a plan: what was guessed or said is decided, one thing after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tidewheel.errors import UsageError
from tidewheel.scaffold import guess
from tidewheel.scaffold.brought import Decided
from tidewheel.scaffold.guess import Guess, Hints
from tidewheel.scaffold.profile import Column, columns_of, daily, days_of
from tidewheel.scaffold.rules import Profile
from tidewheel.scaffold.sample import Sample

Settle = Callable[[str, str, Guess], str]
"""Called with the option's name, what it is for, and a guess: gives the value to take, or raises."""


@dataclass(frozen=True)
class Brought:
    """What was seen in a sample, and what was decided, each with its reason."""

    sample: Sample
    profile: Profile
    decided: Decided
    reasons: Mapping[str, str]


def bring(sample: Sample, hints: Hints, delay_days: int, settle: Settle) -> Brought:
    """Decide all that a pipeline needs to know.

    Args:
        sample: the rows.
        hints: what the caller said.
        delay_days: after so many days a label is known.
        settle: decides about a guess.

    Raises:
        UsageError: the data has no key, no event time, or no label that can be learned.
    """
    columns = columns_of(sample.table)
    reasons: dict[str, str] = {}

    def one(option: str, purpose: str, said: str, guessed: Callable[[], Guess]) -> str:
        if said:
            guess.need(said, columns, f"--{option}")
            reasons[option] = "as you said"
            return said
        guesses = guessed()
        value = settle(option, purpose, guesses)
        reasons[option] = guesses.why if value == guesses.value else "as you said"
        return value

    event_time = one(
        "event-time", "the time that puts a row into its day", hints.event_time,
        lambda: guess.guess_event_time(sample, columns),
    )  # fmt: skip
    _times(columns, event_time, sample)
    label = one(
        "label", "the column to predict", hints.label,
        lambda: guess.guess_label(columns, [event_time, *hints.key], hints.task),
    )  # fmt: skip
    guess.need(label, columns, "--label")
    task = guess.check_label(columns[label], hints.task)
    reasons["task"] = "as you said" if hints.task else f"{label} holds {columns[label].words}"
    key = hints.key or tuple(
        name.strip()
        for name in one(
            "key", "the columns that name a row, with commas between", "",
            lambda: guess.guess_key(sample, columns, event_time, label),
        ).split(",")
    )  # fmt: skip
    reasons.setdefault("key", "as you said")
    _unique(sample, columns, key)
    features = guess.guess_features(columns, [*key, event_time, label], sample.table.num_rows)
    days = days_of(sample.table, event_time)
    rows, by_day = daily(sample.table, days)
    decided = Decided(key, event_time, label, task, delay_days, features)
    if not features.numeric and not features.categorical:
        raise UsageError(
            f"{sample.origin}: no column is left that a model could learn from: "
            + "; ".join(f"{name} {reason}" for name, reason in features.left_out.items())
        )
    return Brought(sample, Profile(key, event_time, rows, _as_labels(columns, label), by_day), decided, reasons)


def _as_labels(columns: Mapping[str, Column], label: str) -> dict[str, Column]:
    """A label of true and false is landed as 1 and 0."""
    column = columns[label]
    return {**columns, label: replace(column, kind="number")} if column.kind == "boolean" else dict(columns)


def _times(columns: Mapping[str, Column], event_time: str, sample: Sample) -> None:
    guess.need(event_time, columns, "--event-time")
    column = columns[event_time]
    if column.kind != "time":
        raise UsageError(
            f"{sample.origin}: column {event_time!r} holds {column.words}, no times; expected ISO 8601, for example "
            "2026-01-31T08:15:00Z"
        )
    if column.missing:
        raise UsageError(
            f"{sample.origin}: column {event_time!r} is empty in {100 * column.missing:.1f}% of the rows; a pipeline "
            "needs "
            "the day of every row"
        )


def _unique(sample: Sample, columns: Mapping[str, Column], key: tuple[str, ...]) -> None:
    for name in key:
        guess.need(name, columns, "--key")
        if columns[name].missing:
            raise UsageError(
                f"--key {name}: empty in {100 * columns[name].missing:.1f}% of the rows; a key names each row"
            )
    different = sample.table.group_by(list(key)).aggregate([]).num_rows
    if different < sample.table.num_rows:
        raise UsageError(
            f"--key {','.join(key)}: {different:,} different values in {sample.table.num_rows:,} rows; a key names "
            "one row: add a "
            "column to it, or remove doubled rows"
        )
