"""How often the drift alarm cries wolf, and how soon it sees what is wrong: on a year of flights.

    python -m benchmarks.drift --home FOLDER [--seeds 5] [--starts 4]

FOLDER holds the lake that `benchmarks.replay` has made. The settings are the defaults of a pipeline file. They were
chosen on January to June (confirmations, scale of the distances, level, what is compared); judged is July to December.

False alarms: the same days in a random order, so that nothing drifts; an alarm is a day with any column confirmed.
Shifts: a change is injected into a column from some day on, in the days' own order; seen is what is confirmed on one of
the first three nights. A night on which that column was confirmed before the change is left out.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from jobs.monitoring.comparisons import planned_comparisons
from jobs.monitoring.daily_rows import rows_of_days
from jobs.monitoring.drift import Moved, judge_columns, measure_column, measure_columns
from jobs.monitoring.methods import DayComparison
from jobs.monitoring.unexplained_shifts import unexplained_shifts
from tidewheel.lake import Lake
from tidewheel.partitions import PartitionRange
from tidewheel.settings import load_settings
from tidewheel.spec import Pipeline, find_pipeline

YEAR = PartitionRange(date(2013, 1, 1), date(2013, 12, 31))
JUDGED = PartitionRange(date(2013, 7, 1), date(2013, 12, 31))
FIRST = (JUDGED.first - YEAR.first).days
NIGHTS = 3
Rows = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Shift:
    """A change injected into one column."""

    kind: str
    column: str
    change: Callable[[pd.Series], pd.Series]


def main() -> None:
    """Print the figures of one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("build/replay"), help="folder with the year's features")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--starts", type=int, default=4, help="days that each shift begins on, a seed")
    options = parser.parse_args()
    os.environ["TIDEWHEEL_HOME"] = str(options.home.resolve())
    settings = load_settings()
    pipeline = find_pipeline(settings.pipelines_folder, "flight_delay")
    started = time.process_time()
    rows = rows_of_days(Lake.open(pipeline.name, settings), pipeline, YEAR.keys)
    print(
        f"{len(rows)} days, {sum(map(len, rows.values())):,} rows, read in {time.process_time() - started:.0f} s of CPU"
    )
    alarms, judged = false_alarms(pipeline, rows, options.seeds)
    print(f"shuffled days: an alarm on {alarms} of {judged} nights, {interval(alarms, judged)}", flush=True)
    moved = measure_days(pipeline, rows, YEAR.keys)
    in_order = [bool(confirmed(pipeline, night(pipeline, moved, last))) for last in range(FIRST, len(YEAR.keys))]
    print(f"days in their order: on {sum(in_order)} of {len(in_order)}, {interval(sum(in_order), len(in_order))}")
    for kind, found in detections(pipeline, rows, moved, options.seeds, options.starts).items():
        seen = sum(found)
        print(f"{kind}: seen within {NIGHTS} nights in {seen} of {len(found)}, {interval(seen, len(found))}")
    print(f"{time.process_time() - started:.0f} s of CPU")


def false_alarms(pipeline: Pipeline, rows: Rows, seeds: int) -> tuple[int, int]:
    """Nights with an alarm among the shuffled days of the judged half."""
    settings = pipeline.monitoring.drift
    warm = settings.reference_days + settings.history_days + 2 * settings.checks - 1
    alarms = judged = 0
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(JUDGED.keys)
        shuffled = {key: rows[other] for key, other in zip(JUDGED.keys, order, strict=True)}
        moved = measure_days(pipeline, shuffled, JUDGED.keys)
        for last in range(warm, len(JUDGED.keys)):
            judged += 1
            alarms += bool(confirmed(pipeline, night(pipeline, moved, last)))
    return alarms, judged


def confirmed(pipeline: Pipeline, moved: Sequence[Moved]) -> set[str]:
    """Columns that a night alarms about."""
    judged = judge_columns(pipeline.monitoring.drift, moved)
    return {name for findings in judged for name, finding in findings.items() if finding.confirmed}


def detections(
    pipeline: Pipeline, rows: Rows, moved: Sequence[Moved], seeds: int, starts: int
) -> Mapping[str, list[bool]]:
    """By kind of shift and column, whether each was seen; all columns are judged, and corrected for, as in a night."""
    found: dict[str, list[bool]] = {}
    injected = list(shifts(pipeline, rows))
    for seed in range(seeds):
        for first in np.random.default_rng(1000 + seed).choice(
            np.arange(FIRST, len(YEAR.keys) - NIGHTS), starts, replace=False
        ):
            before = confirmed(pipeline, night(pipeline, moved, int(first) - 1))
            days = YEAR.keys[first : first + NIGHTS]
            for shift in injected:
                if shift.column in before:
                    continue
                again = measure_again(pipeline, rows, shift, days)
                seen = any(
                    shift.column in confirmed(pipeline, night(pipeline, moved, int(first) + n, again, n + 1))
                    for n in range(NIGHTS)
                )
                found.setdefault(f"{shift.kind}: {shift.column}", []).append(seen)
                found.setdefault(shift.kind, []).append(seen)
    return found


def measure_again(pipeline: Pipeline, rows: Rows, shift: Shift, days: Sequence[str]) -> Moved:
    """What the shifted column shows on the days on which it is."""
    comparisons = [comparison(pipeline, key) for key in days]
    near = {key for one in comparisons for key in (*one.current, *one.reference)}
    changed = {key: with_change(rows[key], shift) if key in days else rows[key] for key in near if key in rows}
    alone = measure_column(pipeline, changed, shift.column, comparisons)
    beside = unexplained_shifts(changed, pipeline.features.numeric, comparisons)
    return replace(alone, unexplained=beside.get(shift.column, ()))


def measure_days(pipeline: Pipeline, rows: Rows, keys: Sequence[str]) -> list[Moved]:
    """Every column's distance of every day to the days before it, as each night would measure it."""
    comparisons = [comparison(pipeline, key) for key in keys]
    return measure_columns(pipeline, rows, pipeline.features.columns, comparisons)


def comparison(pipeline: Pipeline, key: str) -> DayComparison:
    """What a day is held against."""
    return planned_comparisons(pipeline.monitoring.drift, date.fromisoformat(key))[-1]


def night(
    pipeline: Pipeline, moved: Sequence[Moved], last: int, again: Moved | None = None, newest: int = 0
) -> list[Moved]:
    """What a night sees of the year: history and checks that end with a day, the newest of a column measured again."""
    settings = pipeline.monitoring.drift
    first = last + 1 - settings.history_days - settings.checks
    seen = []
    for one in moved:
        measured = [list(part[first : last + 1]) for part in (one.distances, one.gone, one.unexplained)]
        if again is not None and again.column == one.column:
            for part, changed in zip(measured, (again.distances, again.gone, again.unexplained), strict=True):
                part[-newest:] = changed[:newest]
        seen.append(Moved(one.column, one.method, *measured))
    return seen


def shifts(pipeline: Pipeline, rows: Rows) -> Iterator[Shift]:
    """One of each kind for the columns it makes sense for."""
    whole = pd.concat(rows.values())
    schedule = ("hour", "minute_of_day", "scheduled_minutes", "distance", "departures_in_hour")
    weather = ("temperature", "humidity", "wind_speed", "pressure", "visibility")
    for name, columns in (("schedule", schedule), ("weather", weather)):
        for column in columns:
            step = 0.5 * whole[column].std()
            yield Shift(f"+0.5 sd, {name}", column, lambda values, step=step: values + step)
    for column, factor, offset in (
        ("temperature", 5 / 9, -32 * 5 / 9),
        ("pressure", 0.02953, 0.0),
        ("visibility", 1.609, 0.0),
        ("wind_speed", 1.609, 0.0),
        ("distance", 1.609, 0.0),
    ):
        yield Shift("unit change", column, lambda values, f=factor, o=offset: values * f + o)
    for column, value in (("origin", "LGA"), ("carrier", "UA"), ("carrier", "MQ"), ("dest", "ATL")):
        yield Shift("category vanishing", column, lambda values, value=value: values[values != value])


def with_change(frame: pd.DataFrame, shift: Shift) -> pd.DataFrame:
    """A day with the change; rows of a category that vanishes are gone."""
    values = shift.change(frame[shift.column])
    return frame.loc[values.index].assign(**{shift.column: values})


def interval(count: int, of: int) -> str:
    """A share with its 95% interval by Wilson's score."""
    z, share = 1.96, count / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return f"{share:.1%} (95% interval {max(middle - half, 0):.1%} to {min(middle + half, 1):.1%})"


if __name__ == "__main__":
    main()
