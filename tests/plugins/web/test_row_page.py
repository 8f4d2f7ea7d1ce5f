"""The page of one row, over a real lake: prediction, features and contributions, or a sentence that says why not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from tests.plugins.web.conftest import Get

if TYPE_CHECKING:
    from tests.plugins.conftest import Project
    from tidewheel.lake import Lake

DAY = "2026-01-06"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def scored(lake: Lake) -> Lake:
    """A lake with a scored day: the features were computed anew after they had been scored."""
    features = {"order_id": [1, 2], "amount": [12.5, 80.0], "channel": [HOSTILE, None]}
    staged = lake.write_table("features", DAY, pa.table(features), {}, "test")
    predictions = {
        "order_id": [1, 2],
        "prediction": [0.25, 0.75],
        "model_version": ["4", "4"],
        "top_field_1": ["channel", "amount"],
        "top_contribution_1": [-0.8, 1.5],
        "top_field_2": ["amount", None],
        "top_contribution_2": [0.4, None],
    }
    inputs = {f"features/{DAY}": staged.content_hash, "model": "version 4"}
    lake.publish(lake.write_table("predictions", DAY, pa.table(predictions), inputs, "test"))
    lake.publish(lake.write_table("features", DAY, pa.table({**features, "amount": [99.0, 99.0]}), {}, "test"))
    return lake


def test_a_row_is_shown_with_its_signed_bars_and_the_features_it_was_predicted_from(get: Get, scored: Lake) -> None:
    found = get(f"/pipeline/orders/row?day={DAY}&key=1")
    assert found.status_code == 200
    page = found.text
    assert ("0.25" in page, "version 4" in page, "<td>12.5</td>" in page, "99" in page) == (True, True, True, False)
    bars = re.findall(r'<svg class="bars (\w+)".*?<rect x="([\d.]+)" y="2" width="([\d.]+)"', page)
    assert bars == [("lowers", "0.0", "100.0"), ("raises", "100.0", "50.0")], "the longest first, from the middle"
    assert re.findall(r'<td class="nowrap">([^<]*)</td>', page) == ["-0.8", "+0.4"]
    assert HOSTILE not in page
    assert "&lt;img src=x" in page
    assert "form-action 'self'" in found.headers["content-security-policy"]


def test_a_missing_feature_and_a_field_that_has_no_place_are_not_made_up(get: Get, scored: Lake) -> None:
    page = get(f"/pipeline/orders/row?day={DAY}&key=2").text
    assert page.count('<svg class="bars') == 1
    assert '<span class="quiet">missing</span>' in page


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "&#39;&#39; is no day: write it as YYYY-MM-DD."),
        ("day=../../secret&key=1", "is no day"),
        ("day=2026-01-07&key=1", "2026-01-07 has no predictions: the newest day that has is 2026-01-06."),
        (f"day={DAY}&key=7", "No row of 2026-01-06 has order_id &#39;7&#39;: 2 others were predicted."),
        (f"day={DAY}&key=seven", "&#39;seven&#39; cannot be a value of order_id, which is of type int64."),
        (f"day={DAY}", "&#39;&#39; cannot be a value of order_id"),
        (f"day={DAY}&key={'9' * 400}", "9...&#39; cannot be a value of order_id"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(get: Get, scored: Lake, query: str, says: str) -> None:
    found = get(f"/pipeline/orders/row?{query}")
    assert found.status_code == 200
    assert says in found.text
    assert "What moved it most" not in found.text


def test_a_row_of_an_hour_is_shown_before_its_day_is_made(get: Get, lake: Lake, project: Project) -> None:
    file = project.folder / "dags" / "orders.yaml"
    file.write_text(file.read_text() + "partition: hour\n")
    rows = pa.table({"order_id": [1], "prediction": [0.25], "model_version": ["4"]})
    lake.publish(lake.write_table("predictions", f"{DAY}T05", rows, {}, "test"))
    assert "0.25" in get(f"/pipeline/orders/row?day={DAY}T05&key=1").text
    assert (
        f"{DAY} has no predictions: the newest hour that has is {DAY}T05."
        in get(f"/pipeline/orders/row?day={DAY}&key=1").text
    )
    assert "write it as YYYY-MM-DD, or of an hour as YYYY-MM-DDTHH" in get("/pipeline/orders/row?day=5&key=1").text


def test_a_day_that_nothing_explains_says_how_to_have_it_explained(get: Get, lake: Lake, project: Project) -> None:
    assert "No day has predictions yet." in get(f"/pipeline/orders/row?day={DAY}&key=1").text
    plain = pa.table({"order_id": [1], "prediction": [0.25], "model_version": ["4"]})
    lake.publish(lake.write_table("predictions", DAY, plain, {}, "test"))
    page = get(f"/pipeline/orders/row?day={DAY}&key=1").text
    assert "scoring.explain is 0" in page
    assert "do not say which features they are of" in page
    with (project.folder / "dags" / "orders.yaml").open("a") as file:
        file.write("scoring: {explain: 3}\n")
    assert "scored before scoring.explain was set" in get(f"/pipeline/orders/row?day={DAY}&key=1").text
    empty = plain.append_column("top_field_1", pa.nulls(1, pa.string()))
    empty = empty.append_column("top_contribution_1", pa.nulls(1, pa.float64()))
    lake.publish(lake.write_table("predictions", DAY, empty, {}, "test"))
    assert "cannot be explained" in get(f"/pipeline/orders/row?day={DAY}&key=1").text


def test_a_file_that_was_changed_shows_no_row(get: Get, scored: Lake) -> None:
    manifest = scored.need("predictions", DAY)
    scored.store.replace(scored.files(manifest)[0].path, b"something else")
    page = get(f"/pipeline/orders/row?day={DAY}&key=1").text
    assert 'role="alert"' in page
    assert "What moved it most" not in page


def test_the_pipelines_page_leads_to_it(get: Get, lake: Lake) -> None:
    page = get("/pipeline/orders").text
    assert 'action="/tidewheel/pipeline/orders/row"' in page
    assert get("/pipeline/elsewhere/row?day=2026-01-06&key=1").status_code == 404
