"""Expectation suites that hold on the data they were profiled from, each rule with its reason.

A rule is `critical` where its breach says that something is wrong whatever the business does: a missing key, a column
that is gone. Limits that were seen in a sample are widened, and warn.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from tidewheel.quantities import quantity
from tidewheel.scaffold.profile import Column, DailyRange
from tidewheel.spec.multiclass import PROBABILITY

if TYPE_CHECKING:
    from tidewheel.spec.pipeline import Task

Rule = dict[str, Any]
Severity = Literal["critical", "warning"]
PROFILED = "tidewheel_profile"
FACTOR = 4
"""A day may have so many times fewer or more rows than the smallest or largest day of the sample."""
MARGIN = 0.2
"""Shares of missing values and of unseen categories may grow by so much."""


@dataclass(frozen=True)
class Profile:
    """What suites are made from.

    Attributes:
        rows: rows of each day.
        columns: of the source.
        daily: the same, day by day.
    """

    key: Sequence[str]
    event_time: str
    rows: Mapping[date, int]
    columns: Mapping[str, Column]
    daily: Mapping[str, DailyRange]

    @property
    def days(self) -> str:
        """First and last day."""
        return f"{min(self.rows)}..{max(self.rows)}"


def suites(
    name: str, profile: Profile, label: Column, task: Task, numeric: Sequence[str], categorical: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The four suites of a pipeline, by name.

    Args:
        name: of the pipeline.
        profile: of the rows of its source.
        label: the label's column.
        task: of the pipeline.
        numeric: numeric features, of which those that are columns of the source are judged by what was seen there.
        categorical: categorical features.
    """
    rows = [*_table(profile), *_keys(profile)]
    features = [profile.columns[name] for name in (*numeric, *categorical) if name in profile.columns]
    others = [c for c in profile.columns.values() if c.name not in (*profile.key, profile.event_time, label.name)]
    seen = f"Profiled from {profile.days}, {quantity(sum(profile.rows.values()), 'row')}."
    made = {
        "raw": (
            "The rows of one day, as they come from the source.",
            [*rows, *_event_time(profile), *_values(profile, others)],
        ),
        "labels": ("What the rows of one day turned out to be.", list(_labels(profile, label, task))),
        "features": (
            "What the model sees of one day's rows.",
            [*rows, *_values(profile, features), *_clock(name for name in numeric if name not in profile.columns)],
        ),
        "predictions": ("What the model says of one day's rows.", [*rows, *_predictions(label, task)]),
    }
    return {
        suite: {"name": f"{name}.{suite}", "expectations": rules, "meta": {}, "notes": f"{notes} {seen}"}
        for suite, (notes, rules) in made.items()
    }


def is_profiled(rule: Rule) -> bool:
    """Whether a rule is as the profile made it: not written, and not changed, by hand."""
    return bool((rule.get("meta") or {}).get(PROFILED) == _digest(rule))


def merged(old: dict[str, Any], new: dict[str, Any], *, keep: bool) -> dict[str, Any]:
    """A suite made anew.

    Args:
        old: the suite as it is.
        new: the suite of a new profile.
        keep: keep the rules that were written or changed by hand; of what they say, the profile then says nothing.
    """
    by_hand = [rule for rule in old.get("expectations", []) if not is_profiled(rule)] if keep else []
    taken = {_subject(rule) for rule in by_hand}
    rules = [rule for rule in new["expectations"] if _subject(rule) not in taken]
    return {**new, "meta": old.get("meta", {}), "expectations": [*by_hand, *rules]}


def rule_words(rule: Rule) -> str:
    """A rule in a line."""
    limits = ", ".join(f"{name} {value}" for name, value in rule["kwargs"].items() if name != "column")
    column = rule["kwargs"].get("column", "the table")
    return f"{column}: {rule['type'].removeprefix('expect_')}{f' ({limits})' if limits else ''}, {rule['severity']}"


def _subject(rule: Rule) -> tuple[str, str]:
    return rule["type"], json.dumps([rule["kwargs"].get(name) for name in ("column", "column_list")])


def _rule(type_: str, notes: str, severity: Severity = "critical", **kwargs: Any) -> Rule:
    rule: Rule = {"type": type_, "kwargs": kwargs, "severity": severity, "notes": notes, "meta": {}}
    return {**rule, "meta": {PROFILED: _digest(rule)}}


def _digest(rule: Rule) -> str:
    said = [rule.get(name) for name in ("type", "kwargs", "severity")]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _table(profile: Profile) -> Iterator[Rule]:
    # The first and the last day may be cut.
    whole = list(profile.rows.values())[1:-1] or list(profile.rows.values())
    smallest, largest = min(profile.rows.values()), max(profile.rows.values())
    yield _rule(
        "expect_table_row_count_to_be_between",
        f"Days of the sample had {min(whole):,} to {max(whole):,} rows; {FACTOR} times fewer or more is a broken "
        "delivery.",
        min_value=max(1, min(smallest, min(whole) // FACTOR)),
        max_value=largest * FACTOR,
    )


def _keys(profile: Profile) -> Iterator[Rule]:
    for column in profile.key:
        yield _rule("expect_column_values_to_not_be_null", "The key names a row.", column=column)
    if len(profile.key) == 1:
        yield _rule("expect_column_values_to_be_unique", "The key names one row.", column=profile.key[0])
    else:
        yield _rule("expect_compound_columns_to_be_unique", "The key names one row.", column_list=list(profile.key))


def _event_time(profile: Profile) -> Iterator[Rule]:
    yield _rule(
        "expect_column_values_to_not_be_null", "The event time puts a row into its day.", column=profile.event_time
    )


def _values(profile: Profile, columns: Sequence[Column]) -> Iterator[Rule]:
    for column in columns:
        yield _rule("expect_column_to_exist", "The source has always had it.", column=column.name)
        yield from _missing(column.name, profile.daily[column.name].missing)
        if column.kind == "number" and column.least is not None and column.most is not None and column.distinct > 1:
            yield _between(column, "warning")
        elif column.kind == "text" and column.values:
            yield _rule(
                "expect_column_values_to_be_in_set",
                f"The sample held these {column.distinct} values; new ones come, many at once are a mistake.",
                "warning",
                column=column.name,
                value_set=list(column.values),
                mostly=1 - MARGIN,
            )


def _missing(name: str, worst: float) -> Iterator[Rule]:
    share = round(max(0.0, 1 - worst - MARGIN), 2)
    if share <= 0:
        return
    seen = f"at most {100 * worst:.1f}% were missing on a day" if worst else "no value was missing"
    yield _rule(
        "expect_column_values_to_not_be_null",
        f"In the sample {seen}; {100 * MARGIN:.0f} points more are a broken delivery.",
        "critical" if worst == 0 else "warning",
        column=name,
        mostly=share,
    )


def _between(column: Column, severity: Severity, name: str = "") -> Rule:
    """The range that was seen, and as much again on each side; what was never negative stays so."""
    assert column.least is not None
    assert column.most is not None
    span = column.most - column.least or abs(column.most) or 1.0
    least = 0.0 if column.least >= 0 else column.least - span
    return _rule(
        "expect_column_values_to_be_between",
        f"The sample held {column.least:g} to {column.most:g}; the limits are twice as wide.",
        severity,
        column=name or column.name,
        min_value=_number(least),
        max_value=_number(column.most + span),
        mostly=0.99,
    )


def _labels(profile: Profile, label: Column, task: Task) -> Iterator[Rule]:
    yield _rule("expect_column_values_to_not_be_null", "A row without a label is left out before.", column=label.name)
    seen = profile.daily[label.name]
    if task == "regression":
        yield _between(label, "warning")
        return
    if task == "multiclass":
        yield _rule("expect_column_values_to_be_in_set", "The classes.", column=label.name, value_set=label.classes)
        return
    yield _rule("expect_column_values_to_be_in_set", "A classification.", column=label.name, value_set=[0, 1])
    if seen.least is not None and seen.most is not None:
        yield _rule(
            "expect_column_mean_to_be_between",
            f"On days of the sample {100 * seen.least:.1f}% to {100 * seen.most:.1f}% were 1.",
            "warning",
            column=label.name,
            min_value=round(max(0.0, seen.least - MARGIN), 3),
            max_value=round(min(1.0, seen.most + MARGIN), 3),
        )


def _clock(names: Iterator[str]) -> Iterator[Rule]:
    limits = {"hour": (0, 23), "day_of_week": (1, 7)}
    for name in names:
        if name in limits:
            least, most = limits[name]
            yield _rule(
                "expect_column_values_to_be_between", "Computed from the event time in transform.py.",
                column=name, min_value=least, max_value=most,
            )  # fmt: skip


def _predictions(label: Column, task: Task) -> Iterator[Rule]:
    yield _rule("expect_column_values_to_not_be_null", "Every row gets an answer.", column="prediction")
    if task == "multiclass":
        classes = label.classes
        yield _rule("expect_column_values_to_be_in_set", "The classes.", column="prediction", value_set=classes)
        for name in classes:
            yield _rule(
                "expect_column_values_to_be_between",
                "A probability.",
                column=f"{PROBABILITY}{name}",
                min_value=0,
                max_value=1,
            )
    elif task == "classification":
        yield _rule(
            "expect_column_values_to_be_between", "A probability.", column="prediction", min_value=0, max_value=1
        )
    else:
        yield _between(label, "warning", "prediction")


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else float(f"{value:.6g}")
