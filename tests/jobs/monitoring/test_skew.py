"""Callers' values against the night's: the same key on the same day, and no difference where there is none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bentos.contract_kinds import SCHEMA as COUNTS_SCHEMA
from jobs.monitoring.answered_rows import answered_day
from jobs.monitoring.request_checks import check_requests
from jobs.monitoring.requests_verdict import RequestsOfDay, requests_verdict
from jobs.monitoring.skew import Skew, day_skew
from tests.jobs.monitoring.asked import asked_rows, publish_requests
from tests.jobs.monitoring.conftest import DAY, declare, monitor_job, predict_day
from tidewheel.policies.verdict import Kind
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.ledger.tables import VerdictRow
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
BEFORE = DAY - timedelta(days=1)


def skew(parcels: Parcels, rows: pd.DataFrame, takes: frozenset[str] | None = frozenset()) -> Skew:
    """The skew of `DAY`, of rows that were asked then."""
    publish_requests(parcels, DAY, rows)
    pipeline = find_pipeline(parcels.settings.pipelines_folder, parcels.name)
    answered = answered_day(parcels.lake, pipeline, str(DAY))
    assert answered is not None
    return day_skew(parcels.lake, pipeline, answered, lambda version: takes)


def test_the_same_values_differ_in_nothing_rounded_missing_or_of_unknown_categories(parcels: Parcels) -> None:
    table = parcels.lake.read(parcels.lake.need("features", str(DAY))).to_pandas()
    table.loc[:9, "carrier"] = "never seen in training"
    table.loc[3, "distance"] = 0.0
    parcels.lake.publish(
        parcels.lake.write_table("features", str(DAY), pa.Table.from_pandas(table, preserve_index=False), {}, "test")
    )
    rows = asked_rows(parcels, DAY)
    for name in ("weight", "distance"):
        rows[f"features.{name}"] = rows[f"features.{name}"].astype(np.float32).astype(np.float64)
    rows.loc[3, "features.distance"] = -1e-12
    found = skew(parcels, rows)
    assert (found.rows, found.row_share, found.missing) == (120, 0.0, "")
    assert {column.share for column in found.columns.values()} == {0.0}


def test_what_differs_has_a_share_and_a_size(parcels: Parcels) -> None:
    rows = asked_rows(parcels, DAY)
    spread = float(rows["features.distance"].std(ddof=0))
    rows.loc[:29, "features.distance"] += 2 * spread
    rows.loc[30:41, "features.carrier"] = "other carrier"
    rows.loc[rows["features.weight"].notna().idxmax(), "features.weight"] = None
    found = skew(parcels, rows)
    assert found.columns["distance"].share == 0.25
    assert found.columns["distance"].size == pytest.approx(2)
    assert found.columns["carrier"].share == pytest.approx(0.1)
    assert np.isnan(found.columns["carrier"].size)
    assert found.columns["weight"].share == pytest.approx(1 / 120), "a value that callers leave out differs"
    assert 0.35 <= found.row_share <= 43 / 120 + 1e-9


def test_rows_of_other_days_and_requests_without_a_key_are_not_compared(parcels: Parcels) -> None:
    early = asked_rows(parcels, DAY, of=BEFORE).assign(row=1)
    nameless = asked_rows(parcels, DAY).iloc[:7].assign(row=2, **{"key.parcel": None, "features.distance": 1.0})
    found = skew(parcels, pd.concat([asked_rows(parcels, DAY), early, nameless]))
    assert (found.rows, found.elsewhere, found.row_share) == (120, 120, 0.0)
    assert skew(parcels, early).missing == f"no request of {DAY} is about a row of that day"
    assert skew(parcels, nameless).missing == f"no request of {DAY} names its row (by parcel)"


def test_of_a_thousand_questions_about_one_row_the_last_is_compared(parcels: Parcels) -> None:
    rows = asked_rows(parcels, DAY)
    again = pd.concat([rows.iloc[[0]]] * 1000).assign(request_id=[f"again-{n}" for n in range(1000)])
    again["features.distance"] = 0.5
    assert skew(parcels, pd.concat([rows, again])).columns["distance"].share == pytest.approx(1 / 120)


@pytest.mark.parametrize(
    ("takes", "share"),
    [(frozenset({"weight", "distance", "carrier"}), True), (frozenset({"weight", "carrier"}), False), (None, False)],
)
def test_a_feature_that_nobody_sends_differs_where_the_version_takes_it(
    parcels: Parcels, takes: frozenset[str] | None, share: bool
) -> None:
    found = skew(parcels, asked_rows(parcels, DAY).assign(**{"features.distance": None}), takes)
    assert ("distance" in found.columns) is share
    assert not share or found.columns["distance"].share == 1


def test_keys_are_joined_as_values_and_not_as_they_are_written(parcels: Parcels) -> None:
    table = parcels.lake.read(parcels.lake.need("features", str(DAY)))
    numbered = table.set_column(0, "parcel", pa.array(np.arange(120) / 2))
    parcels.lake.publish(parcels.lake.write_table("features", str(DAY), numbered, {}, "test"))
    rows = asked_rows(parcels, DAY).assign(**{"key.parcel": [f"{n / 2:.2f}" for n in range(119)] + ["fifty"]})
    found = skew(parcels, rows)
    assert (found.rows, found.elsewhere, found.row_share) == (119, 1, 0.0)


def test_columns_are_compared_a_part_at_a_time(parcels: Parcels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.monitoring.skew.MOST_CELLS", 120)
    rows = asked_rows(parcels, DAY)
    rows["features.distance"] += 1000
    found = skew(parcels, rows)
    assert {name: column.share for name, column in found.columns.items()} == {"weight": 0, "distance": 1, "carrier": 0}


def test_ten_thousand_columns_are_compared_and_the_worst_are_named(parcels: Parcels) -> None:
    names, rows = [f"f{n}" for n in range(10_000)], 40
    values = np.random.default_rng(0).normal(size=(rows, len(names)))
    key = [f"p{n}" for n in range(rows)]
    parcels.lake.publish(
        parcels.lake.write_table(
            "features", str(DAY), pa.table({"parcel": key, **dict(zip(names, values.T, strict=True))}), {}, "test"
        )
    )
    log = pa.table(
        {
            "request_id": key, "row": [0] * rows, "mirrored": [False] * rows, "prediction": [0.5] * rows,
            "model_version": ["4"] * rows, "key.parcel": key,
            **{f"features.{name}": column for name, column in zip(names, (values + 1.0).T, strict=True)},
        }
    )  # fmt: skip
    parcels.lake.publish(parcels.lake.write_table("requests", str(DAY), log, {}, "test"))
    pipeline = find_pipeline(parcels.settings.pipelines_folder, parcels.name)
    pipeline = pipeline.model_copy(update={"features": pipeline.features.model_copy(update={"numeric": names})})
    answered = answered_day(parcels.lake, pipeline, str(DAY))
    assert answered is not None
    found = day_skew(parcels.lake, pipeline, answered, lambda version: None)
    assert (len(found.columns), found.row_share) == (10_000, 1.0)

    said: Any = requests_verdict(pipeline, RequestsOfDay(str(DAY), 120, found)).inputs
    assert len(said["skew"]) == len(said["skewed"]) == 100, "the worst are enough for a person"


def test_the_night_keeps_figures_and_a_verdict_and_catches_up_with_what_came_late(parcels: Parcels) -> None:
    for day in (BEFORE, DAY):
        rows = asked_rows(parcels, day)
        rows.loc[:29, "features.distance"] += 1000
        publish_requests(parcels, day, rows)
    publish_counts(parcels, DAY, [("", "", "answered", 80, 80), ("", "", "refused", 20, 0),
        ("weight", "any", "refused", 15, 0), ("weight", "missing", "refused", 15, 0), ("", "body", "refused", 5, 0),
        ("", "any", "answered", 4, 4), ("distance", "out_of_range", "answered", 4, 4)])  # fmt: skip
    verdict = night(parcels, DAY)
    assert (verdict.outcome, verdict.inputs["due"]) == ("fired", ["skew", "contract"])
    assert "distance in 25%, by " in verdict.sentence
    assert "20.0% of 100 requests refused as outside the contract: weight 15.0% (missing)" in verdict.sentence
    assert figures(parcels, "skew_share", "distance") == {str(BEFORE): 0.25, str(DAY): 0.25}
    assert figures(parcels, "refused_share", "weight") == {str(DAY): 0.15}
    assert figures(parcels, "refused_share") == {str(DAY): 0.2}
    assert figures(parcels, "unusual_share", "distance") == {str(DAY): 0.05}

    table = parcels.lake.read(parcels.lake.need("requests", str(BEFORE))).to_pandas()
    publish_requests(
        parcels, BEFORE, table.assign(**{"features.distance": asked_rows(parcels, BEFORE)["features.distance"]})
    )
    night(parcels, DAY)
    assert figures(parcels, "skew_share", "distance") == {str(DAY): 0.25}, "what was corrected differs no more"


@pytest.mark.parametrize(
    ("limit", "rows", "due"),
    [("0.2", 80, ["unusual"]), ("0.3", 80, []), ("0.2", 20, [])],
    ids=["", "higher", "few rows"],
)
def test_too_many_rows_with_values_that_training_never_had_are_due(
    parcels: Parcels, limit: str, rows: int, due: list[str]
) -> None:
    declare(parcels, f"monitoring: {{requests: {{maximum_unusual: {limit}}}}}")
    quarter = rows // 4
    publish_counts(parcels, DAY, [("", "", "answered", 10, rows), ("", "any", "answered", 5, quarter),
        ("distance", "out_of_range", "answered", 4, quarter),
        ("carrier", "unknown_category", "answered", 1, 1)])  # fmt: skip
    verdict = night(parcels, DAY)
    assert verdict.inputs["due"] == due
    assert list(verdict.inputs["unusual_columns"]) == ["distance", "carrier"]
    assert f"25.0% of {rows} rows with values that training never had: distance 25.0%" in verdict.sentence


def test_the_first_day_without_requests_ends_what_the_day_before_has_alarmed_about(parcels: Parcels) -> None:
    assert check_requests(monitor_job(parcels, DAY), parcels.ledger, datetime.now(UTC)) is None
    publish_requests(parcels, BEFORE, asked_rows(parcels, BEFORE))
    assert night(parcels, BEFORE).outcome == "no_action"
    verdict = night(parcels, DAY)
    assert (verdict.outcome, verdict.sentence) == ("inconclusive", f"inconclusive: no requests on {DAY}")
    night(parcels, DAY + timedelta(days=1))
    assert len(parcels.ledger.verdicts(parcels.name, Kind.REQUESTS)) == 2, "and not again on every quiet day"


def test_live_input_that_moves_away_from_what_the_model_learns_from_is_an_alarm(
    parcels: Parcels, run_job: RunJob
) -> None:
    days = [DAY - timedelta(days=n) for n in range(12, -1, -1)]
    for day in days:
        predict_day(parcels, day)
        rows = asked_rows(parcels, day)
        moved = rows["features.weight"] + (3 if day > DAY - timedelta(days=3) else 0)
        of_some_carriers = rows["features.carrier"].isin(["slow", "fast"])
        publish_requests(parcels, day, rows.assign(**{"features.weight": moved})[of_some_carriers])
    record = run_job(parcels, "monitor", DAY, "night")
    [verdict] = parcels.ledger.verdicts(parcels.name, Kind.REQUESTS)
    assert "live drift" in verdict.inputs["due"]
    assert verdict.inputs["drifted"] == ["weight"], "that no caller ever asks about the third carrier is no alarm"
    assert "live input: 1 of 4 columns drifted (weight" in record.sentence
    assert figures(parcels, "live_drift", "weight")[str(DAY)] > 1
    assert parcels.ledger.verdicts(parcels.name, Kind.DRIFT)[0].outcome != "fired", "the night's own rows are quiet"


def night(parcels: Parcels, day: date) -> VerdictRow:
    """Check a day's requests as a pipeline without batch scoring does; returns the verdict."""
    declare(parcels, "scoring: {enabled: false}")
    check_requests(monitor_job(parcels, day), parcels.ledger, datetime.now(UTC))
    return parcels.ledger.verdicts(parcels.name, Kind.REQUESTS)[0]


def figures(parcels: Parcels, name: str, column: str = "") -> dict[str, float]:
    """A figure of a column on each day that has it."""
    return {row.partition: row.value for row in parcels.ledger.figures(parcels.name, name, slice=column)}


def publish_counts(parcels: Parcels, day: date, counted: list[tuple[str, str, str, int, int]]) -> None:
    """Publish what services have counted: field, problem, outcome, requests, rows."""
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    rows = [dict(zip(COUNTS_SCHEMA.names, (at, "4", "blue", *row), strict=True)) for row in counted]
    table = pa.Table.from_pylist(rows, COUNTS_SCHEMA)
    parcels.lake.publish(parcels.lake.write_table("request_counts", str(day), table, {}, "test"))
