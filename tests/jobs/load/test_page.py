"""The page of a load: charts that are drawn whatever was measured, and nothing to load."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from jobs.load.arrivals import LoadResult, Plan, RequestOutcome
from jobs.load.figures import figures
from jobs.load.page import Shown, load_page
from tests import small_models

NAN = float("nan")


def page(folder: Path, seconds: int, replicas: list[float], error: str = "") -> str:
    outcomes = [
        RequestOutcome(n / 10, 0.001, 0.02, error, ("", "") if error else ("7", "blue")) for n in range(10 * seconds)
    ]
    plan = Plan(10, seconds)
    found = figures(LoadResult(plan, outcomes, float(seconds)))
    shown = Shown(small_models.pipeline(folder), "http://there/orders", plan, 1, found, replicas)
    return load_page(shown, "", marked=False, code_version="abc")


@pytest.mark.parametrize(
    ("seconds", "replicas", "error", "charts"),
    [
        (12, [2, 2, 1, NAN, 2], "", 3),
        (1, [1], "", 3),
        (3, [], "", 2),
        (3, [NAN, NAN], "", 2),
        (3, [1.0, 1.0], "<HTTP 503>", 3),  # nothing was answered: there is no latency to draw
    ],
)
def test_charts_are_drawn_of_whatever_is_known(
    tmp_path: Path, seconds: int, replicas: list[float], error: str, charts: int
) -> None:
    written = page(tmp_path, seconds, replicas, error)
    drawn = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", written, re.DOTALL)]
    assert len(drawn) == charts
    for chart in drawn:
        numbers = re.findall(r"[\d.]+", " ".join(path.attrib["d"] for path in chart.iter("path")))
        assert all(0 <= float(number) <= 960 for number in numbers)
    assert not re.search(r"(src|href)=", written), "the page loads nothing"
    assert "<HTTP" not in written, "what was answered is text"


def test_a_lost_replica_is_a_dip_in_its_chart(tmp_path: Path) -> None:
    *_, replicas = re.findall(r"<svg.*?</svg>", page(tmp_path, 5, [2, 2, 1, 2, 2]), re.DOTALL)
    [line] = [path.attrib["d"] for path in ElementTree.fromstring(replicas).iter("path")]
    heights = [float(point.split()[1]) for point in re.split("[ML]", line)[1:]]
    assert heights[2] > heights[0] == heights[1] == heights[3]
