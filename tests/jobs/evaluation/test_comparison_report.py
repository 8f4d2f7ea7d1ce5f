"""The page a reviewer reads, from what was measured."""

from __future__ import annotations

from jobs.evaluation.comparison_report import DayLosses, comparison_page
from tidewheel.policies.gate.measurement import Comparison, GateMeasurement, GroupGap
from tidewheel.policies.verdict import Kind, Outcome, Verdict

DAYS = [DayLosses("2024-01-01", 1200, 0.40, 0.42), DayLosses("2024-01-02", 800, 0.41, 0.40)]


def test_the_page_shows_both_versions_day_by_day_by_slice_and_by_group() -> None:
    measured = GateMeasurement(
        "7",
        {"log_loss": 0.405, "roc_auc": 0.7},
        2000,
        2,
        Comparison("5", {"log_loss": 0.411}, -0.006, 0.001),
        gaps=(GroupGap("carrier", "bias", {"A & B": 0.03, "C": -0.02}),),
    )
    parts = [{"name": "origin=<EWR>", "rows": 40, "challenger": 0.4, "outcome": "inconclusive"}]
    asked = {"metric": "log_loss", "margin": 0.01, "floors": {"roc_auc": 0.65}}
    verdict = Verdict(Kind.GATE, Outcome.PASSED, "passed: isn't worse", {"slices": parts}, asked)

    page = comparison_page("shop", "log_loss", measured, verdict, DAYS)

    assert "<h1>shop: version 7 against version 5 (champion)</h1>" in page
    assert '<p class="verdict passed">passed: isn&#39;t worse</p>' in page
    assert '<tr><td>AUC</td><td class="number">0.7000</td><td class="number">-</td></tr>' in page
    assert "0.0200 better" in page
    assert "0.0100 worse" in page
    assert "origin=&lt;EWR&gt;" in page
    assert page.index("<td>C</td>") < page.index("<td>A &amp; B</td>")
    assert "1.0% of the champion&#39;s figure" in page
    assert "AUC 0.65" in page


def test_without_a_champion_there_is_nothing_to_be_better_than() -> None:
    days = [DayLosses("2024-01-01", 1200, 0.40, None)]
    refused = Verdict(Kind.GATE, Outcome.REFUSED, "refused: AUC 0.6 is below 0.65")

    page = comparison_page("shop", "log_loss", GateMeasurement("1", {"log_loss": 0.4}, 1200, 1), refused, days)

    assert "<h1>shop: version 1 against no champion</h1>" in page
    assert "better" not in page.partition("<body>")[2]
    assert "<h2>Slices</h2>" not in page
    assert "<h2>Groups</h2>" not in page
