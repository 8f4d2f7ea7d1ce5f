"""An API server that nobody answers for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.kubernetes.api import KubernetesApi


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
