"""The page: everything in one file, readable without a network."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from jobs.replay.charts import Dot, Line, Mark, cost_chart, time_chart
from jobs.replay.fits import Fitter
from jobs.replay.history import History
from jobs.replay.page import Replayed, lead, replay_page, zoom_spans
from jobs.replay.policies import parse_policy
from jobs.replay.result_cache import ResultCache
from jobs.replay.series import quality_over_time
from jobs.replay.simulation import simulate
from jobs.replay.summary import Interval, PolicySummary, summarize
from tests.jobs.replay.conftest import FIRST
from tidewheel.partitions import PartitionRange
from tidewheel.spec import Pipeline

PLAYED = PartitionRange(FIRST + timedelta(days=15), FIRST + timedelta(days=39))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {"folder": str(tmp_path_factory.mktemp("kept"))}


@pytest.fixture
def written(page: dict[str, str], make_history: Callable[..., History], parcels: Pipeline) -> str:
    """A page of three policies, written once."""
    if "html" not in page:
        history, kept = make_history(), ResultCache(Path(page["folder"]))
        asked = [parse_policy(name, parcels, PLAYED) for name in ("spec", "frozen", "weekly")]
        plays = [simulate(history, one.make(0), PLAYED, Fitter(parcels, 0, kept)) for one in asked]
        rows = history.taken(PLAYED.days)
        series = {one.policy: quality_over_time(parcels, rows, [one], PLAYED) for one in plays}
        summaries = summarize(parcels, rows, plays)
        page["html"] = replay_page(Replayed(parcels, PLAYED, len(rows), plays, 3, "0.1 <dirty>"), summaries, series)
    return page["html"]


def test_the_page_loads_nothing(written: str) -> None:
    assert not re.search(r"https?://|<script|<link|src=|@import|url\(", written)
    assert "prefers-color-scheme: dark" in written


def test_the_page_names_every_policy_its_figures_and_its_trainings(written: str) -> None:
    for name in ("spec", "frozen", "every:7d"):
        assert f"</span>{name}</td>" in written
        assert re.search(rf"<summary>{name}: \d+ trainings?,", written)
    assert "fired: the last training was 5 of 5 days ago" in written
    assert "Policy spec: log-loss 0." in written


def test_the_page_is_well_formed_and_what_others_wrote_is_text(written: str) -> None:
    stack: list[str] = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in ("meta", "br", "input", "line", "path", "circle"):
                stack.append(tag)

        def handle_startendtag(self, tag: str, attrs: object) -> None:
            pass

        def handle_endtag(self, tag: str) -> None:
            if tag not in ("line", "path", "circle"):
                assert stack.pop() == tag

    Checker().feed(written)
    assert stack == []
    assert "0.1 &lt;dirty&gt;" in written


def test_a_chart_over_time_has_a_line_a_policy_and_a_row_of_marks() -> None:
    days = [FIRST + timedelta(days=n) for n in range(90)]
    values = np.linspace(0.5, 0.4, 90)
    values[:6] = np.nan
    marks = [Mark(days[9], "promoted", "why & what"), Mark(days[30], "rejected", "refused")]
    svg = ElementTree.fromstring(time_chart(days, [Line("spec", 0, values, marks), Line("frozen", 1, values)], "title"))

    assert len(svg.findall("path[@class='line c0']")) == len(svg.findall("path[@class='line c1']")) == 1
    assert len(svg.findall("circle")) == len(svg.findall("path[@class='cross c0']")) == 1
    assert "Feb" in [text.text for text in svg.findall("text")]


def test_a_chart_of_one_value_has_a_scale() -> None:
    flat = np.full(10, 0.5)
    days = [FIRST + timedelta(days=n) for n in range(10)]

    assert "NaN" not in time_chart(days, [Line("spec", 0, flat)], "flat").replace("nan", "NaN")
    assert ElementTree.fromstring(cost_chart([Dot("spec", 0, 1, 0.5, 0.5, 0.5)], "fits", "loss", "title")) is not None


def _summary(policy: str, better: Interval, equal: Interval | None = None) -> PolicySummary:
    return PolicySummary(
        policy, 1, {}, Interval(0.5, 0.4, 0.6), better, equal, Interval(0.8, -3.0, 4.0), 0.0, 9, 1.0, 1, 0, 0
    )


def test_where_weekly_training_gains_nothing_no_share_of_it_is_told(parcels: Pipeline) -> None:
    weekly = _summary("every:7d", Interval(0.001, -0.02, 0.03))
    said = lead(parcels, [_summary("spec", Interval(0, -0.01, 0.01), Interval(-0.01, -0.03, 0.02)), weekly])

    assert "Training every week gains +0.0010 (-0.0200 to +0.0300) over a frozen model: nothing shows that" in said
    assert "It keeps" not in said
    assert "as many fits: -0.0100 (-0.0300 to +0.0200), nothing shows that one is better." in said


def test_what_weekly_training_gains_is_shared_where_it_is_shown(parcels: Pipeline) -> None:
    weekly = _summary("every:7d", Interval(0.02, 0.01, 0.03))
    said = lead(parcels, [_summary("spec", Interval(0.01, 0, 0.02), Interval(-0.01, -0.03, -0.005)), weekly])

    assert "It keeps 80%" in said
    assert "as many fits: -0.0100 (-0.0300 to -0.0050), worse." in said


def test_a_policy_can_be_hidden_and_the_page_says_what_was_played_once(written: str) -> None:
    assert len(re.findall(r'<input class="choice" type="checkbox" id="s\d"', written)) == 3
    assert 'label for="s0"' in written
    assert "The models of spec, frozen, every:7d do not depend on the seed: played once instead of 3 times." in written


def test_a_year_can_be_looked_at_in_quarters() -> None:
    year = PartitionRange(FIRST + timedelta(days=20), FIRST + timedelta(days=380))
    spans = zoom_spans(year)
    assert [name for name, _ in spans] == ["all days", "2024 Q1", "2024 Q2", "2024 Q3", "2024 Q4", "2025 Q1"]
    assert sum(len(year.days[span]) for _, span in spans[1:]) == len(year.days) == len(year.days[spans[0][1]])
    assert len(zoom_spans(PLAYED)) == 1


def test_the_page_says_where_days_have_too_few_rows_for_the_gate(
    parcels: Pipeline, make_history: Callable[..., History]
) -> None:
    history, policy = make_history(), parse_policy("frozen", parcels, PLAYED)
    with tempfile.TemporaryDirectory() as folder:
        play = simulate(history, policy.make(0), PLAYED, Fitter(parcels, 0, ResultCache(Path(folder))))
    rows = history.taken(PLAYED.days)
    (one,) = summarize(parcels, rows, [play])
    series = {"frozen": quality_over_time(parcels, rows, [play], PLAYED)}
    replayed = Replayed(parcels, PLAYED, len(rows), [play], 1, "0.1")
    unsure = replay_page(replayed, [replace(one, promotions=3, undecided=3)], series)
    assert "frozen: 3 of 3 comparisons could not tell which model is better. Days of about 60 labelled rows" in unsure
    assert "could not tell" not in replay_page(replayed, [replace(one, promotions=3, undecided=1)], series)
