"""A new pipeline runs as it is: history, model, endpoint; and then a night that nobody starts."""

from __future__ import annotations

import pytest

from tests.e2e.shop import NAME, Shop
from tests.installation import Installation
from tidewheel.ledger import Ledger
from tidewheel.policies.verdict import Kind

pytestmark = [pytest.mark.timeout(1500), pytest.mark.e2e, pytest.mark.platform, pytest.mark.spark, pytest.mark.slow]


def test_a_history_and_a_model_are_released_with_two_forms(shop: Shop) -> None:
    answer = shop.ask()
    assert answer["model_version"] == "1"
    assert 0 < answer["predictions"][0] < 1


def test_the_schedule_plays_a_night_with_the_clocks_own_date(shop: Shop, installation: Installation) -> None:
    key = shop.yesterday.isoformat()
    for purpose in ("features", "scoring", "monitoring"):
        shop.wait_for(purpose, key)
        run = shop.newest(purpose, key)
        assert run is not None
        assert run.state == "success"
        assert run.run_type == ("scheduled" if purpose == "features" else "asset_triggered")
    lake = installation.lake(NAME)
    assert lake.need("predictions", key).rows == lake.need("features", key).rows
    assert len(Ledger.open(installation.settings).verdicts(NAME, Kind.TRIGGER)) == 1
