"""Probation on the pages: how far it has come, what its chart draws, what ends it, and how earlier ones ended."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from benchmarks.made_up_ledger import write_ledger
from benchmarks.made_up_past import MadeUp
from plugins.web.attention import PipelineSnapshot, Urgency, concerns
from plugins.web.outlook import outlook
from plugins.web.pipeline_rows import PipelineRows
from plugins.web.probations import POLICY, probation
from plugins.web.timeline import EventMark, timeline
from tests.pipelines import PIPELINE_FILE
from tidewheel.ledger import Ledger
from tidewheel.ledger.probation_tables import ProbationRow
from tidewheel.ledger.probations import RunningProbation, running_probations
from tidewheel.policies.probation import PairedDay, ProbationMeasurement
from tidewheel.policies.verdict import Outcome
from tidewheel.spec import Pipeline, load_pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from tidewheel.lake import Lake

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
NEWEST = date(2026, 11, 21)
BEGAN = date(2026, 11, 12)
Get = Callable[..., httpx.Response]


@pytest.fixture
def orders(tmp_path: Path) -> Pipeline:
    path = tmp_path / "orders.yaml"
    path.write_text(PIPELINE_FILE)
    return load_pipeline(path)


def row(outcome: Outcome | None = None, sentence: str = "", version: str = "5") -> ProbationRow:
    ended = {"outcome": str(outcome), "closed_at": NOW} if outcome else {"outcome": "", "closed_at": None}
    return ProbationRow(version=version, predecessor="4", as_of=str(BEGAN), sentence=sentence, opened_at=NOW, **ended)


def days(*differences: float, first: date = BEGAN + timedelta(days=1)) -> list[PairedDay]:
    return [
        PairedDay(first + timedelta(days=n), 900, 0.5 + difference, 0.5, 0.01)
        for n, difference in enumerate(differences)
    ]


USUAL = days(*[0.01 * (-1) ** n for n in range(42)], first=BEGAN - timedelta(days=60))


def test_the_interval_of_the_newest_day_is_the_one_that_the_night_decides_by(orders: Pipeline) -> None:
    since = days(0.01, 0.02, 0.0, 0.01)
    shown = probation(orders, [row()], [*USUAL, *since], str(NEWEST)).newest
    assert shown is not None
    assert [one.difference for one in shown.days] == pytest.approx([0.02, 0.04, 0.0, 0.02])
    assert [one.mean for one in shown.days] == pytest.approx([0.02, 0.03, 0.02, 0.02])
    assert shown.days[-1].interval == POLICY.interval(
        ProbationMeasurement("5", "4", tuple(since), tuple(USUAL), shown.nights)
    )
    assert shown.days[0].interval == (-math.inf, math.inf), "one day excludes nothing"
    assert shown.summary().startswith(
        "Version 5 serves, and is compared every night with version 4 on the same rows: +2.0% loss over 4 days, between"
    )


def test_the_chart_has_an_entry_for_every_day_until_probation_ends(orders: Pipeline) -> None:
    shown = probation(orders, [row()], [*USUAL, *days(0.01), *days(0.02, first=date(2026, 11, 15))], str(NEWEST)).newest
    assert shown is not None
    drawn = shown.drawn()
    assert (drawn["days"][0], drawn["days"][-1], len(drawn["days"])) == ("2026-11-13", "2026-11-26", POLICY.days)
    assert drawn["difference"][:4] == [2.0, None, 4.0, None], "in percent, and a day without labels is a gap"
    assert drawn["low"][0] is None, "an infinite end is a gap"
    json.dumps(drawn, allow_nan=False)


def test_what_ends_a_probation_is_said_with_its_days(orders: Pipeline) -> None:
    shown = probation(orders, [row()], [], str(NEWEST)).newest
    assert shown is not None
    delay = timedelta(days=orders.labels.delay_days)
    assert [ending.when for ending in shown.endings] == [
        "any night",
        f"from {BEGAN + timedelta(days=5) + delay} on",
        f"{BEGAN + timedelta(days=14) + delay}, or 2026-12-10 at the latest",
    ]
    assert shown.summary().endswith("No day since 2026-11-12 has labels yet.")
    for monitored in ("", "all of it", "2026-11-01"):
        found = probation(orders, [row()], [], monitored).newest
        assert found is not None
        assert found.nights == 0


def test_one_that_has_ended_says_how_and_promises_nothing(orders: Pipeline) -> None:
    said = "rolled back: version 5 against version 4: +8.0% loss over 3 days, shown to be worse"
    found = probation(orders, [row(Outcome.ROLLED_BACK, said)], [*USUAL, *days(0.04, 0.04, 0.04)], str(NEWEST))
    assert found.newest is not None
    assert found.newest.summary() == said.replace("rolled back: v", "V") + "."
    assert found.newest.endings == ()
    assert [one.version for one in found.ended] == ["5"]
    assert probation(orders, [], [], "").newest is None


def test_the_front_page_says_how_far_it_has_come(orders: Pipeline) -> None:
    running = RunningProbation("5", "4", str(BEGAN), 3, 0.505, 0.5)
    fresh = {"data_partition": str(NEWEST), "monitored_day": str(NEWEST), "label_day": "2026-11-20", "champion": "5"}
    known = PipelineSnapshot("orders", NOW, declared=orders, probation=running, **fresh)  # type: ignore[arg-type]
    [only] = concerns(known)
    assert (only.urgency, only.title, only.link) == (Urgency.BUSY, "on probation, day 3 of 14", "#probation")
    assert only.sentence.endswith("whose place it took: +1.0% loss over 3 labelled days.")
    assert "2026-12-10 at the latest" in [step.when for step in outlook(orders, known, None, None)]


def test_ended_ones_are_marks_with_their_sentences() -> None:
    ended = [
        row(Outcome.PASSED, "passed: no worse", "3"),
        row(Outcome.ROLLED_BACK, "rolled back: worse", "4"),
        row(Outcome.INCONCLUSIVE, "version 6 took the place of version 5, which was on probation"),
    ]
    found = timeline(PipelineRows(decided=[(NOW, "2026-11-21")], probations=[*ended, row(version="6")]))
    assert [(event.mark, event.day, event.version) for event in found] == [
        (EventMark.PASSED, "2026-11-21", "3"),
        (EventMark.RETURNED, "2026-11-21", "4"),
        (EventMark.ENDED, "2026-11-21", "5"),
    ]
    assert [event.words for event in found][:2] == ["no worse", "worse"]


def test_both_pages_show_a_running_probation_and_those_that_ended(
    get: Get, lake: Lake, ledger: Ledger, registry: str
) -> None:
    assert "No version has been on probation yet" in get("/pipeline/orders").text
    write_ledger(ledger, MadeUp("orders", NEWEST, days=90, trained_every=14, probation=True))
    with ledger.session() as session:
        running = running_probations(session)["orders"]
    assert running.days == 8, "days before the promotion do not count"
    assert "on probation, day 8 of 14" in get("/").text
    page = get("/pipeline/orders").text
    assert f"Version {running.version} serves, and is compared every night with version {running.predecessor}" in page
    [drawn] = re.findall(r'id="probation-data">(.*?)</script>', page)
    assert json.loads(drawn)["margin"] == 0.0
    assert "shown to be worse" in page
    assert 'id="probation-heading"' in page
