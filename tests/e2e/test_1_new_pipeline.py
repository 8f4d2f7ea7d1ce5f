"""A new pipeline runs as it is: a history, a model and an endpoint take two forms. Its first night comes meanwhile."""

from __future__ import annotations

import pytest

from tests.e2e.shop import Shop

pytestmark = [pytest.mark.timeout(1500), pytest.mark.e2e, pytest.mark.platform, pytest.mark.spark, pytest.mark.slow]


def test_a_history_and_a_model_are_released_with_two_forms(shop: Shop) -> None:
    answer = shop.ask()
    assert answer["model_version"] == "1"
    assert 0 < answer["predictions"][0] < 1
