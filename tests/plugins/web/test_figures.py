"""All figures of a day, and gaps between groups with their intervals and limits."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from benchmarks.made_up_ledger import write_ledger
from benchmarks.made_up_past import MadeUp
from plugins.web.figures import measured
from plugins.web.fleet_rows import NewestFigure
from plugins.web.slices import slices
from tests.plugins.web.conftest import Get

if TYPE_CHECKING:
    from tests.plugins.conftest import Project
    from tidewheel.lake import Lake
    from tidewheel.ledger import Ledger

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
DAY = "2026-11-20"


def figure(day: str, name: str, value: float, version: str = "4", slice: str = "") -> NewestFigure:
    return NewestFigure("orders", day, name, slice, version, value)


def test_figures_are_those_of_the_version_with_most_rows_in_a_fixed_order() -> None:
    found = measured(
        [
            *(figure("2026-11-18", name, value) for name, value in (("recall", 0.6), ("rows", 5.0))),
            *(figure(DAY, name, value, "4") for name, value in (("recall", 0.1), ("rows", 5.0))),
            *(figure(DAY, name, value, "5") for name, value in (("recall", 0.5), ("log_loss", 0.4), ("rows", 9.0))),
            figure(DAY, "expected_cost", math.inf, "5"),
            figure(DAY, "drifted_columns", 3.0, ""),
        ]
    )
    assert [(one.name, one.newest, one.mean, one.better) for one in found] == [
        ("log_loss", 0.4, 0.4, "lower"),
        ("recall", 0.5, pytest.approx(0.55), "higher"),
    ]
    assert found[1].spark.path.count("M") == 2, "a day without the figure leaves a gap"
    assert measured([]) == []


@pytest.mark.parametrize(
    ("newest", "low", "beyond"), [(0.05, 0.01, ""), (0.15, 0.08, "uncertain"), (0.15, 0.11, "beyond")]
)
def test_a_gap_is_above_its_limit_for_certain_only_with_all_of_its_interval(
    newest: float, low: float, beyond: str
) -> None:
    figures = [
        figure(DAY, name, value, slice="region")
        for name, value in (("gap_recall", newest), ("gap_recall_low", low), ("gap_recall_high", 0.2), ("gap_bias", 1))
    ]
    found = slices("log_loss", figures, lower_is_better=True, limits={("region", "recall"): 0.1})
    assert [(gap.figure, gap.limit, gap.beyond) for gap in found.gaps] == [("recall", 0.1, beyond), ("bias", None, "")]
    assert (found.gaps[0].interval, found.gaps[1].interval) == ((low, 0.2), None)


def test_the_page_shows_them_and_draws_the_one_that_is_chosen(
    get: Get, lake: Lake, ledger: Ledger, registry: str, project: Project
) -> None:
    with (project.folder / "dags" / "orders.yaml").open("a") as file:
        file.write("gate:\n  fairness:\n    - {column: channel, figure: recall, maximum_gap: 0.01}\n")
    write_ledger(ledger, MadeUp("orders", date(2026, 11, 21), days=30))
    page = get("/pipeline/orders").text
    for title in ("PR-AUC", "accuracy", "precision", "recall", "F1", "expected cost", "false positive rate"):
        assert f">{title}</a></th>" in page
    gaps = page[page.index("Groups of") : page.index('id="rows"')]
    assert gaps.index("<td>recall</td>") < gaps.index("<td>bias</td>"), "with a limit first"
    assert gaps.count("above the limit") == 1
    assert "<td>selection rate</td>" in gaps
    chosen = get("/pipeline/orders?figure=recall").text
    assert '"metric": "recall"' in chosen
    assert "Quality: recall" in chosen
    assert "recall (higher is better) of 2026-11-20" in chosen
    assert "<dt>log-loss</dt>" in chosen, "what the page says of the pipeline is still by its metric"
    assert '"metric": "log-loss"' in get("/pipeline/orders?figure=<script>").text


def test_a_regression_has_figures_of_its_own(get: Get, lake: Lake, ledger: Ledger, registry: str) -> None:
    figures = {"log_loss": 0.4, "mae": 1.5, "mape": 0.2, "r2": 0.7, "rows": 900}
    ledger.put_figures("orders", DAY, figures, NOW, version="1")
    page = get("/pipeline/orders").text
    for title in ("MAE", "MAPE", "R²"):
        assert f">{title}</a></th>" in page
