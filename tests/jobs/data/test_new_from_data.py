"""What `tidewheel new --from` makes of a user's data runs: it is checked, landed, judged, computed, and trained on."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine, Numeric, create_engine

import jobs.pipelines
from jobs.check import check
from jobs.checking.day import play_day
from jobs.data.expectations import Judge
from tests.jobs.data.conftest import project
from tidewheel.cli.app import main
from tidewheel.lake import Lake
from tidewheel.ledger import migrate
from tidewheel.runs import JobRecord, read_record
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline

pytestmark = [pytest.mark.spark, pytest.mark.slow]

FIRST, DAYS, ROWS = date(2026, 1, 1), 22, 30
LAST = date(2026, 1, 22)


def orders() -> pd.DataFrame:
    """Some weeks of orders, of which some come back."""
    rng = np.random.default_rng(7)
    count = DAYS * ROWS
    day = np.repeat(pd.date_range(str(FIRST), periods=DAYS, tz="UTC"), ROWS)
    channel = rng.choice(["app", "shop", "web"], count)
    return pd.DataFrame(
        {
            "order_id": [f"{n:06}" for n in range(count)],
            "ordered_at": day + pd.to_timedelta(rng.integers(0, 86_400, count), unit="s"),
            "unit price": rng.lognormal(3.5, 0.6, count).round(2),
            "channel": channel,
            "comment": [f"note {n}, with a comma" for n in range(count)],
            "coupon": np.where(rng.random(count) < 0.2, "SAVE", None),
            "returned": (rng.random(count) < np.where(channel == "web", 0.7, 0.2)).astype(int),
        }
    )


def csv_file(folder: Path, patch: pytest.MonkeyPatch) -> list[str]:
    orders().to_csv(folder / "orders.csv", index=False)
    return [str(folder / "orders.csv")]


def semicolons_and_decimal_commas(folder: Path, patch: pytest.MonkeyPatch) -> list[str]:
    made = orders().assign(place="München", total=lambda made: [f"{1000 * n:,.2f}" for n in made["unit price"]])
    made["total"] = made["total"].str.translate(str.maketrans(",.", ".,"))
    made["ordered_at"] = made["ordered_at"].dt.strftime("%d.%m.%Y %H:%M")
    made.loc[::2, "place"] = "Köln"
    made.to_csv(folder / "orders.csv", index=False, sep=";", decimal=",", encoding="latin-1")
    return [str(folder / "orders.csv"), "--key", "order_id"]


def parquet_folder(folder: Path, patch: pytest.MonkeyPatch) -> list[str]:
    """A file a day, and a price that is to be predicted."""
    made = orders().rename(columns={"unit price": "price"}).drop(columns="returned")
    for day, rows in made.groupby(made["ordered_at"].dt.date):
        rows.to_parquet(folder / f"orders-{day}.parquet", index=False)
    return [str(folder), "--label", "price"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose pipelines' code is found beside this repository's."""
    for room in ("dags", "jobs/pipelines", "expectations"):
        (tmp_path / room).mkdir(parents=True)
    monkeypatch.setattr(jobs.pipelines, "__path__", [*jobs.pipelines.__path__, str(tmp_path / "jobs/pipelines")])
    with project(tmp_path):
        yield tmp_path
    for name in [name for name in sys.modules if name.startswith("jobs.pipelines.new_")]:
        del sys.modules[name]


def tidewheel(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["tidewheel", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code, ended.value.code


def run(monkeypatch: pytest.MonkeyPatch, name: str, job: str, *options: str) -> JobRecord:
    """Run a job over the whole history, in this process."""
    partitions = str(LAST) if job in ("assemble", "train") else f"{FIRST}..{LAST}"
    arguments = ["--pipeline", name, "--partition", partitions, "--run-id", "history", *options]
    monkeypatch.setattr(sys, "argv", [f"jobs.{job}", *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"jobs.{job}", run_name="__main__")
    assert ended.value.code == 0
    record = f"{job}-{options[1]}" if options else job
    return read_record(Lake.open(name, load_settings()), "history", record)


@pytest.mark.parametrize(
    ("source", "trains"),
    [(csv_file, True), (semicolons_and_decimal_commas, False), (parquet_folder, True)],
)
def test_a_pipeline_from_data_runs_as_it_is(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    source: Callable[[Path, pytest.MonkeyPatch], list[str]],
    trains: bool,
) -> None:
    name = f"new_{source.__name__}"
    (home / "source").mkdir()
    tidewheel(monkeypatch, "new", name, "--from", *source(home / "source", monkeypatch))
    settings = load_settings()
    pipeline = find_pipeline(settings.pipelines_folder, name)

    assert check(pipeline, settings) == []
    assert pipeline.key == ["order_id"]
    assert "comment" not in pipeline.features.columns
    assert "channel" in pipeline.features.categorical
    assert (home / f"jobs/pipelines/{name}/reader.py").exists() == (pipeline.source.reader.kind == "python")
    assert run(monkeypatch, name, "land").figures["rows"] == DAYS * ROWS
    assert run(monkeypatch, name, "validate", "--stage", "raw").refused is None
    assert run(monkeypatch, name, "features").figures["rows"] == DAYS * ROWS
    judged = run(monkeypatch, name, "validate", "--stage", "features")
    assert judged.figures["refused"] == 0
    _every_rule_holds(home, name)
    if trains:
        database = f"sqlite:///{home}/ledger.db"
        migrate(database)
        monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", database)
        monkeypatch.setenv("TIDEWHEEL_MLFLOW_URL", request.getfixturevalue("mlflow_url"))
        run(monkeypatch, name, "assemble")
        assert run(monkeypatch, name, "train").figures["version"]


def semicolon_files(folder: Path, request: pytest.FixtureRequest) -> list[str]:
    """A file a day, as a German spreadsheet writes it."""
    made = orders()
    made["ordered_at"] = made["ordered_at"].dt.strftime("%Y-%m-%d %H:%M:%S")
    for day, rows in made.groupby(made["ordered_at"].str[:10]):
        rows.to_csv(folder / f"orders-{day}.csv", index=False, sep=";", decimal=",")
    return [str(folder)]


def sqlite_table(folder: Path, request: pytest.FixtureRequest) -> list[str]:
    """Times are text there."""
    made = orders()
    made["ordered_at"] = made["ordered_at"].dt.strftime("%Y-%m-%d %H:%M:%S")
    engine = database(f"sqlite:///{folder}/shop.db", request)
    made.to_sql("orders", engine, index=False)
    engine.dispose()
    return ["SHOP_DATABASE_URL", "--table", "orders"]


def postgres_table(folder: Path, request: pytest.FixtureRequest) -> list[str]:
    """Types that a database has and a file has not: numeric, boolean, timestamp with time zone."""
    engine = database(request.getfixturevalue("database_url"), request)
    made = orders().rename(columns={"order_id": "Order"}).assign(returned=lambda made: made["returned"] == 1)
    made["unit price"] = made["unit price"].map(lambda price: Decimal(str(price)))
    made.to_sql("orders", engine, index=False, dtype={"unit price": Numeric(10, 2)})
    engine.dispose()
    return ["SHOP_DATABASE_URL", "--table", "orders", "--key", "Order"]


def database(url: str, request: pytest.FixtureRequest) -> Engine:
    """The user's database, known to the pipeline by its variable."""
    request.getfixturevalue("monkeypatch").setenv("SHOP_DATABASE_URL", url)
    return create_engine(url)


@pytest.mark.parametrize(
    ("source", "key"), [(semicolon_files, "order_id"), (sqlite_table, "order_id"), (postgres_table, "Order")]
)
def test_a_day_of_the_data_that_a_pipeline_was_made_from_is_played_without_a_fault(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    source: Callable[[Path, pytest.FixtureRequest], list[str]],
    key: str,
) -> None:
    name = f"new_{source.__name__}"
    (home / "source").mkdir()
    tidewheel(monkeypatch, "new", name, "--from", *source(home / "source", request))
    settings = load_settings()
    pipeline = find_pipeline(settings.pipelines_folder, name)
    assert (pipeline.key, pipeline.source.event_time, pipeline.labels.column) == ([key], "ordered_at", "returned")
    assert "unit price" in pipeline.features.numeric
    assert pipeline.features.categorical == ["channel"]

    # what `tidewheel validate NAME --day DAY` does, in this process
    assert check(pipeline, settings) == []
    lines: list[str] = []
    played = play_day(pipeline, settings, date(2026, 1, 15), lines.append)
    assert (played.wrong, played.refused, played.absent) == ([], [], ""), lines
    assert f"features of {ROWS} rows" in "\n".join(lines)


def _every_rule_holds(home: Path, name: str) -> None:
    """Warnings too, on every day that was published; and each rule says why it is there."""
    lake = Lake.open(name, load_settings())
    for dataset, suite in (("landing", "raw"), ("labels", "labels"), ("features", "features")):
        file = home / "expectations" / name / f"{suite}.json"
        assert all(rule["notes"] for rule in json.loads(file.read_text())["expectations"])
        judge = Judge(file)
        for day in lake.partitions(dataset):
            findings = judge.judge(lake.read(lake.need(dataset, day)).to_pandas())
            assert [finding.sentence for finding in findings if not finding.passed] == []


def test_suites_are_made_anew_from_the_lake_and_what_was_written_by_hand_stays(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "new_again"
    orders().to_csv(home / "orders.csv", index=False)
    tidewheel(monkeypatch, "new", name, "--from", str(home / "orders.csv"))
    path = home / "expectations" / name / "raw.json"
    run(monkeypatch, name, "land")
    run(monkeypatch, name, "validate", "--stage", "raw")
    made = path.read_text()

    tidewheel(monkeypatch, "suites", name)
    assert json.loads(path.read_text())["expectations"] == json.loads(made)["expectations"]

    suite = json.loads(made)
    by_hand = {"type": "expect_column_values_to_not_match_regex", "kwargs": {"column": "comment", "regex": "x"}}
    suite["expectations"][0]["kwargs"]["min_value"] = 20  # a profiled rule, changed by hand
    del suite["expectations"][-1]
    path.write_text(json.dumps({**suite, "expectations": [*suite["expectations"], {**by_hand, "severity": "warning"}]}))
    capsys.readouterr()
    tidewheel(monkeypatch, "suites", name)
    again, told = json.loads(path.read_text())["expectations"], capsys.readouterr().out
    assert [rule["kwargs"].get("min_value") for rule in again if "row_count" in rule["type"]] == [20]
    assert any(rule["type"] == by_hand["type"] for rule in again)
    assert len(again) == len(json.loads(made)["expectations"]) + 1
    assert told.count("+ ") == 1
    assert "by hand stay as they are" in told

    tidewheel(monkeypatch, "suites", name, "--force")
    assert json.loads(path.read_text())["expectations"] == json.loads(made)["expectations"]
