"""Every detector that a pipeline file can name: more drift is a larger number, and no column is too odd for it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

from jobs.monitoring.detectors import detector
from jobs.monitoring.drift_page import drift_page
from jobs.monitoring.methods import DayComparison
from jobs.monitoring.streams import changes
from tests.pipelines import PIPELINE_FILE
from tidewheel.spec import load_pipeline
from tidewheel.spec.monitoring import CategoricalDetector, NumericDetector, StreamSettings

NUMERIC, CATEGORICAL = get_args(NumericDetector), get_args(CategoricalDetector)
STREAMS = get_args(get_args(StreamSettings.model_fields["detectors"].annotation)[0])
TODAY = DayComparison(("today",), ("before",))
CAPPED = {"anderson"}
"""SciPy's p-value has a floor, so that beyond it all drift is told as the same."""
UNDEFINED = {("es", "one row")}

DRAW = np.random.default_rng(0)
BEFORE = DRAW.normal(size=600)
NAN = math.nan
NUMBERS: dict[str, tuple[list[float], list[float], bool]] = {
    # before, today, and whether something has moved
    "constant": ([1.0] * 90, [1.0] * 90, False),
    "another constant": ([1.0] * 90, [2.0] * 90, True),
    "a constant that has begun to vary": ([9.0] * 90, BEFORE.tolist(), True),
    "empty": ([NAN] * 90, [NAN] * 90, False),
    "emptied": (BEFORE.tolist(), [NAN] * 90, True),
    "filled": ([NAN] * 90, BEFORE.tolist(), True),
    "half emptied": (BEFORE.tolist(), [NAN, 0.1, NAN, -0.2] * 60, True),
    "one row": (BEFORE.tolist(), [0.1], False),
    "ten rows": (BEFORE.tolist(), BEFORE[:10].tolist(), False),
    "infinite": (BEFORE.tolist(), [math.inf, -math.inf] * 45, True),
    "some infinite": (BEFORE.tolist(), [*BEFORE[:90].tolist(), math.inf], False),
    "enormous": (BEFORE.tolist(), [1e300] * 90, True),
}
TEXTS: dict[str, tuple[list[Any], list[Any], bool]] = {
    "constant": (["a"] * 90, ["a"] * 90, False),
    "another constant": (["a"] * 90, ["b"] * 90, True),
    "empty": ([None] * 90, [None] * 90, False),
    "emptied": (["a", "b"] * 90, [None] * 90, True),
    "filled": ([None] * 90, ["a", "b"] * 90, True),
    "one row": (["a", "b"] * 90, ["a"], False),
    "ten rows": (["a", "b"] * 90, ["a", "b"] * 5, False),
    "new categories": (["a", "b"] * 90, ["a", "c", "d"] * 30, True),
    "unicode": (["é", "💥"] * 90, ["é", "Ω"] * 60, True),
    "called as missing values are": (["nan", "None"] * 90, [None] * 90, True),
    "truth values": ([True, False] * 90, [True] * 90, True),
    "as many as rows": ([f"b{n}" for n in range(300)], [f"t{n}" for n in range(300)], True),
}


def distance(name: str, kind: Any, before: Any, today: Any) -> float:
    column = pd.Series if kind == "num" else lambda values: pd.Series(values, dtype=object)
    [found] = detector(name, kind).distances({"before": column(before), "today": column(today)}, [TODAY])
    return found


def least(name: str, kind: Any) -> float:
    """What the same distribution again lies apart by."""
    if kind == "cat":
        return distance(name, kind, ["a", "b"] * 90, ["a", "b"] * 90)
    return distance(name, kind, BEFORE, BEFORE[::2])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("case", NUMBERS)
@pytest.mark.parametrize("name", NUMERIC)
def test_a_numeric_detector_has_a_number_for_every_column(name: str, case: str) -> None:
    before, today, moved = NUMBERS[case]
    if (name, case) in UNDEFINED:
        with pytest.raises(ValueError, match=f"{name} is not defined for these values"):
            distance(name, "num", before, today)
        return
    found = distance(name, "num", before, today)
    assert found >= 0
    if not before or moved:
        blind = name == "mannw" and case == "a constant that has begun to vary" and found == 0
        assert blind or found > least(name, "num")


@pytest.mark.parametrize("case", TEXTS)
@pytest.mark.parametrize("name", CATEGORICAL)
def test_a_categorical_detector_has_a_number_for_every_column(name: str, case: str) -> None:
    before, today, moved = TEXTS[case]
    found = distance(name, "cat", before, today)
    assert found >= 0
    if moved:
        assert found > least(name, "cat") + 0.01


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", NUMERIC)
@pytest.mark.parametrize("change", ["shift", "missing"])
def test_more_drift_of_numbers_is_never_told_as_less(name: str, change: str) -> None:
    today = DRAW.normal(size=300)
    if change == "shift":
        moved = [today + by for by in (0.3, 0.6, 1, 2, 5, 20, 1000)]
    else:
        moved = [np.where(np.arange(300) < 300 * share, NAN, today) for share in (0.1, 0.3, 0.6, 0.9, 1)]
    found = [distance(name, "num", BEFORE, values) for values in moved]
    if change == "missing" and name not in ("ks", "mannw", "t_test", "cramer_von_mises"):
        found = [found[0], found[-1]]  # between them, what is left is another sample
    rising = all(later >= earlier * (1 - 1e-9) for earlier, later in pairwise(found))
    assert rising, found
    assert found[-1] > found[0] or name in CAPPED


@pytest.mark.parametrize("name", CATEGORICAL)
@pytest.mark.parametrize("to", ["b", "new", None])
def test_more_drift_of_categories_is_never_told_as_less(name: str, to: str | None) -> None:
    before: list[str | None] = ["a"] * 300 + ["b"] * 150
    found = []
    for share in (0.0, 0.05, 0.2, 0.5, 0.8, 1.0):
        turned = int(300 * share)
        found.append(distance(name, "cat", before, ["a"] * (300 - turned) + ["b"] * 150 + [to] * turned))
    assert all(later >= earlier for earlier, later in pairwise(found)), found
    assert found[-1] > found[0]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("numeric", "categorical"),
    [("t_test", "g_test"), ("anderson", "TVD"), ("ks", "chisquare"), ("wasserstein", "jensenshannon")],
)
def test_the_page_shows_every_detector_by_its_own_limit(numeric: str, categorical: str, tmp_path: Any) -> None:
    path = tmp_path / "orders.yaml"
    drift = f"monitoring: {{drift: {{numeric: {numeric}, categorical: {categorical}}}}}"
    path.write_text(f"{PIPELINE_FILE}\n{drift}\n", encoding="utf-8")
    pipeline = load_pipeline(path)
    pipeline = pipeline.model_copy(
        update={"features": pipeline.features.model_copy(update={"numeric": ["weight"], "categorical": ["carrier"]})}
    )
    before = pd.DataFrame({"weight": BEFORE, "carrier": ["a", "b"] * 300})
    today = pd.DataFrame({"weight": [*BEFORE[:199], math.inf], "carrier": ["a", "b"] * 100})
    limit = {"weight": 1e9, "carrier": 1e9}
    page = drift_page(pipeline, limit, today, before)
    assert "Not Detected" in page
    assert "<html" in page


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize(
    ("errors", "found"),
    [
        ({"a": [0.0] * 300, "b": [0.0] * 300}, False),
        ({"a": [], "b": [1.0]}, False),
        ({"a": [1.0] * 5, "b": [NAN] * 300, "c": [math.inf] * 300}, False),
        ({"a": DRAW.normal(size=600), "b": DRAW.normal(size=600)}, False),
        ({"a": DRAW.normal(size=600), "b": DRAW.normal(size=600) - 3}, False),
        ({"a": DRAW.normal(size=600), "b": DRAW.normal(size=600) + 3}, True),
        ({"a": DRAW.normal(size=600), "b": [*(DRAW.normal(size=600) + 3), NAN, math.inf]}, True),
    ],
    ids=["constant", "one row", "no numbers", "quiet", "better", "worse", "worse with gaps"],
)
def test_a_stream_detector_tells_errors_that_rise_and_no_others(name: str, errors: dict[str, Any], found: bool) -> None:
    seen = changes(name, [(day, np.array(values, dtype=float)) for day, values in errors.items()])
    assert seen == (["b"] if found else [])
