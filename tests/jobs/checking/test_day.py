"""Playing one day from its source to a prediction, with nothing published, and what is said of it."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from jobs.checking.day import CheckedDay, play_day
from tests.jobs.data.conftest import (  # noqa: F401  a fixture among them
    FIRST,
    Deliveries,
    deliveries,
    make_deliveries,
    project,
    run_job,
)
from tidewheel.errors import ExitCode, UsageError
from tidewheel.lake import Store
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline

DAY = FIRST + timedelta(days=4)


def play(made: Deliveries, day: date = DAY) -> tuple[CheckedDay, list[str]]:
    """What comes of a day, and the lines that are told."""
    settings = load_settings()
    lines: list[str] = []
    played = play_day(find_pipeline(settings.pipelines_folder, "deliveries"), settings, day, lines.append)
    return played, lines


def everything(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def declare(made: Deliveries, old: str, new: str) -> None:
    """Change the pipeline's file."""
    path = made.folder / "dags" / "deliveries.yaml"
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))


@pytest.fixture
def made(deliveries: Deliveries) -> Deliveries:  # noqa: F811
    """Five days of the source, and all suites."""
    deliveries.put(*(FIRST + timedelta(days=n) for n in range(5)))
    deliveries.suite("predictions", [("expect_column_values_to_be_between", {"column": "prediction", "min_value": 0})])
    return deliveries


@pytest.mark.spark
def test_a_good_day_is_played_to_a_prediction_and_nothing_is_left(made: Deliveries) -> None:
    run_job(made, "land", FIRST + timedelta(days=3), "night")
    run_job(made, "validate", FIRST + timedelta(days=3), "night", "--stage", "raw")
    before = everything(made.folder)

    played, lines = play(made)

    assert (played.wrong, played.refused, played.absent) == ([], [], "")
    assert played.exit_code == ExitCode.DONE
    assert any(
        line.startswith("look-back: 4 days, 1 as published, 3 read from the source, 0 missing") for line in lines
    )
    for step in ("source: 40 rows", "expectations of raw", "features of 40 rows", "model: fitted to", "of predictions"):
        assert any(step in line for line in lines), step
    assert everything(made.folder) == before


@pytest.mark.spark
def test_a_day_is_played_beside_a_lake_on_s3_and_nothing_is_left_there(
    tmp_path: Path, s3_options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store("s3://played-lake/root", s3_options)
    store.fs.mkdir("played-lake")
    monkeypatch.setenv("TIDEWHEEL_LAKE_URL", "s3://played-lake/root")
    monkeypatch.setenv("TIDEWHEEL_LAKE_OPTIONS", json.dumps(s3_options))
    with project(tmp_path):
        made = make_deliveries(tmp_path)
        made.put(*(FIRST + timedelta(days=n) for n in range(5)))
        made.suite("predictions", [("expect_column_values_to_not_be_null", {"column": "prediction"})])
        made.publish(run_job(made, "land", FIRST + timedelta(days=3), "night"))
        before = {path: store.read(path) for path in store.find("", "")}

        played, lines = play(made)

        assert (played.wrong, played.refused, played.absent) == ([], [], ""), lines
        assert any(line.startswith("look-back: 4 days, 1 as published, 3 read from the source") for line in lines)
        assert {path: store.read(path) for path in store.find("", "")} == before


@pytest.mark.spark
def test_everything_that_is_wrong_with_a_day_is_named_at_once(made: Deliveries) -> None:
    made.suite("raw", [("expect_column_values_to_match_regex", {"column": "carrier", "regex": "^express"})])
    made.suite("features", [("expect_column_values_to_be_between", {"column": "weight", "max_value": -1})])
    orders = pd.read_parquet(made.source_file(DAY))
    outcomes = pd.read_csv(made.folder / "source" / f"outcomes-{DAY}.csv")
    orders.assign(Late=orders.merge(outcomes, on="parcel").late.fillna(0)).to_parquet(made.source_file(DAY))
    before = everything(made.folder)

    played, _ = play(made)

    assert played.exit_code == ExitCode.DATA_REFUSED
    raw, features = played.refused
    assert "expectations of raw" in raw
    assert "carrier" in raw
    assert "expectations of features" in features
    assert "the source's rows hold the label column 'Late'; it is not given to the transform" in played.doubtful
    assert everything(made.folder) == before


@pytest.mark.spark
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("numeric: [weight,", "numeric: [weihgt,", "returned no column weihgt, did you mean 'weight'?"),
        ("look_back_days: 8", "look_back_days: 3", "needs features.look_back_days of at least 8, found 3"),
    ],
)
def test_a_declaration_that_its_code_does_not_keep_is_a_mistake(
    made: Deliveries, old: str, new: str, said: str
) -> None:
    declare(made, old, new)

    played, _ = play(made)

    assert played.exit_code == ExitCode.WRONG_USAGE
    [wrong] = played.wrong
    assert said in wrong


def test_a_day_that_is_late_and_one_that_is_broken_end_as_their_jobs_do(made: Deliveries) -> None:
    late, _ = play(made, FIRST + timedelta(days=9))
    made.source_file(DAY).write_bytes(b"PAR1 broken")
    broken, _ = play(made)

    assert (late.exit_code, broken.exit_code) == (ExitCode.FAILED, ExitCode.DATA_REFUSED)
    assert "no such file" in late.absent
    assert "orders-2024-03-05.parquet" in broken.refused[0]
    with pytest.raises(UsageError, match="lies outside; name a day that it has"):
        play(made, date(2025, 1, 1))
