"""A pipeline that scores no batches is judged by what its endpoint answered, in all that others are judged by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pytest

from jobs.monitoring.answered_rows import answered_day
from jobs.monitoring.daily_performance import measure_days
from tests.jobs.monitoring.asked import ask, asked_rows, publish_requests
from tests.jobs.monitoring.conftest import DAY, MATURED, declare, figure, monitor_job
from tidewheel.policies.verdict import Kind
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from jobs.monitoring.performance import DayPerformance
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
DAYS = [DAY - timedelta(days=n) for n in range(19, -1, -1)]
TOMORROW = DAY + timedelta(days=1)


@pytest.fixture
def online(parcels: Parcels) -> Parcels:
    """The parcels without batch scoring."""
    declare(parcels, "scoring: {enabled: false}")
    return parcels


def measure(parcels: Parcels, day: date) -> list[DayPerformance]:
    """What job `monitor` does about performance."""
    return measure_days(monitor_job(parcels, day), parcels.ledger, datetime.now(UTC))


def test_everything_is_measured_of_answers(online: Parcels, run_job: RunJob) -> None:
    declare(online, "monitoring: {fairness: [carrier], streams: {detectors: [adwin]}}")
    for day in DAYS:
        online.publish_day(day, signal=-2.0)  # labels have come to mean the opposite
    ask(online, DAYS[:-3])
    for day in DAYS[-3:]:
        rows = asked_rows(online, day)
        publish_requests(online, day, rows.assign(**{"features.weight": rows["features.weight"] + 3}))
    record = run_job(online, "monitor", DAY, "night")

    assert (figure(online, "rows")[str(MATURED)], figure(online, "labelled_share")[str(MATURED)]) == (120, 1)
    assert figure(online, "pooled_excess_loss").keys() == {str(MATURED)}
    assert figure(online, "estimated_log_loss").keys() == {str(DAY)}
    assert figure(online, "prediction_drift").keys() == {str(DAY)}
    assert {row.version for row in online.ledger.figures(online.name, "roc_auc", slice="carrier=slow")} == {"4"}
    assert online.ledger.figures(online.name, "gap_bias", slice="carrier")
    assert record.figures["compared_columns"] == 4
    assert f"log_loss of {MATURED}" in record.sentence
    assert not record.warnings
    [drift] = online.ledger.verdicts(online.name, Kind.DRIFT)
    assert (drift.outcome, drift.inputs["drifted"]) == ("fired", ["weight"]), "the source's rows have not moved"
    [trigger] = online.ledger.verdicts(online.name, Kind.TRIGGER)
    assert {"performance", "concept drift"} & set(trigger.inputs["due"])


def test_a_label_of_a_later_day_is_measured_when_it_comes(online: Parcels) -> None:
    asked_early = asked_rows(online, MATURED, of=MATURED + timedelta(days=1))
    publish_requests(online, MATURED, pd.concat([asked_rows(online, MATURED), asked_early.assign(row=1)]))
    measure(online, DAY)
    assert figure(online, "labelled_share") == {str(MATURED): 0.5}
    measure(online, TOMORROW)
    assert figure(online, "rows")[str(MATURED)] == 240, "the labels of the next day have matured by then"
    assert figure(online, "labelled_share")[str(MATURED)] == 1


def test_a_day_is_read_again_only_for_labels_of_its_own_keys(online: Parcels) -> None:
    unknown = asked_rows(online, MATURED).assign(**{"key.parcel": "nobody's"}).iloc[:1].assign(row=1)
    publish_requests(online, MATURED, pd.concat([asked_rows(online, MATURED), unknown]))
    measure(online, DAY)
    [newest] = measure(online, TOMORROW)
    assert newest.day == str(MATURED + timedelta(days=1)), "there is nothing new of the day before"

    labels = online.lake.read(online.lake.need("labels", str(DAY)))
    late = labels.slice(0, 1).set_column(0, "parcel", pa.array(["nobody's"]))
    table = pa.concat_tables([labels, late])
    online.lake.publish(online.lake.write_table("labels", str(DAY), table, {}, "test"))
    measure(online, DAY + timedelta(days=2))
    assert figure(online, "rows")[str(MATURED)] == 121


def test_a_label_that_was_known_before_the_request_says_nothing(online: Parcels) -> None:
    publish_requests(online, MATURED, asked_rows(online, MATURED, of=MATURED - timedelta(days=1)))
    [found] = measure(online, DAY)
    assert found.missing == f"no label of a row that was requested on {MATURED} is known yet"


def test_a_retry_a_copy_and_a_thousand_questions_about_one_row_count_once(online: Parcels) -> None:
    rows = asked_rows(online, MATURED)
    retries = rows.iloc[:20]
    persistent = pd.concat([rows.iloc[[0]]] * 1000).assign(request_id=[f"again-{n}" for n in range(1000)])
    copies = rows.assign(mirrored=True, model_version="5")
    publish_requests(online, MATURED, pd.concat([rows, retries, persistent, copies]))
    measure(online, DAY)
    assert [(row.version, row.value) for row in online.ledger.figures(online.name, "rows")] == [("4", 120)]


def test_a_retry_without_a_key_counts_once(online: Parcels) -> None:
    rows = asked_rows(online, DAY).drop(columns="key.parcel")
    publish_requests(online, DAY, pd.concat([rows, rows.iloc[:60]]))
    found = answered_day(online.lake, find_pipeline(online.settings.pipelines_folder, online.name), str(DAY))
    assert found is not None
    assert (found.answers, len(found.named), len(found.unnamed)) == (180, 0, 120)


def test_labels_that_contradict_each_other_count_once_by_the_last(online: Parcels) -> None:
    ask(online, [MATURED])
    labels = online.lake.read(online.lake.need("labels", str(MATURED)))
    late = labels.column_names.index("late")
    ones, zeros = (labels.set_column(late, "late", pa.array([n] * labels.num_rows)) for n in (1, 0))
    for first, last, share in ((zeros, ones, 1.0), (ones, zeros, 0.0)):
        table = pa.concat_tables([first, last])
        online.lake.publish(online.lake.write_table("labels", str(MATURED), table, {}, "test"))
        measure(online, DAY)
        assert figure(online, "rows") == {str(MATURED): 120}
        assert figure(online, "positive_rate") == {str(MATURED): share}


def test_without_labels_requests_or_keys_a_day_says_so_and_does_not_fail(online: Parcels) -> None:
    [found] = measure(online, DAY)
    assert found.missing == f"no requests of {MATURED}"
    publish_requests(online, MATURED, asked_rows(online, MATURED).assign(**{"key.parcel": None}))
    [found] = measure(online, DAY)
    assert found.missing == f"no request of {MATURED} names its row (by parcel)"
    ask(online, [MATURED])
    online.lake.store.remove(f"{online.name}/labels")
    [found] = measure(online, DAY)
    assert found.missing == f"no labels of {MATURED} or later"


def test_a_version_that_was_deleted_is_still_measured(online: Parcels) -> None:
    ask(online, [MATURED], version="3")
    measure(online, DAY)
    assert [row.version for row in online.ledger.figures(online.name, "log_loss")] == ["3"]
