"""What stands behind the charts: pure functions from figures and rows to what is drawn."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import pytest

from plugins.web.fleet_rows import NewestFigure, days_until
from plugins.web.heat_map import heat_map
from plugins.web.pipeline_rows import PipelineRows
from plugins.web.quality import quality
from plugins.web.slices import slices
from plugins.web.sparkline import HEIGHT, WIDTH, sparkline
from plugins.web.timeline import LINES, EventMark, chart_data, timeline
from tidewheel.ledger.tables import ModelVersionRow, PromotionRow, ReleaseRow, VerdictRow
from tidewheel.partitions import Partitioning

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def figure(day: str, name: str, value: float, version: str = "4", slice: str = "") -> NewestFigure:
    return NewestFigure("orders", day, name, slice, version, value)


def test_the_version_with_most_rows_speaks_for_a_day() -> None:
    found = quality(
        "log_loss",
        [
            *(figure("2026-11-20", name, value, "4") for name, value in (("log_loss", 0.5), ("rows", 10.0))),
            *(figure("2026-11-20", name, value, "5") for name, value in (("log_loss", 0.4), ("rows", 90.0))),
            figure("2026-11-19", "log_loss", 0.6),
            figure("2026-11-21", "estimated_log_loss", 0.45, "5"),
            figure("2026-11-20", "estimated_log_loss", 0.44, "5"),
            figure("2026-11-20", "log_loss", 9.0, slice="channel=web"),
        ],
    )
    assert [(one.day, one.version) for one in found.main] == [("2026-11-19", "4"), ("2026-11-20", "5")]
    assert found.estimates == [("2026-11-21", 0.45)], "a day with labels needs no estimate"
    assert found.summary().startswith("log-loss (lower is better) of 2026-11-20: 0.4 by version 5; mean of the last 30")


def test_an_interval_comes_from_the_pooled_error() -> None:
    values = {"log_loss": 0.5, "pooled_excess_loss": 0.01, "pooled_excess_loss_error": 0.002}
    found = quality("log_loss", [figure("2026-11-20", name, value) for name, value in values.items()])
    assert found.days[0].excess_interval == pytest.approx((0.00608, 0.01392))


def test_a_pipeline_without_labels_has_a_sentence_for_it() -> None:
    found = quality("log_loss", [figure("2026-11-21", "estimated_log_loss", 0.45)])
    assert found.newest is None
    assert found.last_days(30) == []
    assert found.summary() == "No day has labels yet, so nothing is known of the quality."
    drawn = chart_data(found, [])
    assert (drawn["days"], drawn["estimates"], drawn["versions"]) == (["2026-11-21"], [0.45], [None])


def test_the_chart_has_an_entry_for_every_day_of_the_calendar() -> None:
    figures = [figure(day, "log_loss", 0.5, v) for day, v in (("2026-11-18", "4"), ("2026-11-20", "5"))]
    drawn = chart_data(quality("log_loss", figures), [])
    assert drawn["days"] == ["2026-11-18", "2026-11-19", "2026-11-20"]
    assert drawn["lines"][0] == [0.5, None, None]
    assert drawn["lines"][1] == [None, None, 0.5]
    assert len(drawn["lines"]) == LINES
    assert drawn["versions"] == ["4", None, "5"]


def test_an_infinite_loss_is_a_gap_and_no_broken_page() -> None:
    figures = [figure("2026-11-18", "log_loss", math.inf), figure("2026-11-19", "log_loss", 0.5)]
    drawn = chart_data(quality("log_loss", figures), [])
    assert drawn["lines"][0] == [None, 0.5]
    json.dumps(drawn, allow_nan=False)


def trigger(day: str, outcome: str, at: datetime) -> VerdictRow:
    return VerdictRow(subject=day, outcome=outcome, sentence=f"{outcome}: why", decided_at=at)


def test_events_stand_on_the_day_of_the_data_also_where_a_history_is_played() -> None:
    played = trigger("2013-03-04", "fired", NOW)
    models = [ModelVersionRow(version="5", as_of="2013-03-04")]
    promoted = [PromotionRow(version="5", actor="airflow", reason="", promoted_at=NOW + timedelta(minutes=5))]
    releases = [
        ReleaseRow(id=1, version="5", status="failed", reason="it errs", started_at=NOW + timedelta(minutes=6)),
        ReleaseRow(version="5", status="running", reason="", started_at=NOW + timedelta(minutes=9)),
    ]
    found = timeline(
        PipelineRows(
            promotions=promoted,
            releases=releases,
            triggers=[played],
            versions=models,
            decided=[(played.decided_at, "2013-03-04")],
        )
    )
    assert {event.day for event in found} == {"2013-03-04"}
    assert [event.mark for event in found] == [EventMark.REQUESTED, EventMark.PROMOTED, EventMark.RELEASE_FAILED]
    assert found[1].words == "Version 5 became champion by airflow."


def test_rolled_back_is_what_had_answered_and_a_release_that_returns_to_an_older_version() -> None:
    ended = [("4", "done"), ("5", "failed"), ("5", "failed"), ("5", "done"), ("4", "done")]
    releases = [
        ReleaseRow(id=n, version=version, colour="blue", status=status, reason="it errs", started_at=NOW)
        for n, (version, status) in enumerate(ended)
    ]
    found = timeline(PipelineRows(releases=releases, rolled_back={2}))
    assert [event.mark for event in found] == [
        EventMark.RELEASED,
        EventMark.RELEASE_FAILED,
        EventMark.ROLLED_BACK,
        EventMark.RELEASED,
        EventMark.ROLLED_BACK,
    ]
    assert found[1].words == "The release of version 5 failed: it errs"
    assert found[4].words == "Version 4 answers again, in place of version 5, as blue."


def drift(column: str, day: str, value: float, limit: float | None = 0.2) -> list[NewestFigure]:
    prefix = "feature" if column else "prediction"
    found = [figure(day, f"{prefix}_drift", value, "", column)]
    return found if limit is None else [*found, figure(day, f"{prefix}_drift_limit", limit, "", column)]


def test_a_cell_of_the_heat_map_is_a_share_of_its_limit() -> None:
    figures = [*drift("amount", "2026-11-20", 0.04), *drift("amount", "2026-11-21", 0.6), *drift("", "2026-11-21", 0.1)]
    found = heat_map(figures, ["amount"], 10_000, ["2026-11-21", "2020-01-01"])
    assert found.days == ["2026-11-20", "2026-11-21"]
    assert [row.column for row in found.rows] == ["predictions", "amount"]
    assert [cell.level for cell in found.rows[1].cells] == [0, 6]
    assert [cell.words for cell in found.rows[0].cells] == ["not measured", "0.1 of 0.2"]
    assert (found.left_out, found.reports) == (9_999, {"2026-11-21"})
    assert found.summary() == ("Drift of 2 columns on 2 days up to 2026-11-21; days beyond the limit: amount on 1.")


def test_a_column_without_a_limit_is_shown_and_never_beyond_it() -> None:
    found = heat_map(drift("amount", "2026-11-20", 3.0, None), ["amount"], 1)
    assert (found.rows[0].cells[0].level, found.rows[0].cells[0].words) == (0, "3, no limit")
    assert heat_map([], [], 0).summary() == "Drift has not been measured yet."


def test_slices_are_weighted_by_rows_and_the_worst_is_first() -> None:
    figures = []
    for day, rows, web in (("2026-11-19", 100.0, 0.4), ("2026-11-20", 300.0, 0.8)):
        for part, value in (("channel=web", web), ("channel=app", 0.5)):
            figures += [figure(day, "rows", rows, slice=part), figure(day, "log_loss", value, slice=part)]
        figures += [figure(day, "gap_log_loss", 0.1, slice="channel")]
    figures += [
        figure("2026-11-20", "rows", 7.0, slice="requests"),
        figure("2026-11-20", "log_loss", 0.3, slice="requests"),
    ]
    found = slices("log_loss", figures, lower_is_better=True)
    assert [(one.name, one.value, one.rows) for one in found.slices] == [
        ("channel=web", pytest.approx(0.7), 400.0),
        ("channel=app", pytest.approx(0.5), 400.0),
    ]
    assert math.isnan(found.slices[0].bias)
    assert found.requests is not None
    assert found.requests.rows == 7.0
    assert [(gap.column, gap.figure, gap.newest) for gap in found.gaps] == [("channel", "log_loss", 0.1)]


def test_a_sparkline_stays_within_its_frame_and_leaves_gaps() -> None:
    found = sparkline([0.4, math.nan, 0.6, 0.5])
    assert found.path.count("M") == 2
    assert 0 < found.x < WIDTH
    assert 0 < found.y < HEIGHT
    assert sparkline([math.nan]).path == sparkline([]).path == ""
    assert sparkline([0.5, 0.5]).path


def test_days_of_a_window_end_with_the_newest() -> None:
    assert days_until("2026-03-01", 3) == ["2026-02-27", "2026-02-28", "2026-03-01"]
    assert days_until("", 3) == days_until("all of it", 3) == []
    assert days_until("0001-01-02", 10) == ["0001-01-01", "0001-01-02"]


def test_the_charts_of_a_weekly_pipeline_have_an_entry_a_week() -> None:
    figures = [figure(day, "log_loss", 0.5) for day in ("2026-11-02", "2026-11-16")]
    found = quality("log_loss", figures, Partitioning.WEEK)
    assert chart_data(found, [])["days"] == ["2026-11-02", "2026-11-09", "2026-11-16"]
    assert [math.isnan(value) for value in found.last_days(3)] == [False, True, False]
    assert "mean of the last 30 weeks" in found.summary()
    assert days_until("2026-11-16", 2, Partitioning.WEEK) == ["2026-11-09", "2026-11-16"]
