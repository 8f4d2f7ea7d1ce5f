"""A replay is what the jobs would have done: same decisions, same sentences, same predictions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from jobs.models import registry
from jobs.models.prediction import model_frame, predict
from jobs.replay.fits import Fitter
from jobs.replay.history import History
from jobs.replay.policies import Declared
from jobs.replay.result_cache import ResultCache
from jobs.replay.simulation import simulate
from tidewheel.errors import DataRefused
from tidewheel.partitions import PartitionRange
from tidewheel.policies.verdict import Kind, Outcome
from tidewheel.replays import compare, read_replay
from tidewheel.spec import Pipeline, find_pipeline

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
TRIGGERS = "triggers: {data: {growth: 0.3}, cool_down_days: 2, budget: null}"


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["before", "probation"])
def test_a_replay_decides_trains_and_predicts_as_the_jobs_did(
    mode: str, registered_parcels: Callable[..., Parcels], run_job: RunJob, tmp_path: Path
) -> None:
    parcels = registered_parcels(estimator="logistic_regression", floors="{}", mode=mode)
    pipeline = _declared(parcels)
    days = parcels.publish_days(14)
    days += parcels.publish_days(7, first=date(2024, 1, 15), signal=-3.0)  # the world turns round
    played = PartitionRange(days[13], days[-1])

    _train(parcels, run_job, days[12])
    said = []
    for evening in played.days:
        said.append(_score(parcels, pipeline, evening))
        if evening < played.last and run_job(parcels, "monitor", evening, f"m{evening}").figures["outcome"] == "fired":
            _train(parcels, run_job, evening)
    trigger = {v.subject: v.sentence for v in parcels.ledger.verdicts(parcels.name, Kind.TRIGGER, limit=50)}
    gate = {v.subject: v.sentence for v in parcels.ledger.verdicts(parcels.name, Kind.GATE)}

    history = History.read(parcels.lake, pipeline, played)
    replayed = simulate(
        history,
        Declared("spec", pipeline),
        played,
        Fitter(pipeline, pipeline.training.seed, ResultCache(tmp_path / "kept")),
    )

    assert {str(decision.day): decision.sentence for decision in replayed.decisions} == trigger
    # what became of the refit is said by `train` there, and after the gate's sentence here
    judged = {f"version {n}": t.says.partition("; fitted again")[0] for n, t in enumerate(replayed.trainings, 1)}
    assert judged == gate
    assert len(replayed.trainings) > 1
    tried = {v.sentence for v in parcels.ledger.verdicts(parcels.name, Kind.PROBATION, limit=50)}
    assert tried == {decision.probation for decision in replayed.decisions if decision.probation}
    np.testing.assert_allclose(replayed.answers, np.concatenate(said), rtol=1e-6)


def test_days_without_features_are_named_with_the_command_that_makes_them(
    make_parcels: Callable[..., Parcels],
) -> None:
    parcels = make_parcels()
    parcels.publish_days(5)
    pipeline = find_pipeline(parcels.settings.pipelines_folder, parcels.name)

    with pytest.raises(DataRefused) as refused:
        History.read(parcels.lake, pipeline, PartitionRange(date(2024, 1, 4), date(2024, 1, 9)))

    said = str(refused.value)
    assert "4 of the 6 days to be played have no features with labels in the lake: 2024-01-06..2024-01-09" in said
    # labels are known two days later: a command that ended on the 9th would leave that day without
    assert "trigger parcels.features with first day 2024-01-06 and last day 2024-01-11" in said
    assert "python -m jobs.$job --pipeline parcels --partition 2024-01-06..2024-01-11" in said


def test_days_without_labels_are_told_from_days_without_features(make_parcels: Callable[..., Parcels]) -> None:
    parcels = make_parcels()
    days = parcels.publish_days(5)
    parcels.publish_day(date(2024, 1, 6), unlabelled=None)
    played = PartitionRange(days[0], date(2024, 1, 6))
    pipeline = find_pipeline(parcels.settings.pipelines_folder, parcels.name)
    ended = pipeline.model_copy(update={"source": pipeline.source.model_copy(update={"end": played.last})})

    with pytest.raises(DataRefused, match=r"have no labels: 2024-01-06\. Play until 2024-01-05 \(--to\), or"):
        History.read(parcels.lake, pipeline, played)
    with pytest.raises(DataRefused, match=r"no night lands anything after source\.end, 2024-01-06"):
        History.read(parcels.lake, ended, played)


def test_days_without_rows_are_passed_over_where_the_source_may_have_them(make_parcels: Callable[..., Parcels]) -> None:
    parcels = make_parcels()
    for day in (4, 5, 8):  # the 6th and 7th are a weekend
        parcels.publish_day(date(2024, 1, day))
    played = PartitionRange(date(2024, 1, 4), date(2024, 1, 8))
    strict = find_pipeline(parcels.settings.pipelines_folder, parcels.name)
    closed = strict.model_copy(update={"source": strict.source.model_copy(update={"empty_days": "skip"})})

    assert [day.day for day in History.read(parcels.lake, closed, played).days_of(played)] == [4, 5, 8]
    with pytest.raises(DataRefused, match=r"2 of the 5 days to be played .*: 2024-01-06\.\.2024-01-07"):
        History.read(parcels.lake, strict, played)
    # beyond the last day that is there, days are missing rather than empty
    with pytest.raises(DataRefused, match=r"1 of the 6 days to be played .*: 2024-01-09"):
        History.read(parcels.lake, closed, PartitionRange(played.first, date(2024, 1, 9)))


@pytest.mark.slow
def test_the_job_leaves_a_page_and_figures_and_plays_nothing_twice(
    make_parcels: Callable[..., Parcels], run_job: RunJob, tmp_path: Path
) -> None:
    parcels = make_parcels(estimator="logistic_regression", floors="{}")
    _declared(parcels)
    days = parcels.publish_days(20)
    options = ("--policy", "spec", "--policy", "frozen", "--policy", "weekly", "--policy", "equal", "--seeds", "2")
    span = f"{days[13]}..{days[-1]}"

    first = run_job(parcels, "replay", span, "one", *options)
    # a play that is kept is put in place as a new file; one that is only read again is touched
    plays = {path.name: path.stat().st_ino for path in _kept(parcels)}
    again = run_job(parcels, "replay", span, "two", *options)

    assert first.figures == again.figures
    assert first.figures["frozen fits"] == 1
    assert first.figures["equal fits"] == first.figures["spec fits"]
    assert {path.name: path.stat().st_ino for path in _kept(parcels)} == plays
    assert len(plays) == 4  # the seed changes nothing of a logistic regression
    written = tmp_path / "replay.json"
    written.write_bytes(parcels.lake.store.read(first.links["Figures"]) or b"")
    found = compare(read_replay(written), read_replay(written))
    assert (found[0].policy, found[0].low, found[0].high) == ("spec", 0, 0)
    assert found[0].first == pytest.approx(first.figures["spec quality"])
    page = parcels.lake.store.read(first.links["Replay"])
    assert page is not None
    assert first.sentence in page.decode()


def _declared(parcels: Parcels) -> Pipeline:
    file = parcels.settings.pipelines_folder / f"{parcels.name}.yaml"
    file.write_text(f"{file.read_text()}{TRIGGERS}\n")
    return find_pipeline(parcels.settings.pipelines_folder, parcels.name)


def _train(parcels: Parcels, run_job: RunJob, evening: date) -> None:
    run_id = f"t{evening}"
    for job in ("assemble", "train"):
        run_job(parcels, job, evening, run_id)
    if run_job(parcels, "evaluate", evening, run_id).figures["outcome"] == Outcome.PASSED:
        run_job(parcels, "promote", evening, run_id)


def _score(parcels: Parcels, pipeline: Pipeline, day: date) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    champion = registry.champion(parcels.settings, parcels.name)
    assert champion is not None
    rows = parcels.lake.read(parcels.lake.need("features", str(day))).to_pandas()
    model = registry.load_model(parcels.settings, parcels.name, champion.version)
    said = predict(model, model_frame(rows, pipeline.features), pipeline.task)
    table = pa.table({"parcel": rows["parcel"], "prediction": said, "model_version": [champion.version] * len(said)})
    parcels.lake.publish(parcels.lake.write_table("predictions", str(day), table, {}, "test"))
    return said


def _kept(parcels: Parcels) -> list[Path]:
    return sorted((parcels.settings.home / "cache" / "replay" / parcels.name / "plays").glob("*.joblib"))
