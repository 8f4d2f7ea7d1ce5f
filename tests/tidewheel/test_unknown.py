"""NaN and None are unknown; zero, infinity and text are known."""

import math

import numpy as np
import pytest

from tidewheel.unknown import is_unknown, known_figures, known_or_none


@pytest.mark.parametrize("value", [None, math.nan, np.float64("nan")])
def test_none_and_nan_are_unknown(value: object) -> None:
    assert is_unknown(value)
    assert known_or_none(value) is None


@pytest.mark.parametrize("value", [0.0, -math.inf, 0, "nan", ""])
def test_all_else_is_known(value: object) -> None:
    assert known_or_none(value) is value


def test_known_figures_stay_in_their_order() -> None:
    assert list(known_figures({"b": 1.0, "x": math.nan, "a": 0.0}).items()) == [("b", 1.0), ("a", 0.0)]
