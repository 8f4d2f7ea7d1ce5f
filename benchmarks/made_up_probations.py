"""Probations of a made-up pipeline: earlier versions passed or went back, and the newest one is judged."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise

from benchmarks.made_up_past import MadeUp, Version, night_of, promoted_of, run_of
from tidewheel.ledger.probation_tables import PairedDayRow, ProbationRow
from tidewheel.policies.verdict import Outcome

USUAL_DAYS, DAYS_TO_PASS = 42, 6
LOSS = 0.47


def probations_of(story: MadeUp) -> Iterator[ProbationRow | PairedDayRow]:
    """Rows of them all, oldest first; none where the story has no probation."""
    pairs = list(pairwise(promoted_of(story))) if story.probation else []
    for number, (before, version) in enumerate(pairs):
        row = ProbationRow(
            pipeline=story.name,
            version=version.number,
            predecessor=before.number,
            as_of=str(version.day),
            run_id=run_of(version.day),
            opened_at=night_of(version.day, 4),
        )
        runs = number == len(pairs) - 1
        if not runs:
            outcome = Outcome.ROLLED_BACK if number % 3 == 2 else Outcome.PASSED
            _end(row, outcome, version.day + timedelta(days=DAYS_TO_PASS))
        yield row
        yield from _days(story, before, version, story.newest - timedelta(days=1) if runs else None)


def _end(row: ProbationRow, outcome: Outcome, day: date) -> None:
    said = f"version {row.version} against version {row.predecessor}"
    words = (
        f"{said}: -0.4% loss over {DAYS_TO_PASS} days, worse by no more than 2%"
        if outcome is Outcome.PASSED
        else f"{said}: +6.1% loss over {DAYS_TO_PASS} days, shown to be worse"
    )
    row.outcome, row.sentence, row.closed_at = str(outcome), f"{outcome.words}: {words}", night_of(day, 3.5)


def _days(story: MadeUp, before: Version, version: Version, until: date | None) -> Iterator[PairedDayRow]:
    """How the two compare before the promotion and since."""
    chance = random.Random(f"{story.name} {version.number} {story.seed}")  # noqa: S311  nobody's secret
    last = until or version.day + timedelta(days=DAYS_TO_PASS)
    for number in range(-USUAL_DAYS, (last - version.day).days):
        day = version.day + timedelta(days=number + 1)
        loss = LOSS + chance.gauss(0, 0.01)
        yield PairedDayRow(
            pipeline=story.name,
            version=version.number,
            predecessor=before.number,
            day=str(day),
            rows=5_000,
            loss=loss + chance.gauss(-0.002, 0.008),
            predecessor_loss=loss,
            row_error=0.003,
            measured_at=night_of(day, 3.5),
        )
