"""How far an answer lies from the right one, whether it is a number or a probability for each class."""

from __future__ import annotations

import math

from tidewheel.release.artifact import predictions_apart
from tidewheel.release.probe import ServedPredictions


def test_the_furthest_probability_counts_and_one_that_is_no_number_is_never_near() -> None:
    assert predictions_apart(0.25, 0.5) == 0.25
    assert predictions_apart(110.0, 100.0) == 0.1
    assert predictions_apart([0.25, 0.75], [0.5, 0.5]) == 0.25
    assert math.isnan(predictions_apart([math.nan, 0.8], [0.5, 0.5]))
    assert math.isnan(predictions_apart([0.8, math.nan], [0.5, 0.5]))


def test_the_score_of_several_classes_is_the_probability_of_the_one_that_is_predicted() -> None:
    assert ServedPredictions([[0.2, 0.8], [0.6, 0.4]], "7", "blue", 1.0).scores == [0.8, 0.6]
    assert ServedPredictions([0.3], "7", "blue", 1.0).scores == [0.3]
