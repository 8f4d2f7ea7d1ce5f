"""The new pipeline's first night, which nobody started: it came while the demo was played."""

from __future__ import annotations

import pytest

from tests.e2e.shop import NAME, Shop
from tests.installation import Installation
from tidewheel.ledger import Ledger
from tidewheel.policies.verdict import Kind

pytestmark = [pytest.mark.timeout(1500), pytest.mark.e2e, pytest.mark.platform, pytest.mark.spark, pytest.mark.slow]


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
