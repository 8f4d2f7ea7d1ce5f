"""Which conditions hold, given what nights, trainings and releases have written into the ledger."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.tidewheel.alerts.conftest import NIGHT, Shop, Usage
from tidewheel.actor import IN_MLFLOW
from tidewheel.alerts import conditions as rules
from tidewheel.alerts.conditions import Condition, conditions
from tidewheel.alerts.facts import read_facts
from tidewheel.console_route import pipeline_page
from tidewheel.ledger.models import Models
from tidewheel.ledger.releases import Releases, Status
from tidewheel.ledger.tables import ModelVersionRow
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.spec import find_pipeline

DAY = timedelta(days=1)


def found(shop: Shop, days: float = 0) -> list[Condition]:
    """The conditions that hold so many days after the night."""
    pipeline = find_pipeline(shop.settings.pipelines_folder, "orders")
    return conditions(read_facts(shop.ledger, pipeline, shop.log.failures()), NIGHT + days * DAY)


def events(shop: Shop, days: float = 0) -> list[str]:
    return [condition.event for condition in found(shop, days)]


def record(shop: Shop, verdict: Verdict, subject: str = "2026-11-21", days: float = 0, actor: str = "") -> None:
    shop.ledger.record("orders", subject, f"run {days}", verdict, NIGHT + days * DAY, actor=actor)


def released(shop: Shop, version: str, status: Status, days: float = 0, reason: str = "") -> None:
    releases = Releases(shop.ledger)
    row = releases.begin("orders", version, "green", {}, "run", NIGHT + days * DAY)
    releases.end(row.id, status, reason, NIGHT + days * DAY)


def figures(shop: Shop, name: str, *values: float, part: str = "") -> None:
    """Figures of days up to 2026-11-21, oldest first."""
    for back, value in enumerate(reversed(values)):
        day = f"2026-11-{21 - back}"
        shop.ledger.put_figures("orders", day, {name: value, "rows": 100.0}, NIGHT, slice=part, version="1")


def test_nothing_holds_before_the_first_night(shop: Shop) -> None:
    shop.declare()
    assert events(shop, days=400) == []


def test_drift_of_the_newest_day_counts_also_when_an_old_day_is_judged_again(shop: Shop) -> None:
    shop.declare()
    shop.drift(Outcome.FIRED, day="2026-11-20")
    shop.drift(Outcome.NO_ACTION, day="2026-11-21")
    record(shop, Verdict(Kind.DRIFT, Outcome.FIRED, "fired: old"), "2026-11-01", days=1)
    assert events(shop) == []


@pytest.mark.parametrize(("due", "holds"), [(["performance"], True), (["concept drift"], True), (["staleness"], False)])
def test_performance_is_what_the_trigger_says_even_if_it_is_held_back(shop: Shop, due: list[str], holds: bool) -> None:
    shop.declare()
    record(shop, Verdict(Kind.TRIGGER, Outcome.SUPPRESSED, "performance fell but", {"due": due}))
    assert events(shop) == ["performance"] * holds


def test_what_callers_send_alerts_by_what_is_due_and_ends_with_a_newer_day(shop: Shop) -> None:
    shop.declare()
    inputs = {
        "due": ["skew", "live drift", "contract", "unusual"], "skewed": ["price", "amount"], "compared_rows": 1200,
        "skew": {"price": {"share": 0.25, "size": 2.0}, "amount": {"share": 0.06, "size": None}},
        "drifted": ["price"], "refused": 0.081, "requests": 1310,
        "refused_columns": {"country": {"share": 0.08, "unknown_category": 105}},
        "answered_rows": 1204, "unusual": 0.25, "unusual_columns": {"price": 0.2, "weight": 0.06},
    }  # fmt: skip
    record(shop, Verdict(Kind.REQUESTS, Outcome.FIRED, "fired: …", inputs))
    skew, live, refused, unusual = found(shop)
    assert (skew.event, skew.severity) == ("skew", "warning")
    assert "for the same rows: price (25%), amount (6%) of 1,200 rows." in skew.sentence
    assert (live.event, live.severity) == ("live_drift", "info")
    assert (
        "8.1% of 1,310 requests were refused as outside the contract, most often for country (8%)." in refused.sentence
    )
    assert (unusual.event, unusual.severity, unusual.path) == ("requests_unusual", "warning", pipeline_page("orders"))
    assert unusual.sentence.startswith("On 2026-11-21, 25% of 1,204 rows")
    assert unusual.sentence.endswith("have values that training never had: price (20%), weight (6%).")
    record(shop, Verdict(Kind.REQUESTS, Outcome.INCONCLUSIVE, "no requests", {"due": []}), "2026-11-22")
    assert events(shop) == []


def test_a_threshold_may_be_on_a_column_that_callers_send(shop: Shop) -> None:
    shop.declare("rules: [{when: skew_share > 0.1 for 2 days, slice: amount}]")
    figures(shop, "skew_share", 0.2, 0.3, part="amount")
    [holds] = found(shop)
    assert holds.sentence.startswith("skew_share of amount was 0.3 on 2026-11-21, 0.2 on 2026-11-20")


@pytest.mark.parametrize(
    ("rule", "values", "holds"),
    [
        ("roc_auc < 0.6 for 3 days", (0.7, 0.5, 0.55, 0.59), True),
        ("roc_auc < 0.6 for 3 days", (0.5, 0.61, 0.5, 0.5), False),
        ("roc_auc < 0.6 for 3 days", (0.5, 0.5), False),
        ("roc_auc < 0.6", (0.7, 0.59), True),
        ("roc_auc <= 0.6", (0.6,), True),
        ("log_loss > 0.7 for 2 days", (0.8, 0.71), True),
        ("log_loss >= 0.7", (0.69,), False),
    ],
)
def test_a_threshold_counts_the_newest_measured_days(
    shop: Shop, rule: str, values: tuple[float, ...], holds: bool
) -> None:
    shop.declare(f'rules: ["{rule}"]')
    figures(shop, rule.split()[0], *values)
    assert [condition.subject for condition in found(shop) if condition.event == rules.THRESHOLD] == [rule] * holds


def test_a_threshold_says_the_values_and_takes_the_version_that_predicted_most_rows(shop: Shop) -> None:
    shop.declare('rules: [{when: "roc_auc < 0.6 for 2 days", severity: critical}]')
    figures(shop, "roc_auc", 0.55, 0.5)
    shop.ledger.put_figures("orders", "2026-11-21", {"roc_auc": 0.9, "rows": 3.0}, NIGHT, version="2")
    (condition,) = found(shop)
    assert condition.severity == "critical"
    assert condition.sentence == (
        "roc_auc was 0.5 on 2026-11-21, 0.55 on 2026-11-20; the rule is `roc_auc < 0.6 for 2 days`."
    )


def test_a_gap_between_groups_that_the_gate_would_refuse_is_an_alert(shop: Shop) -> None:
    more = "gate: {fairness: [{column: channel, figure: bias, maximum_gap: 0.1}]}\n"
    shop.declare(more=more)
    file = shop.settings.pipelines_folder / "orders.yaml"
    file.write_text(file.read_text().replace("  numeric: [amount]\n", "  categorical: [channel]\n"))
    figures(shop, "gap_bias", 0.2, 0.09, 0.2, part="channel")
    assert events(shop) == []
    figures(shop, "gap_bias", 0.3, 0.12, 0.2, part="channel")
    (condition,) = found(shop)
    assert (condition.event, condition.subject) == ("fairness", "bias of channel")
    assert "by 0.2 on 2026-11-21, 0.12 on 2026-11-20, 0.3 on 2026-11-19 (this gap has no" in condition.sentence
    assert "at most 0.1 is allowed" in condition.sentence


def test_a_gap_of_a_rate_is_an_alert_when_all_of_its_interval_is_beyond_the_limit(shop: Shop) -> None:
    shop.declare(more="gate: {fairness: [{column: channel, figure: recall, maximum_gap: 0.1}]}\n")
    file = shop.settings.pipelines_folder / "orders.yaml"
    file.write_text(file.read_text().replace("  numeric: [amount]\n", "  categorical: [channel]\n"))
    gap = {"gap_recall": 0.3, "gap_recall_high": 0.5}
    shop.ledger.put_figures(
        "orders", "2026-11-21", {**gap, "gap_recall_low": 0.08}, NIGHT, version="1", slice="channel"
    )
    assert events(shop) == []
    shop.ledger.put_figures(
        "orders", "2026-11-21", {**gap, "gap_recall_low": 0.12}, NIGHT, version="1", slice="channel"
    )
    (condition,) = found(shop)
    assert condition.path == "/tidewheel/pipeline/orders"
    assert "by 0.3 on 2026-11-21 (95% interval 0.12 to 0.5); at most 0.1 is allowed" in condition.sentence


def test_rows_are_late_some_hours_after_their_night(shop: Shop) -> None:
    shop.declare()
    record(shop, Verdict(Kind.VALIDATION, Outcome.PASSED, "passed"), "raw/2026-11-15..2026-11-21")
    assert events(shop, days=1.2) == []  # the night of 2026-11-23 was due at 03:00
    (condition,) = found(shop, days=1.3)
    assert condition.event == "data_late"
    assert condition.path == "/dags/orders.features"
    assert "The rows of 2026-11-22 have not arrived" in condition.sentence


def test_a_source_that_has_ended_is_never_late_and_one_with_closed_days_later(shop: Shop) -> None:
    shop.declare()
    record(shop, Verdict(Kind.VALIDATION, Outcome.PASSED, "passed"), "raw/2026-11-21")
    file = shop.settings.pipelines_folder / "orders.yaml"
    good = file.read_text()
    file.write_text(good.replace("source:\n", "source:\n  end: 2026-11-21\n"))
    assert events(shop, days=100) == []
    file.write_text(good.replace("source:\n", "source:\n  empty_days: skip\n"))
    assert events(shop, days=4.2) == []
    assert events(shop, days=4.3) == ["data_late"]


def test_labels_are_late_some_days_after_their_delay(shop: Shop) -> None:
    shop.declare()
    figures(shop, "log_loss", 0.5)
    for day, holds in (("2026-11-25", False), ("2026-11-26", True)):
        shop.ledger.put_figures("orders", day, {"drifted_columns": 0.0}, NIGHT)
        assert events(shop) == ["labels_late"] * holds


def test_a_version_waits_for_an_approval_until_somebody_answers(shop: Shop) -> None:
    shop.declare(more="gate: {approval: manual}\n")
    texts = dict.fromkeys(
        ("mlflow_run", "source", "run_id", "data_hash", "as_of", "train_start", "train_end", "estimator", "created_by"),
        "x",
    )
    row = ModelVersionRow(pipeline="orders", version="3", files={}, importances={}, bento={}, created_at=NIGHT, **texts)
    Models(shop.ledger).add(row)
    assert events(shop) == []
    record(shop, Verdict(Kind.GATE, Outcome.PASSED, "better"), "version 3")
    (condition,) = found(shop)
    assert condition.event == "approval_waiting"
    assert "tidewheel approve orders --version 3" in condition.action
    record(shop, Verdict(Kind.REVIEW, Outcome.REFUSED, "no"), "version 3")
    assert events(shop) == []


@pytest.mark.parametrize(
    ("purpose", "event"),
    [("features", "night_failed"), ("monitoring", "night_failed"), ("training", "training_failed")],
)
def test_a_failed_task_is_an_alert_until_the_same_task_succeeds(shop: Shop, purpose: str, event: str) -> None:
    shop.declare()
    shop.log.task_failed("orders", purpose, "land", "run 1", "the source does not answer", NIGHT)
    shop.log.task_failed("orders", purpose, "land", "run 2", "the disk is full", NIGHT + DAY)
    (condition,) = found(shop)
    assert (condition.event, condition.subject) == (event, f"{purpose} land")
    assert condition.sentence == f"Task land of orders.{purpose} failed: the disk is full"
    assert "run run 2" in condition.action
    shop.log.task_succeeded("orders", purpose, "validate", NIGHT)
    assert len(found(shop)) == 1
    shop.log.task_succeeded("orders", purpose, "land", NIGHT)
    assert found(shop) == []


def test_a_failed_release_is_one_alert_until_one_is_completed(shop: Shop) -> None:
    shop.declare()
    released(shop, "4", Status.FAILED, reason="bake failed: green errs on 5.1% of requests")
    shop.log.task_failed("orders", "release", "bake", "run", "the same in other words", NIGHT)
    (condition,) = found(shop)
    assert (condition.event, condition.severity, condition.subject) == ("release_failed", "critical", "version 4")
    assert "green errs on 5.1% of requests" in condition.sentence
    released(shop, "5", Status.DONE, days=1)
    shop.log.task_succeeded("orders", "release", "bake", NIGHT)
    assert events(shop) == []


def test_a_rollback_holds_until_another_version_is_released(shop: Shop) -> None:
    shop.declare()
    inputs = {"version": "3", "instead_of": "4"}
    record(
        shop, Verdict(Kind.RELEASE, Outcome.ROLLED_BACK, "version 3 takes over again", inputs), "version 4 back to 3"
    )
    released(shop, "3", Status.DONE, days=0.1)
    assert events(shop) == ["rolled_back"]
    released(shop, "5", Status.DONE, days=1)
    assert events(shop) == []


def test_a_version_that_was_deleted_is_critical_until_another_is_promoted(shop: Shop) -> None:
    shop.declare()
    gone = Verdict(Kind.RELEASE, Outcome.REFUSED, "version 3 was deleted in MLflow", {"version": "3"})
    record(shop, gone, "version 3", actor=IN_MLFLOW)
    (condition,) = found(shop)
    assert (condition.event, condition.severity) == ("version_deleted", "critical")
    Models(shop.ledger).promote("orders", "4", "", "somebody", "run", NIGHT + DAY)
    assert events(shop) == []


@pytest.mark.parametrize(("free", "holds"), [(9, True), (10, False)])
def test_a_disk_that_is_nearly_full_is_an_alert_of_the_platform(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, free: int, holds: bool
) -> None:
    monkeypatch.setattr(rules, "disk_usage", lambda _: Usage(100, free))
    found_now = rules.disk_conditions([shop.settings.home, shop.settings.home / "lake"])
    assert [(condition.pipeline, condition.severity) for condition in found_now] == [("", "critical")] * holds
