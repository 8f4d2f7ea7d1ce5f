"""A ledger in a database of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tidewheel.ledger import Ledger


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    opened = Ledger(database_url)
    yield opened
    opened.engine.dispose()
