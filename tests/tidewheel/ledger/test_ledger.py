"""The ledger on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tidewheel.errors import LedgerError, SettingsError
from tidewheel.ledger import Ledger
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.settings import load_settings

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    opened = Ledger(database_url)
    yield opened
    opened.engine.dispose()


def at_once(calls: list[Callable[[], object]]) -> list[object]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def gate(outcome: Outcome, **inputs: object) -> Verdict:
    return Verdict(Kind.GATE, outcome, f"it {outcome}", inputs, {"margin": 0.002})


@pytest.mark.parametrize("wrong", ["secret", "postgresql+nothing://me:secret@h/x", "postgresql://me:secret@h:port/x"])
def test_a_url_that_is_none_is_a_sentence_without_the_password(wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"TIDEWHEEL_DATABASE_URL.* expected postgresql\+psycopg2") as caught:
        Ledger(wrong)
    assert "secret" not in str(caught.value)


def test_a_verdict_comes_back_with_what_it_was_decided_from(ledger: Ledger) -> None:
    ledger.record("shop", "version 3", "run-1", gate(Outcome.PASSED, log_loss=0.49, days=7), NOW)

    [row] = ledger.verdicts("shop")

    assert (row.kind, row.outcome, row.sentence) == ("gate", "passed", "it passed")
    assert row.inputs == {"log_loss": 0.49, "days": 7}
    assert row.thresholds == {"margin": 0.002}
    assert row.decided_at == NOW


def test_the_same_run_deciding_again_replaces_what_it_said(ledger: Ledger) -> None:
    ledger.record("shop", "version 3", "run-1", gate(Outcome.INCONCLUSIVE), NOW)
    ledger.record("shop", "version 3", "run-1", gate(Outcome.PASSED), NOW + timedelta(minutes=5))

    assert [row.outcome for row in ledger.verdicts("shop")] == ["passed"]
    assert len(ledger.verdicts("shop")) == 1


def test_the_newest_decision_comes_first_even_where_an_old_run_decided_again(ledger: Ledger) -> None:
    ledger.record("shop", "version 3", "run-1", gate(Outcome.INCONCLUSIVE), NOW)
    ledger.record("shop", "version 4", "run-2", gate(Outcome.REFUSED), NOW + timedelta(hours=1))
    ledger.record("shop", "version 3", "run-1", gate(Outcome.PASSED), NOW + timedelta(hours=2))

    assert [row.subject for row in ledger.verdicts("shop")] == ["version 3", "version 4"]
    assert [row.subject for row in ledger.verdicts("shop", limit=1)] == ["version 3"]


def test_verdicts_can_be_asked_for_by_kind_and_belong_to_one_pipeline(ledger: Ledger) -> None:
    ledger.record("shop", "version 3", "run-1", gate(Outcome.PASSED), NOW)
    ledger.record("shop", "2026-11-21", "run-1", Verdict(Kind.TRIGGER, Outcome.NO_ACTION, "calm"), NOW)
    ledger.record("mail", "version 1", "run-1", gate(Outcome.REFUSED), NOW)

    assert [row.sentence for row in ledger.verdicts("shop", Kind.TRIGGER)] == ["calm"]
    assert [row.outcome for row in ledger.verdicts("mail")] == ["refused"]


def test_verdicts_can_be_asked_for_by_outcome_and_without_a_limit(ledger: Ledger) -> None:
    for n in range(30):
        ledger.record("shop", f"version {n}", "run", gate(Outcome.PASSED if n % 3 else Outcome.REFUSED), NOW)

    assert len(ledger.verdicts("shop", Kind.GATE, limit=None)) == 30
    assert {row.outcome for row in ledger.verdicts("shop", limit=None, outcome=Outcome.REFUSED)} == {"refused"}


def test_what_was_judged_after_a_day_comes_last_first_and_each_day_once(ledger: Ledger) -> None:
    for day in ("2026-11-20", "2026-11-22", "2026-11-21", "2026-11-22"):
        ledger.record("shop", day, f"run of {day}", Verdict(Kind.DRIFT, Outcome.NO_ACTION, "calm"), NOW)
    ledger.record("shop", "2026-11-22", "a second run", Verdict(Kind.DRIFT, Outcome.NO_ACTION, "calm"), NOW)
    ledger.record("shop", "2026-11-23", "run", Verdict(Kind.TRIGGER, Outcome.NO_ACTION, "calm"), NOW)
    ledger.record("mail", "2026-11-24", "run", Verdict(Kind.DRIFT, Outcome.NO_ACTION, "calm"), NOW)

    assert ledger.judged_after("shop", Kind.DRIFT, "2026-11-20") == ["2026-11-22", "2026-11-21"]


def test_two_attempts_of_a_run_recording_at_once_leave_one_verdict(ledger: Ledger) -> None:
    at_once([lambda: ledger.record("shop", "v", "run-1", gate(Outcome.PASSED), NOW)] * 8)

    assert len(ledger.verdicts("shop")) == 1


def test_what_a_policy_could_not_measure_is_kept_as_unknown(ledger: Ledger) -> None:
    inputs = {
        "p_value": float("nan"),
        "ratio": np.float64("inf"),
        "rows": np.int64(12),
        "share": np.float32(0.5),
        "daily": np.array([1.0, np.nan]),
        "day": NOW.date(),
        "by_slice": {"JFK": (1, 2)},
    }
    ledger.record("shop", "version 3", "run-1", gate(Outcome.INCONCLUSIVE, **inputs), NOW)

    [row] = ledger.verdicts("shop")

    assert row.inputs == {
        "p_value": None,
        "ratio": None,
        "rows": 12,
        "share": 0.5,
        "daily": [1.0, None],
        "day": "2026-11-22",
        "by_slice": {"JFK": [1, 2]},
    }


def test_figures_come_back_day_by_day_and_a_second_measurement_replaces_the_first(ledger: Ledger) -> None:
    ledger.put_figures("shop", "2026-11-21", {"log_loss": 0.5, "rows": 10}, NOW, version="3")
    ledger.put_figures("shop", "2026-11-20", {"log_loss": 0.4}, NOW, version="3")
    ledger.put_figures("shop", "2026-11-21", {"log_loss": 0.6}, NOW, version="3")

    assert [(row.partition, row.value) for row in ledger.figures("shop", "log_loss")] == [
        ("2026-11-20", 0.4),
        ("2026-11-21", 0.6),
    ]


def test_figures_of_a_slice_stay_apart_and_nan_leaves_no_row(ledger: Ledger) -> None:
    ledger.put_figures("shop", "2026-11-21", {"log_loss": 0.5}, NOW)
    ledger.put_figures("shop", "2026-11-21", {"log_loss": 0.9, "auc": float("nan")}, NOW, slice="origin=JFK")

    assert [row.value for row in ledger.figures("shop", "log_loss")] == [0.5]
    assert [row.value for row in ledger.figures("shop", "log_loss", slice="origin=JFK")] == [0.9]
    assert ledger.figures("shop", "auc", slice="origin=JFK") == []


def test_two_monitors_of_the_same_day_at_once_do_not_collide(ledger: Ledger) -> None:
    figures = {f"figure_{n}": float(n) for n in range(20)}
    backwards = dict(reversed(figures.items()))

    at_once([partial(ledger.put_figures, "shop", "2026-11-21", f, NOW) for f in (figures, backwards) * 4])

    assert [row.value for row in ledger.figures("shop", "figure_7")] == [7.0]


def test_many_wishes_for_training_at_once_are_one(ledger: Ledger) -> None:
    made = at_once([lambda: ledger.request_training("shop", "log-loss rose", NOW)] * 8)

    assert sorted(made, key=bool) == [False] * 7 + [True]
    request = ledger.open_request("shop")
    assert request is not None
    assert request.reason == "log-loss rose"


def test_a_trigger_that_asks_many_times_at_once_on_a_day_asks_once_and_takes_a_persons_wish_along(
    ledger: Ledger,
) -> None:
    ledger.request_training("shop", "please", NOW)
    wishes = at_once([lambda: ledger.fire_request("shop", "2026-11-21", "fired: please", NOW)] * 8)

    [request] = ledger.requests("shop")
    assert (set(wishes), request.reason, request.day) == ({request.id}, "please", "2026-11-21")
    ledger.fire_request("shop", "2026-11-23", "fired: it is old", NOW)
    told = [(row.day, row.closed_by) for row in ledger.requests("shop")]
    assert told == [("2026-11-23", None), ("2026-11-21", "lost")]


def test_a_wish_that_was_answered_makes_room_for_the_next(ledger: Ledger) -> None:
    ledger.request_training("shop", "first", NOW)
    ledger.close_request("shop", "run-9", NOW + timedelta(hours=1))
    assert ledger.open_request("shop") is None

    assert ledger.request_training("shop", "second", NOW + timedelta(hours=2))
    assert ledger.request_training("mail", "another pipeline's", NOW)


def test_closing_where_no_wish_is_open_changes_nothing(ledger: Ledger) -> None:
    ledger.close_request("shop", "run-9", NOW)

    assert ledger.open_request("shop") is None


def test_an_unreachable_ledger_is_named_without_its_password() -> None:
    nowhere = Ledger("postgresql+psycopg2://tidewheel:sesame@127.0.0.1:1/tidewheel", patience_seconds=0)

    with pytest.raises(LedgerError, match=r"127\.0\.0\.1:1.*tidewheel status") as caught:
        nowhere.verdicts("shop")

    assert "sesame" not in str(caught.value)


def test_a_ledger_without_its_tables_says_how_to_get_them(empty_database_url: str) -> None:
    with pytest.raises(LedgerError, match=r'form none, .*: relation "verdict" does not exist; start .* up'):
        Ledger(empty_database_url).verdicts("shop")


def test_without_a_platform_the_ledger_says_what_to_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path))

    with pytest.raises(SettingsError, match=r"TIDEWHEEL_DATABASE_URL is not set.*`tidewheel up`"):
        Ledger.open(load_settings())
