"""One part's failure never ends the whole: it is named in the record and on the page, and the rest is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from sqlalchemy.exc import OperationalError

from jobs import partial_failures
from jobs.evaluation import comparison_report, evidence, importances, model_card, plots, slices
from jobs.evaluation.comparison import PairedRows
from jobs.models import registry
from jobs.monitoring import data_quality, drift, drift_page, performance
from jobs.partial_failures import PartialFailures, failures_in_words
from tests.jobs.monitoring.conftest import DAY, MATURED, declare, figure, predict_day
from tests.jobs.monitoring.conftest import parcels as monitored
from tests.small_models import train as small_model
from tidewheel.errors import LakeError
from tidewheel.policies.gate.slices import SlicePolicy

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
__all__ = ["monitored"]


def broken(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, where: Callable[..., bool]) -> None:
    """Let a function fail where a condition holds of its arguments."""
    honest = getattr(module, name)

    def fails(*arguments: Any, **named: Any) -> Any:
        if where(*arguments):
            raise ZeroDivisionError(name)
        return honest(*arguments, **named)

    monkeypatch.setattr(module, name, fails)


NIGHT: dict[str, tuple[Any, str, Callable[..., bool], str]] = {
    "a column's detector": (drift, "measure_column", lambda *a: a[2] == "distance", "drift of column distance failed"),
    "all columns together": (drift, "unexplained_shifts", lambda *a: True, "comparing the numeric columns"),
    "a column's quality": (data_quality, "_quality", lambda *a: a[2] == "carrier", "quality of column carrier failed"),
    "a column's picture": (drift_page, "_drawn", lambda *a: "weight" in a[3], "column weight of the drift page failed"),
    "a slice": (performance, "part_figures", lambda rows, *_: set(rows["carrier"]) == {"slow"}, "slice carrier=slow"),
}


@pytest.mark.parametrize("part", NIGHT)
def test_a_night_goes_on_without_the_part_that_fails_and_names_it(
    monitored: Parcels, run_job: RunJob, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    predict_day(monitored, MATURED)
    broken(monkeypatch, *NIGHT[part][:3])
    record = run_job(monitored, "monitor", DAY, "night")
    assert any(NIGHT[part][3] in sentence for sentence in record.warnings), record.warnings
    assert "ZeroDivisionError" in record.warnings[0]
    assert f"not all of it was computed: {record.warnings[0]}" in record.sentence
    assert figure(monitored, "log_loss"), "performance is there"
    assert record.figures["compared_columns"] == (2 if part == "a column's detector" else 3)
    if part == "a column's detector":
        assert "not compared: distance (it could not be measured)" in record.sentence
    assert b"<html" in (monitored.lake.store.read(record.links["Report"]) or b"")


def test_a_stream_detector_that_fails_is_named(
    monitored: Parcels, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.monitoring import streams

    declare(monitored, "monitoring: {streams: {detectors: [adwin, page_hinkley]}}")
    predict_day(monitored, MATURED)
    broken(monkeypatch, streams, "changes", lambda name, _: name == "adwin")
    [warning] = run_job(monitored, "monitor", DAY, "night").warnings
    assert warning == "detector ADWIN failed: ZeroDivisionError: changes"


def test_a_judgement_goes_on_without_what_fails_and_card_and_page_name_it(
    registered_parcels: Callable[..., Parcels], run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcels = registered_parcels()
    days = parcels.publish_days(15)
    for job in ("assemble", "train"):
        run_job(parcels, job, days[11], "one")
    with monkeypatch.context() as patch:
        broken(patch, plots, "_roc", lambda *_: True)
        broken(patch, evidence, "figure_interval", lambda name, *_: name == "brier")
        broken(patch, evidence, "_sliced", lambda *_: True)
        record = run_job(parcels, "evaluate", days[11], "one")
    assert record.figures["outcome"] == "passed"
    told = " ".join(record.warnings)
    for part in ("plot curves.png", "interval of Brier score", "figures of slice carrier=slow"):
        assert f"{part} failed: ZeroDivisionError" in told
    version = registry.model_version(parcels.settings, parcels.name, "1")
    client = registry.connect(parcels.settings)
    assert [file.path for file in client.list_artifacts(version.mlflow_run, "plots")] == ["plots/calibration.png"]
    card = mlflow.artifacts.load_text(f"runs:/{version.mlflow_run}/model_card.md")
    assert "## Not computed\n\n- plot curves.png failed: ZeroDivisionError" in card
    page = (parcels.lake.store.read(record.links["Report"]) or b"").decode()
    assert "<li>plot curves.png failed: ZeroDivisionError: _roc</li>" in page

    broken(monkeypatch, model_card, "_limits", lambda *_: True)
    broken(monkeypatch, comparison_report, "render_page", lambda *_: True)
    again = run_job(parcels, "evaluate", days[11], "one")
    assert [warning.partition(" failed")[0] for warning in again.warnings] == [
        "section limits of the model card",
        "the comparison page",
    ]
    assert "## Data" in client.get_model_version(parcels.name, "1").description
    assert again.figures["outcome"] == "passed"
    assert "Report" not in again.links


def test_a_slice_that_cannot_be_compared_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np
    import pandas as pd

    rows = pd.DataFrame({"partition": ["1", "2"] * 100, "carrier": ["a"] * 100 + ["b"] * 100})
    truth, said = np.array([0.0, 1.0, 1.0, 0.0] * 50), np.full(200, 0.4)
    broken(monkeypatch, slices, "resample", lambda rows, **_: rows.days.index[0] == 0)
    failures = PartialFailures()
    found = slices.compare_slices(
        PairedRows("log_loss", truth, said, said, rows["partition"]),
        rows[["carrier"]],
        SlicePolicy(minimum_rows=10),
        task="classification",
        seed=0,
        failures=failures,
    )
    assert [np.isnan(one.upper_bound) for one in found] == [True, False]
    assert failures.sentences == ["slice carrier=a failed: ZeroDivisionError: resample"]


@pytest.mark.parametrize(
    "error", [LakeError("gone"), OperationalError("select", {}, Exception("down")), OSError("disk")]
)
def test_what_must_be_tried_again_ends_the_job(error: Exception) -> None:
    with pytest.raises(type(error)), PartialFailures().named("a part"):
        raise error


def test_many_failures_are_counted_and_the_first_named() -> None:
    failures = PartialFailures()
    for name in "abcde":
        with failures.named(f"part {name}"):
            raise MemoryError
    assert failures_in_words(failures.sentences) == (
        "; not all of it was computed: part a failed: MemoryError; part b failed: MemoryError; part c failed: "
        "MemoryError; and 2 more"
    )
    assert failures_in_words([]) == ""
    with pytest.raises(MemoryError), partial_failures.RAISING.named("a part"):
        raise MemoryError


def test_a_column_whose_importance_cannot_be_measured_is_named_and_the_others_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, _, frame = small_model()
    truth, failures = (frame["weight"] > 0).to_numpy("float64"), PartialFailures()
    asked = iter(range(100))
    broken(monkeypatch, importances, "predict", lambda *_: next(asked) == 2)  # the first is about the rows as they are
    rows = importances.LabelledFrame(frame, truth, "classification")
    found = importances.importances(model, rows, "log_loss", seed=0, failures=failures)
    assert set(found) == set(frame.columns) - {"distance"}
    assert failures.sentences == ["importance of column distance failed: ZeroDivisionError: predict"]
