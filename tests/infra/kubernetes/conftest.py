"""An API server in memory, and one that nobody answers for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.kubernetes.api import KubernetesApi
from tests.infra.kubernetes.memory import MemoryApi, in_memory
from tidewheel.settings import Settings


@pytest.fixture
def cluster_of_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KubernetesApi:
    """Its address is a port at which nothing listens."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "nobody", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "nobody", "context": {"cluster": "nobody", "user": "nobody"}}],
        "current-context": "nobody",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(content))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return KubernetesApi("ns")


@pytest.fixture
def api() -> Iterator[MemoryApi]:
    """The objects of a cluster, in memory."""
    with in_memory() as api:
        yield api


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation that serves on Kubernetes."""
    return Settings(home=tmp_path, project=tmp_path, endpoint_url="http://gateway", serving_image="models:1")
