"""The backend on Kubernetes keeps the contract of all backends."""

from __future__ import annotations

import pytest

from tests.infra.release_contract import ReleaseContract


@pytest.mark.cluster
@pytest.mark.timeout(900)
class TestKubernetesBackend(ReleaseContract):
    """Real pods behind a real Envoy Gateway."""
