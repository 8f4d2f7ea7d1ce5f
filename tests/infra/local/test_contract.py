"""The backend on one machine keeps the contract of all backends."""

from __future__ import annotations

import pytest

from tests.infra.release_contract import ReleaseContract


@pytest.mark.platform
class TestLocalBackend(ReleaseContract):
    """Real processes behind a real Envoy."""
