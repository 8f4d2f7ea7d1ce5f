"""The section `alerts`: channels, rules, events and quiet hours, and what is wrong with them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.pipelines import PIPELINE_FILE
from tidewheel.errors import SpecError
from tidewheel.spec import load_pipeline
from tidewheel.spec.alerts import Alerts, QuietHours, ThresholdRule


def load(folder: Path, alerts: str) -> Alerts:
    file = folder / "orders.yaml"
    file.write_text(f"{PIPELINE_FILE}alerts: {{{alerts}}}\n")
    return load_pipeline(file).alerts


def test_a_rule_may_be_its_threshold_alone(tmp_path: Path) -> None:
    found = load(tmp_path, 'rules: ["roc_auc < 0.6 for 3 days", {when: log_loss > 1, severity: critical}]')
    assert found.rules == [
        ThresholdRule(when="roc_auc < 0.6 for 3 days"),
        ThresholdRule(when="log_loss > 1", severity="critical"),
    ]
    assert Alerts.model_validate(found.model_dump(mode="json")) == found


def test_figures_that_monitoring_compares_between_groups_have_rules(tmp_path: Path) -> None:
    load(tmp_path, "rules: [{when: gap_selection_rate > 0.1, slice: sex}, false_positive_rate > 0.2]")
    with pytest.raises(SpecError, match="gap_f1"):
        load(tmp_path, "rules: [{when: gap_f1 > 0.1, slice: sex}]")


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ("rules: [roc_acu < 0.6]", "roc_acu is no figure of a classification; expected one of log_loss, .*'roc_auc'?"),
        ("rules: [rmse > 3]", "rmse is no figure of a classification"),
        ("rules: [roc_auc < 85]", "roc_auc lies between 0 and 1, so that this holds on every day or on none"),
        ("rules: [roc_auc is bad]", "found 'roc_auc is bad'; expected a figure, a comparison and a number"),
        ("rules: [roc_auc < 0.6 for 0 days]", "and for how many days"),
        ("rules: [{when: gap_bais > 0.1, slice: sex}]", "expected one of gap_log_loss, .* did you mean 'gap_bias'?"),
        ("rules: [gap_bias > 0.1]", "expected a slice with it"),
        ("channels: {team: {}}", "expected either url_variable or airflow_variable"),
        ("channels: {team: {url_variable: A, airflow_variable: b}}", "expected either url_variable or"),
        ("channels: {team: {url_variable: 'https://hooks.example'}}", "expected the name of an environment variable"),
        ("quiet_hours: {start: '22:00', end: '07:00', time_zone: Europe/Berln}", "did you mean 'Europe/Berlin'?"),
        ("quiet_hours: {start: '22:00', end: '22:00'}", "quiet hours must leave time to send in"),
        ("quiet_hours: {start: 22, end: '07:00'}", "alerts.quiet_hours.start: found 22"),
        ("events: {drift: loud}", "alerts.events.drift: found 'loud'; expected 'info', 'warning' or 'critical'"),
        ("webhook_variable: SHOP_HOOK", "no key any more; write it as `channels: {team: {url_variable: …}}`"),
    ],
)
def test_what_is_wrong_is_a_sentence_with_what_is_expected(tmp_path: Path, alerts: str, said: str) -> None:
    with pytest.raises(SpecError) as refused:
        load(tmp_path, alerts)
    message = str(refused.value)
    for part in said.split(".*"):
        assert part in message
    assert "line 14, alerts." in message


@pytest.mark.parametrize(
    ("hours", "now", "over"),
    [
        (("22:00", "07:00"), "2026-11-22T21:59", "2026-11-22T21:59"),
        (("22:00", "07:00"), "2026-11-22T22:00", "2026-11-23T07:00"),
        (("22:00", "07:00"), "2026-11-23T06:59", "2026-11-23T07:00"),
        (("22:00", "07:00"), "2026-11-23T07:00", "2026-11-23T07:00"),
        (("12:00", "13:00"), "2026-11-22T12:30", "2026-11-22T13:00"),
        (("12:00", "13:00"), "2026-11-22T11:59", "2026-11-22T11:59"),
    ],
)
def test_quiet_hours_may_pass_midnight(hours: tuple[str, str], now: str, over: str) -> None:
    quiet = QuietHours(start=hours[0], end=hours[1])
    assert quiet.over(datetime.fromisoformat(f"{now}+00:00")) == datetime.fromisoformat(f"{over}+00:00")


@pytest.mark.parametrize(("day", "hour"), [("2026-03-28", 6), ("2026-03-29", 5), ("2026-10-25", 6)])
def test_quiet_hours_keep_the_clock_of_their_time_zone_through_the_change_of_the_clocks(day: str, hour: int) -> None:
    quiet = QuietHours(start="22:00", end="07:00", time_zone="Europe/Berlin")
    now = datetime.fromisoformat(f"{day}T00:30+00:00")
    assert quiet.over(now) == datetime.fromisoformat(f"{day}T{hour:02}:00+00:00").astimezone(UTC)
