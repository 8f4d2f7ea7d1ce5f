"""The drift report in a real browser, of data whose names and values are scripts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jobs.monitoring.drift_page import drift_page
from tests.chromium import CHROMIUM, MISSING, headless_chromium
from tests.small_models import pipeline

RUNS = "window.hostile = 1"
HOSTILE = f"</script><script>{RUNS}</script><img src=x onerror='{RUNS}'><a href='javascript:{RUNS}'>x</a>"
NUMERIC, CATEGORICAL = ("weight", f"n{HOSTILE}"), ("carrier", f"c{HOSTILE}")


def rows(mean: float) -> pd.DataFrame:
    """Some rows; numbers have this mean."""
    numbers = np.random.default_rng(0)
    values = ["fast", HOSTILE, f"<!--<script>{RUNS}", "${window.hostile = 1}"]
    return pd.DataFrame(
        {name: numbers.normal(mean, size=200) for name in NUMERIC}
        | {name: numbers.choice(values, 200) for name in CATEGORICAL}
    )


@pytest.mark.skipif(CHROMIUM is None, reason=MISSING)
def test_no_name_and_no_value_of_the_data_runs_and_all_columns_are_drawn(tmp_path: Path) -> None:
    declared = pipeline(tmp_path)
    columns = {"numeric": list(NUMERIC), "categorical": list(CATEGORICAL)}
    declared = declared.model_copy(update={"features": declared.features.model_copy(update=columns)})
    limits = dict.fromkeys([*NUMERIC, *CATEGORICAL], 0.1)
    report = tmp_path / "drift.html"
    report.write_text(drift_page(declared, limits, rows(1.0), rows(0.0)))

    complaints: list[str] = []
    with headless_chromium() as browser:
        page = browser.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(report.as_uri())  # without the sandbox in which the console shows it
        page.get_by_text("Drift is detected for 50.0% of columns (2 out of 4).").wait_for()
        shown = page.locator("tbody").first
        for row in range(4):
            shown.locator("tr").get_by_role("button").nth(row).click()
            page.locator(".js-plotly-plot").nth(row).wait_for()
        said = page.locator("body").inner_text()

        assert page.evaluate("window.hostile") is None
    assert complaints == []
    assert said.count(f"\u2039/script\u203a\u2039script\u203a{RUNS}\u2039/script\u203a") >= 2
