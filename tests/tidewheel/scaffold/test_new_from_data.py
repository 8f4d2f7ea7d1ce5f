"""What `tidewheel new --from` guesses, asks for, and refuses."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from tidewheel.cli import scaffold
from tidewheel.cli.app import main
from tidewheel.hours import Hour
from tidewheel.scaffold.dialect import Dialect, sniff
from tidewheel.spec import load_pipeline

DAYS, ROWS = 14, 12
COUNT = DAYS * ROWS
Change = Callable[[pd.DataFrame], pd.DataFrame]


def orders() -> pd.DataFrame:
    days = pd.date_range("2026-03-01", periods=DAYS, tz="UTC").repeat(ROWS)
    return pd.DataFrame(
        {
            "order_id": range(1000, 1000 + COUNT),
            "ordered_at": days + pd.to_timedelta([n * 61 for n in range(COUNT)], unit="s"),
            "amount": [1.5 + n % 17 for n in range(COUNT)],
            "channel": ["app", "web", "shop"] * (COUNT // 3),
            "returned": [n % 3 % 2 for n in range(COUNT)],
        }
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for room in ("dags", "jobs/pipelines", "expectations"):
        (tmp_path / room).mkdir(parents=True)
    monkeypatch.setenv("TIDEWHEEL_PROJECT", str(tmp_path))
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def new(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs `tidewheel new shop --from ...` on a table; its exit code and what it said."""

    def run(table: pd.DataFrame, *options: str) -> tuple[int, str]:
        table.to_csv(home / "orders.csv", index=False)
        monkeypatch.setattr(sys, "argv", ["tidewheel", "new", "shop", "--from", "orders.csv", *options])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return run


def test_it_says_what_it_saw_and_what_it_decided_and_why(new: Callable[..., tuple[int, str]], home: Path) -> None:
    code, said = new(orders())
    assert code == 0, said
    assert f"orders.csv: {COUNT} rows of {DAYS} days, 2026-03-01..2026-03-14" in said
    assert "key: order_id, different in each of 168 rows" in said
    assert "event-time: ordered_at, the only column with a time in every row" in said
    assert "label: returned, the only column of 0 and 1" in said
    pipeline = load_pipeline(home / "dags/shop.yaml")
    assert (pipeline.key, pipeline.labels.column, pipeline.task) == (["order_id"], "returned", "classification")
    assert pipeline.features.numeric == ["amount", "hour", "day_of_week"]
    assert pipeline.features.categorical == ["channel"]
    assert 'FILE = "orders.csv"' in (home / "jobs/pipelines/shop/reader.py").read_text()


def test_a_label_of_several_texts_makes_a_multiclass_pipeline(new: Callable[..., tuple[int, str]], home: Path) -> None:
    code, said = new(orders().drop(columns="returned").rename(columns={"channel": "outcome"}))
    assert code == 2
    assert "name it with --label" in said
    code, said = new(orders(), "--label", "channel")
    assert code == 0, said
    pipeline = load_pipeline(home / "dags/shop.yaml")
    assert (pipeline.task, pipeline.labels.classes) == ("multiclass", ["app", "shop", "web"])
    suite = (home / "expectations/shop/predictions.json").read_text()
    assert "probability_web" in suite
    code, said = new(orders(), "--label", "returned", "--task", "multiclass")
    assert code == 2
    assert "has 3 to 50 values" in said


def test_the_reader_of_one_file_follows_the_declared_partition(new: Callable[..., tuple[int, str]], home: Path) -> None:
    """A reader of days in a pipeline of weeks would give Monday's rows alone, and nothing would fail."""
    code, said = new(orders())
    assert code == 0, said
    reader = runpy.run_path(str(home / "jobs/pipelines/shop/reader.py"))
    declared = home / "dags/shop.yaml"
    daily = declared.read_text()
    assert reader["rows"](date(2026, 3, 2)).num_rows == ROWS

    declared.write_text(f"{daily.replace('_days:', '_weeks:')}partition: week\n")
    week = reader["rows"](date(2026, 3, 2))
    assert week.num_rows == reader["labels"](date(2026, 3, 2)).num_rows == 7 * ROWS
    assert {moment.date() for moment in week["ordered_at"].to_pylist()} == {date(2026, 3, n) for n in range(2, 9)}

    declared.write_text(f"{daily}partition: hour\n")
    assert [reader["rows"](Hour(2026, 3, 1, n)).num_rows for n in (0, 1)] == [ROWS, 0]


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (lambda o: o.assign(order_id=o.order_id // 8, amount=1), (), "no column, and no two columns, are different in"),
        (lambda o: o.drop(columns="ordered_at"), (), "no column holds a date or a time in every row"),
        (
            lambda o: o.assign(ordered_at=o.ordered_at.where(o.order_id > 1003)),
            (),
            "each has gaps: ordered_at (empty in 2.4% of the rows)",
        ),
        (lambda o: o.assign(returned=0), ("--label", "returned"), "holds only 0 in all rows"),
        (lambda o: o.assign(returned=0).drop(columns="amount"), (), "no column could be the label"),
        (lambda o: o, ("--label", "channel", "--task", "classification"),
            "holds string (app, shop, web); expected 0 and 1"),
        (lambda o: o.assign(channel=[f"c{n}" for n in range(COUNT)]), ("--label", "channel", "--task", "multiclass"),
            "the label of a multiclass pipeline has 3 to 50 values"),
        (lambda o: o, ("--label", "retruned"), "no such column, did you mean 'returned'?"),
        (lambda o: o, ("--key", "channel"), "--key channel: 3 different values in 168 rows"),
        (lambda o: o, ("--event-time", "amount"), "no times; expected ISO 8601"),
        (lambda o: o, ("--task", "classification", "--label", "amount"), "the label of a classification is 0 or 1"),
        (lambda o: o.assign(flag=[1, 0] * 84, returned=o.flag if "flag" in o else 1 - o.returned).rename(
            columns={"returned": "good"}), (), "name it with --label"),
        (lambda o: o.assign(item_id=o.order_id), (), "name it with --key"),
        (lambda o: o.assign(paid_at=o.ordered_at), (), "name it with --event-time"),
        (lambda o: o[["order_id", "ordered_at", "returned"]], (), "no column is left that a model could learn from"),
    ],
)  # fmt: skip
def test_what_cannot_be_known_is_a_sentence_and_nothing_is_written(
    new: Callable[..., tuple[int, str]], home: Path, change: Change, options: tuple[str, ...], words: str
) -> None:
    code, said = new(change(orders()), *options)
    assert code == 2, said
    assert words in said
    assert "Traceback" not in said
    assert list((home / "dags").iterdir()) == []


def test_on_a_terminal_it_asks_with_its_guess_as_the_default(
    new: Callable[..., tuple[int, str]], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["", "", "returned", "item_id"])
    monkeypatch.setattr(scaffold, "_asks", lambda: True)
    monkeypatch.setattr("typer.prompt", lambda text, default, **_: next(answers) or default)
    code, said = new(orders().assign(item_id=orders().order_id, flag=[0, 1] * (COUNT // 2)))
    assert code == 0, said
    pipeline = load_pipeline(home / "dags/shop.yaml")
    assert (pipeline.key, pipeline.labels.column, pipeline.labels.delay_days) == (["item_id"], "returned", 1)


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("a,b\n1,x\n", Dialect()),
        ("a;b\n1,5;x\n2,75;y\n", Dialect(";", ",")),
        ("a;b\n1.234,50;x\n12,00;y\n", Dialect(";", ",", ".")),
        ('a,b\n"1,234.50",x\n"2,000",y\n', Dialect(",", ".", ",")),
        ("a\tb\n1\tx, y\n2\tz\n", Dialect("\t")),
        ("a|b\n1|x;y\n", Dialect("|")),
        ("ä;b\nMünchen;1\n", Dialect(";", encoding="latin-1")),
        ("preis €;b\n1;2\n", Dialect(";", encoding="windows-1252")),
        ('a;b\n"x; y, z";1\n"q";2\n', Dialect(";")),
    ],
)
def test_a_file_s_dialect_is_read_off_its_beginning(text: str, dialect: Dialect) -> None:
    encoded = text.encode("utf-8" if dialect.encoding == "utf-8" else "cp1252")
    assert sniff(encoded) == dialect


def test_without_data_it_names_the_four_suites_that_must_be_changed(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tidewheel", "new", "shop"])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().out
    for suite in ("raw", "labels", "features", "predictions"):
        assert f"expectations/shop/{suite}.json" in said.split("change the four suites")[1]


@pytest.mark.parametrize("used", [True, False])
def test_the_sample_s_reader_does_not_stay_where_nobody_uses_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, used: bool
) -> None:
    reader, declared = home / "jobs/pipelines/shop/reader.py", home / "dags/shop.yaml"
    tidewheel(monkeypatch, "new", "shop")
    made = orders().assign(items=1)
    made.to_csv(home / "orders.csv", index=False)
    if not used:
        read = '{kind: csv, path: "orders-{partition}.csv"}'
        text = declared.read_text()
        for function in ("orders", "returns"):
            text = text.replace(f'{{kind: python, function: "jobs.pipelines.shop.reader:{function}"}}', read)
        declared.write_text(text)

    tidewheel(monkeypatch, "suites", "shop", "--from", "orders.csv", "--dry-run")
    assert reader.exists()
    tidewheel(monkeypatch, "suites", "shop", "--from", "orders.csv")
    assert reader.exists() == used


def tidewheel(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["tidewheel", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
