"""Has a day's data moved further than it usually does? Effect sizes, judged against each column's own history.

The reference is what came just before a day, not the champion's training data: what a night can still repair (a broken
source, a changed unit, a vanished category) stands out against last month, while the seasons, which part any day from
a model's training data, do not alarm every night; a model that slowly goes stale shows in its performance and its age.
It ends before the first of the newest days that are checked together: a change must not hide the days after it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pandas as pd

from jobs.monitoring.comparisons import days_of, planned_comparisons
from jobs.monitoring.daily_rows import PREDICTION, VERSION, rows_of_days
from jobs.monitoring.data_quality import column_quality
from jobs.monitoring.detectors import category_counts, detector, gone_categories
from jobs.monitoring.drift_page import drift_page
from jobs.monitoring.methods import TESTS, DayComparison
from jobs.monitoring.unexplained_shifts import unexplained_shifts
from jobs.partial_failures import RAISING, PartialFailures
from tidewheel.policies.alarm import AlarmPolicy, Series, SeriesFinding
from tidewheel.quantities import quantity

if TYPE_CHECKING:
    from datetime import date

    from tidewheel.lake import Lake
    from tidewheel.spec import Pipeline
    from tidewheel.spec.monitoring import DriftSettings

LEAST_ROWS = 30
"""The distance between few rows and many is chance."""
LEAST_REFERENCE = 3
"""With fewer days of reference a day is not compared."""
LEAST_DISTANCE = 0.1
"""Below a tenth of a standard deviation, or as much of a Jensen-Shannon distance, a shift matters to nobody."""


@dataclass(frozen=True)
class Moved:
    """How far a column lay from its reference.

    Attributes:
        column: its name.
        method: the detector's name.
        distances: one a comparison, NaN where a side had no rows.
        gone: of a categorical column, the categories that were always there and were missing, one list a comparison.
        unexplained: of a numeric feature, how far it moved beyond what the others explain, one a comparison.
    """

    column: str
    method: str
    distances: Sequence[float]
    gone: Sequence[Sequence[str]] = ()
    unexplained: Sequence[float] = ()


@dataclass(frozen=True)
class DayDrift:
    """How far a day has moved.

    Attributes:
        findings: by column what was measured and judged; `prediction` is the model's output.
        unexplained: the same of what the other columns leave unexplained, see `jobs.monitoring.unexplained_shifts`.
        left_out: columns that could not be compared, with the reason.
        gone: by column, categories that were always there and are missing today.
        quality: by column what it looks like, see `jobs.monitoring.data_quality`.
        missing: why nothing was compared, for a person; empty where something was.
        page: Evidently's report, HTML.
        inputs: the batches looked at, `dataset/partition` to content hash.
    """

    findings: Mapping[str, SeriesFinding] = field(default_factory=dict)
    unexplained: Mapping[str, SeriesFinding] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    gone: Mapping[str, Sequence[str]] = field(default_factory=dict)
    quality: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    missing: str = ""
    page: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def drifted(self) -> list[str]:
        """Columns whose drift is confirmed, furthest beyond their limit first."""
        return self._sorted(finding for finding in self._all if finding.confirmed)

    @property
    def suspected(self) -> list[str]:
        """Columns that stand out today, and are not confirmed yet."""
        drifted = self.drifted
        return [name for name in self._sorted(f for f in self._all if f.beyond and f.beyond[-1]) if name not in drifted]

    @property
    def _all(self) -> Iterator[SeriesFinding]:
        yield from self.findings.values()
        yield from self.unexplained.values()

    def _sorted(self, findings: Iterator[SeriesFinding]) -> list[str]:
        ordered = sorted(findings, key=lambda f: -f.value / f.limit if f.limit else -math.inf)
        return list(dict.fromkeys(f.name for f in ordered))


def day_drift(lake: Lake, pipeline: Pipeline, day: date, failures: PartialFailures = RAISING) -> DayDrift:
    """Hold a day's features and predictions against the days before it, and against how far they usually move.

    Args:
        lake: the pipeline's lake.
        pipeline: names the features and `monitoring.drift`.
        day: the day.
        failures: takes note of a column that cannot be measured or drawn, and the others go on.

    Returns:
        Findings, and the page; a day without features, or with too few days before it, says so.
    """
    comparisons = planned_comparisons(pipeline.monitoring.drift, day, pipeline.block)
    rows = rows_of_days(lake, pipeline, days_of(comparisons))
    dataset = "features" if pipeline.scoring.enabled else "requests"
    drift = compare_days(pipeline, rows, comparisons, dataset, failures)
    if drift.missing:
        return drift
    limits = {name: finding.limit for name, finding in drift.findings.items() if math.isfinite(finding.limit)}
    keys_of_sides = comparisons[-1].current, comparisons[-1].reference
    sides = [pd.concat([rows[key] for key in keys if key in rows], ignore_index=True) for keys in keys_of_sides]
    quality = column_quality(sides[0], sides[1], pipeline.features.numeric, pipeline.features.categorical, failures)
    page = ""
    if limits:
        with failures.named("the drift page"):
            page = drift_page(pipeline, limits, sides[0], sides[1], failures)
    inputs = {m.key: m.content_hash for key in rows if (m := lake.published(dataset, key)) is not None}
    return replace(drift, quality=quality, page=page, inputs=inputs)


def compare_days(
    pipeline: Pipeline,
    rows: Mapping[str, pd.DataFrame],
    comparisons: Sequence[DayComparison],
    what: str,
    failures: PartialFailures = RAISING,
    *,
    all_kinds: bool = True,
) -> DayDrift:
    """Measure and judge all columns of the newest day.

    Args:
        pipeline: names the features and `monitoring.drift`.
        rows: some rows of each day; the newest key is that of the day.
        comparisons: which days are held against which, oldest first.
        what: the rows are, for a person: features, requests.
        failures: takes note of a column that cannot be measured.
        all_kinds: whether rows of all kinds come every day, so that a missing category is an alarm by itself.

    Returns:
        Findings, without page; a day without rows, or with too few days before it, says so.
    """
    settings, key = pipeline.monitoring.drift, comparisons[-1].current[-1]
    day = key.rpartition("/")[2]
    if key not in rows:
        return DayDrift(missing=f"no {what} of {day}")
    if (count := _count(rows, comparisons[-1].current)) < LEAST_ROWS:
        return DayDrift(missing=f"{quantity(count, 'row')} of {day}, {LEAST_ROWS} are needed")
    possible = [c if _is_possible(rows, c) else DayComparison((), ()) for c in comparisons]
    if not possible[-1].current:
        return DayDrift(missing=f"no {what} of {LEAST_REFERENCE} days before {day} to compare it with")
    columns, left_out = _comparable(pipeline, rows, possible[-1].current, possible[-1].reference)
    moved = measure_columns(pipeline, rows, columns, possible, failures)
    moved = moved if all_kinds else [replace(one, gone=()) for one in moved]
    measured = {one.column for one in moved}
    left_out |= {name: "it could not be measured" for name in columns if name not in measured}
    findings, unexplained = judge_columns(settings, moved)
    gone = {one.column: one.gone[-1] for one in moved if one.gone and one.gone[-1]}
    return DayDrift(findings, unexplained, left_out, gone)


def is_category(pipeline: Pipeline, name: str) -> bool:
    """Whether a column is compared as a category: so is a predicted class."""
    return name in pipeline.features.categorical or (name == PREDICTION and pipeline.task == "multiclass")


def measure_columns(
    pipeline: Pipeline,
    rows: Mapping[str, pd.DataFrame],
    names: Sequence[str],
    comparisons: Sequence[DayComparison],
    failures: PartialFailures = RAISING,
) -> list[Moved]:
    """How far columns lie from their reference, each by itself, and numeric features beside one another."""
    numeric = [name for name in names if name in pipeline.features.numeric]
    unexplained: Mapping[str, Sequence[float]] = {}
    with failures.named("comparing the numeric columns with one another"):
        unexplained = unexplained_shifts(rows, numeric, comparisons)
    measured = []
    for name in names:
        with failures.named(f"drift of column {name}"):
            moved = measure_column(pipeline, rows, name, comparisons)
            measured.append(replace(moved, unexplained=unexplained.get(name, ())))
    return measured


def measure_column(
    pipeline: Pipeline, rows: Mapping[str, pd.DataFrame], name: str, comparisons: Sequence[DayComparison]
) -> Moved:
    """How far a column lies from its reference, one comparison after the other.

    Args:
        pipeline: names the column's kind and `monitoring.drift`.
        rows: some rows of each day.
        name: the column; `prediction` is the model's output.
        comparisons: which days are held against which.

    Returns:
        One distance a comparison.
    """
    settings, days = pipeline.monitoring.drift, _column(rows, name)
    if not is_category(pipeline, name):
        return Moved(name, settings.numeric, detector(settings.numeric, "num").distances(days, comparisons))
    counts = category_counts(days)
    # A class that is not predicted on a day is no category that a source has lost.
    gone = [gone_categories(counts, comparison) for comparison in comparisons] if name != PREDICTION else []
    found = detector(settings.categorical, "cat").distances(days, comparisons)
    return Moved(name, settings.categorical, found, gone)


def judge_columns(
    settings: DriftSettings, moved: Sequence[Moved]
) -> tuple[dict[str, SeriesFinding], dict[str, SeriesFinding]]:
    """Judge columns together: the newest comparisons are the checks, those before them the history.

    Args:
        settings: `monitoring.drift`.
        moved: what was measured, over the same comparisons for all columns.

    Returns:
        By column, what was found of its distance, and of what the other columns leave unexplained.
    """
    newest = -settings.checks
    distances = [
        Series(
            one.column,
            tuple(one.distances[:newest]),
            tuple(one.distances[newest:]),
            least=_least(settings, one.method),
            certain=tuple(bool(categories) for categories in one.gone[newest:]),
        )
        for one in moved
    ]
    unexplained = [
        Series(
            f"{one.column} beside the others",
            tuple(one.unexplained[:newest]),
            tuple(one.unexplained[newest:]),
            least=LEAST_DISTANCE,
        )
        for one in moved
        if one.unexplained
    ]
    judged = AlarmPolicy(settings.level, settings.confirmations, settings.correction).judge([*distances, *unexplained])
    beside = zip((one.column for one in moved if one.unexplained), judged[len(distances) :], strict=True)
    return (
        {finding.name: finding for finding in judged[: len(distances)]},
        {column: replace(finding, name=column) for column, finding in beside},
    )


def _is_possible(rows: Mapping[str, pd.DataFrame], comparison: DayComparison) -> bool:
    """Whether all the current days are there, with rows enough, and days enough to compare them with."""
    there = sum(key in rows for key in comparison.reference)
    return _count(rows, comparison.current) >= LEAST_ROWS and there >= LEAST_REFERENCE


def _count(rows: Mapping[str, pd.DataFrame], keys: Sequence[str]) -> int:
    return sum(len(rows[key]) for key in keys) if all(key in rows for key in keys) else 0


def _column(rows: Mapping[str, pd.DataFrame], name: str) -> dict[str, pd.Series]:
    """One column by day; predictions only of the version that made the newest, since another's differ by themselves."""
    if name != PREDICTION:
        return {key: frame[name] for key, frame in rows.items() if name in frame}
    newest = rows[max(rows)][VERSION].mode().iloc[0]
    having = {key: frame[frame[VERSION] == newest] for key, frame in rows.items() if VERSION in frame}
    return {key: frame[PREDICTION] for key, frame in having.items() if len(frame)}


def _comparable(
    pipeline: Pipeline, rows: Mapping[str, pd.DataFrame], current: Sequence[str], reference: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """Columns that are there on both sides; and why the others are not."""
    comparable, left_out = [], {}
    for name in (*pipeline.features.columns, PREDICTION):
        if name == PREDICTION and VERSION not in rows[max(rows)]:
            left_out[name] = "no values in the day"
            continue
        days = _column(rows, name)
        empty = [
            side
            for side, keys in (("the day", current), ("the reference", reference))
            if all(key not in days or days[key].isna().all() for key in keys)
        ]
        # A column that has lost all its values has moved; one that never had any has not.
        if "the reference" in empty or (empty and name == PREDICTION):
            left_out[name] = f"no values in {' and '.join(empty)}"
        else:
            comparable.append(name)
    return comparable, left_out


def _least(settings: DriftSettings, method: str) -> float:
    if settings.minimum_effect is not None:
        return settings.minimum_effect
    return -math.log10(settings.level) if method in TESTS else LEAST_DISTANCE
